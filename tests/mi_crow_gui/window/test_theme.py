from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QCheckBox, QWidget

from mi_crow_gui.panels.look import contrast
from mi_crow_gui.window.theme import TEXT_PAIRS, Mode, apply_theme, current_mode, is_dark, palette

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

Group = QPalette.ColorGroup


@pytest.fixture
def application(qapp: QApplication) -> Iterator[QApplication]:
    before = current_mode(qapp)
    yield qapp
    apply_theme(qapp, before)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("ink", "ground"), TEXT_PAIRS, ids=lambda role: role.name)
def test_every_text_can_be_read_in_both_themes(
    qapp: QApplication, dark: bool, ink: QPalette.ColorRole, ground: QPalette.ColorRole
) -> None:
    colours = palette(dark=dark)
    for group in (Group.Active, Group.Inactive):
        assert contrast(colours.color(group, ink), colours.color(group, ground)) >= 4.5
    assert contrast(colours.color(Group.Disabled, ink), colours.color(Group.Disabled, ground)) >= 3.0


@pytest.mark.parametrize("dark", [False, True])
def test_a_selected_row_and_the_accent_stand_out_from_what_is_around_them(qapp: QApplication, dark: bool) -> None:
    colours = palette(dark=dark)
    for role in (QPalette.ColorRole.Highlight, QPalette.ColorRole.Accent):
        for ground in (QPalette.ColorRole.Base, QPalette.ColorRole.AlternateBase):
            assert contrast(colours.color(role), colours.color(ground)) >= 2.5


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_frame_of_a_check_box_can_be_seen(application: QApplication, qtbot: QtBot, mode: Mode) -> None:
    apply_theme(application, mode)
    holder = QWidget()
    qtbot.addWidget(holder)
    box = QCheckBox("Batch", holder)
    holder.show()
    image = holder.grab().toImage()
    middle, ground = box.geometry().center().y(), holder.palette().window().color()
    assert max(contrast(QColor(image.pixel(x, middle)), ground) for x in range(6)) >= 3.0


def test_there_is_one_accent_colour_in_each_theme(qapp: QApplication) -> None:
    for dark in (False, True):
        colours = palette(dark=dark)
        assert colours.color(QPalette.ColorRole.Accent) == colours.color(QPalette.ColorRole.Highlight)


def test_the_chosen_theme_is_applied_whatever_the_system_says(application: QApplication) -> None:
    apply_theme(application, "dark")
    assert is_dark()
    assert current_mode(application) == "dark"
    apply_theme(application, "light")
    assert not is_dark()
    assert application.style().objectName() == "fusion"


def test_following_the_system_follows_its_changes(application: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QStyleHints

    scheme = {"now": Qt.ColorScheme.Light}
    monkeypatch.setattr(QStyleHints, "colorScheme", lambda _hints: scheme["now"])
    apply_theme(application, "system")
    assert not is_dark()
    scheme["now"] = Qt.ColorScheme.Dark
    application.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert is_dark()


def test_a_chosen_theme_ignores_changes_of_the_system(application: QApplication) -> None:
    from PySide6.QtCore import Qt

    apply_theme(application, "light")
    application.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert not is_dark()


def test_applying_a_theme_twice_leaves_one_follower(application: QApplication) -> None:
    apply_theme(application, "light")
    children = len(application.children())
    apply_theme(application, "dark")
    assert len(application.children()) == children


def test_an_unknown_theme_is_refused_by_name(application: QApplication) -> None:
    with pytest.raises(ValueError, match="no theme 'pink'"):
        apply_theme(application, "pink")  # type: ignore[arg-type]
