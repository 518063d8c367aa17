"""The module hierarchy for a tree view, lazy over frozen records; no proxy, it filters itself."""
# ruff: noqa: D102 - the methods of QAbstractItemModel are documented by Qt

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from mi_crow_gui.document import formatting
from mi_crow_gui.itemmodels.module_index import ModuleIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core_hooks.model.records import ModuleRecord, ModuleTree

AnyIndex = QModelIndex | QPersistentModelIndex

ROOT_NAME = "(model)"
_NOWHERE = QModelIndex()
# Asked for by views for every row and column that they lay out.
_SELECTABLE = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_CHECKABLE = _SELECTABLE | Qt.ItemFlag.ItemIsUserCheckable


class Column(IntEnum):
    """Columns of the tree, in their order on the screen."""

    NAME = 0
    CLASS = 1
    PARAMETERS = 2
    SHAPE = 3
    DTYPE = 4
    LAST_VALUE = 5


class Role(IntEnum):
    """What delegates and panels ask for besides Qt's own roles."""

    SITE = Qt.ItemDataRole.UserRole + 1  # dotted path; None on a range
    BADGE = Qt.ItemDataRole.UserRole + 2  # what is attached, in a word
    MARK = Qt.ItemDataRole.UserRole + 3  # "tied", "shared" or ""
    IS_MATCH = Qt.ItemDataRole.UserRole + 4  # False for what is shown only as an ancestor of a match


_HEADERS = ("Module", "Class", "Parameters", "Shape", "dtype", "Last value")
_HEADER_TIPS = (
    "Name within its parent; a ticked module has a hook",
    "Python class of the module",
    "Parameter elements in the module and below it",
    "Shape of the module's weight; after a run, of what it took → of what it gave",
    "dtype of the parameters",
)


