"""Direct logit attribution: what each head and MLP writes toward a word, adding up to the word's logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core_hooks.analysis.base_run import run_base
from core_hooks.analysis.frozen_norm import FrozenNorm
from core_hooks.analysis.taps import Site
from core_hooks.analysis.undisturbed import undisturbed
from core_hooks.analysis.writes import measure_writes
from core_hooks.model.errors import ModelError
from core_hooks.model.readout import output_weight, read_out

if TYPE_CHECKING:
    import threading

    from core_hooks.analysis.base_run import BaseRun
    from core_hooks.analysis.writes import BlockWrites
    from core_hooks.model.anatomy import Anatomy, Block
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence


@dataclass(frozen=True, slots=True, eq=False)
class DirectEffect:
    """The terms of one logit, or of the difference of two, in logits; arrays are float64, NaN where there is no part.

    Attributes
    ----------
    word, against
        Vocabulary ids: the logit of `word`, less that of `against` unless it is -1.
    position
        Index of the token after which the word is predicted.
    logit
        As the model computes it; where the model squashes its logits (softcap), before that.
    embedding
        What the first block is given: token and, where they are added, position.
    heads
        ``[blocks, heads]``.
    attention_bias
        What attention adds beside its heads, ``[blocks]``.
    mlp
        ``[blocks]``.
    block
        ``[blocks]``: all that a block adds where it can't be told apart into attention and MLP, else NaN.
    bias
        Of the final norm and the unembedding.
    """

    word: int
    against: int
    position: int
    logit: float
    embedding: float
    heads: np.ndarray
    attention_bias: np.ndarray
    mlp: np.ndarray
    block: np.ndarray
    bias: float

    @property
    def total(self) -> float:
        """The sum of all terms."""
        arrays = (self.heads, self.attention_bias, self.mlp, self.block)
        return self.embedding + self.bias + float(sum(np.nansum(array) for array in arrays))

    @property
    def unexplained(self) -> float:
        """Logit less total: what the model's own dtype rounds off, below 1e-3 in float32."""
        return self.logit - self.total


def direct_effect(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    word: int,
    *,
    against: int = -1,
    position: int = -1,
    cancel: threading.Event | None = None,
) -> DirectEffect:
    """Split the logit of a word into what each part of the model adds to it directly, past all later parts.

    Method: the residual stream is a sum, and the final norm with its scale held at what it was is linear (Elhage et
    al., "A Mathematical Framework for Transformer Circuits", 2021; Wang et al., "Interpretability in the Wild", 2022).
    Hooks that are attached to the model look away meanwhile.

    Parameters
    ----------
    anatomy
        As `core_hooks.model.readout.verify` returned it.
    word, against
        Vocabulary ids; with `against`, the difference of the two logits is split.
    position
        Index of the token after which the word is predicted; -1 is the last.

    Raises
    ------
    ModelError
        The model has no blocks or unembedding, no such word or position, or what lies between the last block and the
        logits is not a norm and a linear layer.
    RunCancelled
        `cancel` was set.
    """
    for part in ("blocks", "unembedding"):
        if anatomy.lacks(part):
            raise ModelError(f"No direct effect: {anatomy.lacks(part)}")
    if not -len(tokens) <= position < len(tokens):
        raise ModelError(f"There is no position {position} in {len(tokens)} tokens.")
    at = position % len(tokens)
    writes = measure_writes(opened, anatomy, tokens, cancel)
    base = run_base(opened, tokens, _sites(anatomy, writes), cancel=cancel)
    words = base.logits.shape[-1]
    wrong = next((token for token in ((word,) if against < 0 else (word, against)) if not 0 <= token < words), None)
    if wrong is not None:
        raise ModelError(f"There is no word {wrong}: the vocabulary has {words:,}.")
    with torch.no_grad():
        last = base.values[Site(anatomy.blocks[-1].path)][at]
        reader = _Reader(opened, anatomy, last, word, against)
        heads = max((block.n_heads for block in anatomy.blocks), default=0)
        effects = [
            _block(opened, block, write, base, at, reader, heads)
            for block, write in zip(anatomy.blocks, writes, strict=True)
        ]
        embedding = reader(base.values[Site(anatomy.blocks[0].path, before=True)][at])
    logit = reader.logit
    if not anatomy.logit_softcap:
        row = base.logits[0, at].double()
        logit = float(row[word] - (row[against] if against >= 0 else 0.0))
    return DirectEffect(
        word,
        against,
        at,
        logit,
        embedding,
        np.stack([effect.heads for effect in effects]),
        np.array([effect.attention_bias for effect in effects]),
        np.array([effect.mlp for effect in effects]),
        np.array([effect.whole for effect in effects]),
        reader.bias,
    )


