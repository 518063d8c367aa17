"""Hooks that look."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch.compiler import is_dynamo_compiling

from core_hooks.hooks.acting_hook import ActingHook
from core_hooks.hooks.hook_type import HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT, HookType
from core_hooks.hooks.run import active_runs, current_run

if TYPE_CHECKING:
    from torch import nn


class DetectorState:
    """What a detector collected: in one run, or outside of any."""

    __slots__ = ("call", "calls", "captures", "joined", "metadata", "run", "step", "tensor_metadata")

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.tensor_metadata: dict[str, torch.Tensor] = {}
        self.captures: list[Any] = []
        self.calls = 0  # since the state was new or cleared
        self.call = 0  # of the newest capture: its place in its forward
        self.step = 0
        self.run: int | None = None
        self.joined = 0  # how many of the captures the joined tensor holds


class Detector(ActingHook):
    """A hook that collects something about a module's calls and never changes them.

    A subclass implements ``process_activations``.

    Parameters
    ----------
    hook_type, hook_id, layer_signature
        As for ``Hook``.
    store
        Kept as given; what is done with it is up to the subclass and to who saves detectors.
    **options
        Those of ``ActingHook``: ``errors``, ``on_failure``.
    stage
        ``"before"``: runs before the module's controllers and sees the unmodified value. ``"after"``: runs
        after them and sees what the caller of the module gets.

    Attributes
    ----------
    metadata
        ``dict`` of what was collected, shapes and the like.
    tensor_metadata
        ``dict`` of collected tensors. Like ``metadata`` it belongs to the run the reading thread is in;
        outside of any, it is that of the run that ended last, or of the calls made outside of runs. Tensors
        read from it can be used in training even if they were captured in inference mode.
    """

    detects: ClassVar[bool] = True
    stage: Literal["before", "after"] = "before"
    # Keys that the class itself writes; a new run starts without them.
    captured_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
        store: Any = None,
        layer_signature: str | int | None = None,
        *,
        stage: Literal["before", "after"] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(hook_type=hook_type, hook_id=hook_id, layer_signature=layer_signature, **options)
        self.store = store
        self._state = DetectorState()
        if stage is not None:
            if stage not in ("before", "after"):
                raise ValueError(f"stage must be 'before' or 'after', got: {stage!r}")
            self.stage = stage

    @abstractmethod
    def process_activations(self, module: nn.Module, input: HOOK_FUNCTION_INPUT, output: HOOK_FUNCTION_OUTPUT) -> None:
        """Collect what is wanted from one call.

        Parameters
        ----------
        module
            The module that was called.
        input
            Its arguments: a tuple, or a ``CallInput`` if some were passed by keyword. Not a copy.
        output
            What it returned, ``None`` before the forward. Not a copy.
        """

    @property
    def metadata(self) -> dict[str, Any]:
        """What was collected."""
        state = self._current_state()
        self._settle(state)
        return state.metadata

    @metadata.setter
    def metadata(self, value: dict[str, Any]) -> None:
        self._current_state().metadata = value

    @property
    def tensor_metadata(self) -> dict[str, torch.Tensor]:
        """The tensors that were collected, made usable for training if they come from inference mode."""
        state = self._current_state()
        self._settle(state)
        tensors = state.tensor_metadata
        if not torch.is_inference_mode_enabled():
            for key, tensor in list(tensors.items()):
                if isinstance(tensor, torch.Tensor) and tensor.is_inference():
                    tensors[key] = tensor.clone()
        return tensors

    @tensor_metadata.setter
    def tensor_metadata(self, value: dict[str, torch.Tensor]) -> None:
        self._current_state().tensor_metadata = value

    def publish(self, state: DetectorState) -> None:
        """Show what a finished run collected."""
        self._state = state

    def begin_forward(self) -> None:
        """Note that a forward of the model this hook is attached to begins."""

    def _settle(self, state: DetectorState) -> None:
        """Finish what was put off until somebody reads the state."""

    def _current_state(self, writing: bool = False) -> DetectorState:
        """Return the state of the run this thread is in, the shared one outside of runs.

        A run has a state of its own from the first call of the hook in it, or when it is asked for in order to
        write. Until then, and where the calls happen inside a compiled graph, the shared one is read.
        """
        run = current_run() if active_runs else None
        if run is None:
            return self._state
        state = run.states.get(self)
        if state is None:
            if not writing and not run.tally(self).fired:
                return self._state
            state = run.states[self] = self._state_for_run()
            state.run = run.number
        return state

    def _state_for_run(self) -> DetectorState:
        """Return a new state with what a subclass may add up over several runs; the rest belongs to its run."""
        state, own = DetectorState(), self.captured_keys
        for key, value in self._state.metadata.items():
            if key not in own:
                state.metadata[key] = value
        for key, tensor in self._state.tensor_metadata.items():
            if key not in own:
                state.tensor_metadata[key] = tensor
        return state

    def _calling_state(self) -> DetectorState:
        """Return the state that the present call of the hook writes to, the call numbered."""
        if is_dynamo_compiling():
            return self._state
        run = current_run()
        if run is None:
            state = self._state
            state.call = state.calls
        else:
            state = run.states.get(self) or self._current_state(writing=True)
            state.call = max(run.tally(self).calls - 1, 0)
            state.step = run.step
        state.calls += 1
        return state

    @property
    def rank(self) -> int:
        """Place among the hooks of a module."""
        if self.controls:
            return 1
        return 0 if self.stage == "before" else 2
