"""What a hook raises: its own failure, and the two exceptions that end a forward on purpose."""

from __future__ import annotations


class HookError(Exception):
    """A hook failed.

    Parameters
    ----------
    hook_id
        ``Hook.id`` of the hook that failed.
    hook_type
        ``"forward"`` or ``"pre_forward"``, a plain string.
    original_error
        The exception that the hook's own code raised; also the ``__cause__``.
    layer
        Dotted name of the module the hook was attached to, ``None`` if unknown. When known, the message
        ends with it and is folded into one line.
    """

    def __init__(self, hook_id: str, hook_type: str, original_error: BaseException, layer: str | None = None) -> None:
        self.hook_id = hook_id
        self.hook_type = str(getattr(hook_type, "value", hook_type))
        self.original_error = original_error
        self.layer = layer
        message = f"Hook {hook_id} (type={self.hook_type}) raised exception: {text_of(original_error)}"
        if layer is not None:
            message = f"{' '.join(message.split())} (layer {layer or 'root'})"
        super().__init__(message)

    def __reduce__(self) -> tuple[type[HookError], tuple[object, ...]]:
        return type(self), (self.hook_id, self.hook_type, self.original_error, self.layer)


def text_of(error: BaseException) -> str:
    """Return the text of an exception, of whatever class: its own ``__str__`` may fail too."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it is somebody's own class
        return f"a {type(error).__name__} that can't be written as text"


class StopForward(Exception):
    """Raised inside a hook to end the forward; it reaches the caller of the model as it is, never wrapped."""


class RunCancelled(StopForward):
    """The run was cancelled: every hook's call raises this once the run's cancel event is set."""


class HookWarning(UserWarning):
    """Something about a hook that works but is probably not what was meant."""


class ActivationError(RuntimeError):
    """A built-in hook could not do its work; the cause is the exception of whoever made it fail."""


def root_cause(error: BaseException) -> BaseException:
    """Return the user's own exception behind the wrappers that built-in hooks put around it."""
    while isinstance(error, ActivationError) and error.__cause__ is not None:
        error = error.__cause__
    return error
