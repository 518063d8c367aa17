from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QMenu, QToolButton, QWidget

from mi_crow_gui.panels.look import contrast
from mi_crow_gui.panels.plots.colours import NOT_FINITE, VALUES, PlotColours, site_colour
from mi_crow_gui.panels.plots.matrix_item import places_in
from mi_crow_gui.plotdata.prompt_frame import frame_of_prompt
from mi_crow_gui.plotdata.scale import LOCKED, MIN_MAX
from tests.mi_crow_gui.panels_plots.conftest import KINDS, draw
from tests.mi_crow_gui.plotdata.frames import frame, noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from mi_crow_gui.panels.plots.base import PlotPanel

TOKENS = ("When", " Mary", " and", " John", "\n")


def texts(panel: PlotPanel) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def entries(menu: QMenu) -> dict[str, Any]:
    found = {}
    for action in menu.actions():
        found[action.text()] = action
        if action.menu() is not None:
            found.update(entries(action.menu()))
    return found


def options(panel: PlotPanel) -> dict[str, Any]:
    button = panel.findChild(QToolButton, "plotOptions")
    assert button is not None
    menu = button.menu()
    menu.aboutToShow.emit()
    return entries(menu)


def pixel(panel: Any, at: QPointF) -> QPoint:
    return panel._canvas.mapFromScene(panel._canvas.view.mapViewToScene(at))


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_says_what_goes_there_then_which_run_and_step_it_shows(make: Callable[..., Any], kind: str) -> None:
    panel = make(kind)
    assert "Select a module" in texts(panel)
    panel.set_site("h.1")
    assert "Run the model to see h.1 here." in texts(panel)
    assert (panel.property("plotKind"), panel.property("site")) == (kind, "h.1")
    draw(panel, frame(noise(1, 5, 8), run=12, step=7, tokens=TOKENS))
    assert "run 12 · step 7" in texts(panel)
    assert "Run the model" not in texts(panel)
    panel.clear()
    assert "Run the model to see h.1 here." in texts(panel)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_stale_says_why_until_a_new_drawing_arrives(make: Callable[..., Any], kind: str) -> None:
    panel = make(kind, frame(noise(1, 5, 8)))
    panel.mark_stale("run 4 is on its way")
    assert "stale" in texts(panel)
    assert "run 4 is on its way" in texts(panel)
    draw(panel, frame(noise(1, 5, 8), run=4))
    assert "stale" not in texts(panel)
    assert "run 4 · step 0" in texts(panel)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_settings_are_announced_and_an_older_drawing_does_not_pass_for_them(
    make: Callable[..., Any], qtbot: QtBot, kind: str
) -> None:
    shown = frame(noise(1, 5, 8))
    panel = make(kind, shown)
    before = KINDS[kind].prepare(shown, panel.settings())
    with qtbot.waitSignal(panel.settingsChanged):
        panel.change_settings(hide_first=not panel.settings().hide_first)
    assert panel.stale
    panel.show_drawing(before)
    assert panel.stale
    draw(panel, shown)
    assert not panel.stale
    assert panel.options() == (("hide_first", str(panel.settings().hide_first)),)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 64), (1, 64, 1), (3, 5, 7), (5,), (), (2, 2, 6, 6), (1, 0, 8), (1, 3, 0)]
)
def test_every_shape_is_shown_or_explained(make: Callable[..., Any], kind: str, shape: tuple[int, ...]) -> None:
    panel = make(kind, frame(np.ones(shape, np.float32)))
    panel.grab()
    assert ("without values" in texts(panel)) == (0 in shape)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "projection"])
def test_values_that_are_all_nan_or_huge_are_shown(make: Callable[..., Any], kind: str) -> None:
    for values in (np.full((1, 4, 4), np.nan), np.full((1, 4, 4), 3e38), np.array([[[1e-38, -3e38, np.inf]]])):
        panel = make(kind, frame(values.astype(np.float32)))
        panel.grab()
    assert panel.drawing is not None


@pytest.mark.parametrize("kind", ["heatmap", "trace"])
def test_the_mouse_reads_the_captured_value_and_selects_its_token(
    make: Callable[..., Any], qtbot: QtBot, kind: str
) -> None:
    values = noise(1, 5, 8, dtype="float16")
    panel = make(kind, frame(values, first_token=10, tokens=("",) * 10 + TOKENS))
    said: list[str] = []
    hovered: list[int] = []
    panel.readout.connect(said.append)
    panel.tokenHovered.connect(hovered.append)
    height = float(panel.drawing.drawn[3]) if kind == "trace" else 13
    at = QPointF(13 if kind == "trace" else 6, height)
    qtbot.mouseMove(panel._canvas.viewport(), pixel(panel, at) + QPoint(0, 3))
    qtbot.mouseMove(panel._canvas.viewport(), pixel(panel, at))
    qtbot.waitUntil(lambda: bool(said))
    exact = values[0, 3, 6] if kind == "heatmap" else np.linalg.norm(values[0, 3].astype(np.float64))
    assert "token 13 ␣John" in said[-1]
    assert float(said[-1].rsplit(" ", 1)[1]) == float(exact)
    assert hovered[-1] == 13
    with qtbot.waitSignal(panel.tokenSelected) as selected:
        qtbot.mouseClick(panel._canvas.viewport(), Qt.MouseButton.LeftButton, pos=pixel(panel, at))
    assert selected.args == [13]
    panel._canvas.leaveEvent(QEvent(QEvent.Type.Leave))
    assert (said[-1], hovered[-1]) == ("", -1)


