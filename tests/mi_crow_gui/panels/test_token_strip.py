import math
import time

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QSignalSpy

from mi_crow_gui.panels.look import READABLE, contrast, ink_on
from mi_crow_gui.panels.token_layout import TokenLayout, readable_token
from mi_crow_gui.panels.token_strip import TokenStrip

WORDS = ["<bos>", "When", " Mary", " and", " John", " went", " to", " the", " store"]


@pytest.fixture
def strip(qtbot):
    strip = TokenStrip()
    qtbot.addWidget(strip)
    strip.resize(300, 90)
    strip.show()
    strip.set_tokens(WORDS, [True] + [False] * 8, 7)
    return strip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" the", "␣the"),
        ("\n\n", "↵↵"),
        ("\t", "⇥"),
        (" " * 8, "␣×8"),
        ("", "∅"),
        ("a b", "a b"),
        ("\x00", "\\x00"),
        ("naïve", "naïve"),
    ],
)
def test_white_space_and_control_characters_can_be_read(text, shown):
    assert readable_token(text) == shown


def test_chips_wrap_and_every_one_is_found_under_its_own_point():
    layout = TokenLayout(lambda text: 10 * len(text))
    layout.set_tokens(["abc"] * 20, 150)
    assert layout.rows > 1
    for token in range(20):
        centre = layout.box(token).center()
        assert layout.token_at(centre.x(), centre.y()) == token
        assert layout.box(token).right() <= 150
    assert layout.token_at(149, 5) == -1
    assert layout.token_at(5, -5) == -1


def test_tokens_that_follow_lie_where_a_new_layout_would_put_them():
    words = ["a" * (n % 7 + 1) for n in range(50)]
    grown, whole = TokenLayout(len), TokenLayout(len)
    for end in range(1, 51):
        grown.set_tokens(words[:end], 90)
    whole.set_tokens(words, 90)
    assert [grown.box(token) for token in range(50)] == [whole.box(token) for token in range(50)]


@pytest.mark.parametrize("width", [40, 90, 200, 10_000])
def test_rows_are_foretold_for_any_width(width):
    layout = TokenLayout(len)
    layout.set_tokens(["a" * (n % 7 + 1) for n in range(50)], 60)
    foretold = layout.rows_within(width, 1000)
    assert layout.rows_within(width, 2) == min(foretold, 2)
    layout.set_tokens(list(layout.labels), width)
    assert foretold == layout.rows


def test_arrows_home_and_end_move_the_selection(qtbot, strip):
    told = QSignalSpy(strip.tokenSelected)
    strip.set_selected(2)
    assert told.count() == 0
    for key in (Qt.Key.Key_Right, Qt.Key.Key_End, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_Left):
        qtbot.keyClick(strip, key)
    assert [told.at(n)[0] for n in range(told.count())] == [3, 8, 0]
    qtbot.keyClick(strip, Qt.Key.Key_Down)
    assert strip._layout.row(strip.selected) == 1
    qtbot.keyClick(strip, Qt.Key.Key_Up)
    assert strip.selected == 0


def test_a_click_selects_and_the_mouse_is_followed(qtbot, strip):
    selected, hovered = QSignalSpy(strip.tokenSelected), QSignalSpy(strip.tokenHovered)
    at = strip._layout.box(4).center() + QPoint(2, 2)
    qtbot.mouseMove(strip.viewport(), at)
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert selected.at(0) == [4]
    assert hovered.at(hovered.count() - 1) == [4]


def test_a_token_is_described_in_words(strip):
    strip.set_measure("loss", [math.nan, 3.21, *([0.5] * 7)], "nats")
    strip.set_selected(1)
    assert strip.accessibleDescription() == "token 1 of 9: When\nloss 3.210 nats"
    assert strip.description(0).startswith("special token 0")
    assert strip.description(8).startswith("generated token 8")
    assert strip.measure_range == (0.5, 3.21)


def test_growing_keeps_the_selection_and_another_text_drops_selection_and_measure(strip):
    strip.set_measure("loss", [0.0] * 9)
    strip.set_selected(3)
    strip.set_tokens([*WORDS, " ,"], (), 7)
    assert strip.selected == 3
    assert strip.measure_range is not None
    strip.set_tokens(["other"])
    assert strip.selected == -1
    assert strip.measure_range is None


@pytest.mark.parametrize("base", ["#ffffff", "#17191c"])
@pytest.mark.parametrize("accent", ["#2360c4", "#ffd400", "#7f7f7f", "#000000"])
def test_every_chip_can_be_read(qtbot, strip, base, accent):
    palette = strip.palette()
    palette.setColor(QPalette.ColorRole.Base, QColor(base))
    palette.setColor(QPalette.ColorRole.Highlight, QColor(accent))
    strip.setPalette(palette)
    for step in range(101):
        background = strip.chip_colour(step / 100)
        assert contrast(ink_on(background), background) >= READABLE


def test_room_is_kept_for_tokens_that_are_expected_until_no_more_come(strip):
    strip.set_tokens(["word"] * 4)
    low = strip.heightForWidth(400)
    strip.set_expected(1000)
    high = strip.heightForWidth(400)
    assert high > low
    for tokens in range(5, 400, 50):
        strip.set_tokens(["word"] * tokens)
        assert strip.heightForWidth(400) == high
    strip.set_tokens(["word"] * 4)
    strip.set_expected(0)
    assert strip.heightForWidth(400) == low


def test_the_strip_is_at_most_three_rows_high_then_scrolls(strip):
    strip.set_tokens(["word"] * 2000)
    assert strip.sizeHint().height() < 100
    assert strip.verticalScrollBar().maximum() > 1000
    strip.set_selected(1999)
    assert strip.verticalScrollBar().value() == strip.verticalScrollBar().maximum()


def test_two_thousand_tokens_are_laid_out_and_painted_at_once(strip):
    start = time.thread_time()
    strip.set_tokens([f"word{n}" for n in range(2000)])
    strip.set_measure("loss", [float(n % 10) for n in range(2000)])
    strip.grab()
    # About 20 ms of computing.
    assert time.thread_time() - start < 0.5


def test_a_measure_without_a_single_number_has_no_range(strip):
    strip.set_tokens(["a", "b"])
    strip.set_measure("Loss", [math.nan, math.nan], "nats")
    assert strip.measure_range is None
    strip.set_measure("Loss", [math.nan, 2.0], "nats")
    assert strip.measure_range == (2.0, 2.0)
