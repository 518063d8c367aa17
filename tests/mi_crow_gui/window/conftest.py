from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mi_crow_gui.window.main_window import MainWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    """A main window with nothing behind it, shown in the size it is designed for."""
    built = MainWindow()
    built.resize(1440, 900)
    with qtbot.waitExposed(built):
        built.show()
    yield built
    built.close_guard = None
    built.close()
    built.deleteLater()
