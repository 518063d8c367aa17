"""Putting the tensors of a checkpoint straight into a model that was built without weights.

A quarter of the time of the general way, and only taken where nothing could come out different: every tensor has
the name, shape and dtype that the model has, and nothing is converted on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from core_hooks.model.opening import Outline
    from core_hooks.model.reading import Reading


def assign_weights(outline: Outline, reading: Reading) -> bool:
    """Give `outline.skeleton` its weights, mapped from the files, and return True; False if that is not safe.

    When the answer is False the skeleton is as it was.
    """
    import torch
    from safetensors import safe_open

    skeleton: Any = outline.skeleton
    if not _fits(outline):
        return False
    state: dict[str, torch.Tensor] = {}
    for path in outline.checkpoint.weights:
        file = safe_open(str(path), framework="pt", device="cpu")
        for name in file.keys():  # noqa: SIM118 - the file is no mapping
            reading.check()
            state[name] = file.get_tensor(name)
            reading.add(outline.checkpoint.tensors[name].nbytes)
    skeleton.load_state_dict(state, strict=False, assign=True)
    skeleton.tie_weights()
    # What no checkpoint holds (rotary frequencies, causal masks) is computed by the model's own initialisation,
    # as in from_pretrained; the mark keeps that from touching what was read.
    for tensor in [*skeleton.parameters(), *(buffer for buffer in skeleton.buffers() if not buffer.is_meta)]:
        tensor._is_hf_initialized = True
    for module in skeleton.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.is_meta:
                module._buffers[name] = torch.empty_like(buffer, device="cpu")
    skeleton.initialize_weights()
    return True


def _fits(outline: Outline) -> bool:
    stored = outline.checkpoint.tensors
    if not outline.model_class.__module__.startswith("transformers."):
        return False  # code from elsewhere may not heed the mark
    kept = ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict")
    if str(outline.dtype) != "torch.float32" and any(getattr(outline.skeleton, name, None) for name in kept):
        return False  # some modules get another dtype than they are stored in
    expected = outline.skeleton.state_dict(keep_vars=True)
    if getattr(outline.config, "quantization_config", None) or not stored.keys() <= expected.keys():
        return False
    held = {id(expected[name]) for name in stored}
    # A tied tensor stored twice may differ from its twin, and then transformers decides which one counts.
    if len(held) < len(stored) or any(id(tensor) not in held for tensor in expected.values()):
        return False
    for name, tensor in stored.items():
        if tensor.shape != tuple(expected[name].shape) or f"torch.{tensor.torch_dtype}" != str(expected[name].dtype):
            return False
    return not _converts(outline.skeleton)


def _converts(skeleton: Any) -> bool:
    """Whether transformers computes weights of this architecture from what is stored; True when it can't be told."""
    try:
        from transformers.conversion_mapping import get_model_conversion_mapping
        from transformers.core_model_loading import WeightConverter
    except ImportError:
        return True
    return any(isinstance(entry, WeightConverter) for entry in get_model_conversion_mapping(skeleton))
