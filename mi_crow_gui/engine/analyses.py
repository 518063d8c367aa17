"""The analyses that plots ask for, by name: functions on the model thread that give plain numbers back.

Each is called as ``analysis(opened, request, cancel, progress)``: with what it is about (its tokens and parameters),
an event that is set when it is to stop, and a function that is told how far it has come, as (done, of how many). It
raises a `ModelError` with one sentence when this architecture or these tokens can't give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from core_hooks.analysis.next_token import next_token
from core_hooks.hooks.errors import RunCancelled
from core_hooks.hooks.run import HookRun
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import call, logits_of, model_inputs
from mi_crow_gui.plotdata.next_token import Expected, NextTokens

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.messages import AnalysisRequest

_EXPECTED = 20


class AnalysisFunction(Protocol):
    """What stands behind a name."""

    def __call__(
        self,
        opened: OpenedModel,
        request: AnalysisRequest,
        cancel: threading.Event,
        progress: Callable[[int, int], None],
    ) -> Any:
        """Compute it."""


def next_tokens(
    opened: OpenedModel, request: AnalysisRequest, cancel: threading.Event, progress: Callable[[int, int], None]
) -> NextTokens:
    """What the model expects after each token."""
    tokens = _tokens(request)
    with HookRun(number=request.run, cancel=cancel):
        output, stopped = call(opened, model_inputs(opened, tokens))
    if stopped == "cancelled":
        raise RunCancelled("The run was cancelled.")
    logits = logits_of(output) if output is not None else None
    name = opened.summary.architecture
    if logits is None:
        why = "a hook stopped the forward before them" if output is None else "it has no head over a vocabulary"
        raise ModelError(f"No next token: {name} gives no logits ({why}).")
    if logits.shape[1] != len(tokens):
        raise ModelError(f"No next token: {name} gives {logits.shape[1]} rows of logits for {len(tokens)} tokens.")
    expected = []
    for place in range(len(tokens)):
        if cancel.is_set():
            raise RunCancelled("The analysis was cancelled.")
        came = tokens.ids[place + 1] if place + 1 < len(tokens) else None
        found = next_token(opened, logits[0, place], _EXPECTED, came)
        expected.append(Expected(found.candidates, found.entropy, found.chosen, found.chosen_rank))
        progress(place + 1, len(tokens))
    return NextTokens(request.run, tokens.texts, tuple(expected))


def _tokens(request: AnalysisRequest) -> TokenSequence:
    if request.tokens is None:
        raise ModelError("This is about the tokens of a run: run the model first.")
    return request.tokens


ANALYSES: dict[str, AnalysisFunction] = {
    "next_token": next_tokens,
}
