"""Opening a model: the hierarchy first, from its config alone, then the weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.model.checkpoint import HUB_FILE, Checkpoint, is_factory, locate
from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.reference import OpenProgress

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    import torch
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel

    from core_hooks.model.opened import OpenedModel as OpenedModel
    from core_hooks.model.records import ModuleTree
    from core_hooks.model.reference import ModelReference, ModelSummary

    Report = Callable[[OpenProgress], None]

# Weights of this size are looked at for NaN whenever they are opened, which takes a fraction of a second; larger ones
# when somebody asks for it.
_MOST_LOOKED_AT = 2 << 30


def open_model(
    reference: ModelReference,
    *,
    on_progress: Report | None = None,
    on_tree: Callable[[ModuleTree], None] | None = None,
    cancel: threading.Event | None = None,
) -> OpenedModel:
    """Open the model that `reference` names, ready to run: evaluation mode, no gradients.

    Parameters
    ----------
    reference
        The model and the choices made for it.
    on_progress
        Called with what is being done; while weights are read for another device than the processor, from the
        loader's threads, one at a time.
    on_tree
        Called once with the hierarchy, on the calling thread, before any weight is read.
    cancel
        Set from another thread to give up; checked before every step and every tensor.

    Raises
    ------
    ModelError
        The model can't be opened; the text says what, where and what to do.
    OpeningCancelled
        `cancel` was set.
    """
    report = on_progress or _no_report
    source = reference.source.strip()
    if not source:
        raise ModelError("No model is named; give a folder, a .gguf or .safetensors file, or a hub id.")
    _check(cancel)
    if is_factory(source):
        return _open_factory(reference, source, report, on_tree)
    checkpoint = find(source, on_progress, cancel)
    _check(cancel)
    report(OpenProgress("Importing torch and transformers"))
    from core_hooks.model.libraries import import_libraries

    import_libraries()
    check_device(reference.device)
    _check(cancel)
    report(OpenProgress(f"Reading the hierarchy of {checkpoint.name}"))
    original, checkpoint = checkpoint, _unpacked(checkpoint, reference)
    built = _build(checkpoint, reference)
    if on_tree is not None:
        from core_hooks.model.tree import build_tree

        on_tree(build_tree(built.skeleton))
    if not checkpoint.weights:
        raise ModelError(checkpoint.missing)
    _check(cancel)
    _check_memory(built, reference)
    if original.is_gguf:
        from core_hooks.model.gguf_cache import GgufCache

        if not checkpoint.is_gguf and not GgufCache().is_whole(checkpoint.folder, on_progress, cancel):
            report(OpenProgress(f"What was kept of {original.name} is damaged: it is unpacked again"))
            GgufCache().drop(checkpoint.folder)
            checkpoint = original
    if checkpoint.is_gguf:
        folder = GgufCache().unpack(checkpoint.weights[0], reference.dtype, on_progress, cancel)
        checkpoint = replace(locate(folder), name=checkpoint.name)
        built = _build(checkpoint, reference)
    from core_hooks.model.weights import load_weights

    model, notes = load_weights(built, reference, on_progress, cancel)
    _check(cancel)
    report(OpenProgress("Reading the tokenizer"))
    from core_hooks.model.tokenizer import load_tokenizer
    from core_hooks.model.weight_check import non_finite, non_finite_sentence

    # Most of either is spent outside Python, so the weights are looked at while the tokenizer is read.
    with ThreadPoolExecutor(1, thread_name_prefix="weights") as beside:
        looked_at = checkpoint.nbytes <= _MOST_LOOKED_AT
        odd = beside.submit(non_finite, model, cancel) if looked_at else None
        tokenizer, note = load_tokenizer(checkpoint, reference)
        _load_generation_config(model, checkpoint)
        sentence = non_finite_sentence(odd.result(), str(original.weights[0].parent)) if odd is not None else ""
    notes = (sentence, *notes) if sentence else notes
    report(OpenProgress(f"{checkpoint.name} is open"))
    from core_hooks.model.example_inputs import example_inputs

    inputs, remark = example_inputs(model)
    notes += tuple(sentence for sentence in (remark or note,) if sentence)
    return _finish(model, tokenizer, reference, checkpoint.name, notes, inputs)


@dataclass(frozen=True, slots=True)
class Outline:
    """A model without its weights: its files, its config, and its modules on the meta device."""

    checkpoint: Checkpoint
    config: PreTrainedConfig
    model_class: type[PreTrainedModel]
    dtype: torch.dtype
    skeleton: nn.Module

    def tree(self) -> ModuleTree:
        """Return the hierarchy."""
        from core_hooks.model.tree import build_tree

        return build_tree(self.skeleton)

    def summary(self, reference: ModelReference) -> ModelSummary:
        """Return what will be known of the model once it is open."""
        from core_hooks.model.summary import summarise

        name, has_tokenizer = self.checkpoint.name, self.checkpoint.has_tokenizer
        summary = summarise(self.skeleton, self.tree(), reference, name, has_tokenizer)
        return replace(summary, device=reference.device)


def outline(reference: ModelReference) -> Outline:
    """Return a model without its weights, from its config alone; no weight is read, and none need exist.

    Raises
    ------
    ModelError
        As in `open_model`; also for a factory, which has no config.
    """
    if is_factory(reference.source):
        raise ModelError(f"{reference.source} is a factory, of which nothing is known before it has run; open it.")
    return _build(_unpacked(find(reference.source), reference), reference)


def open_tree(reference: ModelReference) -> ModuleTree:
    """Return the hierarchy of a model without reading weights; the model of a factory is built to be looked at.

    Raises
    ------
    ModelError
        As in `open_model`.
    """
    if not is_factory(reference.source):
        return outline(reference).tree()
    from core_hooks.model.factory import call_factory
    from core_hooks.model.tree import build_tree

    return build_tree(call_factory(reference.source, reference.trust_code)[0])


def find(source: str, on_progress: Report | None = None, cancel: threading.Event | None = None) -> Checkpoint:
    """Return the files of the model named by a path or a hub id; ModelError says why there are none."""
    path, file = Path(source).expanduser(), HUB_FILE.fullmatch(source)
    if path.exists() or path.is_absolute() or source.startswith((".", "~")) or (path.suffix == ".gguf" and not file):
        return locate(path)
    from core_hooks.model.hub import fetch, fetch_file

    found = fetch_file(file[1], file[2], on_progress, cancel) if file else fetch(source, on_progress, cancel)
    return locate(found, named=source)


def check_device(device: str) -> None:
    """Raise a ModelError that names the devices of this machine unless `device` is one of them."""
    import torch

    names = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    if device not in (*names, "auto") and not (device == "cuda" and len(names) > 1 and names[1] == "cuda:0"):
        raise ModelError(f"There is no device {device!r} on this machine; use {' or '.join(names)}.")


def _build(checkpoint: Checkpoint, reference: ModelReference) -> Outline:
    from core_hooks.model.architecture import build_without_weights, load_config, model_class, stored_dtype
    from core_hooks.model.quantisation import check_quantisation

    config = load_config(checkpoint, reference)
    check_quantisation(reference.quantisation, config)
    cls = model_class(config, checkpoint, reference)
    dtype = stored_dtype(config, checkpoint, reference)
    return Outline(checkpoint, config, cls, dtype, build_without_weights(cls, config, dtype))


def _unpacked(checkpoint: Checkpoint, reference: ModelReference) -> Checkpoint:
    """Return the safetensors in the cache for a GGUF that was opened before, else `checkpoint` itself."""
    if not checkpoint.is_gguf:
        return checkpoint
    from core_hooks.model.gguf_cache import GgufCache

    folder = GgufCache().find(checkpoint.weights[0], reference.dtype)
    if folder is None:
        return checkpoint
    try:
        return replace(locate(folder), name=checkpoint.name)
    except ModelError:
        # What was kept is damaged; the file itself is still there.
        GgufCache().drop(folder)
        return checkpoint


def _check_memory(built: Outline, reference: ModelReference) -> None:
    from core_hooks.model.estimate import free_memory
    from core_hooks.model.quantisation import quantised_bytes

    needed, free = quantised_bytes(built.skeleton, reference.quantisation), free_memory(reference.device)
    if needed > free:
        raise ModelError(
            f"{built.checkpoint.name} needs {needed:,} bytes for its weights and {free:,} are free on "
            f"{reference.device}; close the model that is open, or choose float16, a quantisation, or another device."
        )


def _open_factory(
    reference: ModelReference, source: str, report: Report, on_tree: Callable[[ModuleTree], None] | None
) -> OpenedModel:
    from core_hooks.model.factory import call_factory

    if reference.quantisation != "none":
        raise ModelError(f"{source} makes its model itself, so it can't be quantised here; open it as it is made.")
    report(OpenProgress(f"Running {source}"))
    model, inputs = call_factory(source, reference.trust_code)
    from core_hooks.model.libraries import import_libraries

    import_libraries()
    check_device(reference.device)
    if reference.device not in ("cpu", "auto"):
        model = model.to(reference.device)
    if reference.dtype != "auto":
        import torch

        model = model.to(getattr(torch, reference.dtype))
    opened = _finish(model, getattr(model, "tokenizer", None), reference, source, (), inputs)
    if on_tree is not None:
        on_tree(opened.tree)
    return opened


def _finish(
    model: nn.Module, tokenizer: Any, reference: ModelReference, name: str, notes: tuple[str, ...], inputs: Any
) -> OpenedModel:
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.summary import summarise
    from core_hooks.model.tree import build_tree

    model.eval()
    model.requires_grad_(False)
    tree = build_tree(model)
    summary = summarise(model, tree, reference, name, tokenizer is not None)
    opened = OpenedModel(model, tokenizer, tree, summary, notes, inputs)
    if reference.parts:
        from core_hooks.model.anatomy import discover

        try:
            discover(opened)
        except ModelError as error:
            # Parts named for another model are no reason not to open this one.
            opened.summary = replace(summary, reference=replace(reference, parts=()))
            opened.notes = (f"The parts named by hand do not fit this model and are left out: {error}", *notes)
    return opened


def _load_generation_config(model: Any, checkpoint: Checkpoint) -> None:
    """Take over the end-of-text tokens and the like from the model's ``generation_config.json``, when it has one."""
    if not (checkpoint.folder / "generation_config.json").exists() or not hasattr(model, "generation_config"):
        return
    from transformers import GenerationConfig

    try:
        model.generation_config = GenerationConfig.from_pretrained(str(checkpoint.folder), local_files_only=True)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{checkpoint.folder / 'generation_config.json'} can't be understood; repair or remove it."
        ) from error


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise OpeningCancelled


def _no_report(progress: OpenProgress) -> None:
    pass
