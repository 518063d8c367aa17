"""The projection of a whole capture: every token where plain numpy puts it, coloured by token, position or label."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QAbstractButton, QMenu

from mi_crow_gui.panels.plots.colours import group_colours
from mi_crow_gui.panels.plots.group_legend import GroupLegend
from mi_crow_gui.plotdata.groups import MOST
from mi_crow_gui.plotdata.projection import LABEL, NORM, POSITION, TOKEN
from mi_crow_gui.wiring import corpus_projection_wiring
from tests.core_hooks.capture.corpora import number_texts, write_corpus_capture
from tests.mi_crow_gui.offline.conftest import OTHER, TEXTS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.offline.conftest import Offlines

# Text and position of every token but the first of each text, which are left out at first.
PLACES = [(number, position) for number, text in enumerate(TEXTS) for position in range(1, len(text))]


def projection(offline: Offlines, folder: Path) -> Any:
    offline.open(folder)
    panel = offline.only("corpus_projection")
    offline.wait_drawn(panel)
    return panel


def settled(offline: Offlines, panel: Any, **settings: object) -> Any:
    """The drawing with other settings."""
    panel.change_settings(**settings)
    offline.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings == panel.settings(), timeout=20_000)
    return panel.drawing


def hover(panel: Any, index: int) -> None:
    x, y = panel.drawing.points[index].tolist()
    panel._canvas.hovered.emit(QPointF(x, y))


def choices(panel: Any, title: str) -> dict[str, bool]:
    panel._on_menu_about_to_show()
    menu = next(menu for menu in panel.findChildren(QMenu) if menu.title() == title)
    return {action.text(): action.isEnabled() for action in menu.actions()}


def test_tokens_of_all_texts_lie_along_the_components_of_their_site(
    offline: Offlines, stored: Path, values: np.ndarray
) -> None:
    panel = projection(offline, stored)
    rows = np.flatnonzero([position for text in TEXTS for position in range(len(text))])
    kept = values[rows].astype(np.float64)
    left, sizes, _ = np.linalg.svd(kept - kept.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(panel.drawing.points), np.abs(left[:, :2] * sizes[:2]), atol=1e-4)
    np.testing.assert_allclose(panel.drawing.shares, (sizes**2 / (sizes**2).sum())[:2], rtol=1e-4)
    assert [panel.drawing.place(index)[1:] for index in range(len(rows))] == PLACES
    words = panel.accessibleDescription()
    assert f"PCA of {len(rows):,} tokens" in words
    assert "without first tokens" in words
    table = panel.drawing.table()
    assert table.header[:5] == ("row", "text", "position", "token", "label")
    assert table.lead(3) == (
        int(rows[3]),
        *PLACES[3],
        f"<{TEXTS[PLACES[3][0]][PLACES[3][1]]}>",
        f"mood {PLACES[3][0] % 2}",
    )


def test_colours_are_of_the_labels_and_a_legend_says_which(offline: Offlines, stored: Path) -> None:
    panel = projection(offline, stored)
    assert panel.settings().colour == LABEL
    moods = [f"mood {text % 2}" for text, _ in PLACES]
    drawing = panel.drawing
    assert [drawing.groups.names[group] for group in drawing.colours] == moods
    assert dict(zip(drawing.groups.names, drawing.groups.counts, strict=True)) == {
        mood: moods.count(mood) for mood in ("mood 0", "mood 1")
    }
    legend = panel.findChild(GroupLegend)
    entries = legend.findChildren(QAbstractButton)
    assert legend.isVisible()
    assert [entry.accessibleName() for entry in entries] == [
        f"{name}: {size:,} points" for name, size in zip(drawing.groups.names, drawing.groups.counts, strict=True)
    ]
    known = group_colours(panel._colours)
    np.testing.assert_array_equal(panel._points._colours, known[drawing.colours])
    # One of them alone, and all again.
    entries[1].click()
    alone = panel._points._colours
    np.testing.assert_array_equal(alone[drawing.colours == 1], known[1])
    assert set(alone[drawing.colours == 0].tolist()) == {panel._colours.grid.rgba()}
    entries[1].click()
    np.testing.assert_array_equal(panel._points._colours, known[drawing.colours])


def test_colours_are_of_the_token_the_position_or_the_norm(offline: Offlines, stored: Path, values: np.ndarray) -> None:
    panel = projection(offline, stored)
    drawing = settled(offline, panel, colour=TOKEN)
    tokens = [f"<{TEXTS[text][position]}>" for text, position in PLACES]
    often = sorted(set(tokens), key=lambda token: (-tokens.count(token), token))
    assert drawing.groups.names == tuple(often[:MOST])
    assert (drawing.groups.others, drawing.groups.rest) == (
        len(often) - MOST, sum(tokens.count(token) for token in often[MOST:]),
    )  # fmt: skip
    assert drawing.colours.tolist() == [min(often.index(token), MOST) for token in tokens]
    last = panel.findChild(GroupLegend).findChildren(QAbstractButton)[-1]
    assert last.accessibleName().startswith(f"{len(often) - MOST} others: ")
    drawing = settled(offline, panel, colour=POSITION)
    assert drawing.colours.tolist() == [position for _, position in PLACES]
    assert not panel.findChild(GroupLegend).isVisible()
    drawing = settled(offline, panel, colour=NORM)
    rows = [drawing.place(index)[0] for index in range(len(PLACES))]
    np.testing.assert_allclose(drawing.colours, np.linalg.norm(values[rows], axis=1), rtol=1e-5)


def test_hovering_tells_the_text_and_a_click_opens_it(offline: Offlines, qtbot: QtBot, stored: Path) -> None:
    panel = projection(offline, stored)
    index = next(at for at, (text, position) in enumerate(PLACES) if position == 2 and len(TEXTS[text]) == 4)
    # The point nearest to its own place may be one that lies under it.
    x, y = panel.drawing.points[index].tolist()
    index = panel._points.nearest(QPointF(x, y), 12.0)
    text, position = PLACES[index]
    said: list[str] = []
    panel.readout.connect(said.append)
    hover(panel, index)
    assert f"token {position} of text {text} · label mood {text % 2}" in said[0]
    around = " ".join(
        f"[<{token}>]" if at == position else f"<{token}>"
        for at, token in enumerate(TEXTS[text])
        if abs(at - position) <= 4
    )
    qtbot.waitUntil(lambda: around in said[-1], timeout=10_000)
    panel._canvas.clicked.emit(QPointF(*panel.drawing.points[index].tolist()))
    offline.wait_text(text)
    qtbot.waitUntil(lambda: panel._points._marked == index)


def test_other_sites_settings_and_captures_are_followed(
    offline: Offlines, qtbot: QtBot, stored: Path, tmp_path: Path
) -> None:
    panel = projection(offline, stored)
    offline.choose_site(OTHER)
    qtbot.waitUntil(lambda: panel.drawing is not None and panel.drawing.site == OTHER, timeout=20_000)
    drawing = settled(offline, panel, hide_first=False)
    assert len(drawing.points) == sum(map(len, TEXTS))
    plain = tmp_path / "plain"
    texts = number_texts(40)
    write_corpus_capture(plain, texts)
    offline.open(plain)
    qtbot.waitUntil(lambda: panel.drawing is not None and len(panel.drawing.points) == sum(map(len, texts)))
    # Labels are what is wished, and there are none.
    assert "colour: position (captured without labels)" in panel.accessibleDescription()
    assert choices(panel, "Colour by")["Label of the text (this capture was made without labels)"] is False
    offline.wiring.browse.close()
    assert panel.drawing is None
    assert "Open a capture" in panel._empty.text()


def test_of_many_tokens_some_are_shown_and_it_is_said(
    offline: Offlines, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = projection(offline, stored)
    assert list(choices(panel, "Points")) == ["up to 2,000", "up to 10,000", "up to 100,000"]
    drawing = settled(offline, panel, most=100)
    assert len(drawing.points) == 100
    assert f"PCA of 100 of {len(PLACES):,} tokens" in panel.accessibleDescription()


def test_placing_is_given_up_and_what_was_shown_stays(
    offline: Offlines, qtbot: QtBot, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = projection(offline, stored)
    before = panel.drawing
    gate = threading.Event()

    def held(capture: object, site: object, reading: object, on_progress: object, cancel: threading.Event) -> None:
        gate.wait(60)
        on_progress(1, 2)  # type: ignore[operator]
        raise AssertionError("it was given up")

    monkeypatch.setattr(corpus_projection_wiring, "read_corpus_projection", held)
    try:
        panel.change_settings(most=2_000)
        cancel = panel.findChild(QAbstractButton, "corpusProjectionCancel")
        qtbot.waitUntil(cancel.isVisible, timeout=10_000)
        cancel.click()
    finally:
        gate.set()
    qtbot.waitUntil(lambda: not panel.stale and not cancel.isVisible(), timeout=10_000)
    assert panel.settings().most == 10_000
    np.testing.assert_array_equal(panel.drawing.points, before.points)
