"""The row of buttons under a dialog."""

from __future__ import annotations

from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialogButtonBox


class DialogButtons(QDialogButtonBox):
    """Buttons that say in words what they do: the icons that some desktops add are of neither theme."""

    def __init__(self, *standard: QDialogButtonBox.StandardButton) -> None:
        super().__init__()
        for kind in standard:
            button = self.addButton(kind)
            button.setIcon(QIcon())
            button.setObjectName(f"dialog{kind.name}")
