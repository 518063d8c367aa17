"""Where experiments take hold of a model: heads, MLPs, attention and the residual stream, as sites of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core_hooks.analysis.taps import Site
from core_hooks.analysis.writes import measure_writes
from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    import threading

    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

Part = Literal["heads", "attention", "mlp", "block"]
_ALL = slice(None)


@dataclass(frozen=True, slots=True, eq=False)
class Handle:
    """One thing to take hold of.

    Attributes
    ----------
    block
        Index of the block.
    site
        Where it is.
    channels
        Its channels there: all but for a head, which is a slice of what the output projection is given.
    """

    block: int
    site: Site
    channels: slice


def handles_of(
    opened: OpenedModel, anatomy: Anatomy, part: Part, tokens: TokenSequence, cancel: threading.Event | None = None
) -> tuple[tuple[Handle, ...], ...]:
    """Return the handles of one part in each block: several heads, one of anything else, none where there is none.

    The MLP is taken where it adds to the residual stream; which module that is, is measured on `tokens` once.

    Raises
    ------
    ModelError
        No block has such a part.
    RunCancelled
        `cancel` was set.
    """
    name = opened.summary.architecture
    missing = {"heads": "heads", "attention": "heads", "mlp": "mlp", "block": "blocks"}[part]
    if anatomy.lacks(missing) or not anatomy.blocks:
        raise ModelError(anatomy.lacks(missing) or anatomy.lacks("blocks") or f"{name} has no blocks.")
    if part == "heads":
        return tuple(
            tuple(Handle(index, Site(block.output_projection, before=True), head) for head in block.head_slices)
            for index, block in enumerate(anatomy.blocks)
        )
    if part == "block":
        return tuple((Handle(index, Site(block.path), _ALL),) for index, block in enumerate(anatomy.blocks))
    if part == "attention":
        paths = [block.output_projection for block in anatomy.blocks]
    else:
        measured = measure_writes(opened, anatomy, tokens, cancel)
        paths = [
            write.mlp.path if write.mlp else block.mlp for write, block in zip(measured, anatomy.blocks, strict=True)
        ]
    return tuple((Handle(index, Site(path), _ALL),) if path else () for index, path in enumerate(paths))
