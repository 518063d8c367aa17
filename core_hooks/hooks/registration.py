"""One hook on one module: put on in the right order, taken off by whoever put it on."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from core_hooks.hooks.hook_type import HookType, as_hook_type

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.hooks import RemovableHandle

    from core_hooks.hooks.hook import Hook

_lock = threading.RLock()
_registrations: weakref.WeakKeyDictionary[nn.Module, list[Registration]] = weakref.WeakKeyDictionary()


class Registration:
    """A hook's place on a module; closing it is idempotent.

    Attributes
    ----------
    hook
        The hook.
    name
        Dotted name of the module, ``None`` if it was never told.
    """

    def __init__(self, module: nn.Module, hook: Hook, name: str | None) -> None:
        self.hook = hook
        self.name = name
        self._module = weakref.ref(module)
        self._handle: RemovableHandle | None = None
        self.closed = False

    @property
    def module(self) -> nn.Module | None:
        """The module, ``None`` once it is gone."""
        return self._module()

    @property
    def suspended(self) -> bool:
        """Whether torch does not know of the hook for now."""
        return self._handle is None

    def suspend(self) -> None:
        """Take the hook off the module but keep its place."""
        with _lock:
            if self._handle is not None:
                self._handle.remove()
                self._handle = None

    def resume(self) -> None:
        """Put the hook back in its place."""
        with _lock:
            module = self.module
            if module is None or self.closed or self._handle is not None:
                return
            behind = self._behind(_registrations[module])
            for other in behind:
                other.suspend()
            for registration in (self, *behind):
                registration._put_on(module)

    def close(self) -> None:
        """Take the hook off for good."""
        with _lock:
            if self.closed:
                return
            self.closed = True
            self.suspend()
            module = self.module
            if module is not None:
                here = _registrations.get(module, [])
                if self in here:
                    here.remove(self)
                if not here:
                    _registrations.pop(module, None)
            if self.hook._registration is self:
                self.hook._registration = None

    def _behind(self, here: list[Registration]) -> list[Registration]:
        """Return the registrations that torch must call after this one, in their order."""
        return [
            other
            for other in sorted(here, key=lambda registration: registration.hook.rank)
            if other is not self
            and not other.suspended
            and other.hook.hook_type is self.hook.hook_type
            and (other.hook.rank, here.index(other)) > (self.hook.rank, here.index(self))
        ]

    def _put_on(self, module: nn.Module) -> None:
        call = self.hook.get_torch_hook()
        if self.hook.hook_type is HookType.FORWARD:
            self._handle = module.register_forward_hook(call, with_kwargs=True)
        else:
            self._handle = module.register_forward_pre_hook(call, with_kwargs=True)


def register(
    module: nn.Module, hook: Hook, name: str | None = None, hook_type: HookType | str | None = None
) -> Registration:
    """Attach a hook to a module.

    Whatever the order in which hooks are registered, detectors with ``stage="before"`` run first and see the
    unmodified value, then controllers and other hooks in the order of registration, then detectors with
    ``stage="after"``.

    Parameters
    ----------
    module
        Any module; it is not kept alive.
    hook
        A hook that is attached nowhere.
    name
        Dotted name of the module, for messages and reports.
    hook_type
        Must be the hook's own type if given.

    Returns
    -------
    Registration
        Its ``close()`` takes the hook off again, as does ``hook.remove()``.

    Raises
    ------
    ValueError
        When the hook is attached already, or ``hook_type`` is not the hook's.
    """
    if hook_type is not None and as_hook_type(hook_type) is not hook.hook_type:
        raise ValueError(
            f"Hook {hook.id} is a {hook.hook_type.value} hook and cannot be registered as "
            f"{as_hook_type(hook_type).value}; set hook.hook_type first."
        )
    with _lock:
        if hook.attached:
            raise ValueError(
                f"Hook {hook.id} is attached already (layer {hook.site or 'root'}); a hook has one place "
                "at a time: remove() it first or make another."
            )
        registration = Registration(module, hook, name)
        hook._registration = registration
        _registrations.setdefault(module, []).append(registration)
        try:
            registration.resume()
        except BaseException:
            registration.close()
            raise
    return registration


def hooks_of(module: nn.Module) -> tuple[Hook, ...]:
    """Return the hooks of this package that are attached to a module, in the order of registration."""
    with _lock:
        return tuple(registration.hook for registration in _registrations.get(module, ()))


def hooked_modules() -> frozenset[nn.Module]:
    """Return every module, of whatever model, that a hook of this package is attached to."""
    with _lock:
        return frozenset(_registrations)