def _sites(anatomy: Anatomy, writes: tuple[BlockWrites, ...]) -> set[Site]:
    sites: set[Site] = set()
    for block, write in zip(anatomy.blocks, writes, strict=True):
        sites |= {Site(block.path), Site(block.path, before=True)}
        if write.attention is not None:
            sites |= {Site(block.output_projection, before=True), Site(write.attention.path)}
        if write.mlp is not None:
            sites |= {Site(write.mlp.norm or write.mlp.path)}
    return sites


class _Reader:
    """What a term of the last residual vector is worth in logits, through the final norm's scale.

    Attributes
    ----------
    logit
        Of the vector itself, before any softcap.
    bias
        The part of it that does not depend on the vector.
    """

    def __init__(self, opened: OpenedModel, anatomy: Anatomy, vector: torch.Tensor, word: int, against: int) -> None:
        module = opened.model.get_submodule(anatomy.final_norm) if anatomy.final_norm else None
        uncapped = anatomy.with_(logit_softcap=0.0)

        def read(values: torch.Tensor, token: int) -> torch.Tensor:
            return read_out(opened.model, uncapped, values[None, None].to(vector.dtype), normalise=False)[0, 0, token]

        def gradient(token: int) -> torch.Tensor:
            # Of a linear layer this is the word's row of weights, exactly, whatever lies around it.
            at = torch.zeros_like(vector).requires_grad_()
            with torch.enable_grad():
                (found,) = torch.autograd.grad(read(at, token), at)
            return found.double()

        with undisturbed(opened.model), torch.no_grad():
            self._norm = FrozenNorm(module, vector, anatomy.final_norm) if module is not None else None
            normed = module.forward(vector[None, None])[0, 0] if module is not None else vector
            chosen = [(word, 1.0)] + ([(against, -1.0)] if against >= 0 else [])
            self._direction = sum((sign * gradient(token) for token, sign in chosen), torch.zeros_like(vector).double())
            self.logit = sum(sign * float(read(normed, token)) for token, sign in chosen)
            constant = sum(sign * float(read(torch.zeros_like(vector), token)) for token, sign in chosen)
            missed = abs(float(normed.double() @ self._direction) + constant - self.logit)
        rounding = 1e-3 if vector.dtype in (torch.float32, torch.float64) else 2e-1
        if not missed <= rounding * max(1.0, abs(self.logit)):
            raise ModelError(
                f"Between the last block and the logits of {opened.summary.architecture} lies more than a norm and a "
                "linear layer, so the logit can't be split into what each part adds."
            )
        self.bias = constant + (float(self._norm.bias @ self._direction) if self._norm is not None else 0.0)

    def __call__(self, term: torch.Tensor) -> float:
        """Return what one term ``[channels]`` adds to the logit."""
        return float(self.each(term))

    def each(self, terms: torch.Tensor) -> torch.Tensor:
        """Return what each of the terms ``[..., channels]`` adds to the logit, float64."""
        return (self._norm(terms) if self._norm is not None else terms.double()) @ self._direction


@dataclass(frozen=True, slots=True, eq=False)
class _BlockEffect:
    heads: np.ndarray
    attention_bias: float = np.nan
    mlp: float = np.nan
    whole: float = np.nan


def _block(
    opened: OpenedModel, block: Block, write: BlockWrites, base: BaseRun, at: int, reader: _Reader, columns: int
) -> _BlockEffect:
    heads = np.full(columns, np.nan)
    if not write.whole:
        added = base.values[Site(block.path)][at].double() - base.values[Site(block.path, before=True)][at].double()
        return _BlockEffect(heads, whole=reader(added))
    beside, mlp = np.nan, np.nan
    if write.attention is not None:
        projection = opened.model.get_submodule(block.output_projection)
        mixed = base.values[Site(block.output_projection, before=True)][at].double()
        output = base.values[Site(write.attention.path)][at].double()
        weight = output_weight(projection).double()
        slices = block.head_slices or (slice(None),)
        terms = torch.stack([mixed[head] @ weight[head] for head in slices])
        bias = getattr(projection, "bias", None)
        rest = torch.zeros_like(output) if bias is None else bias.double()
        if write.attention.norm:
            norm = FrozenNorm(opened.model.get_submodule(write.attention.norm), output, write.attention.norm)
            terms, rest = norm(terms), norm(rest) + norm.bias
        values = write.attention.scale * reader.each(terms)
        beside = write.attention.scale * reader(rest)
        if block.head_slices:
            heads[: len(values)] = values.cpu().numpy()
        else:
            beside += float(values.sum())
    if write.mlp is not None:
        mlp = write.mlp.scale * reader(base.values[Site(write.mlp.norm or write.mlp.path)][at])
    return _BlockEffect(heads, beside, mlp)
