"""Sessions and recovery: saving, opening, offering again what a crash left."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document import recovery, session_file
from mi_crow_gui.wiring.model_wiring import SESSION_SUFFIX
from mi_crow_gui.wiring.recent import show_recent

if TYPE_CHECKING:
    from mi_crow_gui.document.recovery import Orphan
    from mi_crow_gui.document.session_file import LoadedSession
    from mi_crow_gui.engine.messages import Failure
    from mi_crow_gui.state.autosave import Autosave
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)


class SessionWiring(QObject):
    """Joins the session actions, the document and the pool that reads and writes files."""

    def __init__(self, parts: Parts, autosave: Autosave) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._autosave = autosave
        self._window, self._store, self._jobs = parts.window, parts.store, parts.jobs
        self._path: Path | None = None
        window = parts.window
        window.action("openSession").triggered.connect(self._on_open_session_triggered)
        window.action("saveSession").triggered.connect(self._on_save_session_triggered)
        undo, redo = window.action("undo"), window.action("redo")
        stack = parts.store.undo_stack
        undo.triggered.connect(stack.undo)
        redo.triggered.connect(stack.redo)
        stack.canUndoChanged.connect(undo.setEnabled)
        stack.canRedoChanged.connect(redo.setEnabled)
        undo.setEnabled(stack.canUndo())
        redo.setEnabled(stack.canRedo())
        stack.undoTextChanged.connect(self._on_undo_text_changed)
        stack.redoTextChanged.connect(self._on_redo_text_changed)
        parts.store.dirtyChanged.connect(window.setWindowModified)

    # ---- what people ask for -----------------------------------------------------------------------------------

    def open_file(self, path: str) -> None:
        """Read a session; the present workspace stays if it can't be read."""
        source = Path(path).expanduser()
        self._jobs.run("session", lambda: (source, session_file.load(source)), self._loaded, self._failed)

    def save_file(self, path: str) -> None:
        """Write the workspace to a session file."""
        target = Path(path).expanduser()
        if target.suffix != SESSION_SUFFIX:
            target = target.with_name(target.name + SESSION_SUFFIX)
        workspace = self._store.workspace

        def saved(_: object) -> None:
            self._path = target
            self._store.mark_saved(workspace)
            self._remember(target)
            self._window.status.set_message(f"Saved to {target}.")

        self._jobs.run("session", lambda: session_file.save(target, workspace), saved, self._failed)

    def offer_recovery(self) -> None:
        """Look for what an instance that crashed left behind, and offer it."""
        self._jobs.run("recovery", recovery.find_orphans, self._offer, self._failed)

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot()
    def _on_open_session_triggered(self) -> None:
        self._window.ask_for_file("Open session", f"Sessions (*{SESSION_SUFFIX})", self.open_file)

    @Slot()
    def _on_save_session_triggered(self) -> None:
        start = str(self._path) if self._path is not None else f"session{SESSION_SUFFIX}"
        self._window.ask_for_new_file("Save session", start, f"Sessions (*{SESSION_SUFFIX})", self.save_file)

    @Slot(str)
    def _on_undo_text_changed(self, text: str) -> None:
        self._window.action("undo").setToolTip(f"Undo: {text}  (Ctrl+Z)" if text else "Nothing to undo  (Ctrl+Z)")

    @Slot(str)
    def _on_redo_text_changed(self, text: str) -> None:
        tip = f"Redo: {text}  (Ctrl+Shift+Z)" if text else "Nothing to redo  (Ctrl+Shift+Z)"
        self._window.action("redo").setToolTip(tip)

    def _loaded(self, answer: tuple[Path, LoadedSession]) -> None:
        path, session = answer
        self._path = path
        self._remember(path)
        self._show(session, saved=True)

    def _show(self, session: LoadedSession, *, saved: bool) -> None:
        self._store.load(session.workspace, saved=saved)
        self._window.show_workbench()
        for note in session.notes:
            log.info("%s", note)
        if session.needs_review:
            message = (
                "This session was not written on this machine: its code is switched off. "
                "Select a controller, read it, and tick it in the hooks list to switch it on."
            )
            self._window.show_banner(message)
            log.warning("%s", message)

    def _offer(self, orphans: tuple[Orphan, ...]) -> None:
        if not orphans:
            return
        orphan = orphans[0]

        def restore() -> None:
            self._jobs.run("recovery", lambda: (orphan, orphan.read()), self._restored, self._failed)

        self._window.show_banner(
            "The inspector ended unexpectedly last time. What you had typed and attached can be brought back.",
            "Restore",
            restore,
            "Discard",
            orphan.discard,
        )

    def _restored(self, answer: tuple[Orphan, LoadedSession]) -> None:
        orphan, session = answer
        self._show(session, saved=False)
        # Only once this instance keeps the same work itself is the old file needless.
        self._autosave.flush()
        self._jobs.run("recovery", orphan.discard, lambda _: None, self._failed)

    def _remember(self, path: Path) -> None:
        self._parts.settings.add_recent("sessions", str(path))
        show_recent(self._parts)

    def _failed(self, failure: Failure) -> None:
        log.error("%s", failure.message, extra={"details": failure.details})
        self._window.status.set_message(failure.message)
