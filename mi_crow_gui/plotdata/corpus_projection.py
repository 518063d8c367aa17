"""The projection of a whole capture: tokens of many texts as points in a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core_hooks.analysis.corpus_points import corpus_points
from core_hooks.analysis.embedding import COMPONENTS, FEWEST, NAMES
from mi_crow_gui.document.formatting import count, plural
from mi_crow_gui.plotdata.frame import Frame
from mi_crow_gui.plotdata.groups import Groups, grouped
from mi_crow_gui.plotdata.projection import LABEL, NORM, PCA, POSITION, TOKEN, ProjectionDrawing, scale_of
from mi_crow_gui.plotdata.rows import Rows
from mi_crow_gui.plotdata.table import Table

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.analysis.corpus_points import CorpusPoints
    from core_hooks.capture.reader import Capture
    from mi_crow_gui.plotdata.scale import Scale

MOST = (2_000, 10_000, 100_000)
_NAMED = 64  # so few points have their tokens beside them


@dataclass(frozen=True, slots=True)
class CorpusProjectionSettings:
    """As of a projection; `most` points at most. Without labels, what is coloured by them is coloured by position."""

    colour: str = LABEL
    hide_first: bool = True
    method: str = PCA
    most: int = MOST[1]

    @property
    def reading(self) -> tuple[int, bool, int]:
        """What of it must be read anew when it changes: how many, whether first tokens, and how many components."""
        return self.most, self.hide_first, COMPONENTS if self.method in NAMES else 2


@dataclass(frozen=True, slots=True, eq=False)
class CorpusProjection:
    """What was read of a capture.

    Attributes
    ----------
    frame
        The same for every drawing of these points, which is how they are known again.
    token_codes, token_names
        Which of the names each point's token has.
    """

    found: CorpusPoints
    frame: Frame
    token_codes: np.ndarray
    token_names: tuple[str, ...]

    @property
    def how_many(self) -> str:
        """Points, and tokens that they were chosen from."""
        shown = len(self.found.rows) + self.found.left_out
        if shown < self.found.of:
            return f"{count(shown)} of {plural(self.found.of, 'token')}"
        return plural(shown, "token")


@dataclass(frozen=True, slots=True, eq=False)
class CorpusProjectionDrawing(ProjectionDrawing):
    """Points with what they are, ready to be shown; positions are numbers of points."""

    content: CorpusProjection | None = None  # never None; a field with a default can't be followed by one without

    def token(self, index: int) -> str:
        """Text of a point's token."""
        assert self.content is not None
        return self.content.token_names[int(self.content.token_codes[index])]

    def label(self, index: int) -> str:
        """Label of a point's text, "" for none."""
        assert self.content is not None
        found = self.content.found
        return found.label_names[int(found.labels[index])] if len(found.labels) else ""

    def place(self, index: int) -> tuple[int, int, int]:
        """Row of the capture, text and position of a point."""
        assert self.content is not None
        found = self.content.found
        return int(found.rows[index]), int(found.texts[index]), int(found.positions[index])

    def table(self) -> Table:
        """Row, text, position, token, label and both coordinates of each point."""
        names = ("row", "text", "position", "token", "label", *(f"{self.axis} {number}" for number in (1, 2)))
        return Table(self.points, names, lambda index: (*self.place(index), self.token(index), self.label(index)))


def read_corpus_projection(
    capture: Capture,
    site: str,
    reading: tuple[int, bool, int],
    on_progress: Callable[[int, int], None],
    cancel: threading.Event,
) -> CorpusProjection:
    """Read and place tokens of a capture; CaptureError when it can't be."""
    most, hide_first, components = reading
    stored = capture.site(site)
    found = corpus_points(
        capture, stored, most=most, first_tokens=not hide_first, components=components, on_progress=on_progress,
        cancel=cancel,
    )  # fmt: skip
    ids, codes = np.unique(found.token_ids, return_inverse=True)
    if capture.index.kind == "run":
        names = [""] * len(ids)
        for code, row in zip(codes.tolist(), found.rows.tolist(), strict=True):
            names[code] = capture.index.tokens[row]
    else:
        names = [capture.token_text(int(token)) for token in ids]
    frame = Frame(
        run=0, step=0, site=stored.site, hook_id="", stage=stored.stage, values=found.points,
        shape=tuple(found.points.shape), dtype=stored.dtype, origin=plural(capture.texts, "text"),
    )  # fmt: skip
    return CorpusProjection(found, frame, codes, tuple(names))


def prepare_corpus_projection(content: CorpusProjection, settings: CorpusProjectionSettings) -> CorpusProjectionDrawing:
    """Colour the points."""
    found = content.found
    points = np.zeros((len(found.points), 2), np.float32)
    points[:, : found.points.shape[1]] = found.points[:, :2]
    shares = [*found.shares.tolist(), 0.0, 0.0]
    colours, scale, groups = _colours(content, settings.colour)
    places = np.arange(len(points))
    few = len(points) <= _NAMED
    labels = tuple(content.token_names[code] for code in content.token_codes.tolist()) if few else ()
    reduced = found.points if settings.method in NAMES and len(points) >= FEWEST else None
    return CorpusProjectionDrawing(
        content.frame, settings, Rows(points, 0, "token", "component", labels, 0, 1), points, places,
        (shares[0], shares[1]), colours, scale, found.left_out, reduced, groups=groups, content=content,
    )  # fmt: skip


def colour_of(content: CorpusProjection, wanted: str) -> str:
    """What points are coloured by: labels only where there are some."""
    return POSITION if wanted == LABEL and not len(content.found.labels) else wanted


def _colours(content: CorpusProjection, wanted: str) -> tuple[np.ndarray, Scale | None, Groups | None]:
    found, by = content.found, colour_of(content, wanted)
    if by == LABEL:
        colours, groups = grouped(found.labels, found.label_names)
        return colours, None, groups
    if by == TOKEN:
        # Two ids of one text are one token to whoever reads it.
        unique = {name: code for code, name in enumerate(dict.fromkeys(content.token_names))}
        merged = np.array([unique[name] for name in content.token_names], np.int64)
        colours, groups = grouped(merged[content.token_codes], tuple(unique))
        return colours, None, groups
    values: Any = found.norms if by == NORM else found.positions
    note = "L2 norm" if by == NORM else "position in its text"
    return values.astype(np.float64), scale_of(values, note, whole=by != NORM), None
