"""Two captures of the same texts, layer by layer: how alike they are, and where they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.index import CaptureError
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from core_hooks.capture.reader import Capture, StoredSite

    Report = Callable[[int, int], None]

_BLOCK_VALUES = 1 << 21
_CHECKED = 1 << 16  # token ids compared at a time


@dataclass(frozen=True, slots=True, eq=False)
class SiteComparison:
    """One site of a capture A against one of a capture B, over the same tokens.

    Attributes
    ----------
    site_a, site_b
        Their names.
    tokens
        How many were compared; `left_out` had NaN or infinity in one of the two.
    cka
        Linear centred kernel alignment (Kornblith et al., 2019), 0 to 1; 1 when the vectors are the same up to a
        rotation and a scale. NaN where one side never varies.
    cosine
        Mean cosine of the two vectors of a token; NaN for sites of different widths.
    difference
        Frobenius norm of B less A, relative to that of A; NaN for sites of different widths.
    channels, channel_changes
        Channels that changed most, and by how much (root mean square of B less A); empty for different widths.
    rows, row_changes
        Rows of the tokens that changed most, and the Euclidean norm of the change; empty for different widths.
    """

    site_a: str
    site_b: str
    tokens: int
    left_out: int
    cka: float
    cosine: float
    difference: float
    channels: np.ndarray
    channel_changes: np.ndarray
    rows: np.ndarray
    row_changes: np.ndarray


def check_same_texts(a: Capture, b: Capture, cancel: threading.Event | None = None) -> None:
    """Raise CaptureError, saying where they part, when two captures are not of the same tokens in the same order."""
    if a.rows != b.rows:
        raise CaptureError(
            f"'{a.folder.name}' holds {a.rows:,} tokens and '{b.folder.name}' {b.rows:,}: captures of the same texts "
            "through the same tokenizer can be compared."
        )
    for start in range(0, a.rows, _CHECKED):
        _look(cancel)
        stop = min(start + _CHECKED, a.rows)
        differ = np.flatnonzero(a.token_ids(start, stop) != b.token_ids(start, stop))
        if len(differ):
            row = start + int(differ[0])
            raise CaptureError(
                f"Row {row:,} is {a.token_texts(row, row + 1)[0]!r} in '{a.folder.name}' and "
                f"{b.token_texts(row, row + 1)[0]!r} in '{b.folder.name}': the captures are not of the same texts."
            )


def pair_sites(a: Capture, b: Capture) -> list[tuple[StoredSite, StoredSite]]:
    """Sites that belong together: those of one name and stage, or, without any, by their order.

    Raises
    ------
    CaptureError
        There are none.
    """
    named = {(site.site, site.stage): site for site in b.sites}
    pairs = [(site, named[site.site, site.stage]) for site in a.sites if (site.site, site.stage) in named]
    if not pairs:
        by_name = {site.site: site for site in b.sites}
        pairs = [(site, by_name[site.site]) for site in a.sites if site.site in by_name]
    if not pairs and len(a.sites) == len(b.sites):
        # Two architectures: the n-th captured layer of the one against the n-th of the other.
        pairs = list(zip(a.sites, b.sites, strict=True))
    if not pairs:
        raise CaptureError(
            f"'{a.folder.name}' and '{b.folder.name}' have no site in common, and another number of them; "
            "capture the same layers of both."
        )
    return pairs


def compare_captures(
    a: Capture,
    b: Capture,
    pairs: Sequence[tuple[StoredSite, StoredSite]] | None = None,
    *,
    at_most: int = 20,
    on_progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> list[SiteComparison]:
    """Compare two captures of the same texts site by site, in blocks over the mapped files.

    Parameters
    ----------
    pairs
        Which sites belong together; by default `pair_sites`.
    at_most
        Channels and tokens named for each pair.
    on_progress
        Called with the rows done and their number over all pairs.
    cancel
        Checked between blocks.

    Raises
    ------
    CaptureError
        The captures are not of the same tokens, have no sites in common, or are damaged.
    RunCancelled
        `cancel` was set.
    """
    check_same_texts(a, b, cancel)
    chosen = list(pairs) if pairs is not None else pair_sites(a, b)
    total = sum(min(one.rows, other.rows) for one, other in chosen)
    done = 0
    found = []
    for one, other in chosen:

        def report(rows: int, before: int = done) -> None:
            _look(cancel)
            if on_progress is not None:
                on_progress(before + rows, total)

        found.append(_compare(a, b, one, other, at_most, report))
        done += min(one.rows, other.rows)
    return found


def _compare(
    a: Capture, b: Capture, one: StoredSite, other: StoredSite, at_most: int, report: Callable[[int], None]
) -> SiteComparison:
    start = max(one.first_row, other.first_row)
    stop = min(one.first_row + one.rows, other.first_row + other.rows)
    alike = one.channels == other.channels
    products = _Products(one.channels, other.channels)
    cosine_sum, cosines = 0.0, 0
    squares = np.zeros(one.channels) if alike else np.zeros(0)
    size_a = 0.0
    best_rows, best_changes = np.empty(0, np.int64), np.empty(0)
    left_out = 0
    step = max(64, _BLOCK_VALUES // max(one.channels, other.channels))
    for first in range(start, stop, step):
        report(first - start)
        last = min(first + step, stop)
        x = a.read(one, first, last).astype(np.float32)
        y = b.read(other, first, last).astype(np.float32)
        usable = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
        rows = np.arange(first, last)
        if not usable.all():
            left_out += int((~usable).sum())
            x, y, rows = x[usable], y[usable], rows[usable]
        products.add(x, y)
        if not alike or not len(x):
            continue
        wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
        change = wide_y - wide_x
        squares += (change**2).sum(axis=0)
        size_a += float((wide_x**2).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            lengths = np.linalg.norm(wide_x, axis=1) * np.linalg.norm(wide_y, axis=1)
            angles = np.einsum("ij,ij->i", wide_x, wide_y) / lengths
        angles = angles[np.isfinite(angles)]
        cosine_sum, cosines = cosine_sum + float(angles.sum()), cosines + len(angles)
        changes = np.linalg.norm(change, axis=1)
        all_changes, all_rows = np.concatenate([best_changes, changes]), np.concatenate([best_rows, rows])
        order = np.argsort(-all_changes, kind="stable")[:at_most]
        best_changes, best_rows = all_changes[order], all_rows[order]
    tokens = products.count
    channel_changes = np.sqrt(squares / max(1, tokens))
    channels = np.argsort(-channel_changes, kind="stable")[:at_most]
    nothing = float("nan")
    return SiteComparison(
        site_a=one.site,
        site_b=other.site,
        tokens=tokens,
        left_out=left_out,
        cka=products.alignment(),
        cosine=cosine_sum / cosines if cosines else nothing,
        difference=float(np.sqrt(squares.sum() / size_a)) if alike and size_a > 0 else nothing,
        channels=channels if alike else np.empty(0, np.int64),
        channel_changes=channel_changes[channels] if alike else np.empty(0),
        rows=best_rows,
        row_changes=best_changes,
    )


class _Products:
    """What linear CKA needs of two sets of vectors: sums and products, about the first block's mean."""

    def __init__(self, channels_a: int, channels_b: int) -> None:
        self.count = 0
        self._sum_a, self._sum_b = np.zeros(channels_a), np.zeros(channels_b)
        self._aa = np.zeros((channels_a, channels_a))
        self._bb = np.zeros((channels_b, channels_b))
        self._ab = np.zeros((channels_a, channels_b))
        self._shift: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        if not len(x):
            return
        if self._shift is None:
            # Near the mean little cancels at the end.
            self._shift = x.mean(axis=0), y.mean(axis=0)
        x, y = x - self._shift[0], y - self._shift[1]
        self.count += len(x)
        self._sum_a += x.sum(axis=0, dtype=np.float64)
        self._sum_b += y.sum(axis=0, dtype=np.float64)
        self._aa += x.T @ x
        self._bb += y.T @ y
        self._ab += x.T @ y

    def alignment(self) -> float:
        if self.count < 2:
            return float("nan")
        mean_a, mean_b = self._sum_a / self.count, self._sum_b / self.count
        aa = self._aa - self.count * np.outer(mean_a, mean_a)
        bb = self._bb - self.count * np.outer(mean_b, mean_b)
        ab = self._ab - self.count * np.outer(mean_a, mean_b)
        under = float(np.linalg.norm(aa)) * float(np.linalg.norm(bb))
        return min(1.0, float(np.linalg.norm(ab)) ** 2 / under) if under > 0 else float("nan")


def _look(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise RunCancelled("The comparison was cancelled.")
