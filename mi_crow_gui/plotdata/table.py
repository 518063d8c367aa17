"""The numbers behind a plot as a table that can be written: CSV for people, NPY for programs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mi_crow_gui.plotdata.rows import Rows


class ExportCancelled(Exception):
    """The export was given up on request."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Numbers in rows and columns.

    Attributes
    ----------
    values
        ``[rows, columns]``, as measured.
    header
        Name of each column, the leading columns included.
    lead
        What stands before the numbers of a row, e.g. its position and its token.
    array
        What a program gets in place of `values`, where those are laid out for people.
    """

    values: np.ndarray
    header: tuple[str, ...]
    lead: Callable[[int], tuple[object, ...]]
    array: np.ndarray | None = None

    @classmethod
    def of_rows(cls, rows: Rows) -> Table:
        """A matrix: position, text, then one column a channel."""
        names = (f"{rows.column} {index}" for index in range(rows.columns))
        return cls(rows.values, ("position", rows.row, *names), _lead_of(rows))

    @classmethod
    def of_line(cls, rows: Rows, values: np.ndarray, title: str) -> Table:
        """One value a row."""
        return cls(values.reshape(-1, 1), ("position", rows.row, title), _lead_of(rows))

    @classmethod
    def of_bins(cls, edges: np.ndarray, counts: np.ndarray) -> Table:
        """Edges and counts of a histogram."""
        values = np.column_stack([edges[:-1], edges[1:], counts])
        return cls(values, ("from", "to", "count"), lambda row: ())

    def write_csv(self, path: Path, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Write every number with the digits that bring it back exactly."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.header)
            for index, row in enumerate(self.values):
                if cancelled():
                    raise ExportCancelled
                writer.writerow([*self.lead(index), *row.astype(str)])

    def write_npy(self, path: Path) -> None:
        """Write the numbers alone, in the dtype they were measured in; nothing in the file is pickled."""
        with path.open("wb") as file:
            np.save(file, self.values if self.array is None else self.array, allow_pickle=False)


def _lead_of(rows: Rows) -> Callable[[int], tuple[object, ...]]:
    return lambda index: (rows.first + index, rows.label(rows.first + index))
