"""Kinds of hooks by name: the built-in ones and those of plugins come through the same door."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
import torch

from core_hooks.hooks.attachment import attach
from core_hooks.hooks.kinds import GROUPS, HookKind, HookSetting, load, settings_of
from core_hooks.hooks.run import HookRun

DETECTORS = ["statistics", "histogram", "top_channels", "attention_pattern"]
CONTROLLERS = ["zero", "scale", "mean", "clamp", "noise"]
X = torch.tensor([[[1.0, -4.0, 0.0], [2.0, 5.0, float("nan")]]])


def made(name: str, **settings: object) -> torch.nn.Module:
    kind = load().get(name)
    assert kind is not None
    return kind.hook("", settings)


def point(name: str, value: str, role: str = "detector") -> EntryPoint:
    return EntryPoint(name, value, GROUPS[role])


def test_the_built_in_kinds_are_entry_points_of_this_package() -> None:
    kinds = load(include_plugins=False)
    assert list(kinds.detectors) == DETECTORS
    assert list(kinds.controllers) == CONTROLLERS
    assert kinds.unavailable == ()


def test_what_detectors_found_is_told_as_names_and_values_that_a_second_computation_gives() -> None:
    module = torch.nn.Identity()
    hooks = {name: made(name) for name in ("statistics", "histogram", "top_channels")}
    with attach(module, {"": list(hooks.values())}), HookRun(1):
        module(X)
    found = {name: dict(load().get(name).results(hook)) for name, hook in hooks.items()}
    finite = X[torch.isfinite(X)]
    statistics = found["statistics"]
    assert (statistics["Min"], statistics["Max"], statistics["NaN"]) == (-4.0, 5.0, 1)
    assert statistics["Mean"] == pytest.approx(float(finite.mean()))
    assert statistics["Std"] == pytest.approx(float(finite.std(correction=0)))
    assert found["histogram"]["Not finite"] == 1
    assert len(found["histogram"]["Counts"]) == 24
    assert found["histogram"]["Counts"].count("█") == 5
    assert next(iter(found["top_channels"].items())) == ("Channel 1", 4.5)


def test_before_they_fired_there_is_nothing_to_tell() -> None:
    for name in DETECTORS:
        kind = load().get(name)
        assert list(kind.results(kind.hook("", {}))) == []


def test_attention_is_told_head_by_head() -> None:
    class Attention(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            weights = torch.zeros(1, 2, 4, 4)
            weights[:, 0, :, 0] = 1
            weights[:, 1] = 0.25
            return x, weights

    module, hook = Attention(), made("attention_pattern")
    with attach(module, {"": hook}):
        module(X)
    rows = dict(load().get("attention_pattern").results(hook))
    assert (rows["Head 0"], rows["Head 1"]) == ("0.000 nats, 100 % on token 0", "1.386 nats, 25 % on token 0")


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("zero", {}, [0.0, 0.0]),
        ("scale", {"factor": 3.0}, [3.0, -12.0]),
        ("clamp", {"limit": 2.0}, [1.0, -2.0]),
        ("mean", {}, [-1.5, -1.5]),
    ],
)
def test_the_built_in_controllers_do_what_they_say(name: str, settings: dict, expected: list[float]) -> None:
    values = torch.tensor([[[1.0], [-4.0]]])
    module = torch.nn.Identity()
    with attach(module, {"": made(name, **settings)}):
        assert module(values).flatten().tolist() == expected


@pytest.mark.parametrize(
    ("setting", "given", "taken"),
    [
        (HookSetting("k", "K", 10, 1, 100), 5, 5),
        (HookSetting("k", "K", 10, 1, 100), 0, 10),
        (HookSetting("k", "K", 10, 1, 100), "5", 10),
        (HookSetting("k", "K", 10, 1, 100), True, 10),
        (HookSetting("k", "K", 0.5), 2, 2.0),
        (HookSetting("k", "K", 0.5), float("nan"), 0.5),
        (HookSetting("k", "K", False), True, True),
        (HookSetting("k", "K", False), 1, False),
        (HookSetting("k", "K", "mean", choices=("mean", "max")), "max", "max"),
        (HookSetting("k", "K", "mean", choices=("mean", "max")), "median", "mean"),
        (HookSetting("k", "K", "any"), "thing", "thing"),
    ],
)
def test_a_setting_takes_what_fits_and_else_its_default(setting: HookSetting, given: object, taken: object) -> None:
    assert setting.fitting(given) == taken
    assert type(setting.fitting(given)) is type(setting.default)


def test_options_that_are_no_json_are_left_out() -> None:
    assert settings_of((("k", "3"), ("bad", "{"), ("by", '"max"'))) == {"k": 3, "by": "max"}


def test_a_plugin_is_one_more_kind_and_a_broken_one_is_unavailable_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import core_hooks.hooks.builtin_kinds as plugin

    monkeypatch.setattr(plugin, "MINE", HookKind("mine", "Mine", "Counts", plugin.ZERO.make), raising=False)
    monkeypatch.setattr(plugin, "TAKEN", HookKind("capture", "Capture", "Counts", plugin.ZERO.make), raising=False)
    monkeypatch.setattr(plugin, "TWICE", HookKind("scale", "Scale", "Counts", plugin.ZERO.make), raising=False)
    builtin = "core_hooks.hooks.builtin_kinds"
    found = {
        "detector": [point("gone", "no_such_package:KIND"), point("nothing", f"{builtin}:_LARGEST")],
        "controller": [
            point("scale", f"{builtin}:SCALE", "controller"),
            point("mine", f"{builtin}:MINE", "controller"),
            point("taken", f"{builtin}:TAKEN", "controller"),
            point("twice", f"{builtin}:TWICE", "controller"),
        ],
    }
    kinds = load(found=found)
    assert list(kinds.controllers) == ["scale", "mine"]
    assert {one.name: one.role for one in kinds.unavailable} == {
        "gone": "detector",
        "nothing": "detector",
        "taken": "controller",
        "twice": "controller",
    }
    assert "no_such_package" in next(one.reason for one in kinds.unavailable if one.name == "gone")
    assert caplog.text.count("is unavailable") == 4


def test_without_plugins_only_what_is_built_in_is_loaded() -> None:
    found = {"detector": [point("foreign", "no_such_package:KIND")], "controller": []}
    assert load(include_plugins=False, found=found).unavailable == ()
    assert [one.name for one in load(found=found).unavailable] == ["foreign"]
