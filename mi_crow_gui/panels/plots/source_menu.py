"""The menu in which a plot is told which run to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.document.plot_source import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from PySide6.QtWidgets import QMenu


def add_source_menu(menu: QMenu, offered: Collection[str], current: str, choose: Callable[[str], None]) -> None:
    """Add a submenu with the sources that a plot can show."""
    inner = menu.addMenu("Run shown")
    for source, words in SOURCES:
        if source not in offered:
            continue
        action = inner.addAction(words)
        action.setObjectName(f"plotSource_{source or 'newest'}")
        action.setCheckable(True)
        action.setChecked(source == current)
        action.triggered.connect(lambda _checked=False, source=source: choose(source))
