"""The actions of the table as Qt's: with shortcuts, tool tips, groups, and roles in the menu of macOS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAction, QActionGroup, QKeySequence

from mi_crow_gui.window.actions import ACTIONS, plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QObject

    from mi_crow_gui.window.actions import ActionSpec

_BUSY = "the end of what goes on"


def shortcut_text(spec: ActionSpec) -> str:
    """The first shortcut as this system writes it; empty if there is none."""
    if not spec.shortcuts:
        return ""
    return QKeySequence(spec.shortcuts[0]).toString(QKeySequence.SequenceFormat.NativeText)


def tool_tip(spec: ActionSpec) -> str:
    """What the action does, and its shortcut."""
    keys = shortcut_text(spec)
    return f"{spec.tip} ({keys})" if keys else spec.tip


class ExplainedAction(QAction):
    """An action that says why it can't be used while it can't."""

    def __init__(self, spec: ActionSpec, parent: QObject) -> None:
        super().__init__(spec.text, parent)
        self._spec, self._refusal = spec, ""
        self.setEnabled(not spec.needs)
        self.enabledChanged.connect(self._on_self_enabled_changed)
        self._on_self_enabled_changed(self.isEnabled())

    @property
    def hindrance(self) -> str:
        """What it lacks, as "needs ..." with neither capital nor full stop, or a sentence; "" while it can be used."""
        if self.isEnabled():
            return ""
        return self._refusal or f"needs {self._spec.needs or _BUSY}"

    def refuse(self, reason: str) -> None:
        """Say this sentence wherever it is disabled, whatever else it needs; "" takes that back."""
        self._refusal = reason
        self._on_self_enabled_changed(self.isEnabled())

    @Slot(bool)
    def _on_self_enabled_changed(self, _: bool) -> None:
        why = self.hindrance
        sentence = why if why == self._refusal else f"{why[:1].upper()}{why[1:]}."
        self.setToolTip(f"{tool_tip(self._spec)}. {sentence}" if why else tool_tip(self._spec))


def build_actions(parent: QObject, table: Sequence[ActionSpec] = ACTIONS) -> dict[str, ExplainedAction]:
    """Make every action of a table, by name; icons come later, with the theme."""
    built: dict[str, ExplainedAction] = {}
    groups: dict[str, QActionGroup] = {}
    for spec in table:
        action = ExplainedAction(spec, parent)
        action.setObjectName(spec.name)
        action.setIconText(plain_text(spec))
        action.setStatusTip("")
        action.setShortcuts([QKeySequence(keys) for keys in spec.shortcuts])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.setCheckable(spec.checkable)
        # A mark says more plainly than a pressed icon that something is on.
        action.setIconVisibleInMenu(not spec.checkable)
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
