"""Ending a forward once every layer that was asked for has run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core_hooks.hooks.attachment import Attachment, Site, attach
from core_hooks.hooks.errors import StopForward
from core_hooks.hooks.hook import Hook

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn


class StopAfter:
    """A context in which a forward of the model ends as soon as all of some layers have returned.

    The rest of the ``with`` block is skipped too::

        with StopAfter(model, ["layers.3", "layers.7"]) as stop:
            model(ids)
        stop.stopped, stop.missed

    Hooks of the layers, those that run after controllers included, have done their work by then. Layers that
    do not run in the forward (a ``ModuleList``, say) let it run to its end; ``missed`` names them.

    Parameters
    ----------
    model
        The root.
    sites
        Dotted names or modules of it.

    Attributes
    ----------
    stopped
        Whether a forward was ended.
    output
        What the layer returned that ran last, ``None`` if none did.

    Raises
    ------
    ValueError
        For no layer at all, or an unknown one.
    """

    def __init__(self, model: nn.Module, sites: Iterable[Site]) -> None:
        self._model = model
        self._hooks: dict[Site, _StopHook] = {site: _StopHook(self) for site in sites}
        if not self._hooks:
            raise ValueError("StopAfter needs at least one layer to stop after.")
        self._attachment: Attachment | None = None
        self._names: tuple[str, ...] = ()
        self._waiting: set[_StopHook] = set()
        self._request: StopForward | None = None
        self.stopped = False
        self.output: Any = None

    @property
    def fired(self) -> tuple[str, ...]:
        """Dotted names of the layers that returned."""
        return tuple(hook.name for hook in self._hooks.values() if hook.fired)

    @property
    def missed(self) -> tuple[str, ...]:
        """Dotted names of the layers that never did."""
        return tuple(hook.name for hook in self._hooks.values() if not hook.fired)

    def __enter__(self) -> StopAfter:
        self._attachment = attach(self._model, self._hooks)
        for hook in self._hooks.values():
            hook.name = hook.site or ""
        self._waiting = set(self._hooks.values())
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if self._attachment is not None:
            self._attachment.close()
        self.stopped = error is not None and error is self._request
        return self.stopped

    def _returned(self, hook: _StopHook, output: Any) -> None:
        self.output = output
        self._waiting.discard(hook)
        if not self._waiting:
            self._waiting = set(self._hooks.values())
            self._request = StopForward("Every requested layer has run.")
            raise self._request


class _StopHook(Hook):
    """Tells its ``StopAfter`` that a layer returned."""

    reported = False

    def __init__(self, owner: StopAfter) -> None:
        super().__init__()
        self._owner = owner
        self.name = ""

    @property
    def rank(self) -> int:
        return 3  # behind everything else on its module

    def _hook_fn(self, module: nn.Module, input: Any, output: Any) -> None:
        self._owner._returned(self, output)
