"""A linear probe: whether a label can be read from the vectors of a site, and along which direction."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.index import CaptureError
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.analysis.probe_labels import ProbeData

_ROUND, _ROUNDS = 25, 40  # iterations between two looks at `cancel`, and how often at most
_Z = 1.959963984540054  # of a 95 % interval


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What a probe learnt, and how well that holds on texts it never saw.

    Attributes
    ----------
    classes
        The labels. Of two, a positive score along `directions[0]` speaks for the second.
    directions
        float32 ``[1, channels]`` for two classes, else one row a class: what a class is told by against the others,
        in the site's units.
    intercepts
        float64, added to the products with the directions.
    accuracy, low, high
        Share of held-out examples that are told right, and its 95 % interval. Tokens of one text are alike, so the
        interval counts how many examples they are worth (Kish's design effect) in Wilson's formula.
    chance
        Accuracy of always saying the class that is most frequent among the training examples.
    train_accuracy
        On the texts that it was trained on.
    train_examples, test_examples, train_texts, test_texts
        How many there were.
    confusion
        int64 ``[classes, classes]`` over the held-out examples: rows are the true ones.
    converged
        False when the training was ended before it had settled.
    """

    classes: tuple[str, ...]
    directions: np.ndarray
    intercepts: np.ndarray
    accuracy: float
    low: float
    high: float
    chance: float
    train_accuracy: float
    train_examples: int
    test_examples: int
    train_texts: int
    test_texts: int
    confusion: np.ndarray
    converged: bool

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """The class of each of ``[examples, channels]``, int64 places in `classes`."""
        scores = vectors.astype(np.float64) @ self.directions.T.astype(np.float64) + self.intercepts
        found: np.ndarray = (scores[:, 0] > 0).astype(np.int64) if len(self.classes) == 2 else scores.argmax(axis=1)
        return found


def train_probe(
    data: ProbeData,
    *,
    held_out: float = 0.25,
    strength: float = 1.0,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Probe:
    """Train a logistic regression on some texts and measure it on the others (Alain and Bengio, 2016).

    Parameters
    ----------
    held_out
        Share of the texts that it is measured on; all examples of a text are on the same side.
    strength
        Inverse of the L2 regularisation, on channels scaled to a deviation of 1.
    cancel
        Checked every few iterations.

    Raises
    ------
    CaptureError
        scikit-learn is not installed, or a side of the split lacks what it needs.
    RunCancelled
        `cancel` was set.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise CaptureError("Probes need scikit-learn; install it with `pip install scikit-learn`.") from error
    train, test = split_by_text(data.texts, held_out, seed)
    if len(np.unique(data.labels[train])) < len(data.classes) or not test.any():
        raise CaptureError(
            f"{len(np.unique(data.texts)):,} labelled texts are too few to hold some out: every label is needed among "
            "those that are trained on."
        )
    seen = data.vectors[train].astype(np.float64)
    mean, scale = seen.mean(axis=0), seen.std(axis=0)
    scale[scale == 0] = 1.0
    seen = (seen - mean) / scale
    model = LogisticRegression(C=strength, max_iter=_ROUND, warm_start=True, solver="lbfgs")
    converged = False
    for number in range(_ROUNDS):
        if cancel is not None and cancel.is_set():
            raise RunCancelled("The probe was cancelled.")
        if on_progress is not None:
            on_progress(number, _ROUNDS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(seen, data.labels[train])
        converged = int(np.max(model.n_iter_)) < _ROUND
        if converged:
            break
    directions = model.coef_ / scale
    probe = Probe(
        classes=data.classes,
        directions=directions.astype(np.float32),
        intercepts=np.asarray(model.intercept_ - directions @ mean, np.float64),
        accuracy=math.nan, low=math.nan, high=math.nan, chance=math.nan, train_accuracy=math.nan,
        train_examples=int(train.sum()),
        test_examples=int(test.sum()),
        train_texts=len(np.unique(data.texts[train])),
        test_texts=len(np.unique(data.texts[test])),
        confusion=np.zeros((len(data.classes), len(data.classes)), np.int64),
        converged=converged,
    )  # fmt: skip
    return _measured(probe, data, train, test)


def split_by_text(texts: np.ndarray, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which examples are trained on and which are held out; all of a text on one side, by lot.

    Parameters
    ----------
    texts
        Number of the text that each example is from, [examples].
    held_out
        Share of the texts, 0 to 1, that is held out: at least one of them, none when there is only one.

    Returns
    -------
    tuple
        Two masks [examples], bool: trained on, held out.
    """
    numbers = np.unique(texts)
    np.random.default_rng(seed).shuffle(numbers)
    apart = numbers[: max(1, round(len(numbers) * held_out))] if len(numbers) > 1 else numbers[:0]
    test = np.isin(texts, apart)
    return ~test, test


def accuracy_interval(right: np.ndarray, texts: np.ndarray) -> tuple[float, float]:
    """95 % interval of the share of true values in `right`, examples of one text counted as alike as they are.

    Wilson's interval (1927) with the number of examples divided by Kish's design effect: the variance of the share
    over whole texts against that over independent examples, no less than 1. Where all are right or all wrong there
    is nothing to estimate it from, and each text counts once.
    """
    n = len(right)
    share = float(right.mean())
    numbers, places = np.unique(texts, return_inverse=True)
    if len(numbers) == n:
        effective = float(n)
    elif share in (0.0, 1.0):
        effective = float(len(numbers))
    else:
        residuals = np.bincount(places, right - share)
        clusters = len(numbers)
        variance = clusters / max(1, clusters - 1) * float((residuals**2).sum()) / n**2
        effective = max(1.0, n / max(1.0, variance / (share * (1 - share) / n)))
    z2 = _Z**2
    middle = (share + z2 / (2 * effective)) / (1 + z2 / effective)
    half = _Z * math.sqrt(share * (1 - share) / effective + z2 / (4 * effective**2)) / (1 + z2 / effective)
    return max(0.0, middle - half), min(1.0, middle + half)


def _measured(probe: Probe, data: ProbeData, train: np.ndarray, test: np.ndarray) -> Probe:
    said = probe.predict(data.vectors[test])
    truth = data.labels[test]
    right = said == truth
    low, high = accuracy_interval(right, data.texts[test])
    most = int(np.bincount(data.labels[train], minlength=len(data.classes)).argmax())
    confusion = np.zeros_like(probe.confusion)
    np.add.at(confusion, (truth, said), 1)
    return replace(
        probe,
        accuracy=float(right.mean()),
        low=low,
        high=high,
        chance=float((truth == most).mean()),
        train_accuracy=float((probe.predict(data.vectors[train]) == data.labels[train]).mean()),
        confusion=confusion,
    )
