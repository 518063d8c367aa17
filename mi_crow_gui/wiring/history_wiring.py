"""Past runs: every run that ended is listed with its settings, can be looked at, pinned, and taken back."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.document.formatting import number, plural
from mi_crow_gui.engine.archive import BUDGET, PINS
from mi_crow_gui.itemmodels.history_model import HistoryRow

if TYPE_CHECKING:
    from core_hooks.model.reference import ModelReference
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.engine.archive import Pin
    from mi_crow_gui.engine.messages import RunOutcome
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.token_wiring import TokenWiring

log = logging.getLogger(__name__)

# Outcomes hold no activations, only tokens and their losses: thousands would fit, nobody looks at more than these.
_KEPT = 500


@dataclass(frozen=True, slots=True)
class _Past:
    """A run with what it takes to do it again."""

    outcome: RunOutcome
    hooks: tuple[HookSpec, ...]
    model: ModelReference | None


class HistoryWiring(QObject):
    """Joins the history list with what the service finished and with the pins.

    `compareWanted` is emitted once A and B are pinned and somebody wants to see them beside each other.
    """

    compareWanted = Signal()

    def __init__(self, parts: Parts, tokens: TokenWiring) -> None:
        super().__init__(parts.window)
        self._store, self._window, self._service = parts.store, parts.window, parts.service
        self._tokens = tokens
        self._past: dict[int, _Past] = {}
        window, history = parts.window, parts.window.history
        parts.service.runFinished.connect(self._on_service_run_finished)
        parts.service.pinsChanged.connect(self._show_pins)
        history.runSelected.connect(self._on_history_run_selected)
        history.promptRequested.connect(self._on_history_prompt_requested)
        history.restoreRequested.connect(self._on_history_restore_requested)
        history.pinRequested.connect(self.pin)
        history.unpinRequested.connect(self._on_history_unpin_requested)
        history.compareRequested.connect(self.compare)
        window.action("pinA").triggered.connect(self._on_pin_a_triggered)
        window.action("pinB").triggered.connect(self._on_pin_b_triggered)
        window.action("unpinRuns").triggered.connect(self._on_unpin_runs_triggered)
        window.action("compareRuns").triggered.connect(self.compare)

    @Slot(int, str)
    def pin(self, run: int, pin: str) -> None:
        """Keep a run as A or B, and say what of it could not be kept."""
        status = self._window.status
        if not self._service.pin(run, cast("Pin", pin)):
            status.set_message(
                f"Run {run} is not kept any more (runs may hold {BUDGET // 2**30} GiB): restore its settings and run "
                "it again."
            )
            return
        kept = self._service.pinned[pin]
        for sentence in kept.left_out:
            log.warning("%s", sentence)
        status.set_message(" ".join((f"Run {run} is {pin} until another model is opened.", *kept.left_out)))

    @Slot()
    def compare(self) -> None:
        """Show A and B beside each other; what is not pinned yet is taken from the newest runs, the older one as A."""
        pinned = {pin: kept.number for pin, kept in self._service.pinned.items()}
        free = [run for run in self._service.kept_numbers() if run not in pinned.values()]
        missing = [pin for pin in PINS if pin not in pinned]
        if len(free) < len(missing):
            self._window.status.set_message("There are no two runs to compare: run another prompt, or change a hook.")
            return
        for pin, run in zip(missing, free[len(free) - len(missing) :], strict=True):
            self.pin(run, pin)
        self.compareWanted.emit()

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_service_run_finished(self, outcome: RunOutcome) -> None:
        run = outcome.info.number
        kept, opened = self._service.kept(run), self._service.model
        hooks = kept.hooks if kept is not None else self._store.workspace.hooks
        self._past[run] = _Past(outcome, hooks, opened.summary.reference if opened is not None else None)
        while len(self._past) > _KEPT:
            del self._past[next(iter(self._past))]
        self._window.history.add_run(_row(self._past[run]))
        self._show_pins()

    @Slot()
    def _show_pins(self) -> None:
        pinned, kept = self._service.pinned, self._service.kept_numbers()
        window = self._window
        window.history.set_pins({pin: run.number for pin, run in pinned.items()})
        window.history.set_kept(kept)
        window.history.set_comparable(len(kept) > 1)
        window.action("compareRuns").setEnabled(len(kept) > 1)
        window.action("unpinRuns").setEnabled(bool(pinned))
        for name in ("pinA", "pinB"):
            window.action(name).setEnabled(bool(kept))

    @Slot()
    def _on_pin_a_triggered(self) -> None:
        self._pin_selected("A")

    @Slot()
    def _on_pin_b_triggered(self) -> None:
        self._pin_selected("B")

    def _pin_selected(self, pin: str) -> None:
        kept, selected = self._service.kept_numbers(), self._window.history.current
        if selected is not None or kept:
            self.pin(selected if selected is not None else kept[-1], pin)

    @Slot(str)
    def _on_history_unpin_requested(self, pin: str) -> None:
        self._service.unpin(cast("Pin", pin))

    @Slot()
    def _on_unpin_runs_triggered(self) -> None:
        for pin in PINS:
            self._service.unpin(pin)

    @Slot(int)
    def _on_history_run_selected(self, run: int) -> None:
        """Show the tokens, losses and text of a past run; plots keep showing what they are about."""
        past = self._past.get(run)
        if past is None:
            return
        window = self._window
        self._tokens.show_outcome(past.outcome)
        window.status.set_loss(past.outcome.loss)
        newest = max(self._past)
        if run != newest:
            window.status.set_message(f"Tokens and text are those of run {run}; plots that follow show run {newest}.")

    @Slot(int)
    def _on_history_prompt_requested(self, run: int) -> None:
        past = self._past.get(run)
        if past is not None:
            with self._store.one_step(f"Take back the prompt of run {run}"):
                self._store.set_prompt(past.outcome.info.prompt)
                self._store.set_batch(past.outcome.info.batch)
                self._store.set_generation(past.outcome.info.settings)

    @Slot(int)
    def _on_history_restore_requested(self, run: int) -> None:
        """Have everything again that a run was made with; another model is opened, as undo would open it."""
        past = self._past.get(run)
        if past is None:
            return
        info = past.outcome.info
        text = f"Restore the settings of run {run}"
        with self._store.one_step(text):
            if past.model is not None:
                self._store.set_model(past.model)
            self._store.restore(text, prompt=info.prompt, batch=info.batch, generation=info.settings, hooks=past.hooks)
        what = f"prompt, generation settings and {plural(len(past.hooks), 'hook')}"
        self._window.status.set_message(f"Run {run} is set up again: {what}. Run it with Ctrl+R; Ctrl+Z takes it back.")


def _row(past: _Past) -> HistoryRow:
    outcome, info = past.outcome, past.outcome.info
    settings = info.settings
    chosen = [f"Model: {past.model.source}"] if past.model is not None else []
    if info.kind != "run":
        chosen.append(
            f"New tokens {settings.max_new_tokens} · temperature {number(settings.temperature)} · seed {settings.seed}"
            + (f" · top k {settings.top_k}" if settings.top_k else "")
        )
    return HistoryRow(
        number=info.number,
        kind=info.kind,
        prompt=info.prompt,
        generated=outcome.text,
        tokens=sum(len(one.info.tokens) + len(one.generated) for one in outcome.prompts),
        seconds=outcome.seconds,
        loss=outcome.loss,
        stopped=outcome.stopped,
        hooks=tuple(f"{state.site or 'the model'}: fired {state.fired}" for state in outcome.hooks if state.enabled),
        settings=tuple(chosen),
    )
