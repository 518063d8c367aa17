"""The channels of a layer that are largest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch

from core_hooks.hooks.tensor_detector import TensorDetector, real_blocks

if TYPE_CHECKING:
    from core_hooks.hooks.detector import DetectorState

_CHANNELS, _SIZES = "top_channels", "top_channel_sizes"


class TopChannelsDetector(TensorDetector):
    """Finds the channels with the largest absolute values over all tokens of a call.

    ``tensor_metadata["top_channels"]`` holds their indices, ``(k,)`` int64, the largest first, and
    ``["top_channel_sizes"]`` how large they are, ``(k,)`` float32, both on the CPU. NaN counts as 0.

    Parameters
    ----------
    k
        How many; no more than there are channels are returned.
    by
        Rank by the ``"mean"`` or the ``"max"`` of a channel's absolute values.
    **options
        Those of ``TensorDetector``.

    Raises
    ------
    ValueError
        For ``k`` below 1 or an unknown ``by``.
    """

    captured_keys: ClassVar[tuple[str, ...]] = (_CHANNELS, _SIZES)

    def __init__(
        self,
        layer_signature: str | int | None = None,
        k: int = 10,
        by: Literal["mean", "max"] = "mean",
        **options: Any,
    ) -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1, got: {k}")
        if by not in ("mean", "max"):
            raise ValueError(f"by must be 'mean' or 'max', got: {by!r}")
        super().__init__(layer_signature, **options)
        self.k = k
        self.by: Literal["mean", "max"] = by

    def observe(self, tensor: torch.Tensor, state: DetectorState) -> None:
        """Find the largest channels of one tensor."""
        if tensor.is_meta:
            raise ValueError("a tensor on the meta device has no values")
        sizes: torch.Tensor | None = None
        rows = 0
        for block in real_blocks(tensor):
            size = torch.nan_to_num(block.abs(), nan=0.0, posinf=torch.inf)
            rows += size.shape[0]
            reduced = size.sum(0) if self.by == "mean" else size.amax(0)
            if sizes is None:
                sizes = reduced
            else:
                sizes = sizes + reduced if self.by == "mean" else torch.maximum(sizes, reduced)
        if sizes is None:
            raise ValueError(f"a tensor of shape {tuple(tensor.shape)} has no channels to rank")
        if self.by == "mean":
            sizes = sizes / rows
        values, indices = sizes.topk(min(self.k, sizes.numel()))
        state.tensor_metadata[_CHANNELS] = indices.cpu()
        state.tensor_metadata[_SIZES] = values.float().cpu()

    @property
    def channels(self) -> torch.Tensor | None:
        """Indices of the newest call, ``None`` if there are none."""
        return self.tensor_metadata.get(_CHANNELS)

    @property
    def sizes(self) -> torch.Tensor | None:
        """How large these channels are, ``None`` if there are none."""
        return self.tensor_metadata.get(_SIZES)
