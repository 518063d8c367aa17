from __future__ import annotations

import logging
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING

from mi_crow_gui.panels.plots.registry import GROUP, load
from mi_crow_gui.plotdata.kind import PlotKind

if TYPE_CHECKING:
    import pytest


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


BUILT_IN = point("trace", "mi_crow_gui.panels.plots.trace:KIND")


def test_the_built_in_plots_come_through_the_entry_points() -> None:
    registry = load(include_plugins=False)
    assert list(registry.kinds)[:3] == ["heatmap", "trace", "histogram"]
    assert all(name == kind.name for name, kind in registry.kinds.items())
    assert registry.unavailable == {}


def test_a_plugin_adds_a_plot_unless_plugins_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = ModuleType("my_plots")
    plugin.KIND = PlotKind("spectrum", "Spectrum", lambda frame, settings: None, lambda parent: None, order=5)
    monkeypatch.setitem(__import__("sys").modules, "my_plots", plugin)
    points = [BUILT_IN, point("spectrum", "my_plots:KIND")]
    assert list(load(found=points).kinds) == ["spectrum", "trace"]
    assert list(load(include_plugins=False, found=points).kinds) == ["trace"]


def test_a_broken_plugin_is_a_line_in_the_log_and_the_others_load(caplog: pytest.LogCaptureFixture) -> None:
    points = [
        point("missing", "no_such_package:KIND"),
        point("wrong", "math:pi"),
        point("thief", "mi_crow_gui.panels.plots.trace:KIND"),
        BUILT_IN,
    ]
    with caplog.at_level(logging.ERROR):
        registry = load(found=points)
    assert list(registry.kinds) == ["trace"]
    assert "no_such_package" in registry.unavailable["missing"]
    assert "not a PlotKind" in registry.unavailable["wrong"]
    assert "already a plot" in registry.unavailable["trace"]
    assert len(caplog.records) == 3
