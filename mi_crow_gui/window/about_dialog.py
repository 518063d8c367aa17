"""What this program is, and in which version."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from mi_crow_gui import __version__
from mi_crow_gui.about import describe
from mi_crow_gui.panels.look import GRID, bold, fixed_font
from mi_crow_gui.window.dialog_buttons import DialogButtons
from mi_crow_gui.window.icons import application_icon


class AboutDialog(QDialog):
    """Name, version, licence, and the versions a bug report needs, to be copied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("aboutDialog")
        self.setWindowTitle("About Mi-Crow inspector")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sign = QLabel()
        sign.setPixmap(application_icon().pixmap(QSize(8 * GRID, 8 * GRID), self.devicePixelRatioF()))
        name = QLabel(f"Mi-Crow inspector {__version__}")
        name.setFont(bold(name.font()))
        words = QLabel(
            "Look inside language models: see the module hierarchy, attach detectors and controllers, "
            "watch the tensors live.\nApache License 2.0. Without any warranty."
        )
        words.setWordWrap(True)
        beside = QVBoxLayout()
        beside.setSpacing(GRID)
        beside.addWidget(name)
        beside.addWidget(words)
        beside.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(2 * GRID)
        top.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(beside, 1)
        versions = QPlainTextEdit(describe())
        versions.setObjectName("aboutVersions")
        versions.setAccessibleName("Versions and folders")
        versions.setReadOnly(True)
        versions.setFont(fixed_font())
        versions.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        versions.setMinimumSize(64 * GRID, 26 * GRID)
        buttons = DialogButtons(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(top)
        column.addWidget(versions, 1)
        column.addWidget(buttons)
