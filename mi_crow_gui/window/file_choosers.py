"""Asking for files and folders without blocking: the answer is handed to a function, no answer to nobody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    Taken = Callable[[str], object]


def choose_file(parent: QWidget, title: str, name_filter: str, taken: Taken, start: str = "") -> QFileDialog:
    """Ask for a file that exists."""
    dialog = _dialog(parent, title, name_filter, start)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    return _opened(dialog, taken)


def choose_folder(parent: QWidget, title: str, taken: Taken, start: str = "") -> QFileDialog:
    """Ask for a folder that exists."""
    dialog = _dialog(parent, title, "", start)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    return _opened(dialog, taken)


def choose_new(parent: QWidget, title: str, start: str, name_filter: str, taken: Taken) -> QFileDialog:
    """Ask for the name of something to be written; replacing what exists is asked about."""
    dialog = _dialog(parent, title, name_filter, "")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    path = Path(start).expanduser()
    if path.parent != Path() and path.parent.is_dir():
        dialog.setDirectory(str(path.parent))
    dialog.selectFile(path.name)
    return _opened(dialog, taken)


def _dialog(parent: QWidget, title: str, name_filter: str, start: str) -> QFileDialog:
    dialog = QFileDialog(parent, title)
    dialog.setObjectName("fileDialog")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if name_filter:
        dialog.setNameFilter(name_filter)
    path = Path(start).expanduser()
    folder = path if path.is_dir() else path.parent
    if start and folder.is_dir():
        dialog.setDirectory(str(folder))
    return dialog


def _opened(dialog: QFileDialog, taken: Taken) -> QFileDialog:
    dialog.fileSelected.connect(lambda path: taken(path) if path else None)
    dialog.open()
    return dialog
