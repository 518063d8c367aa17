"""The token under the mouse, wherever the mouse is, has its light line in every plot."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from mi_crow_gui.panels.plots.matrix_item import MatrixItem

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import Views

SITE = "transformer.h.1"
PROMPT = "violin harbor seven Oscar silk under turtle violin harbor seven Oscar silk"
KINDS = ("heatmap", "trace", "logit_lens", "attention")


def marks(panel: Any) -> Any:
    """Where the light line of a plot is, None while there is none."""
    if panel.kind == "heatmap":
        return panel._pointer.place
    if panel.kind == "trace":
        return panel._pointer.value() if panel._pointer.isVisible() else None
    if panel.kind == "projection":
        return [tuple(spot) for spot in zip(*panel._pointer.getData(), strict=True)] or None
    return panel._view.pointed[1]


def strip_of(views: Views) -> Any:
    return views.driver.window.prompt._strip


def over_chip(views: Views, token: int) -> None:
    strip = strip_of(views)
    box = strip._layout.shown(0, token).translated(strip._offset())
    views.qtbot.mouseMove(strip.viewport(), box.center())


def over_data(views: Views, canvas: Any, x: float, y: float) -> None:
    at = canvas.mapFromScene(canvas.view.mapViewToScene(QPointF(x, y)))
    views.qtbot.mouseMove(canvas.viewport(), QPoint(at))


@pytest.fixture
def four(views: Views) -> dict[str, Any]:
    """Four plots of a run side by side."""
    views.driver.tick(SITE)
    views.only(KINDS[0])
    for kind in KINDS[1:]:
        views.board.plotAddRequested.emit(kind)
    views.run(PROMPT)
    panels = {panel.kind: panel for panel in views.board.panels()}
    for panel in panels.values():
        views.qtbot.waitUntil(lambda panel=panel: panel.drawing is not None and not panel.stale, timeout=10_000)
    return panels


def test_a_token_of_the_strip_under_the_mouse_has_a_line_in_every_plot_until_it_leaves(
    views: Views, four: dict[str, Any]
) -> None:
    assert {marks(panel) for panel in four.values()} == {None}
    over_chip(views, 5)
    assert {kind: marks(panel) for kind, panel in four.items()} == dict.fromkeys(KINDS, 5)
    assert four["attention"]._view.pointed == (5, 5)
    assert strip_of(views).selected == -1, "pointing selects nothing"
    views.qtbot.mouseMove(strip_of(views).viewport(), strip_of(views).viewport().rect().bottomRight() + QPoint(0, 40))
    QApplication.sendEvent(strip_of(views), _leave())
    assert {marks(panel) for panel in four.values()} == {None}


def test_a_cell_under_the_mouse_has_its_token_marked_in_the_other_plots_and_in_the_strip(
    views: Views, four: dict[str, Any]
) -> None:
    over_data(views, four["heatmap"]._canvas, 60, 4)
    assert {kind: marks(panel) for kind, panel in four.items()} == dict.fromkeys(KINDS, 4)
    strip = strip_of(views)
    assert strip.chip(0, 4).pointed
    over_data(views, four["trace"]._canvas, 7, (four["trace"].drawing.low + four["trace"].drawing.high) / 2)
    assert {kind: marks(panel) for kind, panel in four.items()} == dict.fromkeys(KINDS, 7)
    assert [token for token in range(12) if strip.chip(0, token).pointed] == [7]
    QApplication.sendEvent(four["trace"]._canvas, _leave())
    assert {marks(panel) for panel in four.values()} == {None}
    assert not strip.chip(0, 7).pointed


def test_the_selected_token_stays_where_it_is_and_is_the_stronger_line(views: Views, four: dict[str, Any]) -> None:
    heatmap = four["heatmap"]
    views.driver.window.prompt.tokenSelected.emit(2)
    over_chip(views, 9)
    assert heatmap._band._row == 2
    assert heatmap._band.isVisible()
    assert heatmap._pointer.place == 9
    assert all(pen.color().alpha() == 255 for pen in heatmap._band._pens)
    assert all(pen.color().alpha() < 255 for pen in heatmap._pointer._pens)
    assert four["trace"]._pointer.pen.color().alpha() < four["trace"]._cursor.pen.color().alpha()


def test_a_projected_point_has_a_ring_while_its_token_is_under_the_mouse(views: Views) -> None:
    views.driver.tick(SITE)
    panel = views.only("projection")
    views.run(PROMPT)
    views.qtbot.waitUntil(lambda: panel.drawing is not None and not panel.stale, timeout=10_000)
    over_chip(views, 3)
    (place,) = marks(panel)
    assert place == pytest.approx(tuple(panel.drawing.points[panel.drawing.positions.tolist().index(3)]))
    over_chip(views, 4)
    (place,) = marks(panel)
    assert place == pytest.approx(tuple(panel.drawing.points[panel.drawing.positions.tolist().index(4)]))
    QApplication.sendEvent(strip_of(views), _leave())
    assert marks(panel) is None


def test_moving_over_tokens_maps_no_picture_anew_and_paints_a_strip_of_it_alone(
    views: Views, four: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    window = views.driver.window
    window.render(QImage(window.size(), QImage.Format.Format_RGB32))
    rendered: list[MatrixItem] = []
    whole = MatrixItem._render

    def render(self: MatrixItem, *arguments: Any) -> None:
        rendered.append(self)
        whole(self, *arguments)

    monkeypatch.setattr(MatrixItem, "_render", render)
    took = []
    for token in (*range(12), *range(11, -1, -1)):
        start = time.perf_counter()
        over_chip(views, token)
        took.append(time.perf_counter() - start)
        QApplication.processEvents()
        area = four["heatmap"]._pointer.boundingRect()
        assert (area.height(), area.top()) == (1, token - 0.5)
    assert not rendered
    print(f"a token's lines move in {1000 * statistics.median(took):.2f} ms")


def _leave() -> Any:

    return QEvent(QEvent.Type.Leave)
