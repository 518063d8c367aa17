"""One row of the hooks list on the model thread: its spec, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core_hooks.hooks.errors import text_of
from core_hooks.model.captured_values import ControllerError
from core_hooks.model.user_controller import ControllerCodeError, UserController

if TYPE_CHECKING:
    from core_hooks.hooks.hook import Hook
    from mi_crow_gui.document.hook_spec import HookSpec


@dataclass(slots=True)
class HookEntry:
    """One row of the hooks list with what became of it."""

    spec: HookSpec
    hooks: tuple[tuple[str, Hook], ...] = ()
    code: UserController | None = None
    error: str = ""
    line: int = 0
    last_shape: tuple[int, ...] = ()
    fired_before: int = 0

    @property
    def fired(self) -> int:
        """Calls that its hooks saw, ever."""
        return sum(hook.fired for _, hook in self.hooks)

    @property
    def enabled(self) -> bool:
        """Whether it is on: all of its hooks are."""
        return bool(self.hooks) and all(hook.enabled for _, hook in self.hooks)


def sentence(error: BaseException) -> str:
    """The user's exception as one line: its type tells what kind, its text what."""
    text = " ".join(text_of(error).split())
    name = type(error).__name__
    if not text:
        return f"{name} was raised."
    plain = isinstance(error, ControllerCodeError | ControllerError) or name == "RuntimeError"
    return text if plain else f"{name}: {text}"


def user_line(entry: HookEntry, hook: Hook, error: BaseException) -> int:
    """The user's own line; where nothing passed through one, as with NaN in a result, that of the function."""
    if entry.code is None:
        return 0
    placed = zip(entry.code.placed, entry.hooks, strict=True)
    return entry.code.line_of(error) or next((one.line for one, (_, made) in placed if made is hook), 0)
