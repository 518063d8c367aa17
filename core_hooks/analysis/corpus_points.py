"""The tokens of a whole capture along the directions in which a site varies most, with what each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.analysis.projection import principal_components
from core_hooks.capture.index import CaptureError
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.capture.reader import Capture, StoredSite

    Report = Callable[[int, int], None]

_KEPT = 1 << 29  # bytes of values that are read once and held; more are read again with every pass
_TOGETHER = 4096  # rows read at a time
_DENSE = 8  # where one of so many rows is wanted, the rows between are read with it


@dataclass(frozen=True, slots=True, eq=False)
class CorpusPoints:
    """Tokens of a capture as points; all arrays have an entry for each.

    Attributes
    ----------
    site
        Dotted name.
    rows
        int64, rows of the capture, ascending.
    texts, positions, token_ids
        int32: number of the text that the token is of, its place in it, and its id.
    labels
        int32, which of `label_names` the text has; empty where the capture was made without labels.
    norms
        float32, Euclidean length of the vector.
    points
        float32 ``[tokens, components]``, in the unit of the values.
    shares
        Part of the variance along each component, 0 to 1.
    of
        How many tokens there are to choose from.
    left_out
        Chosen tokens that hold NaN or infinity, which have no place and are no points.
    """

    site: str
    rows: np.ndarray
    texts: np.ndarray
    positions: np.ndarray
    token_ids: np.ndarray
    labels: np.ndarray
    label_names: tuple[str, ...]
    norms: np.ndarray
    points: np.ndarray
    shares: np.ndarray
    of: int
    left_out: int


def corpus_points(
    capture: Capture,
    site: StoredSite | str,
    *,
    most: int = 100_000,
    first_tokens: bool = True,
    components: int = 2,
    on_progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> CorpusPoints:
    """Place the tokens of a site along its principal components.

    Parameters
    ----------
    most
        Tokens at most; of more, this many are taken evenly over the whole capture, the same ones every time.
    first_tokens
        Whether first tokens of texts count, whose norm is often a hundred times that of all others.
    components
        How many there shall be; fewer come back when the values have fewer dimensions.
    on_progress
        Called with the tokens read and their number.
    cancel
        Checked between blocks.

    Raises
    ------
    CaptureError
        There is no such site, it has not two finite vectors, or a file is damaged.
    RunCancelled
        `cancel` was set.
    """
    found = capture.site(site) if isinstance(site, str) else site
    first, stop = found.first_row, found.first_row + found.rows
    positions = capture.positions(first, stop)
    candidates = np.arange(found.rows) if first_tokens else np.flatnonzero(positions > 0)
    of = len(candidates)
    if of > most:
        candidates = candidates[np.arange(most) * of // most]
    rows = candidates + first
    values = _SiteRows(capture, found, rows, on_progress, cancel)
    norms = values.norms()
    finite = np.isfinite(norms)
    if finite.sum() < 2:
        raise CaptureError(f"'{found.site}' has {int(finite.sum())} finite vectors here; two are needed to project.")
    try:
        projected = principal_components(values, components, cancel=cancel)  # type: ignore[arg-type]
    except np.linalg.LinAlgError as error:
        raise CaptureError(f"The values of '{found.site}' are too large for principal components.") from error
    usable = np.isfinite(projected.points).all(axis=1)
    rows, candidates = rows[usable], candidates[usable]
    texts = capture.text_numbers(first, stop)[candidates]
    labels, names = _labels(capture, texts, cancel)
    return CorpusPoints(
        site=found.site,
        rows=rows,
        texts=texts,
        positions=positions[candidates],
        token_ids=capture.token_ids(first, stop)[candidates],
        labels=labels,
        label_names=names,
        norms=norms[usable],
        points=projected.points[usable],
        shares=projected.explained,
        of=of,
        left_out=len(usable) - int(usable.sum()),
    )


def _labels(capture: Capture, texts: np.ndarray, cancel: threading.Event | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which label the text of each token has, and the labels."""
    if capture.index.kind == "run" or not capture.index.source.get("label"):
        return np.empty(0, np.int32), ()
    numbers, of_text = np.unique(texts, return_inverse=True)
    known: dict[str, int] = {}
    codes = np.empty(len(numbers), np.int32)
    for at, number in enumerate(numbers.tolist()):
        if not at % 1024:
            _look(cancel)
        codes[at] = known.setdefault(capture.label(number), len(known))
    return codes[of_text], tuple(known)


class _SiteRows:
    """Chosen rows of a site as `principal_components` reads them: by slices and by numbers, some thousand at a time."""

    def __init__(
        self,
        capture: Capture,
        site: StoredSite,
        rows: np.ndarray,
        on_progress: Report | None,
        cancel: threading.Event | None,
    ) -> None:
        self._capture, self._site, self._rows = capture, site, rows
        self._report, self._cancel = on_progress, cancel
        self.shape = (len(rows), site.channels)
        self.ndim = 2
        self._values: np.ndarray | None = None

    def norms(self) -> np.ndarray:
        """Length of each, NaN or infinity where a value is; the values are kept if they are few."""
        norms = np.empty(len(self._rows), np.float32)
        parts = []
        for start in range(0, len(self._rows), _TOGETHER):
            _look(self._cancel)
            if self._report is not None:
                self._report(start, len(self._rows))
            block = self._read(self._rows[start : start + _TOGETHER])
            if len(self._rows) * self.shape[1] * block.itemsize <= _KEPT:
                parts.append(block)
            wide = block.astype(np.float64)
            norms[start : start + _TOGETHER] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        self._values = np.concatenate(parts) if parts else None
        return norms

    def __getitem__(self, key: Any) -> np.ndarray:
        if self._values is not None:
            return self._values[key]
        _look(self._cancel)
        return self._read(self._rows[key])

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Rows in ascending order."""
        if not len(rows):
            return np.empty((0, self.shape[1]), np.float32)
        low, high = int(rows[0]), int(rows[-1]) + 1
        if high - low <= _DENSE * len(rows):
            return self._capture.read(self._site, low, high)[rows - low]
        return np.stack([self._capture.read(self._site, row, row + 1)[0] for row in rows.tolist()])


def _look(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise RunCancelled("The projection was cancelled.")
