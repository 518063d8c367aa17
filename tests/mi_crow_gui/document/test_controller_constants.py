"""The numbers that a controller's text begins with are found where they stand."""

from __future__ import annotations

import pytest

from mi_crow_gui.document.controller_constants import constants, written
from mi_crow_gui.document.controller_presets import HEAD, PRESETS, SITE, STEPS, TOKENS, Scope, preset_text


def found(text: str) -> dict[str, object]:
    names = constants(text)
    assert names is not None
    for one in names:
        line = text.split("\n")[one.line - 1]
        assert line[one.start : one.end].replace(" ", "").startswith(written(one.value)[:1])
    return {one.name: one.value for one in names}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("FACTOR = 0.5  # half\nlambda x: x * FACTOR", {"FACTOR": 0.5}),
        ("FIRST, LAST = 0, -3\n", {"FIRST": 0, "LAST": -3}),
        ("STEPS = {0, 2}\n", {"STEPS": (0, 2)}),
        ("é = 'é'; LIMIT = 3\n", {"LIMIT": 3}),
        ("A = B = 1\n", {}),
        ("A = 1\nA = 2\n", {}),
        ("ON = True\nNAME = 'x'\nBIG = 1e300\nlower = 1\nX = 1 + 1\n", {}),
        ("def control(x):\n    INSIDE = 1\n    return x", {}),
        ("LONG = (\n    3\n)\n", {"LONG": 3}),
    ],
)
def test_names_in_capitals_with_plain_numbers_are_constants(text: str, values: dict[str, object]) -> None:
    assert found(text) == values


def test_a_text_that_cannot_be_read_has_no_answer() -> None:
    assert constants("FACTOR = \n") is None
    assert constants("\0") is None


def test_a_number_keeps_its_kind_when_it_is_written() -> None:
    assert [written(value) for value in (3, 3.0, -0.25, 0.1 + 0.2, (2, 0))] == ["3", "3.0", "-0.25", "0.3", "{2, 0}"]


def test_every_number_of_a_preset_can_be_set() -> None:
    for preset in PRESETS:
        for scope in (Scope(SITE), Scope(TOKENS), Scope(STEPS), Scope(HEAD, 2, 32)):
            names = found(preset_text(preset.name, scope))
            assert ("HEAD" in names) == (scope.kind == HEAD)
            assert ({"FIRST", "LAST"} <= set(names)) == (scope.kind == TOKENS)
            assert ("STEPS" in names) == (scope.kind == STEPS)
            for wanted in ("FACTOR", "LIMIT", "STRENGTH", "CHANNEL", "SEED"):
                assert (wanted in names) == any(line.startswith(f"{wanted} ") for line in preset.constants)
