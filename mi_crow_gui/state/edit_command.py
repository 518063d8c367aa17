"""One step of undo: the parts of the workspace that an edit changed, before and after it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QUndoCommand

from mi_crow_gui.document.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

# Typing and looking around are no steps of undo
_LOOKING = ("drafts", "selected_site", "capture")
UNDOABLE = tuple(field.name for field in fields(Workspace) if field.name not in _LOOKING)


class EditCommand(QUndoCommand):
    """Puts changed parts in, or the former ones back.

    Typed text is never lost to it: a draft that the edit used up comes back with undo unless another was
    typed since, and goes again with redo only if it is still the same text.
    """

    def __init__(
        self,
        text: str,
        before: Workspace,
        after: Workspace,
        apply: Callable[[dict[str, Any], dict[str, str], dict[str, str]], None],
        merge_id: int = -1,
    ) -> None:
        super().__init__(text)
        self._apply = apply
        self._merge_id = merge_id
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        for name in UNDOABLE:
            old, new = getattr(before, name), getattr(after, name)
            if old != new:
                self.before[name], self.after[name] = old, new
        self._used_drafts = {site: text for site, text in before.drafts if after.draft(site) is None}

    def redo(self) -> None:
        """Put the edited parts in."""
        self._apply(self.after, self._used_drafts, {})

    def undo(self) -> None:
        """Put the former parts back."""
        self._apply(self.before, {}, self._used_drafts)

    def id(self) -> int:
        """Commands with the same id (not -1) may become one step."""
        return self._merge_id

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take in the edit that followed; a step that ends where it began is dropped."""
        if not isinstance(other, EditCommand) or other.after.keys() != self.after.keys():
            return False
        self.after = other.after
        if self.after == self.before:
            self.setObsolete(True)
        return True