class ModuleTreeModel(QAbstractItemModel):
    """Shows a `ModuleTree` with what is attached to it and what it last gave out.

    The model changes nothing itself: a tick emits `checkRequested(sites, attach)`, and what is attached comes back
    through `set_attached`.
    """

    checkRequested = Signal(list, bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._modules = ModuleIndex(None)
        self._attached: dict[str, str] = {}
        self._last_values: dict[str, float] = {}
        self._value_meaning = "A number from the newest run"
        self._shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    # What is shown

    def set_tree(self, tree: ModuleTree | None) -> None:
        """Show another model's modules, unfiltered; values and marks of the former one are forgotten."""
        self.beginResetModel()
        self._modules = ModuleIndex(tree)
        self._attached, self._last_values, self._shapes = {}, {}, {}
        self.endResetModel()

    def take_records(self, tree: ModuleTree) -> bool:
        """Show newer records of the modules that are shown, with nothing folded or lost; False if they are others."""
        if not self._modules.take_records(tree):
            return False
        # Views ask again for every cell they show; one index is enough to tell them.
        self._emit_changed([tree.root.path], Column.DTYPE)
        return True

    def prepare_filter(self) -> None:
        """Do now what else the first keystroke of a filter would wait for."""
        self._modules.prepare()

    def set_filter(self, text: str) -> None:
        """Keep only the modules that `text` matches, and their ancestors; "" shows all."""
        if text.strip() == self._modules.filter:
            return
        self.beginResetModel()
        self._modules.set_filter(text)
        self.endResetModel()

    def set_attached(self, badges: Mapping[str, str]) -> None:
        """Which sites have a hook, and the word that stands beside their names."""
        old, self._attached = self._attached, dict(badges)
        self._emit_changed(_different(old, self._attached), Column.NAME)

    def set_last_values(self, values: Mapping[str, float], meaning: str = "") -> None:
        """One number a site from the newest run, and what the number is."""
        old, self._last_values = self._last_values, dict(values)
        if meaning and meaning != self._value_meaning:
            self._value_meaning = meaning
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, Column.LAST_VALUE, Column.LAST_VALUE)
        self._emit_changed(_different(old, self._last_values), Column.LAST_VALUE)

    def set_shapes(self, shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> bool:
        """Shapes of what each site took and gave in the newest run, () for none of a tensor; whether they are new."""
        if shapes == self._shapes:
            return False
        self._shapes = dict(shapes)
        # Views ask again for every cell they show; one index is enough to tell them.
        self._emit_changed([""], Column.SHAPE)
        return True

    # What a panel asks

    @property
    def module_count(self) -> int:
        """How many modules the whole tree has."""
        return len(self._modules.records)

    @property
    def filter_text(self) -> str:
        """The filter in force, "" for none."""
        return self._modules.filter

    @property
    def match_count(self) -> int:
        """How many modules match the filter; all without one."""
        return self._modules.match_count

    def matching_sites(self, limit: int | None = None) -> list[str]:
        """Dotted paths of the (first `limit`) modules that match the filter; all without one."""
        return [self._modules.sites[item] for item in self._modules.matches(limit)]

    def block_lists(self) -> list[str]:
        """Sites under which the model keeps its blocks."""
        return self._modules.block_lists()

    def record(self, site: str) -> ModuleRecord | None:
        """The record of a site, None if the model has no such module."""
        tree = self._modules.tree
        return tree.record(site) if tree is not None and site in tree else None

    def is_attached(self, site: str) -> bool:
        """True if a hook of ours sits on the site."""
        return site in self._attached

    def site(self, index: AnyIndex) -> str | None:
        """Dotted path at an index; None for a range or no row."""
        item = index.internalId() if index.isValid() else -1
        return self._modules.sites[item] if self._modules.is_module(item) else None

    def index_of_site(self, site: str, column: int = 0) -> QModelIndex:
        """Index of a module; invalid if there is none or the filter hides it."""
        item = self._modules.item_of(site)
        return self.createIndex(self._modules.row(item), column, item) if item >= 0 else QModelIndex()

    # QAbstractItemModel

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return len(Column)

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        if not parent.isValid():
            return int(self._modules.has_root)
        return len(self._modules.children(parent.internalId())) if parent.column() == 0 else 0

    def hasChildren(self, parent: AnyIndex = _NOWHERE) -> bool:
        if not parent.isValid():
            return self._modules.has_root
        return parent.column() == 0 and self._modules.has_children(parent.internalId())

    def index(self, row: int, column: int, parent: AnyIndex = _NOWHERE) -> QModelIndex:
        if row < 0 or not 0 <= column < len(Column):
            return QModelIndex()
        if not parent.isValid():
            return self.createIndex(0, column, 0) if row < self.rowCount() else QModelIndex()
        children = self._modules.children(parent.internalId())
        return self.createIndex(row, column, children[row]) if row < len(children) else QModelIndex()

    def parent(self, index: AnyIndex) -> QModelIndex:  # type: ignore[override]
        above = self._modules.parent(index.internalId()) if index.isValid() else -1
        return self.createIndex(self._modules.row(above), 0, above) if above >= 0 else QModelIndex()

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        if index.column() == Column.NAME and self._modules.is_module(index.internalId()):
            return _CHECKABLE
        return _SELECTABLE

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(Column):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._value_meaning if section == Column.LAST_VALUE else _HEADER_TIPS[section]
        return _alignment(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        item, column = index.internalId(), index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Role.IS_MATCH:
            return self._modules.is_match(item)
        if not self._modules.is_module(item):
            return self._range_data(item, column, role)
        record = self._modules.records[item]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(record, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == Column.NAME:
            return Qt.CheckState.Checked if record.path in self._attached else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tooltip(record)
        if role == Qt.ItemDataRole.AccessibleTextRole and column == Column.NAME:
            attached = f", attached: {self._attached[record.path]}" if record.path in self._attached else ""
            return f"{record.path or 'the model itself'}, {record.class_name}{attached}"
        if role == Role.SITE:
            return record.path
        if role == Role.BADGE:
            return self._attached.get(record.path, "")
        if role == Role.MARK:
            return "shared" if record.shared_with else "tied" if record.tied_to else ""
        return None

    def setData(self, index: AnyIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        site = self.site(index)
        if role == Qt.ItemDataRole.CheckStateRole and site is not None:
            self.checkRequested.emit([site], Qt.CheckState(value) == Qt.CheckState.Checked)
        # Nothing has changed yet: the answer comes through set_attached.
        return False

    # Inside

    def _text(self, record: ModuleRecord, column: int) -> str:
        if column == Column.NAME:
            return record.name or ROOT_NAME
        if column == Column.CLASS:
            return record.class_name
        if column == Column.PARAMETERS:
            return formatting.short_count(record.parameters) if record.parameters else ""
        if column == Column.SHAPE:
            given = self._shapes.get(record.path)
            if given is not None:
                return " → ".join(formatting.shape(shape) if shape else "–" for shape in given)
            return formatting.shape(record.weight_shape) if record.weight_shape else ""
        if column == Column.DTYPE:
            return record.dtype
        value = self._last_values.get(record.path)
        return formatting.number(value) if value is not None else ""

    def _tooltip(self, record: ModuleRecord) -> str:
        lines = [record.path or "The model itself", record.class_name]
        if record.parameters:
            held = (
                f"{formatting.count(record.parameters)} parameters",
                formatting.byte_size(record.bytes),
                record.dtype,
            )
            lines.append(", ".join(filter(None, (*held, record.device))))
        if record.weight_shape:
            lines.append(f"weight {formatting.shape(record.weight_shape)}")
        if record.path in self._shapes:
            taken, given = (formatting.shape(shape) if shape else "no tensor" for shape in self._shapes[record.path])
            lines.append(f"took {taken}, gave {given}")
        if record.tied_to:
            lines.append(f"weight tied to {record.tied_to}")
        if record.shared_with:
            lines.append(f"the same module as {record.shared_with}")
        return "\n".join(lines)

    def _range_data(self, item: int, column: int, role: int) -> Any:
        members = [self._modules.records[member] for member in self._modules.members(item)]
        first, last = members[0], members[-1]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{len(members)} modules, {first.path} to {last.path}"
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if column == Column.NAME:
            return f"{first.name} … {last.name}"
        if column == Column.CLASS:
            classes = {member.class_name for member in members}
            return f"{len(members)} × {classes.pop() if len(classes) == 1 else 'modules'}"
        return ""

    def _emit_changed(self, sites: Iterable[str], column: Column) -> None:
        """Tell views of changed cells, with one signal for each parent whose children were ever listed."""
        modules = self._modules
        spans: dict[int, tuple[int, int]] = {}
        for site in sites:
            item = modules.item_of(site)
            row = modules.known_row(item)
            if item < 0 or row is None:
                continue
            low, high = spans.get(modules.parent(item), (row, row))
            spans[modules.parent(item)] = (min(low, row), max(high, row))
        for above, (low, high) in spans.items():
            children = modules.children(above) if above >= 0 else [0]
            first, last = (self.createIndex(row, column, children[row]) for row in (low, high))
            self.dataChanged.emit(first, last)


def _alignment(column: int) -> int:
    right = column in (Column.PARAMETERS, Column.LAST_VALUE)
    return int((Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft) | Qt.AlignmentFlag.AlignVCenter)


def _different(old: Mapping[str, object], new: Mapping[str, object]) -> set[str]:
    return {site for site in old.keys() | new.keys() if old.get(site) != new.get(site)}
