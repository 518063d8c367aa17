"""The base of everything that is attached to a module."""

from __future__ import annotations

import logging
import uuid
import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch

from core_hooks.hooks.error_chain import forget_values, shorten
from core_hooks.hooks.errors import HookError, root_cause
from core_hooks.hooks.hook_type import (
    FORWARD,
    HOOK_FUNCTION_INPUT,
    HOOK_FUNCTION_OUTPUT,
    HookType,
    as_hook_type,
)
from core_hooks.hooks.run import current_run
from core_hooks.hooks.torch_hook import TorchHook, beyond_torch_hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from core_hooks.hooks.registration import Registration

__all__ = ["HOOK_FUNCTION_INPUT", "HOOK_FUNCTION_OUTPUT", "Hook", "HookError", "HookType"]

logger = logging.getLogger(__name__)


class Hook(ABC):
    """Something that is called before or after a module's forward.

    A subclass implements ``_hook_fn``; most want ``Detector`` (looks) or ``Controller`` (changes) instead.

    Parameters
    ----------
    layer_signature
        Layer this hook is meant for, kept as given.
    hook_type
        ``HookType`` or its string; may be set again until ``get_torch_hook`` is called.
    hook_id
        Defaults to a new UUID4.

    Attributes
    ----------
    enabled
        ``False`` makes an attached hook do nothing.
    context
        Whatever ``set_context`` was given; hooks read ``device`` and ``special_token_ids`` from it.
    errors
        ``"raise"``: a failure ends the forward as ``HookError``. ``"disable"``: the first failure disables the
        hook, and the forward goes on with the value it had.
    on_failure
        Called once with the hook and the ``HookError`` when a failure disables the hook.
    last_error
        The last failure, ``None`` if there was none.
    failures, missed
        How often the hook failed, and how often it was called and found no tensor.

    Raises
    ------
    ValueError
        For a ``hook_type`` that is none.
    """

    detects: ClassVar[bool] = False
    controls: ClassVar[bool] = False
    # Whether reports of runs name the hook; machinery that is built on hooks stays out of them.
    reported: ClassVar[bool] = True

    errors: Literal["raise", "disable"] = "raise"
    on_failure: Callable[[Hook, HookError], None] | None = None

    def __init__(
        self,
        layer_signature: str | int | None = None,
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
    ) -> None:
        self.layer_signature = layer_signature
        self._hook_type = as_hook_type(hook_type)
        self.id = hook_id if hook_id is not None else str(uuid.uuid4())
        self.enabled = True
        self.last_error: HookError | None = None
        self.failures = 0
        self.missed = 0
        self._fires = 0
        self._context: Any = None
        self._registration: Registration | None = None
        self._traced_fires: torch.Tensor | None = None

    @abstractmethod
    def _hook_fn(self, module: nn.Module, input: HOOK_FUNCTION_INPUT, output: HOOK_FUNCTION_OUTPUT) -> object | None:
        """Do the hook's work.

        Parameters
        ----------
        module
            The module that was called.
        input
            Its arguments: a tuple, or a ``CallInput`` if some were passed by keyword.
        output
            What it returned, ``None`` before the forward.

        Returns
        -------
        object or None
            Before the forward, the new arguments. After it, a replacement of the output's own type.
            ``None`` changes nothing.
        """

    @property
    def hook_type(self) -> HookType:
        """When the hook runs; a string is accepted."""
        return self._hook_type

    @hook_type.setter
    def hook_type(self, value: HookType | str) -> None:
        self._hook_type = as_hook_type(value)

    @property
    def context(self) -> Any:
        """The context in use; ``None`` if it was never set, or was set weakly and is gone."""
        held = self._context
        return held() if isinstance(held, weakref.ref) else held

    def set_context(self, context: Any, weak: bool = False) -> None:
        """Replace the context; with ``weak`` the hook does not keep it alive."""
        self._context = weakref.ref(context) if weak and context is not None else context

    @property
    def rank(self) -> int:
        """Place among the hooks of a module: 0 before every controller, 1 with them, 2 behind them."""
        return 1

    @property
    def fired(self) -> int:
        """How often the hook was called while enabled, calls inside compiled graphs included."""
        return self._fires + (0 if self._traced_fires is None else int(self._traced_fires))

    @property
    def attached(self) -> bool:
        """Whether the hook belongs to a living module (also while it is detached because it is disabled)."""
        return self._registration is not None and self._registration.module is not None

    @property
    def site(self) -> str | None:
        """Dotted name of the module the hook is attached to, ``None`` if it is not attached or has no name."""
        return None if self._registration is None else self._registration.name

    def enable(self) -> None:
        """Let the hook act again, at once; attach it again if it was disabled with ``detach``."""
        self.enabled = True
        if self._registration is not None:
            self._registration.resume()

    def disable(self, detach: bool = False) -> None:
        """Make the hook do nothing, at once.

        Parameters
        ----------
        detach
            Also take it off its module until it is enabled again, so that it costs nothing and modules with
            a fast path for calls without hooks use it. Only for hooks attached by this package.
        """
        self.enabled = False
        if detach and self._registration is not None:
            self._registration.suspend()

    def remove(self) -> None:
        """Take the hook off its module and forget its context; nothing happens if it is not attached."""
        if self._registration is not None:
            self._registration.close()
            self._context = None

    def get_torch_hook(self) -> Callable[..., Any]:
        """Return the callable to register with torch, with or without ``with_kwargs``.

        Returns
        -------
        Callable
            ``PRE_FORWARD``: called ``(module, args)``, returns ``None`` or the new ``args``; called
            ``(module, args, kwargs)``, returns ``None`` or new ``(args, kwargs)``. ``FORWARD``: called
            ``(module, args, output)`` or ``(module, args, kwargs, output)``, returns ``None`` or the output
            that replaces it. Raises ``HookError`` for whatever fails inside, and lets ``StopForward`` pass.
        """
        if self._traced_fires is None:
            # Calls inside a compiled graph are counted by the graph, in a tensor: a counter in Python would
            # be a constant of the graph, and every call would compile it anew.
            with torch.inference_mode(False):
                self._traced_fires = torch.zeros((), dtype=torch.int64, device="cpu")
        torch_hook = TorchHook(self, self._traced_fires)
        kind = self._torch_hook_kind()
        when = "forward" if self._hook_type is FORWARD else "pre"
        call: Callable[..., Any] = getattr(torch_hook, f"{kind}_{when}")
        return call

    def _torch_hook_kind(self) -> str:
        """Return the first part of the names of the ``TorchHook`` methods that call this hook."""
        return "act"

    def _fail(self, error: Exception) -> None:
        """Record a failure, then raise it or disable the hook, whichever ``errors`` asks for."""
        failure = self._record_failure(error)
        original = failure.original_error
        if self.errors == "raise":
            raise failure from original
        shorten(original)
        self.disable()
        if self.on_failure is not None:
            self.on_failure(self, failure)
        else:
            logger.warning("%s; the hook is disabled and the forward goes on", failure)
        # The error is kept, the tensors in the frames it passed through are not.
        forget_values(original)

    def _record_failure(self, error: Exception) -> HookError:
        original = root_cause(error)
        original.__traceback__ = beyond_torch_hook(original.__traceback__)
        failure = HookError(self.id, self._hook_type.value, original, layer=self.site)
        self.last_error = failure
        self.failures += 1
        run = current_run()
        if run is not None:
            tally = run.tally(self)
            tally.failed += 1
            tally.error = failure
        return failure

    def _found_nothing(self, value: object) -> None:
        """Count a call that held no tensor, and say so the first time."""
        self.missed += 1
        run = current_run()
        if run is not None:
            run.tally(self).missed += 1
        if self.missed == 1:
            logger.warning(
                "%s %s (layer %s) found no tensor in %s; select= says where it is",
                type(self).__name__,
                self.id,
                self.site if self.site is not None else self.layer_signature,
                type(value).__name__,
            )

    def __getstate__(self) -> dict[str, Any]:
        # A copy of a hook is attached nowhere and reports to nobody.
        left_behind = {"_registration": None, "_context": None}
        state = {**self.__dict__, **left_behind}
        state.pop("on_failure", None)
        return state
