"""Captures what a layer returns or is given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch.compiler import is_dynamo_compiling

from core_hooks.hooks.capture import Capture, own_copy, usable_anywhere
from core_hooks.hooks.detector import Detector, DetectorState
from core_hooks.hooks.errors import ActivationError, StopForward
from core_hooks.hooks.hook_type import FORWARD, HOOK_FUNCTION_INPUT, HOOK_FUNCTION_OUTPUT, HookType
from core_hooks.hooks.nested import Select, follow, locate
from core_hooks.hooks.run import active_runs, current_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

Tensor = torch.Tensor
Keep = Literal["last", "first", "all", "cat"]
_KEY, _SHAPE, _CALL, _CALLS = "activations", "activations_shape", "activations_call", "activations_calls"
_META = "activations_meta"  # set for captures from the meta device, which have a shape and no values


class LayerActivationDetector(Detector):
    """Captures one tensor of every call of a layer: a copy on the CPU, detached, in storage of its own.

    ``tensor_metadata["activations"]`` holds it and ``metadata["activations_shape"]`` its shape; both are
    dropped by a call that holds no tensor.

    Parameters
    ----------
    layer_signature
        Layer this detector is meant for, kept as given; 0 is a valid layer.
    hook_id
        Defaults to a new UUID4.
    target_dtype
        Cast captures to this; default: as they are.
    hook_type
        ``FORWARD`` captures the output, ``PRE_FORWARD`` the input.
    keep
        What several calls leave: the ``"last"`` or the ``"first"`` capture, ``"all"`` of them (see
        ``captures``), or ``"cat"``, all joined along the sequence. In a ``HookRun`` that is all calls of all
        forwards of the run, so of every step of a generation; otherwise those of one forward of an attached
        model; otherwise those since ``clear_captured()``. With anything but ``"last"``,
        ``metadata["activations_calls"]`` counts them and ``metadata["activations_call"]`` says which is shown.
    select
        Which tensor of a container: an index, a key, a tuple of these, or a function of the container.
    copy
        ``False`` keeps the detached tensor itself, on its device: later writes to it show.
    cat_dim
        Dimension along which ``"cat"`` joins; default 1 for tensors of three dimensions or more (batch,
        sequence, ...), else 0.
    sink
        Called with the detector and each ``Capture``.
    store, stage
        As for ``Detector``.

    Raises
    ------
    ValueError
        When ``layer_signature`` is ``None`` or ``keep`` is none of the four.
    """

    captured_keys: ClassVar[tuple[str, ...]] = (_KEY, _SHAPE, _CALL, _CALLS, _META)

    def __init__(
        self,
        layer_signature: str | int | None,
        hook_id: str | None = None,
        target_dtype: torch.dtype | None = None,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        store: Any = None,
        stage: Literal["before", "after"] | None = None,
        keep: Keep = "last",
        select: Select | None = None,
        copy: bool = True,
        sink: Callable[[LayerActivationDetector, Capture], None] | None = None,
        cat_dim: int | None = None,
        **options: Any,
    ) -> None:
        if layer_signature is None:
            raise ValueError("layer_signature cannot be None for LayerActivationDetector")
        if keep not in ("last", "first", "all", "cat"):
            raise ValueError(f"keep must be 'last', 'first', 'all' or 'cat', got: {keep!r}")
        super().__init__(
            hook_type=hook_type,
            hook_id=hook_id,
            store=store,
            layer_signature=layer_signature,
            stage=stage,
            **options,
        )
        self.target_dtype = target_dtype
        self.keep: Keep = keep
        self.select = select
        self.copy = copy
        self.sink = sink
        self.cat_dim = cat_dim
        # Whether a call needs no more than a copy and two entries; then nothing else is looked at.
        self._plain = keep == "last" and select is None and copy and sink is None and target_dtype is None

    def process_activations(
        self,
        module: nn.Module | None,
        input: HOOK_FUNCTION_INPUT | None,
        output: HOOK_FUNCTION_OUTPUT,
    ) -> None:
        """Capture the tensor of one call.

        Raises
        ------
        RuntimeError
            When it cannot be copied; the cause says why.
        """
        state = self._state
        if active_runs:
            state = self._calling_state()
        elif not is_dynamo_compiling():
            # Once compiled, calls are not numbered: a number in Python would be a constant of the graph.
            state.call = state.calls
            state.calls += 1
        try:
            value = output if self._hook_type is FORWARD else input
            if self._plain and type(value) is Tensor and value.is_cpu:
                self._keep_copy(state, value)
            else:
                self._capture(state, value)
        except StopForward:
            raise
        except Exception as error:
            raise self._capture_failed(state, error) from error

    def get_captured(self) -> torch.Tensor | None:
        """Return the captured tensor, ``None`` if nothing was captured.

        Returns
        -------
        torch.Tensor or None
            On the CPU, contiguous, detached, in the layer's shape and in ``target_dtype`` or the layer's
            dtype: the entry of ``tensor_metadata``, not another copy. With ``keep="cat"`` the captures are
            joined when this is called.

        Raises
        ------
        ValueError
            When captures to be joined differ in another dimension than the joined one.
        """
        return self.tensor_metadata.get(_KEY)

    @property
    def captured(self) -> Capture | None:
        """What ``get_captured()`` returns together with its call, step and run."""
        state = self._current_state()
        tensor = self.get_captured()
        if tensor is None:
            return None
        if not state.captures:
            return Capture(tensor, state.call, state.step, state.run)
        return replace(state.captures[-1], tensor=tensor)

    @property
    def captures(self) -> tuple[Capture, ...]:
        """Every capture that ``keep`` kept, oldest first; usable for training like ``get_captured()``."""
        state = self._current_state()
        if not state.captures:
            return () if (shown := self.captured) is None else (shown,)
        for index, capture in enumerate(state.captures):
            if capture.tensor.is_inference():
                state.captures[index] = replace(capture, tensor=usable_anywhere(capture.tensor))
        return tuple(state.captures)

    def clear_captured(self) -> None:
        """Forget what was captured."""
        state = self._current_state(writing=True)
        self._drop(state)
        state.calls = 0

    def begin_forward(self) -> None:
        """Note that a forward begins; outside of a run, what the last one left makes room."""
        if not active_runs or current_run() is None:
            self._state.calls = 0
            if self.keep != "last":
                self._drop(self._state)

    def _keep_copy(self, state: DetectorState, tensor: torch.Tensor) -> None:
        # The common case of own_copy, written out: it should cost what the copy costs.
        owned = (tensor.detach() if tensor.requires_grad else tensor).clone()
        if not owned.is_contiguous():
            owned = own_copy(tensor)
        state.tensor_metadata[_KEY] = owned
        state.metadata[_SHAPE] = tuple(owned.shape)

    def _capture(self, state: DetectorState, value: Any) -> None:
        tensor = self._find(value)
        if tensor is None:
            self._found_nothing(value)
            if self.keep == "last":
                self._drop(state)
            return
        if self.keep != "first" or _KEY not in state.tensor_metadata:
            owned = own_copy(tensor, self.target_dtype) if self.copy else tensor.detach()
            capture = Capture(owned, state.call, state.step, state.run)
            if self.keep != "last":
                state.captures.append(capture)
            state.tensor_metadata[_KEY] = owned
            state.metadata[_SHAPE] = capture.shape
            if owned.is_meta:
                state.metadata[_META] = True
                self._plain = False  # from now on, look whether the mark must go
            else:
                state.metadata.pop(_META, None)
            if self.sink is not None:
                self.sink(self, capture)
        if self.keep != "last":
            state.metadata[_CALLS] = state.calls
            state.metadata[_CALL] = state.captures[-1].call

    def _capture_failed(self, state: DetectorState, error: Exception) -> ActivationError:
        if self.keep == "last":
            self._drop(state)
        failure = ActivationError(
            f"Error extracting activations in LayerActivationDetector {self.id} (layer={self.layer_signature}): {error}"
        )
        failure.__cause__ = error
        return failure

    def _torch_hook_kind(self) -> str:
        kind = super()._torch_hook_kind()
        own = type(self).process_activations is LayerActivationDetector.process_activations
        return "capture" if kind == "detect" and own else kind

    def _find(self, value: Any) -> torch.Tensor | None:
        if self.select is None and isinstance(value, Tensor):
            return value
        path = locate(value, self.select, before=self._hook_type is not FORWARD)
        return None if path is None else follow(value, path)

    def _drop(self, state: DetectorState) -> None:
        state.captures = []
        state.joined = 0
        state.tensor_metadata.pop(_KEY, None)
        for key in self.captured_keys:
            state.metadata.pop(key, None)

    def _settle(self, state: DetectorState) -> None:
        if self.keep == "cat" and len(state.captures) > 1 and state.joined != len(state.captures):
            joined = state.tensor_metadata[_KEY] = _join(state.captures, self.cat_dim)
            state.metadata[_SHAPE] = tuple(joined.shape)
            state.joined = len(state.captures)


def _join(captures: list[Capture], dim: int | None) -> torch.Tensor:
    tensors = [usable_anywhere(capture.tensor) for capture in captures]
    if dim is None:
        dim = 1 if tensors[0].dim() >= 3 else 0
    try:
        return torch.cat(tensors, dim)
    except RuntimeError as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors[:4])
        raise ValueError(
            f"{len(tensors)} captures cannot be joined along dimension {dim} (shapes {shapes}); "
            "keep='all' leaves them apart, cat_dim= chooses the dimension"
        ) from error
