"""What single views are shown of a run that goes on: grown token by token, on the model thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from core_hooks.analysis.logit_lens import lens_of_vectors
from core_hooks.model.prompt import token_text
from mi_crow_gui.plotdata.analysis import frozen
from mi_crow_gui.plotdata.attention import SMALL, Attention, reduced
from mi_crow_gui.plotdata.logit_lens import Lens
from mi_crow_gui.plotdata.residual_norms import ResidualNorms

if TYPE_CHECKING:
    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.plotdata.analysis import Analysis

_KEPT = 256  # tokens whose vectors wait to be read, at most
AT_ONCE = 16  # tokens read at a time, at most


class LivePiece(Protocol):
    """One view of a run that goes on."""

    def content(self, run: int, tokens: tuple[str, ...], step: int) -> Analysis:
        """What there is of it after so many tokens were fed."""


class LiveNorms:
    """Norms of the residual stream; too cheap to be put off."""

    def __init__(self) -> None:
        self._norms = np.empty((0, 0), np.float32)

    def add(self, stream: torch.Tensor, first: int) -> None:
        """Take the stream ``[places, tokens, channels]`` of a forward over the tokens from `first` on."""
        norms = torch.linalg.vector_norm(stream.float(), dim=-1).cpu().numpy()
        end = first + norms.shape[1]
        self._norms = _roomy(self._norms, len(norms), end)
        self._norms[:, first:end] = norms

    def content(self, run: int, tokens: tuple[str, ...], step: int) -> ResidualNorms:
        """The norms so far: columns that are there never change again."""
        norms = _roomy(self._norms, len(self._norms), len(tokens))[:, : len(tokens)]
        return ResidualNorms(run, tokens, frozen(norms), step=step, live=True)


class LiveLens:
    """The logit lens: the newest token first, earlier ones as there is time."""

    def __init__(self, opened: OpenedModel, anatomy: Anatomy, target: int) -> None:
        self._opened, self._anatomy, self._target = opened, anatomy, target
        self._waiting: dict[int, torch.Tensor] = {}
        self._words: list[list[str]] = []
        self._texts: dict[int, str] = {}
        names = ("probability", "entropy") + (("target_rank", "target_probability") if target >= 0 else ())
        self._values = dict.fromkeys(names, np.empty((0, 0), np.float32))

    def add(self, stream: torch.Tensor, first: int) -> None:
        """Put the stream ``[places, tokens, channels]`` of a forward aside until it is read."""
        skipped = max(0, stream.shape[1] - _KEPT)
        # A copy of the part, for a view would hold all of a long prompt.
        kept = stream[:, skipped:].clone() if skipped else stream
        self._waiting.update({first + skipped + index: kept[:, index] for index in range(kept.shape[1])})
        for place in sorted(self._waiting)[: max(0, len(self._waiting) - _KEPT)]:
            del self._waiting[place]

    @property
    def waiting(self) -> int:
        """Tokens that can be read."""
        return len(self._waiting)

    def read(self, amount: int) -> int:
        """Read the newest tokens that wait, `amount` of them at most; give how many it were."""
        places = sorted(self._waiting, reverse=True)[: min(amount, AT_ONCE)]
        if not places:
            return 0
        vectors = torch.stack([self._waiting.pop(place) for place in places], dim=1)
        rows, count, width = vectors.shape
        found = lens_of_vectors(self._opened, self._anatomy, vectors.reshape(rows * count, width), self._target)
        for name, values in self._values.items():
            grown = self._values[name] = _roomy(values, rows, max(places) + 1)
            grown[:, places] = getattr(found, name).reshape(rows, count)
        while len(self._words) < rows:
            self._words.append([])
        for row, top in zip(self._words, found.top.reshape(rows, count).tolist(), strict=True):
            row += [""] * (max(places) + 1 - len(row))
            for place, token_id in zip(places, top, strict=True):
                row[place] = self._text(token_id)
        return count

    def _text(self, token_id: int) -> str:
        known = self._texts.get(token_id)
        if known is None:
            known = self._texts[token_id] = token_text(self._opened, token_id)
        return known

    def content(self, run: int, tokens: tuple[str, ...], step: int) -> Lens:
        """What was read so far; "" and NaN where there was no time yet."""
        count, rows = len(tokens), len(self._words)
        arrays = {name: _roomy(values, rows, count)[:, :count].copy() for name, values in self._values.items()}
        words = tuple((*row[:count], *[""] * (count - len(row))) for row in self._words)
        return Lens(
            run,
            tokens,
            words,
            frozen(arrays["probability"]),
            frozen(arrays["entropy"]),
            self._text(self._target) if self._target >= 0 else "",
            arrays.get("target_rank"),
            arrays.get("target_probability"),
            step=step,
            live=True,
        )


class LiveAttention:
    """The attention of one block; rows of tokens that were fed before somebody looked are not known."""

    def __init__(self, anatomy: Anatomy, block: int, switched_from: str) -> None:
        self._block, self._path = block, anatomy.blocks[block].attention
        self._blocks = tuple(index for index, one in enumerate(anatomy.blocks) if one.attention)
        self._switched_from = switched_from
        self._patterns = np.empty((0, 0, 0), np.float32)

    def add(self, weights: torch.Tensor, fed: int) -> None:
        """Take the weights ``[heads, new tokens, tokens]`` of the forward after which `fed` tokens were fed."""
        heads, new, seen = weights.shape
        known = self._patterns.shape[1]
        if fed > known:
            grown = np.zeros((heads, max(2 * known, fed), max(2 * known, fed)), np.float32)
            if known:
                grown[:, :known, :known] = self._patterns
            else:
                grown[:, : fed - new] = np.nan
            self._patterns = grown
        # A window that slides forgets the first tokens.
        self._patterns[:, fed - new : fed, fed - seen : fed] = weights.float().cpu().numpy()

    def content(self, run: int, tokens: tuple[str, ...], step: int) -> Attention:
        """The patterns so far: what is there never changes again, so it is not copied."""
        count = len(tokens)
        patterns = self._patterns[:, :count, :count]
        patterns.flags.writeable = False
        small = frozen(reduced(patterns, SMALL).copy())
        return Attention(
            run,
            tokens,
            self._block,
            self._path,
            self._blocks,
            patterns,
            small,
            self._switched_from,
            step=step,
            live=True,
        )


def _roomy(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The same with room for so many columns, NaN where there was nothing; doubled, so that it is seldom copied."""
    if values.shape[0] == rows and values.shape[1] >= columns:
        return values
    grown = np.full((rows, max(columns, 2 * values.shape[1])), np.nan, values.dtype)
    grown[: values.shape[0], : values.shape[1]] = values
    return grown
