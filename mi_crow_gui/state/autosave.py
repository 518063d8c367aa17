"""Keeps unsaved work in the recovery file, within a second of its change and never in the GUI thread."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from mi_crow_gui.document.recovery import RecoveryFile
from mi_crow_gui.document.session_file import SessionError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mi_crow_gui.document.workspace import Workspace
    from mi_crow_gui.state.store import DocumentStore

log = logging.getLogger(__name__)

DELAY_MS = 1000


class Autosave(QObject):
    """Follows the store. While writes are slow the workspaces in between are skipped; the latest is always written.

    `failed` says once, in a sentence, that work can't be kept, and again only after it could. `origin` is the
    session file that the workspace came from, kept with the work.
    """

    failed = Signal(str)
    _written = Signal(str)

    def __init__(
        self, store: DocumentStore, recovery: RecoveryFile | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.origin = ""
        self._store = store
        self._recovery = recovery or RecoveryFile()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="autosave")
        self._writing = False
        self._changed_since = False
        self._failing = False
        self._closed = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self._on_timer_timeout)
        self._written.connect(self._on_self_written)
        store.changed.connect(self._on_store_changed)
        store.dirtyChanged.connect(self._on_store_dirty_changed)

    def flush(self) -> None:
        """Write what is not yet written, and wait until it is."""
        if self._closed:
            return
        self._timer.stop()
        self._submit().result()

    def close(self, *, keep: bool = False) -> None:
        """End well: wait for the last write and remove the file, or leave it for the next start (`keep`)."""
        if self._closed:
            return
        if keep:
            self.flush()
        self._closed = True
        self._timer.stop()
        self._pool.shutdown(wait=True)
        self._recovery.close(keep=keep)

    def _submit(self) -> Future[None]:
        self._writing = True
        self._changed_since = False
        workspace = self._store.workspace if self._store.dirty else None
        return self._pool.submit(self._work, workspace, self.origin)

    def _work(self, workspace: Workspace | None, origin: str) -> None:
        """On the pool: write, or drop what is saved by now."""
        message = ""
        try:
            if workspace is None:
                self._recovery.clear()
            else:
                self._recovery.write(workspace, origin)
        except (SessionError, OSError) as error:
            message = f"Unsaved work can't be kept for recovery: {error}"
        self._written.emit(message)

    def _wait_and_write(self) -> None:
        # Not restarted by every key: without a pause in the typing nothing would ever be written
        if not self._closed and not self._timer.isActive():
            self._timer.start()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        if topic != "selection":
            self._wait_and_write()

    @Slot(bool)
    def _on_store_dirty_changed(self, dirty: bool) -> None:
        self._wait_and_write()

    @Slot()
    def _on_timer_timeout(self) -> None:
        if self._writing:
            self._changed_since = True
        else:
            self._submit()

    @Slot(str)
    def _on_self_written(self, message: str) -> None:
        self._writing = False
        if message and not self._failing:
            log.error("%s", message)
            self.failed.emit(message)
        self._failing = bool(message)
        if self._changed_since and not self._closed:
            self._submit()
