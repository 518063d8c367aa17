"""From a row of the hooks list to hooks: captures, kinds of plugins, and controllers that somebody wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from core_hooks.capture.recorder import RecordingDetector
from core_hooks.hooks.controller import Controller
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.kinds import settings_of
from core_hooks.model.controller_code import line_in
from core_hooks.model.user_controller import ControllerCodeError, PlacedFunction, UserController, placed_hook
from mi_crow_gui.document.hook_spec import CAPTURE, CONTROLLER
from mi_crow_gui.document.strength import strength_of
from mi_crow_gui.engine.hook_entry import HookEntry, sentence
from mi_crow_gui.engine.interrupt import ControllerInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import torch

    from core_hooks.capture.record import CaptureRecord
    from core_hooks.hooks.kinds import HookKinds, Value
    from core_hooks.model.controller_context import Surroundings
    from mi_crow_gui.engine.interrupt import UserCodeGuard

# What stands outside of the functions of a text is run once, when it is applied; in seconds.
READING_LIMIT = 10.0


class HooksNotMade(Exception):
    """Why a row of the list has no hooks, as a sentence; `line` is the user's own, 0 for none.

    `cause` is what was raised, None where nothing was: then it is no failure but a fact about this model.
    """

    def __init__(self, message: str, line: int = 0, cause: BaseException | None = None) -> None:
        super().__init__(message)
        self.line, self.cause = line, cause


class HookMaker:
    """Makes hooks, and asks them what they found.

    Parameters
    ----------
    kinds
        What hooks there are beside captures and written controllers.
    on_record
        Receives every capture, in the thread of the forward.
    """

    def __init__(self, guard: UserCodeGuard, kinds: HookKinds, on_record: Callable[[CaptureRecord], None]) -> None:
        self._guard, self._kinds, self._on_record = guard, kinds, on_record

    def make(self, entry: HookEntry, sites: Collection[str], surroundings: Surroundings) -> None:
        """Give `entry` the hooks that its spec names, on a model that has these sites.

        Raises
        ------
        HooksNotMade
            There is no such site or kind, or the code that would make them failed.
        """
        spec = entry.spec
        if spec.site not in sites:
            raise HooksNotMade(f"This model has no layer '{spec.site}'.")
        if spec.kind == CAPTURE:
            detector = RecordingDetector(spec.site, self._on_record, hook_id=spec.id, stage=_stage(spec.stage))
            entry.hooks = ((spec.site, detector),)
        elif spec.kind == CONTROLLER:
            self._make_controller(entry, surroundings)
        else:
            self._make_kind(entry)

    def results(self, entry: HookEntry) -> tuple[tuple[str, Value], ...]:
        """What a detector found, if it is of a kind that says so."""
        kind = self._kinds.get(entry.spec.kind)
        if kind is None or kind.results is None or not entry.hooks:
            return ()
        try:
            return tuple((str(name), value) for name, value in kind.results(entry.hooks[0][1]))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            return (("Not shown", sentence(error)),)

    def _make_kind(self, entry: HookEntry) -> None:
        spec = entry.spec
        kind = self._kinds.get(spec.kind)
        if kind is None:
            raise HooksNotMade(f"No plugin provides hooks of kind '{spec.kind}'.")
        try:
            hook = kind.hook(spec.site, settings_of(spec.options))
            hook.id = spec.id
            if isinstance(hook, Detector) and not hook.controls:
                hook.stage = "after" if spec.stage == "after" else "before"
            if isinstance(hook, Controller):
                hook.refuse_nan = True
        except Exception as error:
            raise HooksNotMade(f"{kind.title}: {sentence(error)}", cause=error) from error
        entry.hooks = ((spec.site, hook),)

    def _make_controller(self, entry: HookEntry, surroundings: Surroundings) -> None:
        spec = entry.spec
        self._guard.fence.measure()
        too_long: list[bool] = []
        try:
            with self._guard.limited(READING_LIMIT, lambda: too_long.append(True)):
                code = UserController(spec.id, spec.site, spec.code, strength_of(spec), surroundings)
                placed = code.placed
        except ControllerCodeError as error:
            raise HooksNotMade(str(error), error.line, error) from error
        except ControllerInterrupted as error:
            ended = f"took longer than {READING_LIMIT:g} s and was ended" if too_long else "was stopped"
            message = f"Reading this text {ended}: what takes long, or loops, belongs into the function."
            raise HooksNotMade(message, line_in(error), error) from error
        entry.code = code
        entry.hooks = tuple((one.site, placed_hook(one, self._guarded(one), spec.id)) for one in placed)

    def _guarded(self, placed: PlacedFunction) -> Callable[[torch.Tensor], torch.Tensor]:
        guard = self._guard

        def guarded(tensor: torch.Tensor) -> torch.Tensor:
            with guard:
                return placed(tensor)

        return guarded


def _stage(stage: str) -> Literal["before", "after", "input"]:
    return "after" if stage == "after" else "input" if stage == "input" else "before"
