"""The first token, which drowns all others, is left out of the plots of a run where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mi_crow_gui.panels.plots import attention, logit_lens, residual_norms
from mi_crow_gui.plotdata.scale import MIN_MAX

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import PlainModel, Views


def switch(views: Views, panel: Any) -> None:
    """Choose the entry of the plot's menu."""
    panel._on_menu_about_to_show()
    entry = next(a for a in panel._title.menu.actions() if a.text() == "Hide the first token")
    assert entry.isCheckable()
    entry.trigger()
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.hide_first, timeout=8_000)


@pytest.mark.parametrize("kind", ["attention", "logit_lens", "residual_norms"])
def test_without_the_first_token_every_other_keeps_its_number_its_text_and_its_values(
    views: Views, plain: PlainModel, repeated_prompt: str, kind: str
) -> None:
    panel = views.only(kind)
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    whole = np.array(panel.drawing.grid.values)
    switch(views, panel)
    rows = slice(1, None) if kind == "attention" else slice(None)
    np.testing.assert_array_equal(panel.drawing.grid.values, whole[rows, 1:])
    axis = panel._view._bottom
    assert axis._label(0).endswith("\n1")
    assert axis._label(0).startswith(outcome.info.tokens.texts[1].strip()[:4])
    assert "token 0 left out" in panel._foot.text()
    said: list[str] = []
    panel.readout.connect(said.append)
    panel._view.hovered.emit((2, 3))
    assert "token 4" in said[-1]
    assert str(panel.drawing.grid.values[2, 3]) in said[-1]
    views.driver.window.prompt.tokenSelected.emit(5)
    assert panel._view.cross.marked[1] == 4
    views.driver.window.prompt.tokenSelected.emit(0)
    assert panel._view.cross.marked[1] is None
    chosen: list[int] = []
    panel.tokenSelected.connect(chosen.append)
    panel._view.clicked.emit((2, 3))
    assert chosen == [3 if kind == "attention" else 4]


def test_the_range_is_of_what_is_shown(views: Views, repeated_prompt: str) -> None:
    panel = views.only("residual_norms")
    outcome = views.run(repeated_prompt)
    views.wait_shown(panel, outcome.info.number)
    panel.change_settings(scale=MIN_MAX)
    switch(views, panel)
    assert panel.drawing.scale.high == pytest.approx(float(panel.drawing.content.norms[:, 1:].max()))


@pytest.mark.parametrize(
    ("kind", "field"), [("attention", "patterns"), ("logit_lens", "probability"), ("residual_norms", "norms")]
)
def test_values_that_are_no_numbers_are_counted_and_have_their_colour(
    views: Views, repeated_prompt: str, kind: str, field: str
) -> None:
    panel = views.only(kind)
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    values = np.array(getattr(content, field))
    values[..., 2, 3], values[..., 1, 4] = np.nan, np.inf
    panel.show_drawing(panel_kind(kind).prepare(replace(content, **{field: values}), panel.settings()))
    assert "1 NaN, 1 infinite" in panel._foot.text()
    assert panel._view._bar._not_finite
    panel.show_drawing(panel_kind(kind).prepare(content, panel.settings()))
    assert "NaN" not in panel._foot.text()
    assert not panel._view._bar._not_finite


def panel_kind(name: str) -> Any:
    """The kind of plot of a name."""
    return {"attention": attention.KIND, "logit_lens": logit_lens.KIND, "residual_norms": residual_norms.KIND}[name]
