"""Hooks of a kind that has settings or results: what can be set, and what they found in their newest call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.facts_table import FactsTable
from mi_crow_gui.panels.look import GRID, bold
from mi_crow_gui.panels.number_box import NumberBox

if TYPE_CHECKING:
    from core_hooks.hooks.kinds import HookSetting

_LARGEST = 2**31 - 1
_DECIMALS = 4
_NOTHING = "Run the prompt: what it finds then stands here."


@dataclass(frozen=True, slots=True)
class HookDetails:
    """One hook: its kind in words, its settings with their values, and what it found, as text.

    `problem` is a sentence where there is something wrong; `finds` is False for one that has no results.
    """

    id: str
    title: str
    says: str
    settings: tuple[tuple[HookSetting, Any], ...] = ()
    results: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    finds: bool = True


class HookDetailsPanel(QWidget):
    """A group for each hook; says which setting was changed, and changes nothing by itself."""

    settingChanged = Signal(str, str, object)  # id, name, value

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("hookDetails")
        self._groups: dict[str, _Group] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2 * GRID)
        self.hide()

    def set_hooks(self, hooks: tuple[HookDetails, ...]) -> bool:
        """Show these hooks; True when the panel has another height now."""
        wanted = {hook.id: hook for hook in hooks}
        before = [_height(group.details) for group in self._groups.values()]
        for key in list(self._groups):
            group = self._groups[key]
            if key not in wanted or not group.fits(wanted[key]):
                del self._groups[key]
                self._layout.removeWidget(group)
                group.setParent(None)
                group.deleteLater()
        for place, hook in enumerate(hooks):
            group = self._groups.get(hook.id) or _Group(hook, self)
            self._groups[hook.id] = group
            if self._layout.indexOf(group) != place:
                self._layout.insertWidget(place, group)
            group.show_details(hook)
        self._groups = {hook.id: self._groups[hook.id] for hook in hooks}
        self.setVisible(bool(hooks))
        return before != [_height(hook) for hook in hooks]


def _height(details: HookDetails) -> tuple[str, int, str]:
    """What the height of a group depends on."""
    return details.id, len(details.results), details.problem


class _Group(QWidget):
    def __init__(self, details: HookDetails, owner: HookDetailsPanel) -> None:
        super().__init__(owner)
        self.details = details
        self._owner = owner
        self._showing = False
        title = QLabel(details.title)
        title.setFont(bold(title.font()))
        title.setToolTip(details.says)
        self._note = QLabel()
        self._note.setWordWrap(True)
        self._note.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._results = FactsTable(f"results_{details.title}", f"What {details.title} found", numbers=True)
        self._boxes: dict[str, QWidget] = {}
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(GRID)
        form.setVerticalSpacing(GRID)
        for setting, value in details.settings:
            box = _box(setting, value)
            box.setObjectName(f"setting_{setting.name}")
            box.setAccessibleName(f"{details.title}: {setting.title}")
            box.setToolTip(setting.tip)
            # A range of millions must not make the inspector wider.
            box.setMinimumWidth(8 * GRID)
            self._boxes[setting.name] = box
            self._connect(setting.name, box)
            form.addRow(setting.title, box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(title)
        layout.addLayout(form)
        layout.addWidget(self._note)
        layout.addWidget(self._results)

    def fits(self, details: HookDetails) -> bool:
        """Whether the same boxes can show another state of the hook."""
        return details.title == self.details.title and [s for s, _ in details.settings] == [
            s for s, _ in self.details.settings
        ]

    def show_details(self, details: HookDetails) -> None:
        self.details = details
        self._showing = True
        for setting, value in details.settings:
            _set(self._boxes[setting.name], value)
        self._showing = False
        note = details.problem or ("" if details.results or not details.finds else _NOTHING)
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self._results.set_rows(details.results)
        self._results.setVisible(bool(details.results))

    def _connect(self, name: str, box: QWidget) -> None:
        if isinstance(box, QCheckBox):
            box.toggled.connect(lambda value: self._tell(name, value))
        elif isinstance(box, QComboBox):
            box.activated.connect(lambda _index: self._tell(name, box.currentText()))
        elif isinstance(box, QLineEdit):
            box.editingFinished.connect(lambda: self._tell(name, box.text()))
        elif isinstance(box, QSpinBox | QDoubleSpinBox):
            box.valueChanged.connect(lambda value: self._tell(name, value))

    def _tell(self, name: str, value: object) -> None:
        if not self._showing:
            self._owner.settingChanged.emit(self.details.id, name, value)


def _box(setting: HookSetting, value: Any) -> QWidget:
    default = setting.default
    if isinstance(default, bool):
        return QCheckBox()
    if isinstance(default, str):
        if not setting.choices:
            return QLineEdit()
        choice = QComboBox()
        choice.addItems(list(setting.choices))
        return choice
    box: QSpinBox | QDoubleSpinBox
    if isinstance(default, int):
        box = QSpinBox()
        box.setRange(
            int(-_LARGEST if setting.least is None else setting.least),
            int(_LARGEST if setting.most is None else setting.most),
        )
    else:
        box = NumberBox(
            -_LARGEST if setting.least is None else setting.least,
            _LARGEST if setting.most is None else setting.most,
            _DECIMALS,
        )
        box.setSingleStep(0.1)
    # Half a number is not meant yet.
    box.setKeyboardTracking(False)
    return box


def _set(box: QWidget, value: Any) -> None:
    if isinstance(box, QCheckBox):
        box.setChecked(bool(value))
    elif isinstance(box, QComboBox):
        box.setCurrentText(str(value))
    elif isinstance(box, QLineEdit):
        if box.text() != value:
            box.setText(str(value))
    elif isinstance(box, QSpinBox | QDoubleSpinBox):
        box.setValue(value)
