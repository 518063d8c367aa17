"""Answers what is asked before a model is opened: lives in the model thread, beside the worker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.engine.warm_up import set_threads, warm_up

if TYPE_CHECKING:
    from core_hooks.hooks.kinds import HookKinds
    from core_hooks.model.reference import ModelReference

log = logging.getLogger(__name__)


class Scout(QObject):
    """Says what models can be opened with, what one of them is, and which kinds of hooks there are.

    torch and transformers are imported by the first call that needs them, never with this module.
    """

    looked = Signal(object)
    devicesKnown = Signal(object)
    choicesKnown = Signal(object)
    kindsKnown = Signal(object)
    warm = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        # Set by the GUI thread: the newest question.
        self.looking_at: ModelReference | None = None
        self._plugins = True
        self._kinds: HookKinds | None = None

    @Slot(int, bool)
    def prepare(self, threads: int, plugins: bool) -> None:
        """Import what models need while nobody waits for it."""
        try:
            set_threads(threads)
            warm_up()
        except ImportError as error:
            log.warning("Models can't be opened here, captures can: %s.", error)
            return
        from mi_crow_gui.engine.model_look import choices, devices

        self.devicesKnown.emit(devices())
        self.choicesKnown.emit(choices())
        self._plugins = plugins
        self.kindsKnown.emit(self.kinds())
        self.warm.emit()

    @Slot(object)
    def look(self, reference: ModelReference) -> None:
        """Say what is known of a model before it is opened; skipped when another was asked about since."""
        if reference != self.looking_at:
            return
        warm_up()
        from mi_crow_gui.engine.model_look import look

        self.looked.emit(look(reference))

    def kinds(self) -> HookKinds:
        """The kinds of hooks there are; loaded once."""
        from core_hooks.hooks.kinds import load

        if self._kinds is None:
            self._kinds = load(self._plugins)
        return self._kinds
