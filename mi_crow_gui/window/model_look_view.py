"""What is known of a model before it is opened: what it is, and its memory needed against memory free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import byte_size, plural, short_count
from mi_crow_gui.panels.look import GRID, mix
from mi_crow_gui.window.icons import icon

if TYPE_CHECKING:
    from mi_crow_gui.engine.model_look import ModelLook

_SIGN = 16
_NOTHING = "Name a model to see what it is and how much memory it needs."


class ModelLookView(QWidget):
    """Two lines of words and a bar; keeps its height, so that the dialog around it stays still."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("modelLook")
        self.setAccessibleName("What is known of the model")
        self._sign = QLabel()
        self._sign.setFixedSize(_SIGN, _SIGN)
        self._words = QLabel()
        self._words.setObjectName("modelLookWords")
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setWordWrap(True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._words.setMinimumHeight(3 * self._words.fontMetrics().lineSpacing())
        self._bar = _MemoryBar()
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addLayout(row)
        column.addWidget(self._bar)
        self.clear()

    def clear(self) -> None:
        """Nothing is named."""
        self._say(_NOTHING, muted=True)
        self._bar.set_share(None)

    def set_looking(self) -> None:
        """The answer is on its way."""
        self._say("Looking…", muted=True)
        self._bar.set_share(None)

    def show_look(self, look: ModelLook) -> None:
        """Show what was found."""
        lines = []
        if look.architecture:
            size = f"{short_count(look.parameters)} parameters in {plural(look.modules, 'module')}"
            lines.append(f"{look.architecture}: {size}")
        too_big = bool(look.needed) and not look.fits
        if look.needed:
            where = "all devices" if look.reference.device == "auto" else look.reference.device
            memory = f"{byte_size(look.needed)} needed, {byte_size(look.free)} free on {where}"
            lines.append(f"Too big: {memory}. Choose fewer bits or another device." if too_big else memory)
        lines += [sentence for sentence in (look.problem, look.note) if sentence]
        self._say("\n".join(lines), sign="warning" if look.problem or too_big else "")
        self._bar.set_share(look.needed / max(1, look.free) if look.needed else None)

    def _say(self, text: str, *, muted: bool = False, sign: str = "") -> None:
        self._words.setText(text)
        self._words.setForegroundRole(QPalette.ColorRole.PlaceholderText if muted else QPalette.ColorRole.WindowText)
        self._sign.setVisible(bool(sign))
        if sign:
            self._sign.setPixmap(icon(sign).pixmap(QSize(_SIGN, _SIGN), self.devicePixelRatioF()))
        self.setAccessibleDescription(text)


class _MemoryBar(QWidget):
    """How much of the free memory the weights would take; takes its room when there is nothing to show, too."""

    def __init__(self) -> None:
        super().__init__()
        self._share: float | None = None
        self.setFixedHeight(GRID)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_share(self, share: float | None) -> None:
        """Show a share of the free memory, more than 1 when it is too much; None shows nothing."""
        self._share = share
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._share is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        palette = self.palette()
        ground = mix(palette.window().color(), palette.windowText().color(), 0.15)
        painter.setBrush(ground)
        box = self.rect().adjusted(0, 1, 0, -1)
        painter.drawRoundedRect(box, 3, 3)
        too_big = self._share > 1
        painter.setBrush(palette.brightText().color() if too_big else palette.highlight().color())
        painter.drawRoundedRect(
            box.x(), box.y(), max(6, round(box.width() * min(1.0, self._share))), box.height(), 3, 3
        )
