"""What every command prints: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.model.reference import OpenProgress


class CommandError(Exception):
    """A command can't do what was asked; the text is one sentence."""


class Progress:
    """Writes how far an opening is on standard error: one changing line on a terminal, else a line a stage."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = ""

    def __call__(self, progress: OpenProgress) -> None:
        """Tell of one step."""
        if self._terminal:
            share = f" {progress.done / progress.total:4.0%}" if progress.total else ""
            sys.stderr.write(f"\r\x1b[K{progress.text}{share}")
        elif progress.text != self._told:
            sys.stderr.write(f"{progress.text}\n")
        self._told = progress.text
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line free for what comes next."""
        if self._terminal and self._told:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._told = ""


def print_json(value: Any) -> None:
    """Print `value` as JSON; NaN and infinities, which JSON lacks, become null."""
    json.dump(_plain(value), sys.stdout, indent=1, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> None:
    """Print columns under `header`; those named in `numbers` are aligned to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    right = [name in numbers for name in header]
    for row in [header, *rows]:
        cells = [
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


def bytes_text(count: int) -> str:
    """Return a size with its unit, such as ``1.25 GiB``."""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{count} B" if unit == "B" else f"{size:.4g} {unit}"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
