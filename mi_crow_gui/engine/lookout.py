"""What is asked before a model is opened, and what is known from it, in the GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

if TYPE_CHECKING:
    from core_hooks.model.reference import ModelReference
    from mi_crow_gui.engine.model_look import OpeningChoices
    from mi_crow_gui.engine.scout import Scout


class Lookout(QObject):
    """Asks the scout in the model thread; every method returns at once, every answer is a signal in the GUI thread."""

    looked = Signal(object)
    devicesKnown = Signal(object)
    choicesKnown = Signal(object)
    kindsKnown = Signal(object)
    warm = Signal()

    _lookWanted = Signal(object)
    _prepareWanted = Signal(int, bool)

    def __init__(self, scout: Scout, parent: QObject) -> None:
        super().__init__(parent)
        self._scout = scout
        # What can be chosen before a model is opened; None until `choicesKnown`.
        self.choices: OpeningChoices | None = None
        self._lookWanted.connect(scout.look)
        self._prepareWanted.connect(scout.prepare)
        scout.looked.connect(self._on_scout_looked)
        scout.devicesKnown.connect(self._on_scout_devices_known)
        scout.choicesKnown.connect(self._on_scout_choices_known)
        scout.kindsKnown.connect(self._on_scout_kinds_known)
        scout.warm.connect(self._on_scout_warm)

    def prepare(self, threads: int = 0, plugins: bool = True) -> None:
        """Import torch and transformers on the model thread; called once the window has been painted.

        Tells of the kinds of hooks there are (`kindsKnown`), without `plugins` of the built-in ones alone.
        """
        self._prepareWanted.emit(threads, plugins)

    @Slot(object)
    def look(self, reference: ModelReference) -> None:
        """Find out what a model is and needs before it is opened (`looked`); the newest question alone is answered."""
        self._scout.looking_at = reference
        self._lookWanted.emit(reference)

    @Slot(object)
    def _on_scout_looked(self, look: object) -> None:
        self.looked.emit(look)

    @Slot(object)
    def _on_scout_devices_known(self, devices: object) -> None:
        self.devicesKnown.emit(devices)

    @Slot(object)
    def _on_scout_choices_known(self, choices: OpeningChoices) -> None:
        self.choices = choices
        self.choicesKnown.emit(choices)

    @Slot(object)
    def _on_scout_kinds_known(self, kinds: object) -> None:
        self.kindsKnown.emit(kinds)

    @Slot()
    def _on_scout_warm(self) -> None:
        self.warm.emit()
