"""What one run leaves while it goes on: its histories, its tokens, and what the mailbox is told."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.history import RunHistory
from core_hooks.model.tokens import TokenSequence
from mi_crow_gui.engine.archive import KeptRun
from mi_crow_gui.engine.logits_keeper import LogitsKeeper
from mi_crow_gui.engine.messages import (
    STATES,
    STEPS,
    CaptureUpdate,
    HookReport,
    HookState,
    RunInfo,
    RunOutcome,
    RunRequest,
)
from mi_crow_gui.plotdata.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from core_hooks.capture.mailbox import Mailbox
    from core_hooks.capture.record import CaptureRecord
    from core_hooks.model.generation import ForwardResult
    from core_hooks.model.tokens import TokenStep


class Recording:
    """Files records into the run's history and puts the newest frame of each hook into the mailbox."""

    def __init__(self, info: RunInfo, request: RunRequest, mailbox: Mailbox[str, object], sites: int) -> None:
        self.info = info
        self.tokens: TokenSequence = info.tokens
        self.steps: list[TokenStep] = []
        expected = len(info.tokens) + (request.settings.max_new_tokens if request.kind == "generate" else 1)
        self.history = RunHistory(info.number, budget=request.memory_budget, sites=sites, expected_tokens=expected)
        # Where it matters on which side of the controllers a value was captured.
        self.controlled: frozenset[str] = frozenset()
        self.hooks_changed = False
        self.notes: list[str] = []
        self._request = request
        self._frames: dict[tuple[str, str], Frame] = {}
        self._logits = LogitsKeeper(expected)
        self._mailbox = mailbox
        self._states: tuple[HookState, ...] = ()

    @property
    def frames(self) -> Mapping[tuple[str, str], Frame]:
        """What was captured so far, by (site, stage)."""
        return self._frames

    def add(self, record: CaptureRecord) -> None:
        """One capture; called in the forward, so it copies one row and returns."""
        history = self.history.append(record)
        values = history.values()
        if values is None:
            values = record.values
        frame = Frame(
            run=record.run,
            step=self.info.continued + record.step,
            site=record.site,
            hook_id=record.hook_id,
            stage=record.stage if record.stage == "input" or record.site in self.controlled else "",
            values=values,
            shape=record.shape,
            dtype=record.dtype,
            first_token=history.first_token if record.values.ndim == 3 else record.first_token,
            tokens=self.tokens.texts,
            dropped=history.dropped,
            live=True,
        )
        self._frames[frame.site, frame.stage] = frame
        self._mailbox.put(record.hook_id, CaptureUpdate(record, frame, _last_norm(record.values)))

    def add_step(self, step: TokenStep) -> None:
        """A token was chosen; it is part of the sequence from the next forward on."""
        self.steps.append(step)
        self.tokens = self.tokens + TokenSequence((step.token_id,), (step.text,), (False,))
        self._mailbox.put(STEPS, (self.info.number, tuple(self.steps)))

    def add_logits(self, logits: torch.Tensor) -> None:
        """The logits ``[1, tokens, vocabulary]`` of the tokens that were just fed."""
        self._logits.add(logits)

    def publish_report(self, report: HookReport) -> None:
        """Tell the hooks list what fired."""
        self._states = report.states
        self._mailbox.put(STATES, (self.info.number, report))

    def outcome(
        self,
        prompt: ForwardResult,
        steps: Sequence[TokenStep],
        stopped: str,
        seconds: float,
        states: tuple[HookState, ...],
    ) -> RunOutcome:
        """The run as history keeps it."""
        return RunOutcome(
            info=self.info,
            stopped=stopped,
            seconds=seconds,
            losses=prompt.losses,
            probabilities=prompt.probabilities,
            candidates=prompt.candidates,
            generated=tuple(steps),
            hooks=states,
            dropped=self.history.dropped,
            notes=(*_notes(states), *self.notes),
        )

    def kept(self, outcome: RunOutcome) -> KeptRun:
        """The run as the archive keeps it, once it has ended."""
        logits, no_logits = self._logits.taken(len(self.tokens))
        return KeptRun(
            outcome=outcome,
            tokens=self.tokens,
            hooks=self._request.hooks,
            controllers=self._request.controllers,
            hooks_changed=self.hooks_changed,
            frames=MappingProxyType({place: replace(frame, live=False) for place, frame in self._frames.items()}),
            logits=logits,
            no_logits=no_logits,
        )

    def cancelled(self, seconds: float) -> RunOutcome:
        """The run as far as it came before it was stopped inside a forward."""
        nothing = np.empty(0, np.float32)
        return RunOutcome(
            info=self.info,
            stopped="cancelled",
            seconds=seconds,
            losses=nothing,
            probabilities=nothing,
            generated=tuple(self.steps),
            hooks=self._states,
            dropped=self.history.dropped,
        )


def _last_norm(values: np.ndarray) -> float:
    if not values.size:
        return 0.0
    last = values.reshape(-1, values.shape[-1])[-1] if values.ndim else values
    return float(np.linalg.norm(last.astype(np.float64)))


def _notes(states: tuple[HookState, ...]) -> tuple[str, ...]:
    silent = [state.site for state in states if state.attached and state.enabled and not state.fired]
    return tuple(f"The hook at '{site}' never fired: the model did not call that module." for site in silent)