@pytest.mark.parametrize("kind", ["heatmap", "trace"])
def test_the_arrow_keys_move_the_selected_token_and_stop_at_the_ends(
    make: Callable[..., Any], qtbot: QtBot, kind: str
) -> None:
    panel = make(kind, frame(noise(1, 5, 8), tokens=TOKENS))
    moved: list[int] = []
    panel.tokenSelected.connect(moved.append)
    panel.tokenSelected.connect(panel.set_token)
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_PageDown, Qt.Key.Key_Down):
        qtbot.keyClick(panel._canvas, key)
    assert moved == [0, 1, 0, 4, 4]


def test_the_heatmap_marks_the_selected_row_and_no_other(make: Callable[..., Any]) -> None:
    panel = make("heatmap", frame(noise(1, 5, 8), first_token=10))
    for token, marked in ((12, True), (9, False), (15, False), (14, True), (None, False)):
        panel.set_token(token)
        assert panel._band.isVisible() == marked


def test_the_colours_of_a_heatmap_are_those_of_its_values(make: Callable[..., Any]) -> None:
    values = np.zeros((1, 2, 2), np.float32)
    values[0] = [[-1, 0], [np.nan, 1]]
    panel = make("heatmap", frame(values))
    panel.change_settings(scale=MIN_MAX)
    draw(panel, panel.drawing.frame)
    image = panel._canvas.grab().toImage()
    seen = {(r, c): image.pixelColor(pixel(panel, QPointF(c, r))) for r in range(2) for c in range(2)}
    table = PlotColours.of(panel.palette()).table(diverging=True)
    expected = {(0, 0): table[0], (0, 1): table[VALUES // 2], (1, 0): table[NOT_FINITE], (1, 1): table[VALUES - 1]}
    assert {place: colour.rgba() for place, colour in seen.items()} == expected


def test_places_in_the_colour_table_follow_the_values() -> None:
    values = np.array([[-5, -1, 0, 1, 5, np.nan, np.inf, -np.inf]], np.float32)
    assert places_in(values, -1, 1).tolist() == [[0, 0, 127, 254, 254, 255, 255, 255]]


def test_a_growing_heatmap_stays_wholly_visible_until_the_user_zooms(make: Callable[..., Any], qtbot: QtBot) -> None:
    panel = make("heatmap", frame(noise(1, 5, 8)))
    draw(panel, frame(noise(1, 50, 8), step=45))
    assert panel._canvas.view.viewRange()[1] == [-0.5, 49.5]
    qtbot.keyClick(panel._canvas, Qt.Key.Key_Plus)
    zoomed = panel._canvas.view.viewRange()
    assert zoomed[1][1] - zoomed[1][0] < 50
    draw(panel, frame(noise(1, 60, 8), step=55))
    assert panel._canvas.view.viewRange() == zoomed
    qtbot.keyClick(panel._canvas, Qt.Key.Key_0)
    assert panel._canvas.view.viewRange()[1] == [-0.5, 59.5]


def test_the_range_of_a_heatmap_can_be_locked_and_follows_again(make: Callable[..., Any]) -> None:
    panel = make("heatmap", frame(noise(1, 5, 8)))
    held = panel.drawing.scale
    options(panel)["Lock the range"].trigger()
    draw(panel, frame(noise(1, 5, 8) * 100))
    assert panel.settings().scale == LOCKED
    assert (panel.drawing.scale.low, panel.drawing.scale.high) == (held.low, held.high)
    options(panel)["Lock the range"].trigger()
    draw(panel, frame(noise(1, 5, 8) * 100))
    assert panel.drawing.scale.high > 50


def test_the_options_reach_every_setting_and_the_title_names_the_prompt_of_a_batch(make: Callable[..., Any]) -> None:
    panel = make("trace", frame_of_prompt(frame(noise(3, 5, 8), rows=(("a",) * 5,) * 3), 2))
    options(panel)["Root mean square"].trigger()
    options(panel)["Hide the first token"].trigger()
    assert panel.settings() == replace(panel.settings(), measure="rms", hide_first=True)
    draw(panel, panel.drawing.frame)
    assert "prompt 3/3" in texts(panel)
    histogram = make("histogram", frame(noise(1, 5, 8)))
    options(histogram)["Logarithmic counts"].trigger()
    options(histogram)["256"].trigger()
    assert (histogram.settings().log_counts, histogram.settings().bins) == (False, 256)


def test_a_trace_of_a_million_points_draws_a_few_thousand_and_finds_the_peak(make: Callable[..., Any]) -> None:
    values = noise(1, 1_000_000, 1)
    values[0, 654_321] = 1000
    panel = make("trace", frame(values))
    x, y = panel._line.getData()
    assert len(x) < 4000
    assert y.max() == 1000


def test_statistics_stand_as_numbers_with_names(make: Callable[..., Any]) -> None:
    values = noise(1, 50, 60)
    values[0, 0, 0] = np.nan
    panel = make("statistics", frame(values))
    shown = {label.objectName(): label for label in panel.findChildren(QLabel) if label.objectName()}
    assert shown["statistic_count"].text() == "3,000"
    assert shown["statistic_nan"].text() == "1"
    assert shown["statistic_nan"].font().bold()
    assert not shown["statistic_infinite"].font().bold()
    assert shown["statistic_shape"].text() == "1 × 50 × 60  float32"


@pytest.mark.parametrize("base", ["#ffffff", "#16181d"])
def test_colours_of_sites_can_be_read_in_both_themes_and_are_the_same_everywhere(base: str) -> None:
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Base, QColor(base))
    sites = [f"transformer.h.{block}.{part}" for block in range(12) for part in ("attn", "mlp")]
    colours = {site: site_colour(site, palette) for site in sites}
    assert all(contrast(colour, QColor(base)) >= 4.5 for colour in colours.values())
    assert {site: site_colour(site, palette) for site in sites} == colours
    assert len({colour.rgb() for colour in colours.values()}) >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_another_palette_recolours_a_plot(make: Callable[..., Any], kind: str) -> None:
    panel = make(kind, frame(noise(1, 5, 8)))
    dark = QPalette(QColor("#22252b"))
    dark.setColor(QPalette.ColorRole.Base, QColor("#101318"))
    dark.setColor(QPalette.ColorRole.Text, QColor("#eeeeee"))
    panel.setPalette(dark)
    image = panel.grab().toImage()
    assert image.pixelColor(panel.width() - 100, 32).lightness() < 80


@pytest.mark.parametrize("colour", ["position", "norm", "token"])
def test_a_point_of_the_projection_names_its_token_and_selects_it(
    make: Callable[..., Any], qtbot: QtBot, colour: str
) -> None:
    panel = make("projection")
    panel.change_settings(colour=colour)
    draw(panel, frame(noise(1, 5, 8), tokens=TOKENS))
    said: list[str] = []
    panel.readout.connect(said.append)
    drawing = panel.drawing
    index = int(drawing.positions.tolist().index(3))
    at = pixel(panel, QPointF(*drawing.points[index].tolist()))
    panel.grab()
    qtbot.mouseMove(panel._canvas.viewport(), at + QPoint(0, 3))
    qtbot.mouseMove(panel._canvas.viewport(), at)
    qtbot.waitUntil(lambda: bool(said) and "token 3 ␣John" in said[-1])
    with qtbot.waitSignal(panel.tokenSelected) as selected:
        qtbot.mouseClick(panel._canvas.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert selected.args == [3]


def test_a_point_lies_where_its_axes_say_and_in_its_colour(make: Callable[..., Any]) -> None:
    panel = make("projection", frame(noise(1, 100, 8)))
    image = panel._canvas.grab().toImage()
    drawing = panel.drawing
    background = panel.palette().base().color().rgb()
    seen = [image.pixel(pixel(panel, QPointF(*point))) for point in drawing.points.tolist()]
    assert sum(colour != background for colour in seen) > 95


class Paints(QObject):
    """Counts how often a widget is painted."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.Paint
        return False


@pytest.mark.parametrize("kind", ["heatmap", "trace", "histogram", "projection"])
def test_each_new_drawing_of_a_run_is_painted_once(make: Callable[..., Any], kind: str) -> None:
    panel = make(kind)
    for rows in range(60, 63):
        draw(panel, frame(noise(1, rows, 8), live=True))
        QApplication.processEvents()
    paints = Paints(panel._canvas.viewport())
    draw(panel, frame(noise(1, 63, 8), live=True))
    for _ in range(5):
        QApplication.processEvents()
    assert paints.count == 1


@pytest.mark.parametrize(("width", "shown"), [(600, "incomprehen…  1"), (260, "1")])
def test_a_narrow_heatmap_leaves_the_texts_of_its_rows_out_before_its_picture(
    make: Callable[..., Any], width: int, shown: str
) -> None:
    panel = make("heatmap")
    panel.resize(width, 400)
    draw(panel, frame(noise(1, 5, 8), tokens=("When", "incomprehensibilities", " and", " John", " went")))
    assert panel._tokens.tickStrings([1.0], 1, 1) == [shown]
    panel.resize(600, 400)
    assert panel._tokens.tickStrings([1.0], 1, 1) == ["incomprehen…  1"]
    assert panel._canvas.view.width() > 100
