"""What of an open capture is written to one file, and in which format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.cell_delegate import CellDelegate
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.window.dialog_buttons import DialogButtons

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMATS = (
    ("safetensors", "safetensors: a tensor a site, as it was stored"),
    ("npz", "npz: a numpy array a site"),
    ("csv", "csv: a row a token, a column a channel"),
    ("parquet", "parquet: a row a token, a list a site"),
)
_ALL, _TEXT, _ROWS = range(3)
_LARGEST = 2**31 - 1


class ExportCaptureDialog(QDialog):
    """`chosen` carries format, sites and the rows from and to; nothing is written here."""

    chosen = Signal(str, object, object, object)

    def __init__(
        self,
        name: str,
        sites: Sequence[str],
        site: str,
        rows: int,
        shown: tuple[int, int] | None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("exportCaptureDialog")
        self.setWindowTitle(f"Export {name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._rows, self._shown = rows, shown
        self._format = QComboBox()
        self._format.setObjectName("exportFormat")
        self._format.setAccessibleName("Format")
        for name_of_format, words in _FORMATS:
            self._format.addItem(words, name_of_format)
        self._sites = QListWidget()
        self._sites.setObjectName("exportSites")
        self._sites.setAccessibleName("Sites")
        self._sites.setItemDelegate(CellDelegate(self._sites))
        for known in sites:
            item = QListWidgetItem(known or "(the model)")
            item.setData(Qt.ItemDataRole.UserRole, known)
            item.setCheckState(Qt.CheckState.Checked if known == site else Qt.CheckState.Unchecked)
            self._sites.addItem(item)
        self._sites.itemChanged.connect(self._show_state)
        self._which = QComboBox()
        self._which.setObjectName("exportWhich")
        self._which.setAccessibleName("Which tokens")
        self._which.addItem(f"all {rows:,} tokens", _ALL)
        if shown is not None:
            self._which.addItem(f"the {shown[1] - shown[0]:,} tokens that are shown", _TEXT)
        self._which.addItem("a range of tokens", _ROWS)
        self._which.currentIndexChanged.connect(self._show_state)
        self._from, self._to = QSpinBox(), QSpinBox()
        for box, object_name, accessible, value in (
            (self._from, "exportFrom", "First token", 0), (self._to, "exportTo", "Token behind the last", rows),
        ):  # fmt: skip
            box.setObjectName(object_name)
            box.setAccessibleName(accessible)
            box.setRange(0, min(rows, _LARGEST))
            box.setGroupSeparatorShown(True)
            box.setValue(min(int(value), _LARGEST))
            box.valueChanged.connect(self._show_state)
        span = QWidget()
        row = QHBoxLayout(span)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        for widget in (self._from, QLabel("up to, without"), self._to):
            row.addWidget(widget)
        row.addStretch(1)
        self._form = QFormLayout()
        self._form.setHorizontalSpacing(GRID)
        self._form.setVerticalSpacing(GRID)
        self._form.addRow("Format", self._format)
        self._form.addRow("Sites", self._sites)
        self._form.addRow("Tokens", self._which)
        self._form.addRow("From", span)
        self._span = span
        buttons = DialogButtons(QDialogButtonBox.StandardButton.Cancel)
        self._export = buttons.addButton("&Export…", QDialogButtonBox.ButtonRole.AcceptRole)
        self._export.setObjectName("exportAccept")
        buttons.accepted.connect(self._on_buttons_accepted)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(self._form)
        column.addWidget(buttons)
        self.setMinimumWidth(56 * GRID)
        self._show_state()

    def _chosen_sites(self) -> list[str]:
        items = (self._sites.item(row) for row in range(self._sites.count()))
        return [item.data(Qt.ItemDataRole.UserRole) for item in items if item.checkState() == Qt.CheckState.Checked]

    def _chosen_rows(self) -> tuple[int, int]:
        which = self._which.currentData()
        if which == _TEXT and self._shown is not None:
            return self._shown
        return (0, self._rows) if which == _ALL else (self._from.value(), self._to.value())

    @Slot()
    def _show_state(self) -> None:
        self._form.setRowVisible(self._span, self._which.currentData() == _ROWS)
        start, stop = self._chosen_rows()
        self._export.setEnabled(bool(self._chosen_sites()) and start < stop)

    @Slot()
    def _on_buttons_accepted(self) -> None:
        start, stop = self._chosen_rows()
        self.chosen.emit(self._format.currentData(), self._chosen_sites(), start, stop)
        self.accept()
