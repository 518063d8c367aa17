"""Ending a forward once the layers that matter have run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core_hooks.hooks import HookRun, StopForward, current_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from torch import nn
    from torch.utils.hooks import RemovableHandle


class StopAfter:
    """Ends the forward, in one run only, when each of some layers has run; a context manager.

    It is entered last, so that every hook of the layers has acted on what the forward leaves behind, and takes
    ``StopForward`` as its own end if it was the one to raise it.

    Parameters
    ----------
    layers
        Modules by canonical name; none at all never stops.
    run
        The run to end. Other threads that run the same model are not touched.

    Attributes
    ----------
    stopped
        Whether the forward was ended.
    output
        What the last of the layers returned, after its controllers.
    pending
        Names of the layers that have not run.
    """

    def __init__(self, layers: Mapping[str, nn.Module], run: HookRun) -> None:
        self._layers = dict(layers)
        self._run = run
        self._handles: list[RemovableHandle] = []
        self.pending = list(layers)
        self.stopped = False
        self.output: Any = None

    def __enter__(self) -> StopAfter:
        for name, module in self._layers.items():
            self._handles.append(module.register_forward_hook(self._after(name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        return self.stopped and isinstance(error, _Reached)

    def _after(self, name: str) -> Any:
        def note(module: nn.Module, args: Any, output: Any) -> None:
            if current_run() is not self._run or self.stopped:
                return
            if name in self.pending:
                self.pending.remove(name)
            if not self.pending:
                self.stopped, self.output = True, output
                raise _Reached

        return note


class _Reached(StopForward):
    """The last of the layers has run."""
