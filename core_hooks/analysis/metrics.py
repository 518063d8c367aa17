"""What is measured of a forward: loss, logit difference, probability, Kullback-Leibler divergence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch

from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BLOCK = 1 << 18  # logits turned into float32 at a time: 1 MiB, which stays in the processor's cache


@runtime_checkable
class Metric(Protocol):
    """One number of each row of a batch of logits.

    Attributes
    ----------
    name
        For titles and colour bars, with the unit.
    last_only
        Only the logits of the last token are needed; the model then need not compute the others.
    """

    @property
    def name(self) -> str:
        """Name with unit."""
        ...

    @property
    def last_only(self) -> bool:
        """Whether it reads the last token alone."""
        ...

    def __call__(self, logits: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """Return float32 ``[rows]`` on the CPU.

        Parameters
        ----------
        logits
            ``[rows, tokens, vocabulary]``, any float dtype; ``[rows, 1, vocabulary]`` for the last token alone.
        ids
            The tokens that every row was given.
        """
        ...


@dataclass(frozen=True, slots=True)
class Loss:
    """Mean loss in nats, minus the log probability of tokens given those before them.

    Attributes
    ----------
    positions
        Positions of the tokens that are predicted, 1 or more each; empty for all but the first.
    """

    positions: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Name with unit."""
        return "loss (nats)"

    @property
    def last_only(self) -> bool:
        """Losses are read before the last token."""
        return False

    def __call__(self, logits: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """Return the mean loss of each row; see `Metric`."""
        positions = self.positions or tuple(range(1, len(ids)))
        wrong = next((p for p in positions if not 1 <= p < len(ids)), None)
        if not positions or wrong is not None:
            at = "a single token" if wrong is None else f"position {wrong} of {len(ids)} tokens"
            raise ModelError(f"There is no loss at {at}: a loss needs a token before it.")
        targets = torch.tensor([ids[p] for p in positions], device=logits.device)
        before = torch.tensor(positions, device=logits.device) - 1
        return -_log_probabilities(logits, before, targets).mean(1).cpu()


@dataclass(frozen=True, slots=True)
class LogitDifference:
    """Logit of one token minus that of another, at one position (Wang et al., "Interpretability in the Wild", 2022).

    Attributes
    ----------
    right, wrong
        Vocabulary ids.
    position
        Index of the token after which the word is predicted; -1 is the last.
    """

    right: int
    wrong: int
    position: int = -1

    @property
    def name(self) -> str:
        """Name with unit."""
        return "logit difference"

    @property
    def last_only(self) -> bool:
        """Whether it reads the last token."""
        return self.position == -1

    def __call__(self, logits: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """Return the difference of each row; see `Metric`."""
        row = _at(logits, ids, self.position, self.right, self.wrong)
        return (row[:, self.right].float() - row[:, self.wrong].float()).cpu()


@dataclass(frozen=True, slots=True)
class Probability:
    """Probability, 0 to 1, of one token at one position; the attributes are as in `LogitDifference`."""

    token: int
    position: int = -1

    @property
    def name(self) -> str:
        """Name with unit."""
        return "probability"

    @property
    def last_only(self) -> bool:
        """Whether it reads the last token."""
        return self.position == -1

    def __call__(self, logits: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """Return the probability in each row; see `Metric`."""
        row = _at(logits, ids, self.position, self.token).float()
        return (row[:, self.token] - row.logsumexp(-1)).exp().cpu()


@dataclass(frozen=True, slots=True, eq=False)
class Divergence:
    """Kullback-Leibler divergence in nats from a reference prediction to that of each row, at one position.

    Attributes
    ----------
    reference
        Logits ``[vocabulary]`` that the rows are compared with; 0 means that a row predicts the same.
    position
        As in `LogitDifference`.
    """

    reference: torch.Tensor = field(repr=False)
    position: int = -1

    @property
    def name(self) -> str:
        """Name with unit."""
        return "KL divergence (nats)"

    @property
    def last_only(self) -> bool:
        """Whether it reads the last token."""
        return self.position == -1

    def __call__(self, logits: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """Return the divergence of each row; see `Metric`."""
        row = _at(logits, ids, self.position)
        return _divergence(self.reference.to(row.device).expand_as(row), row).cpu()


def divergences(reference: torch.Tensor, other: torch.Tensor) -> np.ndarray:
    """Return the Kullback-Leibler divergence of `other` from `reference` at each token.

    Parameters
    ----------
    reference, other
        Logits ``[tokens, vocabulary]`` of any float dtype.

    Returns
    -------
    numpy.ndarray
        float32 ``[tokens]``, in nats, never below 0.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    if reference.shape != other.shape or reference.dim() != 2:
        raise ValueError(
            f"Logits {tuple(reference.shape)} and {tuple(other.shape)}: [tokens, vocabulary] twice is needed."
        )
    parts = [
        _divergence(reference[rows], other[rows].to(reference.device)).cpu() for rows in _row_blocks(*reference.shape)
    ]
    result: np.ndarray = torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)
    return result


def token_probabilities(logits: torch.Tensor, ids: Sequence[int]) -> np.ndarray:
    """Return the probability of each token given those before it.

    Parameters
    ----------
    logits
        ``[tokens, vocabulary]``, any float dtype.

    Returns
    -------
    numpy.ndarray
        float32 ``[tokens]``, 0 to 1, the first NaN.
    """
    result = np.full(len(ids), np.nan, np.float32)
    if len(ids) > 1:
        targets = torch.tensor(list(ids[1:]), device=logits.device)
        positions = torch.arange(len(ids) - 1, device=logits.device)
        result[1:] = _log_probabilities(logits[None], positions, targets)[0].exp().cpu().numpy()
    return result


def _at(logits: torch.Tensor, ids: Sequence[int], position: int, *words: int) -> torch.Tensor:
    """Return the logits [rows, vocabulary] of one position, in which there are these words."""
    wrong = next((word for word in words if not 0 <= word < logits.shape[-1]), None)
    if wrong is not None:
        raise ModelError(f"There is no word {wrong}: the vocabulary has {logits.shape[-1]:,}.")
    count = len(ids)
    if not -count <= position < count:
        raise ModelError(f"There is no position {position} in {count} tokens; give -{count} to {count - 1}.")
    if position in (-1, count - 1):
        return logits[:, -1]
    return logits[:, position % count]


def _log_probabilities(logits: torch.Tensor, positions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return log p of `targets` [n] read at `positions` [n], float32 [rows, n]; in blocks, to save memory."""
    rows, _, vocabulary = logits.shape
    result = torch.empty(rows, len(positions), dtype=torch.float32, device=logits.device)
    across = max(1, min(len(positions), _BLOCK // vocabulary))
    down = max(1, _BLOCK // (vocabulary * across))
    # A copy of what is read is saved where the positions lie side by side, which they mostly do.
    first, count = int(positions[0]), len(positions)
    beside = bool((positions == torch.arange(first, first + count, device=positions.device)).all())
    for top in range(0, rows, down):
        for start in range(0, len(positions), across):
            here = positions[start : start + across]
            block = logits[top : top + down]
            block = block[:, first + start : first + start + len(here)] if beside else block.index_select(1, here)
            block = block.float()
            chosen = targets[start : start + across].expand(block.shape[0], -1)[..., None]
            found = block.gather(2, chosen)[..., 0] - block.logsumexp(2)
            result[top : top + down, start : start + across] = found
    return result


def _divergence(reference: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    # Summed in float64: probabilities near 1 would otherwise leave an error as large as a small divergence.
    expected, given = reference.double().log_softmax(-1), other.double().log_softmax(-1)
    terms = expected.exp() * (expected - given)
    # A word that the reference rules out (logit -inf) adds nothing, whatever the other says.
    return torch.where(expected.isneginf(), 0.0, terms).sum(-1).clamp_min(0).float()


def _row_blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
