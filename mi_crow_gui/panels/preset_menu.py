"""The menu of controllers to begin with: an intervention, then the part of the site that it acts on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from mi_crow_gui.document.controller_presets import HEAD, PRESETS, SCOPES, VECTOR, Preset, Scope, preset_text
from mi_crow_gui.document.formatting import elide_middle

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

    from mi_crow_gui.document.controller_presets import Heads

_LONGEST = 40  # characters of a site


class PresetMenu(QMenu):
    """Says the text that was chosen; heads are offered where the site mixes them, and else it says where that is."""

    chosen = Signal(str)
    vectorWanted = Signal(object)  # Scope: a file has to be named first

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("presetMenu")
        self.setToolTipsVisible(True)
        self._site: str | None = None
        self._heads: Heads | None = None
        self._fill()

    def set_site(self, site: str | None, heads: Heads | None) -> None:
        """Offer what fits the site; `heads` are those of the attention it belongs to, None if it belongs to none."""
        if (site, heads) != (self._site, self._heads):
            self._site, self._heads = site, heads
            self._fill()

    def _fill(self) -> None:
        for submenu in self.findChildren(QMenu):
            submenu.deleteLater()
        self.clear()
        for preset in PRESETS:
            submenu = QMenu(preset.title, self)
            submenu.menuAction().setToolTip(preset.says)
            for kind, title in SCOPES:
                self._offer(submenu, title, preset, Scope(kind))
            if self._heads is not None:
                self._offer_heads(submenu, preset, self._heads)
            self.addMenu(submenu)

    def _offer_heads(self, submenu: QMenu, preset: Preset, heads: Heads) -> None:
        if heads.site != self._site:
            elsewhere = submenu.addAction(f"One head: select {elide_middle(heads.site, _LONGEST)}")
            elsewhere.setEnabled(False)
            return
        every = QMenu("One head", submenu)
        for head in range(heads.count):
            self._offer(every, f"Head {head}", preset, Scope(HEAD, head, heads.head_dim))
        submenu.addMenu(every)

    def _offer(self, submenu: QMenu, title: str, preset: Preset, scope: Scope) -> None:
        action = submenu.addAction(title)
        action.setData((preset.name, scope))
        action.triggered.connect(self._on_action_triggered)

    def _on_action_triggered(self) -> None:
        name, scope = cast("QAction", self.sender()).data()
        if name == VECTOR:
            self.vectorWanted.emit(scope)
        else:
            self.chosen.emit(preset_text(name, scope))
