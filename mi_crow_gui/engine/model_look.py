"""What can be said of a model before it is opened: what it is, what it needs, what is in the way."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from core_hooks.model.checkpoint import HUB_FILE, HUB_ID, gguf_files, is_factory
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
class ModelFile:
    """One of several files of which each is a model: what it is opened by, its name, its size in bytes.

    `named` says that it is the one that was asked about.
    """

    source: str
    name: str
    nbytes: int
    named: bool


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
    files
        The files to choose from; empty when there is no choice.
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
    files: tuple[ModelFile, ...] = ()

    @property
    def must_choose(self) -> bool:
        """Whether one of `files` has to be named before anything can be opened."""
        return bool(self.files) and not any(file.named for file in self.files)

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
    away = _away(reference)
    if away is not None:
        return away
    files = _files(source)
    unchosen = ModelLook(reference, source, note=f"{len(files)} GGUF files: choose one of them.", files=files)
    if unchosen.must_choose:
        return unchosen
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
        files=files,
    )


def _away(reference: ModelReference) -> ModelLook | None:
    """What to say of something on the hub that is not in the local cache; None of all else."""
    from core_hooks.model.hub import cached_file, cached_folder, is_whole

    source = reference.source
    file = HUB_FILE.fullmatch(source)
    if Path(source).expanduser().exists() or not (file or HUB_ID.fullmatch(source)):
        return None
    if file:
        here = cached_file(file[1], file[2]) is not None
    else:
        folder = cached_folder(source)
        here = folder is not None and is_whole(folder)
    if here:
        return None
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        problem = (
            f"{source} is no file or folder here and not in the local cache, and this machine is set to stay offline "
            "(HF_HUB_OFFLINE)."
        )
        return ModelLook(reference, source, problem=problem)
    return ModelLook(reference, source, note="Not on this machine yet: opening downloads it from the hub first.")


def _files(source: str) -> tuple[ModelFile, ...]:
    """The GGUF files of a folder or a repository of them, or beside the one that is named; none when there is one."""
    from core_hooks.model.hub import cached_folder

    path, file = Path(source).expanduser(), HUB_FILE.fullmatch(source)
    folder: Path | None
    if path.exists():
        folder = path if path.is_dir() else path.parent
        prefix = str(folder)
    elif file or HUB_ID.fullmatch(source):
        prefix = file[1] if file else source
        folder = cached_folder(prefix)
    else:
        return ()
    found = gguf_files(folder) if folder is not None else ()
    if folder is None or len(found) < 2:
        return ()
    named = path if path.exists() else folder / file[2] if file else None
    names = [(entry, entry.relative_to(folder).as_posix()) for entry in found]
    return tuple(ModelFile(f"{prefix}/{name}", name, entry.stat().st_size, entry == named) for entry, name in names)
