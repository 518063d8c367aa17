"""Code that comes with a model: asked about once for every content of it, never run unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

if TYPE_CHECKING:
    from mi_crow_gui.engine.messages import ConsentWanted
    from mi_crow_gui.wiring.parts import Parts

_SETTING = "model/agreed_code"
_MOST_REMEMBERED = 200


class ConsentWiring(QObject):
    """Shows the code that a model needs; `agreed` gives the reference that may now be opened, `refused` that not."""

    agreed = Signal(object)
    refused = Signal(object)

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._wanted: ConsentWanted | None = None
        parts.service.consentWanted.connect(self._on_service_consent_wanted)

    def consents(self) -> frozenset[str] | None:
        """Fingerprints of the code that may run; None, nothing at all, with ``--safe``."""
        if self._parts.arguments.safe:
            return None
        return frozenset(self._parts.settings.texts(_SETTING))

    @Slot(object)
    def _on_service_consent_wanted(self, wanted: ConsentWanted) -> None:
        self._wanted = wanted
        window = self._parts.window
        window.status.clear_progress()
        window.status.set_message(f"{wanted.reference.source} needs Python code to run: read it first.")
        dialog = window.ask_consent(wanted.reference.source, dict(wanted.code.files), self._on_dialog_agreed)
        dialog.rejected.connect(self._on_dialog_rejected)

    @Slot()
    def _on_dialog_agreed(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        fingerprint, settings = wanted.code.fingerprint, self._parts.settings
        others = [other for other in settings.texts(_SETTING) if other != fingerprint]
        settings.set_texts(_SETTING, [fingerprint, *others][:_MOST_REMEMBERED])
        self.agreed.emit(wanted.reference)

    @Slot()
    def _on_dialog_rejected(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._parts.window.status.set_message(f"{wanted.reference.source} was not opened: its code may not run.")
            self.refused.emit(wanted.reference)
