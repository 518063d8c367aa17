"""The actions of the table as Qt's: with shortcuts, tool tips, groups, and roles in the menu of macOS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence

from mi_crow_gui.window.actions import ACTIONS, plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QObject

    from mi_crow_gui.window.actions import ActionSpec


def shortcut_text(spec: ActionSpec) -> str:
    """The first shortcut as this system writes it; empty if there is none."""
    if not spec.shortcuts:
        return ""
    return QKeySequence(spec.shortcuts[0]).toString(QKeySequence.SequenceFormat.NativeText)


def tool_tip(spec: ActionSpec) -> str:
    """What the action does, and its shortcut."""
    keys = shortcut_text(spec)
    return f"{spec.tip} ({keys})" if keys else spec.tip


def build_actions(parent: QObject, table: Sequence[ActionSpec] = ACTIONS) -> dict[str, QAction]:
    """Make every action of a table, by name; icons come later, with the theme."""
    built: dict[str, QAction] = {}
    groups: dict[str, QActionGroup] = {}
    for spec in table:
        action = QAction(spec.text, parent)
        action.setObjectName(spec.name)
        action.setIconText(plain_text(spec))
        action.setToolTip(tool_tip(spec))
        action.setStatusTip("")
        action.setShortcuts([QKeySequence(keys) for keys in spec.shortcuts])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.setCheckable(spec.checkable)
        # A mark says more plainly than a pressed icon that something is on.
        action.setIconVisibleInMenu(not spec.checkable)
        action.setEnabled(spec.enabled)
        if spec.name == "quit":
            action.setMenuRole(QAction.MenuRole.QuitRole)
        elif spec.name == "about":
            action.setMenuRole(QAction.MenuRole.AboutRole)
        else:
            # Without it, macOS moves entries by words that look like "Preferences" or "About".
            action.setMenuRole(QAction.MenuRole.NoRole)
        if spec.group:
            group = groups.get(spec.group)
            if group is None:
                group = groups[spec.group] = QActionGroup(parent)
            group.addAction(action)
        built[spec.name] = action
    return built
