"""Where models compute: the devices of this machine, and moving the open model to another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

if TYPE_CHECKING:
    from core_hooks.model.reference import ModelReference
    from mi_crow_gui.engine.messages import OpenedModel
    from mi_crow_gui.wiring.model_wiring import ModelWiring
    from mi_crow_gui.wiring.parts import Parts


class DeviceWiring(QObject):
    """Joins the device box with the service; a choice reopens the open model, else it is for the next one."""

    def __init__(self, parts: Parts, model: ModelWiring) -> None:
        super().__init__(parts.window)
        self._window, self._service, self._model = parts.window, parts.service, model
        self._devices: tuple[str, ...] = ()
        model.device = parts.arguments.device
        self._service.lookout.devicesKnown.connect(self._on_service_devices_known)
        self._service.modelOpened.connect(self._on_service_model_opened)
        self._service.stateChanged.connect(self._on_service_state_changed)
        self._window.deviceChosen.connect(self._on_window_device_chosen)

    @Slot(object)
    def _on_service_devices_known(self, devices: tuple[str, ...]) -> None:
        self._devices = devices
        self._show()

    @Slot(object)
    def _on_service_model_opened(self, opened: OpenedModel) -> None:
        self._model.device = opened.summary.reference.device
        self._show()

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        self._window.device_box.setEnabled(state not in ("loading", "running"))
        if state in ("ready", "failed", "idle"):
            self._show()

    @Slot(str)
    def _on_window_device_chosen(self, device: str) -> None:
        reference = self._reference()
        if reference is None:
            self._model.device = device
            self._window.status.set_message(f"The next model opens on {device}.")
        elif device != reference.device:
            self._model.open(replace(reference, device=device))

    def _reference(self) -> ModelReference | None:
        opened = self._service.model
        return opened.summary.reference if opened is not None else None

    def _show(self) -> None:
        """The box says where the open model is, whatever was asked for."""
        reference = self._reference()
        current = reference.device if reference is not None else self._model.device
        if self._devices:
            self._window.set_devices(list(dict.fromkeys((*self._devices, current))), current)
