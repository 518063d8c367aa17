"""Attention, driven through the window and checked against `output_attentions`."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QComboBox

from mi_crow_gui.panels.plots.head_grid import HeadGrid
from mi_crow_gui.plotdata.attention import reduced
from mi_crow_gui.plotdata.scale import MIN_MAX

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import PlainModel, Views


def test_the_patterns_equal_output_attentions_and_their_rows_sum_to_one(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panel = views.only("attention")
    outcome = views.run(repeated_prompt)
    expected = plain(plain.ids(repeated_prompt), output_attentions=True).attentions
    for block, pattern in enumerate(expected):
        panel.change_settings(block=block)
        views.qtbot.waitUntil(
            lambda block=block: panel.drawing is not None and not panel.stale and panel.drawing.content.block == block,
            timeout=8_000,
        )
        content = panel.drawing.content
        assert content.run == outcome.info.number
        np.testing.assert_allclose(content.patterns, pattern[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(content.patterns.sum(-1), 1, atol=1e-5)
    assert panel.findChild(QComboBox, "attentionBlock").currentText() == f"Block {len(expected) - 1}"


def test_that_the_implementation_was_switched_is_said_and_undone(views: Views, repeated_prompt: str) -> None:
    panel = views.only("attention")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    assert content.switched_from == "sdpa"
    assert "'eager' instead of 'sdpa'" in panel.accessibleDescription()
    views.wait_idle()
    again = views.run(repeated_prompt)
    np.testing.assert_array_equal(again.losses, outcome.losses)


def test_a_click_on_a_small_head_makes_it_the_large_one(views: Views, plain: PlainModel, repeated_prompt: str) -> None:
    panel = views.only("attention")
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    heads = panel.findChild(HeadGrid, "headGrid")
    box = heads._boxes()[2]
    views.qtbot.mouseClick(heads, Qt.MouseButton.LeftButton, pos=QPoint(box.center()))
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.head == 2, timeout=8_000)
    expected = plain(plain.ids(repeated_prompt), output_attentions=True).attentions[0][0, 2]
    np.testing.assert_allclose(panel.drawing.grid.values, expected.numpy(), atol=1e-5)
    views.qtbot.keyClick(heads, Qt.Key.Key_Left)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.head == 1, timeout=8_000)


def test_the_read_out_names_both_tokens_and_the_line_is_the_selected_ones(views: Views, repeated_prompt: str) -> None:
    panel = views.only("attention")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    said: list[str] = []
    panel.readout.connect(said.append)
    panel._view.hovered.emit((7, 3))
    assert "token 7" in said[-1]
    assert "token 3" in said[-1]
    assert str(content.patterns[0, 7, 3]) in said[-1]
    views.driver.window.prompt.tokenSelected.emit(7)
    assert panel._view.cross.marked == (7, 7)


def test_small_patterns_keep_every_peak() -> None:
    pattern = np.zeros((2, 500, 500), np.float32)
    pattern[1, 123, 45] = 0.75
    small = reduced(pattern, 96)
    assert max(small.shape[1:]) <= 96
    assert small[1].max() == np.float32(0.75)
    assert small[0].max() == 0


def test_only_the_block_that_is_shown_is_kept(views: Views, repeated_prompt: str) -> None:
    panel = views.only("attention")
    outcome = views.run(repeated_prompt)
    first = views.wait_shown(panel, outcome.info.number)
    kept = weakref.ref(first.patterns)
    del first
    panel.change_settings(block=2)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.content.block == 2, timeout=8_000)
    views.qtbot.waitUntil(lambda: gc.collect() >= 0 and kept() is None, timeout=8_000)


def test_faint_attention_is_seen_on_a_percentile_scale(views: Views, repeated_prompt: str) -> None:
    panel = views.only("attention")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    assert (panel.drawing.scale.low, panel.drawing.scale.high) == (0, 1)
    panel.change_settings(scale=MIN_MAX)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.scale == MIN_MAX, timeout=8_000)
    assert panel.drawing.scale.high == content.patterns[0].max()
    assert panel.drawing.content is content
