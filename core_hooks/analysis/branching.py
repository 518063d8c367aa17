"""Rows that branch off the unchanged one inside a forward: added where they begin, left out where they can't differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from core_hooks.analysis.taps import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from core_hooks.analysis.sweep import Edit
    from core_hooks.model.anatomy import Block

    Function = Callable[[torch.Tensor], torch.Tensor]


class Grower:
    """Adds copies of the first row, which nothing has changed, to a batch."""

    rows = 0

    def __call__(self, held: torch.Tensor) -> torch.Tensor:
        """Return the batch with the rows that begin here."""
        if not self.rows:
            return held
        return torch.cat([held, held[:1].expand(self.rows, *held.shape[1:])])


class Saving:
    """The rows that begin at one block, spared what they have in common with the unchanged row inside it.

    A row whose first edit is what a head gives, or what the output projection or the MLP returns, goes through the
    attention before that as the unchanged row does, and one whose first edit is what the MLP returns through the MLP
    as well: there the batch is without it.
    """

    def __init__(self, index: int, block: Block) -> None:
        self.index = index
        self._attention = _Detour() if block.attention and block.output_projection.startswith(block.attention) else None
        self._mlp = _Detour() if block.mlp else None
        self._block = block

    def functions(self, edited: Collection[Site]) -> list[tuple[Site, Function]]:
        """Return what is to be called where, ahead of the edits; `edited` are the sites of the block with any."""
        found: list[tuple[Site, Function]] = []
        block, projection = self._block, self._block.output_projection
        edited = {site for site in edited if site != Site(block.path)}
        inside = {site for site in edited if _within(site, block.attention) and site.path != projection}
        if self._attention is None or not edited or inside or Site(block.attention, before=True) in edited:
            self._attention = None
        else:
            found += [
                (Site(block.attention, before=True), self._attention.leave),
                (Site(projection, before=True), self._attention.join),
            ]
        inner = [site for site in edited if _within(site, block.mlp)]
        if self._mlp is None or len(inner) != 1 or inner[0].before:
            self._mlp = None
        else:
            found += [(Site(block.mlp, before=True), self._mlp.leave), (inner[0], self._mlp.join)]
        return found

    @property
    def detours(self) -> tuple[bool, bool]:
        """Whether rows leave the batch before the attention, and before the MLP."""
        return self._attention is not None, self._mlp is not None

    def take(self, rows: int, born: Sequence[tuple[Edit, ...]]) -> None:
        """Prepare for a batch to which `rows` are added at this block, with these edits."""
        # Rows that the block before has changed already have nothing in common with the unchanged one.
        rows = 0 if any(edit.block < self.index for edits in born for edit in edits) else rows
        if self._attention is not None:
            self._attention.rows = rows
        if self._mlp is not None:
            here = [edit.site for edits in born for edit in edits if edit.block == self.index]
            self._mlp.rows = rows if all(_within(site, self._block.mlp) for site in here) else 0


class _Detour:
    """The last rows of a batch leave it at one site and join it again, as copies of the first, at a later one."""

    rows = 0

    def leave(self, held: torch.Tensor) -> torch.Tensor:
        """Return the batch without them."""
        return held[: held.shape[0] - self.rows] if self.rows else held

    def join(self, held: torch.Tensor) -> torch.Tensor:
        """Return the batch with them."""
        return torch.cat([held, held[:1].expand(self.rows, *held.shape[1:])]) if self.rows else held


def _within(site: Site, path: str) -> bool:
    return bool(path) and (site.path == path or site.path.startswith(f"{path}."))
