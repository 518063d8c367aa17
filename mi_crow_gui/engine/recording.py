"""What one run leaves while it goes on: its histories, its tokens, and what the mailbox is told."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.history import RunHistory
from core_hooks.model.tokens import TokenSequence
from mi_crow_gui.document.hook_spec import acting
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
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.measures import Measures


class Recording:
    """Files records into the run's history and puts the newest frame of each hook into the mailbox."""

    def __init__(
        self, info: RunInfo, request: RunRequest, mailbox: Mailbox[str, object], sites: int, measures: Measures
    ) -> None:
        self.info = info
        self.rows: list[TokenSequence] = list(info.prompts)
        self.steps: list[list[TokenStep]] = [[] for _ in info.prompts]
        self.ended: set[int] = set()
        self._spans = info.spans
        expected = info.width + (request.settings.max_new_tokens if request.kind == "generate" else 0)
        self.history = RunHistory(info.number, budget=request.memory_budget, sites=sites, expected_tokens=expected)
        # Where it matters on which side of the controllers a value was captured.
        self.controlled: frozenset[str] = frozenset()
        self.hooks_changed = False
        self.notes: list[str] = []
        self._request = request
        self._frames: dict[tuple[str, str], Frame] = {}
        self._logits = LogitsKeeper(expected)
        self._mailbox = mailbox
        self._measures = measures
        self._states: tuple[HookState, ...] = ()

    @property
    def frames(self) -> Mapping[tuple[str, str], Frame]:
        """What was captured so far, by (site, stage)."""
        return self._frames

    @property
    def tokens(self) -> TokenSequence:
        """The sequence so far, of a batch that of the first prompt."""
        return self.rows[0]

    def add(self, record: CaptureRecord) -> None:
        """One capture; called in the forward, so it copies one row and returns."""
        history = self.history.append(record)
        # What did not fit into the budget is let go of.
        shape, record = record.shape, history.latest or record
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
            shape=shape,
            dtype=record.dtype,
            first_token=history.first_token if record.values.ndim == 3 else record.first_token,
            tokens=self.tokens.texts,
            dropped=history.dropped,
            live=True,
            rows=tuple(row.texts for row in self.rows) if self.info.rows else (),
            spans=self._spans_of(record, shape),
            dropped_prompts=history.dropped_prompts,
        )
        self._frames[frame.site, frame.stage] = frame
        self._mailbox.put(record.hook_id, CaptureUpdate(record, frame, self._measures.measure(record)))

    def add_steps(self, steps: Sequence[TokenStep | None]) -> None:
        """Tokens were chosen, one a prompt unless that has ended; they are part of the sequences from now on."""
        for number, step in enumerate(steps):
            if step is None:
                self.ended.add(number)
                continue
            self.steps[number].append(step)
            self.rows[number] = self.rows[number] + TokenSequence((step.token_id,), (step.text,), (False,))
        if self._spans:
            starts = (span.start for span in self._spans)
            self._spans = tuple(range(start, start + len(row)) for start, row in zip(starts, self.rows, strict=True))
        self._mailbox.put(STEPS, (self.info.number, tuple(map(tuple, self.steps))))

    def _spans_of(self, record: CaptureRecord, shape: tuple[int, ...]) -> tuple[range, ...]:
        """The columns of each row that are no padding; nothing where all are, or where columns are no tokens."""
        if not self._spans or len(shape) not in (2, 3):
            return ()
        if record.step:
            # Padded on the right, it is the encoder that was: decoders begin at the same place in every row.
            return self._spans if any(span.start for span in self.info.spans) or len(set(self.info.spans)) == 1 else ()
        rows, columns = len(self.rows), shape[1] if len(shape) == 3 else shape[0] // max(1, len(self.rows))
        return self._spans if columns == self.info.width and shape[0] in (rows, rows * columns) else ()

    def add_logits(self, logits: torch.Tensor) -> None:
        """The logits ``[prompts, tokens, vocabulary]`` of the tokens that were just fed."""
        self._logits.add(logits)

    def note_hooks(self, specs: Sequence[HookSpec] | None) -> None:
        """These hooks from here on, None for the same ones; detectors change nothing that could be done again."""
        if specs is not None:
            self.hooks_changed |= acting(specs) != acting(self._request.hooks)

    def publish_report(self, report: HookReport) -> None:
        """Tell the hooks list what fired."""
        self._states = report.states
        self._mailbox.put(STATES, (self.info.number, report))

    def outcome(
        self,
        results: Sequence[tuple[ForwardResult, Sequence[TokenStep], str]],
        seconds: float,
        states: tuple[HookState, ...],
    ) -> RunOutcome:
        """The run as history keeps it, from what came of each prompt: its forward, its new tokens, why it ended."""
        each = tuple(
            RunOutcome(
                info=self.info.of_prompt(number),
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
            for number, (prompt, steps, stopped) in enumerate(results)
        )
        return self._joined(each)

    def _joined(self, each: tuple[RunOutcome, ...]) -> RunOutcome:
        if len(each) == 1:
            return each[0]
        first = next((one for why in ("cancelled", "early") for one in each if one.stopped == why), each[0])
        return replace(each[0], info=self.info, stopped=first.stopped, batch=each)

    def kept(self, outcome: RunOutcome) -> KeptRun:
        """The run as the archive keeps it, once it has ended."""
        logits, no_logits = self._logits.taken(len(self.tokens))
        return KeptRun(
            outcome=outcome,
            tokens=self.tokens,
            rows=tuple(self.rows) if self.info.rows else (),
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
        return self._joined(
            tuple(
                RunOutcome(
                    info=self.info.of_prompt(number),
                    stopped="cancelled",
                    seconds=seconds,
                    losses=nothing,
                    probabilities=nothing,
                    generated=tuple(steps),
                    hooks=self._states,
                    dropped=self.history.dropped,
                )
                for number, steps in enumerate(self.steps)
            )
        )


def _notes(states: tuple[HookState, ...]) -> tuple[str, ...]:
    silent = [state.site for state in states if state.attached and state.enabled and not state.fired]
    return tuple(f"The hook at '{site}' never fired: the model did not call that module." for site in silent)
