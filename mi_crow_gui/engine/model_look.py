"""What can be said of a model before it is opened: what it is, what it needs, what is in the way."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from core_hooks.model.checkpoint import HUB_ID, is_factory
from core_hooks.model.errors import ModelError
from core_hooks.model.quantisation import NONE, QUANTISATIONS, quantised_bytes
from mi_crow_gui.engine.foreign_code import foreign_code

if TYPE_CHECKING:
    from core_hooks.model.reference import ModelReference


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a box in the dialog: `lacking` says why it can't be chosen on this machine, ``""`` when it can."""

    value: str
    words: str
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class OpeningChoices:
    """What can be chosen on this machine before a model is opened, the first of each being the usual one."""

    attentions: tuple[Choice, ...]
    quantisations: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class ModelLook:
    """What a look at `reference` found; sizes in bytes, 0 where unknown.

    Attributes
    ----------
    architecture
        Class of the model; ``""`` when it is not known before it is opened.
    needed, free
        Memory of the weights in the chosen dtype, and what is free on the chosen device.
    note
        What else is good to know, as a sentence.
    problem
        Why it can't be opened, as a sentence.
    """

    reference: ModelReference
    name: str = ""
    architecture: str = ""
    parameters: int = 0
    modules: int = 0
    needed: int = 0
    free: int = 0
    note: str = ""
    problem: str = ""

    @property
    def fits(self) -> bool:
        """Whether the weights fit into what is free."""
        return self.needed <= self.free


def look(reference: ModelReference) -> ModelLook:
    """Look at a model from its config and headers alone: no weight is read, nothing is downloaded, no code runs."""
    try:
        return _look(reference)
    except ModelError as error:
        return ModelLook(reference, problem=str(error))
    except Exception as error:  # noqa: BLE001 - a model's files may make anything fail, and the dialog is to say so
        return ModelLook(reference, problem=" ".join(f"{type(error).__name__}: {error}".split()))


def devices() -> tuple[str, ...]:
    """The devices of this machine that torch can compute on."""
    import torch

    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return tuple(found)


def choices() -> OpeningChoices:
    """What libraries are installed for; none of them is imported."""
    import torch

    flash = "" if torch.cuda.is_available() else "needs an NVIDIA device"
    if not flash:
        try:
            version("flash_attn")
        except PackageNotFoundError:
            flash = "flash-attn is not installed"
    attentions = (
        Choice("auto", "The model's own choice"),
        Choice("eager", "eager: attention weights can be read"),
        Choice("sdpa", "sdpa: faster, without attention weights"),
        Choice("flash_attention_2", "flash_attention_2: for long texts in 16 bit", flash),
    )
    quantised = (Choice(entry.name, entry.words, entry.lacking()) for entry in QUANTISATIONS)
    return OpeningChoices(attentions, (Choice(NONE, "None: all numbers as chosen above"), *quantised))


def _look(reference: ModelReference) -> ModelLook:
    from core_hooks.model.estimate import free_memory
    from core_hooks.model.opening import check_device, outline

    source = reference.source
    code = foreign_code(source)
    if is_factory(source):
        assert code is not None
        return ModelLook(reference, source, note=f"Runs Python code in {code.names}; you are asked before it runs.")
    if not Path(source).expanduser().exists() and HUB_ID.fullmatch(source):
        away = _away(reference)
        if away is not None:
            return away
    if code is not None:
        note = f"Needs Python code that comes with it ({code.names}); you are asked before it runs."
        return ModelLook(reference, source, note=note)
    check_device(reference.device)
    found = outline(reference)
    modules = sum(1 for _ in found.skeleton.modules())
    return ModelLook(
        reference,
        found.checkpoint.name,
        type(found.skeleton).__name__,
        sum(parameter.numel() for parameter in found.skeleton.parameters()),
        modules,
        quantised_bytes(found.skeleton, reference.quantisation),
        free_memory(reference.device),
        note="" if found.checkpoint.has_tokenizer else "Has no tokenizer: prompts are typed as token ids.",
        problem=found.checkpoint.missing,
    )


def _away(reference: ModelReference) -> ModelLook | None:
    """What to say of a hub id that is not in the local cache; None when it is."""
    from core_hooks.model.hub import cached_folder

    hub_id = reference.source
    folder = cached_folder(hub_id)
    if folder is not None and (any(folder.glob("*.safetensors")) or any(folder.glob("*.bin"))):
        return None
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        problem = (
            f"{hub_id} is no folder here and not in the local cache, and this machine is set to stay offline "
            "(HF_HUB_OFFLINE)."
        )
        return ModelLook(reference, hub_id, problem=problem)
    return ModelLook(reference, hub_id, note="Not on this machine yet: opening downloads it from the hub first.")
