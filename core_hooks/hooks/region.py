"""A part of an activation: some tokens, some channels, one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Region:
    """Which part of a tensor ``(..., tokens, channels)`` a controller changes.

    Attributes
    ----------
    tokens
        A slice of, or a position in, the last dimension but one of the call at hand: with a key-value cache a
        step of a generation is a call with one token. ``None``: all.
    channels
        A slice of, or a position in, the last dimension. ``None``: all.
    head
        ``(index, number of heads)``: the channels of one head where the last dimension holds the heads side by
        side, as the input of an attention's output projection does. Not together with ``channels``.

    Raises
    ------
    ValueError
        For both ``channels`` and ``head``, or a head that is none.
    """

    tokens: slice | int | None = None
    channels: slice | int | None = None
    head: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.head is None:
            return
        if self.channels is not None:
            raise ValueError("A Region takes channels or head, not both.")
        index, count = self.head
        if count < 1 or not -count <= index < count:
            raise ValueError(f"head must be (index, number of heads) with index < number, got: {self.head}")

    def index(self, tensor: torch.Tensor) -> tuple[object, ...]:
        """Return what to index ``tensor`` with.

        Raises
        ------
        ValueError
            When the tensor has no token dimension, or its channels cannot be divided into the heads.
        """
        if self.tokens is not None and tensor.dim() < 2:
            raise ValueError(f"A tensor of shape {tuple(tensor.shape)} has no dimension of tokens.")
        channels = self._head_channels(tensor) if self.head is not None else _as_slice(self.channels)
        if tensor.dim() < 2:
            return (..., channels)
        return (..., _as_slice(self.tokens), channels)

    def _head_channels(self, tensor: torch.Tensor) -> slice:
        assert self.head is not None
        index, count = self.head
        width = tensor.shape[-1] if tensor.dim() else 0
        if width % count or not width:
            raise ValueError(f"{width} channels cannot be divided into {count} heads.")
        size = width // count
        start = (index % count) * size
        return slice(start, start + size)


def _as_slice(wanted: slice | int | None) -> slice:
    if wanted is None:
        return slice(None)
    if isinstance(wanted, slice):
        return wanted
    return slice(wanted, wanted + 1 or None)
