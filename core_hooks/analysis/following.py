"""What a generation leaves of its residual stream and its attention, forward by forward, while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from core_hooks.hooks.attachment import attach
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.extraction import extract_tensor_from_input, extract_tensor_from_output
from core_hooks.hooks.hook_type import HookType
from core_hooks.hooks.nested import find_all, follow

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import nn

    from core_hooks.hooks.attachment import Attachment
    from core_hooks.model.anatomy import Anatomy


class Following:
    """Hooks that keep what the newest forward gave; a context manager, and ``close()`` takes them off.

    They see what controllers made of it, and change nothing. One that fails switches itself off.

    Parameters
    ----------
    stream
        Whether the residual stream is kept: what the first block is given and what each block returns.
    attention
        Indices of the blocks whose attention weights are kept; the model must compute them (see `eager_attention`).
    """

    def __init__(self, model: nn.Module, anatomy: Anatomy, *, stream: bool, attention: Sequence[int] = ()) -> None:
        self._stream: list[_Keeper] = []
        self._weights = {block: _WeightKeeper() for block in attention}
        sites: dict[str, list[Detector]] = {}
        if stream and anatomy.blocks:
            first = _Keeper(HookType.PRE_FORWARD)
            self._stream = [first, *(_Keeper(HookType.FORWARD) for _ in anatomy.blocks)]
            for block, keeper in zip(anatomy.blocks, self._stream[1:], strict=True):
                sites[block.path] = [keeper]
            sites[anatomy.blocks[0].path].insert(0, first)
        for block_index, watcher in self._weights.items():
            sites.setdefault(anatomy.blocks[block_index].attention, []).append(watcher)
        self._attachment: Attachment | None = attach(model, sites) if sites else None

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the hooks off and let go of what they kept."""
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.close()
        self._stream, self._weights = [], {}

    def stream(self) -> list[torch.Tensor] | None:
        """Take what each place of the stream held in the newest forward, ``[tokens, channels]`` each.

        None when the blocks do not hand on one stream of a single sequence, or no forward came since.
        """
        taken = [keeper.take() for keeper in self._stream]
        kept = [tensor for tensor in taken if tensor is not None]
        if not kept or len(kept) != len(taken) or any(tensor.shape != kept[0].shape for tensor in kept):
            return None
        if kept[0].dim() != 3 or kept[0].shape[0] != 1:
            return None
        return [tensor[0] for tensor in kept]

    def weights(self) -> dict[int, torch.Tensor]:
        """Take the attention of the newest forward by block: ``[heads, new tokens, tokens]``."""
        taken = {block: keeper.take() for block, keeper in self._weights.items()}
        return {block: tensor[0] for block, tensor in taken.items() if tensor is not None and tensor.shape[0] == 1}


class _Keeper(Detector):
    """Keeps a copy, on its device, of the tensor that a module is given or returns."""

    reported: ClassVar[bool] = False

    def __init__(self, hook_type: HookType) -> None:
        super().__init__(hook_type=hook_type, stage="after")
        self.errors = "disable"
        self._kept: torch.Tensor | None = None

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        if self.hook_type is HookType.PRE_FORWARD:
            found = extract_tensor_from_input(input)
        else:
            found = extract_tensor_from_output(output)
        # A later block may write into it.
        self._kept = None if found is None else found.detach().clone()

    def take(self) -> torch.Tensor | None:
        kept, self._kept = self._kept, None
        return kept


class _WeightKeeper(Detector):
    """Keeps the weights among what an attention module returns: for each head a row of all tokens a new token."""

    reported: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(stage="after")
        self.errors = "disable"
        self._kept: torch.Tensor | None = None

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        mixed = extract_tensor_from_output(output)
        self._kept = None
        if mixed is None or mixed.dim() != 3:
            return
        new = mixed.shape[1]
        for path in find_all(output):
            found = follow(output, path)
            # Keys and values that are handed on have four dimensions too, but a channel axis last.
            if found.dim() == 4 and found.shape[2] == new and (new == 1 or found.shape[3] == new):
                self._kept = found.detach().clone()

    def take(self) -> torch.Tensor | None:
        kept, self._kept = self._kept, None
        return kept
