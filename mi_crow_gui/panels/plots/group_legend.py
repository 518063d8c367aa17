"""Which colour is which group of points, and how many points that has; one group can be seen alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from mi_crow_gui.document.formatting import count, elide_middle, plural
from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.colours import group_colours
from mi_crow_gui.panels.token_layout import readable_token

if TYPE_CHECKING:
    from mi_crow_gui.panels.plots.colours import PlotColours
    from mi_crow_gui.plotdata.groups import Groups

_LONGEST = 20  # characters of a name
_SWATCH = 10


class GroupLegend(QWidget):
    """Hidden while there are no groups; `chosen` says that another `group` is to be seen alone, -1 that all are."""

    chosen = Signal()

    def __init__(self, colours: PlotColours, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("groupLegend")
        self.setAccessibleName("What the colours mean")
        self._colours = colours
        self._groups: Groups | None = None
        self._entries: list[_Entry] = []
        self._row = FlowLayout(self)
        self._row.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        self._row.setSpacing(GRID // 2)
        # As high as its lines are, whatever the picture would leave it.
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.hide()

    @property
    def group(self) -> int:
        """The group that is to be seen alone, -1 for none."""
        return next((at for at, entry in enumerate(self._entries) if entry.isChecked()), -1)

    def set_groups(self, groups: Groups | None, *, of_tokens: bool = False) -> None:
        """Explain these groups; None: there are none."""
        self.setVisible(groups is not None and bool(groups.sizes))
        if groups == self._groups:
            return
        self._groups = groups
        for entry in self._entries:
            self._row.removeWidget(entry)
            entry.setParent(None)
            entry.deleteLater()
        self._entries = []
        if groups is None:
            return
        names = [readable_token(name) if of_tokens else name for name in groups.names]
        whole = [name or "no label" for name in names]
        if groups.others:
            whole.append(f"{plural(groups.others, 'other')}")
        for at, (name, size) in enumerate(zip(whole, groups.sizes, strict=True)):
            entry = _Entry(name, size, self)
            entry.setObjectName(f"group{at}")
            entry.clicked.connect(self._on_entry_clicked)
            self._entries.append(entry)
            self._row.addWidget(entry)
            entry.show()
        self.recolour(self._colours)

    def recolour(self, colours: PlotColours) -> None:
        """Take the colours of another theme."""
        self._colours = colours
        known = group_colours(colours).tolist()
        own = len(self._groups.names) if self._groups is not None else 0
        for at, entry in enumerate(self._entries):
            # The last one is of all others, however many there are before it.
            entry.set_colours(QColor.fromRgba(known[at] if at < own else known[-1]), colours)

    @Slot()
    def _on_entry_clicked(self) -> None:
        clicked = self.sender()
        for entry in self._entries:
            if entry is not clicked:
                entry.setChecked(False)
        self.chosen.emit()


class _Entry(QAbstractButton):
    """A swatch, a name and a number; pressed while its group is seen alone."""

    def __init__(self, name: str, size: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._words = elide_middle(name, _LONGEST)
        self._size = count(size)
        self._swatch, self._ink, self._quiet, self._ring = QColor(), QColor(), QColor(), QColor()
        self.setCheckable(True)
        self.setText(f"{self._words} {self._size}".replace("&", "&&"))
        self.setAccessibleName(f"{name}: {plural(size, 'point')}")
        self.setToolTip(f"{name}: {plural(size, 'point')}; press to see it alone")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def set_colours(self, swatch: QColor, colours: PlotColours) -> None:
        """The colour that it explains, and those that it is written in."""
        self._swatch, self._ink, self._quiet, self._ring = swatch, colours.text, colours.quiet, colours.accent
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        words = metrics.horizontalAdvance(self._words) + metrics.horizontalAdvance(self._size)
        return QSize(_SWATCH + words + 3 * GRID, metrics.height() + GRID // 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        middle = self.height() // 2
        painter.fillRect(QRect(GRID // 2, middle - _SWATCH // 2, _SWATCH, _SWATCH), self._swatch)
        left = GRID // 2 + _SWATCH + GRID // 2
        painter.setPen(self._ink)
        height = self.height()
        wide = self.fontMetrics().horizontalAdvance(self._words)
        painter.drawText(QRect(left, 0, wide, height), int(Qt.AlignmentFlag.AlignVCenter), self._words)
        painter.setPen(self._quiet)
        rest = QRect(left + wide + GRID // 2, 0, self.width(), height)
        painter.drawText(rest, int(Qt.AlignmentFlag.AlignVCenter), self._size)
        if self.isChecked() or self.hasFocus():
            painter.setPen(QPen(self._ring, 2 if self.hasFocus() else 1))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 3, 3)
        painter.end()
