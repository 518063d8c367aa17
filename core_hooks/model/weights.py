"""Weights on their way from safetensors files into a model: memory-mapped, counted, and interruptible."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

from core_hooks.model.architecture import one_line
from core_hooks.model.assignment import assign_weights
from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.libraries import one_reader, quiet_transformers
from core_hooks.model.quantisation import NONE, library_config
from core_hooks.model.reading import MappedTensor, Reading

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from transformers import PreTrainedModel

    from core_hooks.model.checkpoint import Checkpoint
    from core_hooks.model.opening import Outline
    from core_hooks.model.reference import ModelReference, OpenProgress


def load_weights(
    outline: Outline,
    reference: ModelReference,
    on_progress: Callable[[OpenProgress], None] | None,
    cancel: threading.Event | None,
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """Return the model with its weights, and sentences about what did not fit exactly but does no harm.

    A checkpoint that fits the skeleton tensor by tensor is put into it; any other is left to transformers, which
    knows how to rename, split, fuse and convert.

    Tensors stay mapped from the file where neither dtype nor device changes, so that reading costs what the disk
    costs and memory is shared with the file cache; a checkpoint must not be overwritten in place while open.

    Raises
    ------
    ModelError
        Weights are missing, have other shapes than the config says, or do not fit into memory.
    OpeningCancelled
        `cancel` was set.
    """
    from safetensors import safe_open

    checkpoint, config = outline.checkpoint, outline.config
    reading = Reading(checkpoint.nbytes, on_progress, cancel)
    state: dict[str, Any] = {}
    with quiet_transformers(), one_reader() if reference.device == "cpu" else nullcontext():
        try:
            if reference.device == "cpu" and reference.quantisation == NONE and assign_weights(outline, reading):
                config.name_or_path = str(checkpoint.folder)
                return cast("PreTrainedModel", outline.skeleton), ()
            for path in checkpoint.weights:
                file = safe_open(str(path), framework="pt", device="cpu")
                for name in file.keys():  # noqa: SIM118 - the file is no mapping
                    nbytes = checkpoint.tensors[name].nbytes
                    state[name] = MappedTensor(file.get_slice(name), nbytes, reading)
            options: dict[str, Any] = {
                "dtype": outline.dtype,
                "output_loading_info": True,
                "ignore_mismatched_sizes": True,
            }
            if reference.quantisation != NONE:
                options["quantization_config"] = library_config(reference.quantisation, outline.dtype)
            if reference.device != "cpu" or reference.quantisation != NONE:
                options["device_map"] = "auto" if reference.device == "auto" else {"": reference.device}
            if getattr(config, "quantization_config", None):
                # Quantisers look for the files themselves.
                source: str | None = str(checkpoint.folder)
                options["local_files_only"] = True
            else:
                source, options["state_dict"] = None, state
            reading.check()
            loaded: Any = outline.model_class.from_pretrained(source, config=config, **options)
        except (OpeningCancelled, ModelError):
            raise
        except MemoryError as error:
            raise ModelError(_too_big(checkpoint, reference)) from error
        except Exception as error:
            if "out of memory" in str(error).lower() or "can't allocate memory" in str(error).lower():
                raise ModelError(_too_big(checkpoint, reference)) from error
            raise ModelError(f"The weights in {checkpoint.folder} can't be loaded: {one_line(error)}.") from error
    reading.check()
    model, info = loaded
    model.config.name_or_path = str(checkpoint.folder)
    return model, _compare(checkpoint, info)


def _compare(checkpoint: Checkpoint, info: dict[str, Any]) -> tuple[str, ...]:
    where = checkpoint.weights[0] if len(checkpoint.weights) == 1 else checkpoint.folder
    config = checkpoint.folder / "config.json"
    if info["mismatched_keys"]:
        name, stored, expected = min(info["mismatched_keys"], key=lambda entry: str(entry[0]))
        raise ModelError(
            f"{config} contradicts the weights in {where}: {name} has shape {tuple(stored)} in the file and "
            f"{tuple(expected)} by the config; use the config that belongs to these weights."
        )
    if info.get("error_msgs"):
        raise ModelError(f"The weights in {where} can't be loaded: {info['error_msgs'][0]}")
    if info["missing_keys"]:
        names = sorted(info["missing_keys"])
        raise ModelError(
            f"{len(names)} weights that {config} asks for are not in {where}, first {names[0]}; "
            "use the config that belongs to these weights, or download the missing ones."
        )
    if info["unexpected_keys"]:
        names = sorted(info["unexpected_keys"])
        return (f"{len(names)} tensors in {where} are not part of this model and were left out, first {names[0]}.",)
    return ()


def _too_big(checkpoint: Checkpoint, reference: ModelReference) -> str:
    return (
        f"The {checkpoint.nbytes:,} bytes of weights in {checkpoint.folder} do not fit into the free memory of "
        f"{reference.device}; close other models, choose float16, or another device."
    )
