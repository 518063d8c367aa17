"""The script of a workspace as a Jupyter notebook: plain JSON of the notebook format, version 4.5."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from mi_crow_gui.document.python_script import script_cells
from mi_crow_gui.document.script_cells import import_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.document.experiment_settings import ExperimentSettings
    from mi_crow_gui.document.python_script import PinnedRun
    from mi_crow_gui.document.workspace import Workspace


def to_notebook(
    workspace: Workspace,
    experiments: Sequence[ExperimentSettings] = (),
    *,
    generating: bool = False,
    pinned: Sequence[PinnedRun] = (),
) -> str:
    """Write a notebook whose cells, run in turn, do what the script of `to_python` does."""
    cells: list[dict[str, Any]] = [
        _cell("markdown", "Made by the Mi-Crow inspector from a workspace; needs `core_hooks` only.", 0)
    ]
    for cell in script_cells(workspace, experiments, generating=generating, pinned=pinned):
        imports = import_lines(cell.imports)
        code = "\n".join([*imports, *([""] if imports else []), *cell.lines]).strip("\n")
        cells.append(_cell("markdown", f"## {cell.title}", len(cells)))
        cells.append(_cell("code", code, len(cells)))
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _cell(kind: str, text: str, place: int) -> dict[str, Any]:
    lines = text.splitlines(keepends=True)
    name = hashlib.sha256(f"{place} {text}".encode()).hexdigest()[:8]
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": lines}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell
