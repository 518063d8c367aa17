"""A flat index over a module tree: filters by name, folds long runs of numbered siblings. Plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.itemmodels.name_search import NameSearch

if TYPE_CHECKING:
    import numpy as np

    from core_hooks.model.records import ModuleRecord, ModuleTree

FOLD_SIZE = 32


class ModuleIndex:
    """What a tree view shows of a module tree under one filter.

    Items are numbers: below ``len(tree)`` a module, above it a range of numbered siblings. Children are listed when
    first asked for, so a tree of 100,000 modules costs what is looked at.
    """

    def __init__(self, tree: ModuleTree | None) -> None:
        self.tree = tree if tree is not None and len(tree) else None
        self.records: tuple[ModuleRecord, ...] = self.tree.records if self.tree is not None else ()
        self.sites = [record.path for record in self.records]
        self._parents = [record.parent for record in self.records]
        # Made when the first filter is typed, or `prepare` is called.
        self._search: NameSearch | None = None
        self.filter = ""
        self.set_filter("")

    def prepare(self) -> None:
        """Make what filtering needs, so that the first keystroke does not."""
        if self._search is None and self.records:
            self._search = NameSearch(self.records)

    def take_records(self, tree: ModuleTree) -> bool:
        """Take newer records of the same modules, the filter and all items staying; False if they are others.

        Their classes may be others: a quantiser puts its own in the place of linear layers.
        """
        same = len(tree) == len(self.records) and all(
            new.path == old.path for new, old in zip(tree.records, self.records, strict=True)
        )
        if same and self.tree is not None:
            self.tree, self.records = tree, tree.records
            if self._search is not None:
                self._search.take_classes(tree.records)
        return same and self.tree is not None

    def set_filter(self, text: str) -> None:
        """Keep the modules that `text` matches and their ancestors; "" keeps all."""
        self.filter = text.strip()
        self._children: dict[int, list[int]] = {}
        self._rows: dict[int, int] = {0: 0}
        self._ranges: list[tuple[int, list[int]]] = []
        self._range_of: dict[int, int] = {}
        self._visible: bytes | None = None
        self._is_match: bytes | None = None
        self._found: np.ndarray | None = None
        self.match_count = len(self.records)
        if not self.filter or not self.records:
            return
        self.prepare()
        assert self._search is not None
        self._found = self._search.select(self.filter)
        self.match_count = int(self._found.sum())
        self._is_match = self._found.tobytes()
        self._visible = self._search.with_ancestors(self._found).tobytes()

    def matches(self, limit: int | None = None) -> list[int]:
        """The (first `limit`) modules that the filter matches; all without one."""
        if self._found is None:
            return list(range(len(self.records)))[:limit]
        found: list[int] = self._found.nonzero()[0][:limit].tolist()
        return found

    @property
    def has_root(self) -> bool:
        """True if there is anything to show."""
        return bool(self.records) and (self._visible is None or bool(self._visible[0]))

    def is_module(self, item: int) -> bool:
        """True for a module, False for a range or no item at all."""
        return 0 <= item < len(self.records)

    def item_of(self, site: str) -> int:
        """The item of a module; -1 if there is none or the filter hides it."""
        if self.tree is None or site not in self.tree:
            return -1
        item = self.tree.index(site)
        return item if self._visible is None or self._visible[item] else -1

    def is_match(self, item: int) -> bool:
        """False for what is shown only because something below it matches."""
        if self._is_match is None:
            return True
        return self.is_module(item) and bool(self._is_match[item])

    def has_children(self, item: int) -> bool:
        """Whether anything is shown below an item."""
        if self._visible is None and self.is_module(item):
            return bool(self.records[item].children)
        return bool(self.children(item))

    def children(self, item: int) -> list[int]:
        """The items shown directly below an item."""
        known = self._children.get(item)
        if known is not None:
            return known
        if self.is_module(item):
            visible = self._visible
            children = [child for child in self.records[item].children if visible is None or visible[child]]
            if sum(self.records[child].name.isdigit() for child in children) > FOLD_SIZE:
                children = self._fold(item, children)
        else:
            children = self.members(item)
        self._children[item] = children
        self._rows.update((child, row) for row, child in enumerate(children))
        return children

    def members(self, item: int) -> list[int]:
        """The modules that a range stands for."""
        return self._ranges[item - len(self.records)][1]

    def parent(self, item: int) -> int:
        """The item above an item, -1 above the root."""
        if not self.is_module(item):
            return self._ranges[item - len(self.records)][0]
        return self._range_of.get(item, self._parents[item])

    def row(self, item: int) -> int:
        """Place of an item below its parent."""
        if item not in self._rows:
            self._list_ancestors(item)
        return self._rows[item]

    def known_row(self, item: int) -> int | None:
        """Place of an item below its parent if that was ever asked for."""
        return self._rows.get(item)

    def block_lists(self, limit: int = 8) -> list[str]:
        """Sites of the outermost lists of numbered modules: where a model keeps its blocks."""
        found: list[str] = []
        pending = [0] if self.records else []
        while pending and len(found) < limit:
            record = self.records[pending.pop()]
            if len(record.children) > 1 and all(self.records[child].name.isdigit() for child in record.children):
                found.append(record.path)
            else:
                pending.extend(reversed(record.children))
        return found

    def _list_ancestors(self, item: int) -> None:
        ancestors = []
        above = self._parents[item]
        while above >= 0:
            ancestors.append(above)
            above = self._parents[above]
        for ancestor in reversed(ancestors):
            self.children(ancestor)
            fold = self._range_of.get(ancestor)
            if fold is not None:
                self.children(fold)
        if item in self._range_of:
            self.children(self._range_of[item])

    def _fold(self, parent: int, children: list[int]) -> list[int]:
        """Numbered children in ranges of FOLD_SIZE; the others stay in their place."""
        folded: list[int] = []
        run: list[int] = []
        for child in [*children, -1]:
            if child >= 0 and self.records[child].name.isdigit():
                run.append(child)
                if len(run) < FOLD_SIZE:
                    continue
                child = -1
            folded.extend(self._close(parent, run))
            run = []
            if child >= 0:
                folded.append(child)
        return folded

    def _close(self, parent: int, run: list[int]) -> list[int]:
        if len(run) < 2:
            return run
        item = len(self.records) + len(self._ranges)
        self._ranges.append((parent, run))
        self._range_of.update((member, item) for member in run)
        return [item]
