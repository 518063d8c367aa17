"""What a generation leaves of its residual stream and its attention, forward by forward, while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch

from core_hooks.hooks.attachment import attach
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.extraction import extract_tensor_from_input, extract_tensor_from_output
from core_hooks.hooks.hook_type import HookType
from core_hooks.hooks.nested import find_all, follow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from core_hooks.hooks.attachment import Attachment
    from core_hooks.model.anatomy import Anatomy


class Forward(NamedTuple):
    """What one forward left; `fed` tokens of the sequence were fed until its end."""

    fed: int
    stream: list[torch.Tensor] | None
    weights: dict[int, torch.Tensor]


class Following:
    """Hooks that keep what forwards gave until it is taken; a context manager, and ``close()`` takes them off.

    They see what controllers made of it, and change nothing. One that fails switches itself off.

    Parameters
    ----------
    stream
        Whether the residual stream is kept: what the first block is given and what each block returns.
    attention
        Indices of the blocks whose attention weights are kept; the model must compute them (see `eager_attention`).
    row, rows
        Which sequence of a batch of so many is kept. Shorter ones are padded on the left.
    """

    def __init__(
        self,
        model: nn.Module,
        anatomy: Anatomy,
        *,
        stream: bool,
        attention: Sequence[int] = (),
        row: int = 0,
        rows: int = 1,
    ) -> None:
        self._batch = _Batch(row, rows)
        self._fed: dict[int, int] = {}
        self._stream: list[_Keeper] = []
        self._weights = {block: _WeightKeeper(self._batch) for block in attention}
        sites: dict[str, list[Detector]] = {}
        if stream and anatomy.blocks:
            first = _Keeper(HookType.PRE_FORWARD, self._batch)
            self._stream = [first, *(_Keeper(HookType.FORWARD, self._batch) for _ in anatomy.blocks)]
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

    def ended(self, fed: int | None) -> None:
        """A forward has ended, after which so many tokens of the sequence were fed; None if it was fed padding."""
        if fed is not None:
            self._fed[self._batch.forward] = fed
        self._batch.forward += 1

    def take(self) -> list[Forward]:
        """Take what each forward left since the last time, the oldest first.

        The stream, ``[tokens, channels]`` for each place, is None where the blocks do not hand on one of the sequences
        alone. Weights are ``[heads, new tokens, tokens]`` by block.
        """
        fed, self._fed = self._fed, {}
        streams = [keeper.take() for keeper in self._stream]
        weights = {block: keeper.take() for block, keeper in self._weights.items()}
        return [
            Forward(
                count,
                _stream([kept.get(forward) for kept in streams], count),
                # Of padding, which comes first, nothing is told.
                {block: _of_tokens(kept[forward], count) for block, kept in weights.items() if forward in kept},
            )
            for forward, count in fed.items()
        ]


def _stream(kept: list[torch.Tensor | None], fed: int) -> list[torch.Tensor] | None:
    found = [tensor for tensor in kept if tensor is not None]
    if not found or len(found) != len(kept) or any(tensor.shape != found[0].shape for tensor in found):
        return None
    return found if len(found[0]) <= fed else [tensor[-fed:] for tensor in found]


def _of_tokens(weights: torch.Tensor, fed: int) -> torch.Tensor:
    new, seen = weights.shape[1:]
    return weights if new <= fed and seen <= fed else weights[:, -fed:, -fed:]


class _Batch:
    """Which sequence of how many is kept, and the number of the forward that goes on."""

    __slots__ = ("forward", "row", "rows")

    def __init__(self, row: int, rows: int) -> None:
        self.row, self.rows, self.forward = row, rows, 0


class _Keeper(Detector):
    """Keeps a copy, on its device, of the tensor that a module is given or returns."""

    reported: ClassVar[bool] = False

    def __init__(self, hook_type: HookType, batch: _Batch) -> None:
        super().__init__(hook_type=hook_type, stage="after")
        self.errors = "disable"
        self._batch = batch
        self._before = hook_type is HookType.PRE_FORWARD
        self._kept: dict[int, torch.Tensor] = {}

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        # For a small model every operation here is felt.
        if type(output) is torch.Tensor:
            found: torch.Tensor | None = output
        else:
            found = extract_tensor_from_input(input) if self._before else extract_tensor_from_output(output)
        batch = self._batch
        if found is not None and found.dim() == 3 and found.shape[0] == batch.rows:
            # A later block may write into it.
            self._kept[batch.forward] = _copy(found if batch.rows == 1 else found[batch.row : batch.row + 1])

    def take(self) -> dict[int, torch.Tensor]:
        kept, self._kept = self._kept, {}
        return {forward: tensor[0] for forward, tensor in kept.items()}


class _WeightKeeper(Detector):
    """Keeps the weights among what an attention module returns: for each head a row of all tokens a new token."""

    reported: ClassVar[bool] = False

    def __init__(self, batch: _Batch) -> None:
        super().__init__(stage="after")
        self.errors = "disable"
        self._batch = batch
        self._kept: dict[int, torch.Tensor] = {}

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        mixed = extract_tensor_from_output(output)
        if mixed is None or mixed.dim() != 3:
            return
        batch, new = self._batch, mixed.shape[1]
        for path in find_all(output):
            found = follow(output, path)
            # Keys and values that are handed on have four dimensions too, but a channel axis last.
            if found.dim() != 4 or found.shape[0] != batch.rows or found.shape[2] != new:
                continue
            if new == 1 or found.shape[3] == new:
                self._kept[batch.forward] = _copy(found if batch.rows == 1 else found[batch.row : batch.row + 1])

    def take(self) -> dict[int, torch.Tensor]:
        kept, self._kept = self._kept, {}
        return {forward: tensor[0] for forward, tensor in kept.items()}


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone() if tensor.requires_grad else tensor.clone()
