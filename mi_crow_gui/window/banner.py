"""One line above the work that needs an answer some time, not now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from mi_crow_gui.panels.look import GRID
from mi_crow_gui.window.icons import icon

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QEvent

    Answer = tuple[str, Callable[[], object]]

_ICON = 16


class Banner(QFrame):
    """Shows a message with up to a few answers; every answer closes it, and so does its cross."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setAccessibleName("Notice")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._sign = QLabel()
        self._text = QLabel()
        self._text.setObjectName("bannerText")
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._dismiss = QToolButton()
        self._dismiss.setObjectName("bannerDismiss")
        self._dismiss.setAccessibleName("Close the notice")
        self._dismiss.setToolTip("Close this notice")
        self._dismiss.setAutoRaise(True)
        self._dismiss.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._dismiss.clicked.connect(self.hide)
        self._buttons: list[QPushButton] = []
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        self._layout.setSpacing(GRID)
        self._layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignVCenter)
        self._layout.addWidget(self._text, 1)
        self._layout.addWidget(self._dismiss, 0, Qt.AlignmentFlag.AlignVCenter)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self._draw_icons()
        self.hide()

    @property
    def text(self) -> str:
        """The message shown last."""
        return self._text.text()

    def show_message(self, text: str, answers: tuple[Answer, ...] = ()) -> None:
        """Show a message in place of the one before; each answer is the words of its button and what it does."""
        for button in self._buttons:
            self._layout.removeWidget(button)
            button.deleteLater()
        self._buttons = []
        for words, act in answers:
            button = QPushButton(words)
            button.clicked.connect(self.hide)
            button.clicked.connect(lambda _checked=False, act=act: act())
            self._layout.insertWidget(self._layout.count() - 1, button, 0, Qt.AlignmentFlag.AlignVCenter)
            self._buttons.append(button)
        self._text.setText(text)
        self.setAccessibleDescription(text)
        self.show()

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange:
            self._draw_icons()

    def _draw_icons(self) -> None:
        self._sign.setPixmap(icon("warning").pixmap(QSize(_ICON, _ICON), self.devicePixelRatioF()))
        self._dismiss.setIcon(icon("close"))
