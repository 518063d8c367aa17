"""The modules of a model as a grid: blocks down, the parts of a block across. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core_hooks.model.records import ModuleRecord, ModuleTree

# So deep below a block its parts have columns: `attn.c_proj` has one, what lies below that has none.
_DEPTH = 2
_MOST_COLUMNS = 64


@dataclass(frozen=True, slots=True)
class GridRow:
    """One block with the sites of its parts by column, or with `columns` empty a module outside of all blocks."""

    label: str
    site: str
    cells: dict[int, str]


@dataclass(frozen=True, slots=True)
class ModuleGrid:
    """Rows in the model's order; column 0 is the block itself, `columns` names the parts relative to their block."""

    rows: tuple[GridRow, ...] = ()
    columns: tuple[str, ...] = ()

    def site(self, row: int, column: int) -> str | None:
        """The module at a place; None where there is none."""
        return self.rows[row].cells.get(column) if 0 <= row < len(self.rows) else None

    def place(self, site: str) -> tuple[int, int] | None:
        """Row and column of a module; None when the grid does not show it."""
        for number, row in enumerate(self.rows):
            if site == row.site:
                return number, 0
            if row.cells and site.startswith(f"{row.site}."):
                return next(((number, column) for column, other in row.cells.items() if other == site), None)
        return None

    def sites(self, first: tuple[int, int], last: tuple[int, int]) -> list[str]:
        """The modules in the rectangle between two places, in the model's order."""
        (top, bottom), (left, right) = sorted((first[0], last[0])), sorted((first[1], last[1]))
        found = []
        for row in self.rows[top : bottom + 1]:
            found += [site for column, site in row.cells.items() if left <= column <= right]
        return found


def module_grid(tree: ModuleTree | None) -> ModuleGrid:
    """Lay out a tree; a model without numbered blocks has no grid."""
    if tree is None or not len(tree):
        return ModuleGrid()
    rows: list[GridRow] = []
    columns: dict[str, int] = {}
    found = _walk(tree, 0, rows, columns)
    return ModuleGrid(tuple(rows), ("block", *columns)) if found else ModuleGrid()


def _walk(tree: ModuleTree, index: int, rows: list[GridRow], columns: dict[str, int]) -> bool:
    """Add the rows below a module; True if there were blocks among them."""
    record = tree.records[index]
    if _holds_blocks(tree, record):
        for child in record.children:
            rows.append(_block(tree, child, columns))
        return True
    if not record.children:
        if index:
            rows.append(GridRow(record.path, record.path, {0: record.path}))
        return False
    start = len(rows)
    found = False
    for child in record.children:
        found = _walk(tree, child, rows, columns) or found
    if not found and index:
        # A part without blocks, such as a head of several layers, is one row.
        del rows[start:]
        rows.append(GridRow(record.path, record.path, {0: record.path}))
    return found


def _holds_blocks(tree: ModuleTree, record: ModuleRecord) -> bool:
    children = record.children
    return len(children) > 1 and all(
        tree.records[child].name.isdigit() and tree.records[child].children for child in children
    )


def _block(tree: ModuleTree, index: int, columns: dict[str, int]) -> GridRow:
    block = tree.records[index]
    cells = {0: block.path}
    pending = list(reversed(block.children))
    while pending:
        record = tree.records[pending.pop()]
        part = record.path[len(block.path) + 1 :]
        if part not in columns and len(columns) >= _MOST_COLUMNS:
            continue
        cells[columns.setdefault(part, len(columns) + 1)] = record.path
        # Experts and the like have columns for none of their own parts.
        if record.depth - block.depth < _DEPTH and not _is_numbered(tree, record):
            pending += reversed(record.children)
    return GridRow(block.path, block.path, cells)


def _is_numbered(tree: ModuleTree, record: ModuleRecord) -> bool:
    return len(record.children) > 4 and all(tree.records[child].name.isdigit() for child in record.children)
