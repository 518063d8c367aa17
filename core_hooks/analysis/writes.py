"""What the attention and the MLP of each block add to the residual stream, found out on the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

from core_hooks.analysis.base_run import BaseRun, run_base
from core_hooks.analysis.taps import Site

if TYPE_CHECKING:
    import threading

    from torch import nn

    from core_hooks.model.anatomy import Anatomy, Block
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

_FEW = 4  # linear layers of a plain MLP; a mixture of experts has more, and none of them sees every token
_PRECISION = {torch.float32: 1e-4, torch.float64: 1e-8}

# What was measured of a model is measured once, for the same anatomy.
_measured: WeakKeyDictionary[nn.Module, tuple[Anatomy, tuple[BlockWrites, ...]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Write:
    """One term of what a block adds to the residual stream.

    Attributes
    ----------
    path
        Module whose output it is, before `norm` and `scale`.
    norm
        Normalisation that the output goes through before it is added, ``""`` for none.
    scale
        Factor by which it is added.
    """

    path: str
    norm: str = ""
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class BlockWrites:
    """The terms of one block, which add up to what it returns less what it was given.

    Attributes
    ----------
    attention, mlp
        None where the block has no such part.
    whole
        False when no reading of the block as attention plus MLP gives what it adds; both terms are None then.
    """

    attention: Write | None = None
    mlp: Write | None = None
    whole: bool = True


def measure_writes(
    opened: OpenedModel, anatomy: Anatomy, tokens: TokenSequence, cancel: threading.Event | None = None
) -> tuple[BlockWrites, ...]:
    """Return the terms of every block, as one forward over `tokens` shows them.

    Attention and MLP are read with and without a norm behind them, and the MLP also as a linear layer inside it where
    the module itself returns the whole stream; factors are fitted. A reading is accepted only when it gives what the
    block adds, at every token.

    Raises
    ------
    ModelError
        The model does not run on these tokens.
    RunCancelled
        `cancel` was set.
    """
    known = _measured.get(opened.model)
    if known is not None and known[0] == anatomy:
        return known[1]
    sites = {site for block in anatomy.blocks for site in _sites(opened, block)}
    base = run_base(opened, tokens, sites, last_only=True, cancel=cancel)
    found = tuple(_read(opened, block, base) for block in anatomy.blocks)
    if all(write.whole for write in found):
        # How a model adds up does not depend on the tokens; where it could not be told, others may tell.
        _measured[opened.model] = (anatomy, found)
    return found


def _sites(opened: OpenedModel, block: Block) -> set[Site]:
    norms = {Site(norm, before) for norm in block.norms for before in (True, False)}
    paths = {block.path, block.output_projection, *_mlp_paths(opened, block)} - {""}
    return {Site(block.path, before=True)} | norms | {Site(path) for path in paths}


def _mlp_paths(opened: OpenedModel, block: Block) -> list[str]:
    """Return where the MLP's part may be read: from the module itself or from its last linear layers."""
    if not block.mlp:
        return []
    inner = [
        f"{block.mlp}.{name}"
        for name, module in opened.model.get_submodule(block.mlp).named_modules()
        if name and getattr(module, "weight", None) is not None and module.weight.dim() == 2
    ]
    return [block.mlp, *(reversed(inner) if len(inner) <= _FEW else ())]


def _read(opened: OpenedModel, block: Block, base: BaseRun) -> BlockWrites:
    added = (base.values[Site(block.path)].double() - base.values[Site(block.path, before=True)].double()).flatten()
    attention = _readings(block, base, [block.output_projection] if block.output_projection else [], len(added))
    mlp = _readings(block, base, _mlp_paths(opened, block), len(added))
    precision = _PRECISION.get(base.values[Site(block.path)].dtype, 3e-2)
    none: list[Write | None] = [None]
    for first, second in product(attention or none, mlp or none):
        terms = [term for term in (first, second) if term is not None]
        if not terms:
            return BlockWrites(whole=False)
        columns = torch.stack([base.values[Site(term.norm or term.path)].double().flatten() for term in terms], 1)
        # The normal equations are solved, not the tall system: there are only one or two factors.
        factors = torch.linalg.lstsq(columns.T @ columns, columns.T @ added).solution
        rest = (columns @ factors - added).abs().max()
        if float(rest) <= precision * (float(added.abs().max()) + 1e-12):
            scaled = [Write(t.path, t.norm, _tidy(float(f))) for t, f in zip(terms, factors, strict=True)]
            found = iter(scaled)
            return BlockWrites(next(found) if first else None, next(found) if second else None)
    return BlockWrites(whole=False)


def _readings(block: Block, base: BaseRun, paths: list[str], size: int) -> list[Write]:
    found: list[Write] = []
    for path in paths:
        held = base.values[Site(path)]
        if held.numel() != size:
            continue
        for norm in block.norms:
            given = base.values[Site(norm, before=True)]
            if given.shape == held.shape and torch.equal(given, held):
                found.append(Write(path, norm))
        found.append(Write(path))
    return found


def _tidy(factor: float) -> float:
    """Return a fitted factor as the round number that it almost certainly is."""
    return round(factor, 3) if abs(factor - round(factor, 3)) < 1e-4 else factor
