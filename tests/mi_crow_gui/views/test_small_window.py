"""Where there is little room the plots can still be read: in a window of 1024 x 700, and four beside all panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QCheckBox, QLabel, QPlainTextEdit, QSpinBox, QTextEdit

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import Views

LEAST, STILL_READ = 100, 70  # pixels of a picture without its axes


def small(views: Views) -> None:
    views.driver.window.resize(1024, 700)
    views.qtbot.waitUntil(lambda: views.driver.window.height() == 700)
    views.driver.find(QSpinBox, "maxNewTokens").setValue(40)


def seen(views: Views, canvas: object) -> int:
    """How many rows of pixels of a picture are not scrolled away."""
    inside = canvas.view.sceneBoundingRect().toRect()
    visible = canvas.viewport().visibleRegion().boundingRect()
    return inside.intersected(visible).height()


def test_a_generated_batch_leaves_the_plots_room(views: Views, repeated_prompt: str) -> None:
    views.driver.tick("transformer.h.1")
    panel = views.only("heatmap")
    for kind in ("trace", "histogram", "projection"):
        views.board.plotAddRequested.emit(kind)
    small(views)
    views.driver.find(QCheckBox, "promptBatch").setChecked(True)
    words = repeated_prompt.split()
    prompts = "\n".join(" ".join(words[start : start + 5]) for start in range(12))
    outcome = views.run(prompts, "generate")
    views.wait_shown_drawing(panel, outcome.info.number)
    views.qtbot.waitUntil(lambda: seen(views, panel._canvas) >= LEAST, timeout=8_000)
    views.board.plotAddRequested.emit("logit_lens")
    lens = next(panel for panel in views.board.panels() if panel.kind == "logit_lens")
    views.board.bring_forward(lens)
    views.wait_shown(lens, outcome.info.number)
    assert "prompt 1/12" in lens._title.when.text()
    views.board.plotAddRequested.emit("next_token")
    views.qtbot.waitUntil(lambda: "prompt" not in lens._title.when.text(), timeout=8_000)


def test_four_plots_fit_beside_prompt_output_and_editor(views: Views, repeated_prompt: str) -> None:
    views.driver.tick("transformer.h.1")
    views.only("heatmap")
    for kind in ("trace", "histogram", "projection"):
        views.board.plotAddRequested.emit(kind)
    views.driver.window.resize(1440, 900)
    views.driver.find(QSpinBox, "maxNewTokens").setValue(40)
    outcome = views.run(repeated_prompt, "generate")
    assert views.driver.find(QTextEdit, "outputView").isVisible()
    assert views.driver.find(QPlainTextEdit, "controllerEdit").isVisible()
    page = views.board.currentWidget()
    views.qtbot.waitUntil(lambda: page.verticalScrollBar().maximum() == 0, timeout=8_000)
    for panel in views.board.visible_panels():
        views.wait_shown_drawing(panel, outcome.info.number)
        views.qtbot.waitUntil(lambda panel=panel: seen(views, panel._canvas) >= STILL_READ, timeout=8_000)


def test_a_low_plot_has_its_foot_line_while_something_is_under_the_cursor(views: Views, repeated_prompt: str) -> None:
    views.driver.tick("transformer.h.1")
    panel = views.only("heatmap")
    outcome = views.run(repeated_prompt)
    drawing = views.wait_shown_drawing(panel, outcome.info.number)
    panel.setParent(None)
    panel.resize(400, 300)
    panel.show()
    stack, foot = panel._stack, panel._foot
    views.qtbot.waitUntil(lambda: stack.geometry().bottom() + 1 == foot.y() == 300 - foot.height(), timeout=8_000)
    high = panel._canvas.view.height()
    panel.resize(400, 140)
    views.qtbot.waitUntil(lambda: stack.geometry().bottom() == 139, timeout=8_000)
    assert not panel._foot.isVisible()
    assert panel._title.when.toolTip() == f"{drawing.rows.count} tokens × 128 channels · float32"
    assert panel._columns._label(5) == "5"
    assert not panel._columns.label.isVisible()
    panel._on_canvas_hovered(QPointF(3, 2))
    assert panel._foot.isVisible()
    assert panel._foot.geometry().bottom() == 139
    assert f"channel 3 · {drawing.rows.values[2, 3]}" in panel._foot.text()
    panel._on_canvas_hovered(None)
    assert not panel._foot.isVisible()
    panel.resize(400, 300)
    views.qtbot.waitUntil(panel._foot.isVisible, timeout=8_000)
    views.qtbot.waitUntil(lambda: panel._canvas.view.height() == high, timeout=8_000)
    panel.closeRequested.emit()


def test_in_a_narrow_plot_of_attention_the_large_head_has_the_room(views: Views, repeated_prompt: str) -> None:
    panel = views.only("attention")
    for kind in ("logit_lens", "residual_norms", "next_token"):
        views.board.plotAddRequested.emit(kind)
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    assert panel._heads.isVisible()
    small(views)
    views.qtbot.waitUntil(lambda: not panel._heads.isVisible(), timeout=8_000)
    views.qtbot.waitUntil(lambda: panel._view.canvas.view.width() > 40, timeout=8_000)
    assert panel._words().startswith("L0H0")
    panel.change_settings(head=2)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.head == 2, timeout=8_000)
    views.driver.window.resize(1440, 900)
    views.qtbot.waitUntil(panel._heads.isVisible, timeout=8_000)


def test_what_to_look_for_stands_back_once_something_was_written(views: Views, repeated_prompt: str) -> None:
    views.driver.window.resize(1440, 900)
    hint = views.driver.find(QLabel, "promptHint")
    views.driver.prompt(repeated_prompt)
    views.qtbot.waitUntil(hint.isVisible, timeout=8_000)
    views.driver.find(QSpinBox, "maxNewTokens").setValue(5)
    views.run(repeated_prompt, "generate")
    views.qtbot.waitUntil(lambda: not hint.isVisible(), timeout=8_000)
    views.run(repeated_prompt)
    views.qtbot.waitUntil(hint.isVisible, timeout=8_000)


def test_beside_all_heads_the_large_one_gives_up_the_texts_of_its_rows_before_its_picture(
    views: Views, repeated_prompt: str
) -> None:
    panel = views.only("attention")
    views.board.plotAddRequested.emit("logit_lens")
    views.driver.window.resize(1440, 900)
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    first = outcome.info.tokens.texts[0]
    views.qtbot.waitUntil(lambda: panel._view._left._label(0) == "0", timeout=8_000)
    assert panel._view._bottom._label(0) == f"{first}\n0"
    panel.setParent(None)
    panel.resize(900, 600)
    panel.show()
    views.qtbot.waitUntil(lambda: panel._view._left._label(0) == f"{first}  0", timeout=8_000)
    panel.closeRequested.emit()
