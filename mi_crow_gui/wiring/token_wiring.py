"""The tokens that are shown and what they are coloured by, the text that was written, and the prompt they are of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from mi_crow_gui.document.workspace import CHANGE, LOSS, NORM, PROBABILITY
from mi_crow_gui.engine.messages import RUN_KINDS
from mi_crow_gui.panels.token_layout import TokenRow
from mi_crow_gui.wiring.token_colours import SiteColours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.model.tokens import TokenSequence, TokenStep
    from mi_crow_gui.engine.messages import Failure, RunInfo, RunOutcome
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring


@dataclass(slots=True)
class _Prompt:
    """One prompt that is shown: its tokens, its text, what was written behind it, and how hard each token was."""

    tokens: TokenSequence
    text: str
    continued: int = 0
    start: int = 0
    steps: tuple[TokenStep, ...] = ()
    losses: list[float] = field(default_factory=list)
    earlier: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.tokens.texts, *(step.text for step in self.steps))

    @property
    def written(self) -> str:
        return self.earlier + "".join(step.written for step in self.steps)


class TokenWiring(QObject):
    """Joins the token strip and the output with runs, the selected prompt of the batch, and the chosen measure."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._store, self._service, self._window = parts.store, parts.service, parts.window
        self._prompts: list[_Prompt] = []
        self._run = 0
        self._awaited = False  # whether more is being written
        self._colours = SiteColours(parts, self)
        self._colours.changed.connect(self._colour)
        prompt, service = parts.window.prompt, parts.service
        prompt.promptSelected.connect(self._store.select_prompt)
        prompt.measureChosen.connect(self._store.set_token_measure)
        self._store.changed.connect(self._on_store_changed)
        service.runStarted.connect(self._on_service_run_started)
        service.promptStepsArrived.connect(self._on_service_prompt_steps_arrived)
        service.runFinished.connect(self.show_outcome)
        service.failed.connect(self._on_service_failed)
        prompt.set_measure_choice(self._store.workspace.token_measure)

    def add_plots(self, plots: PlotsWiring) -> None:
        """Colours of a site come from what its plots show."""
        self._colours.add_plots(plots)

    @Slot(object)
    def show_outcome(self, outcome: RunOutcome) -> None:
        """Show the tokens, the losses and the text of a run that has ended."""
        going = self._run == outcome.info.number and len(self._prompts) == len(outcome.prompts)
        earlier = (
            [prompt.earlier if going else "" for prompt in self._prompts] if going else [""] * len(outcome.prompts)
        )
        self._take(outcome.info, earlier)
        for prompt, one in zip(self._prompts, outcome.prompts, strict=True):
            prompt.steps = one.generated
            prompt.losses = token_losses(one)
        self._expect(0)
        self._show()
        self._show_text()
        self._colour()

    # ---- a run goes on -----------------------------------------------------------------------------------------

    @Slot(object)
    def _on_service_run_started(self, info: RunInfo) -> None:
        earlier = [prompt.written for prompt in self._prompts] if info.continued else []
        self._take(info, earlier if len(earlier) == len(info.prompts) else [""] * len(info.prompts))
        self._expect({"generate": info.settings.max_new_tokens, "step": 1}.get(info.kind, 0))
        self._colours.forget()
        self._show()
        self._show_text()
        self._colour()

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        if failure.task in RUN_KINDS and self._awaited:
            self._expect(0)
            self._show_text()

    def _expect(self, tokens: int) -> None:
        """Keep room for what will be written, so that nothing moves while it is."""
        self._awaited = tokens > 0
        self._window.prompt.expect_tokens(tokens)

    @Slot(object)
    def _on_service_prompt_steps_arrived(self, steps: tuple[tuple[TokenStep, ...], ...]) -> None:
        if len(steps) != len(self._prompts):
            return
        number = self._selected()
        known = len(self._prompts[number].steps)
        for prompt, of_prompt in zip(self._prompts, steps, strict=True):
            prompt.steps = of_prompt
        self._show()
        self._window.output.append_token("".join(step.written for step in steps[number][known:]))

    def _take(self, info: RunInfo, earlier: Sequence[str]) -> None:
        self._run = info.number
        spans = info.spans or tuple(range(len(tokens)) for tokens in info.prompts)
        self._prompts = [
            _Prompt(tokens, info.of_prompt(number).prompt, info.continued, spans[number].start, earlier=earlier[number])
            for number, tokens in enumerate(info.prompts)
        ]
        self._follow_selection(len(self._prompts))

    # ---- showing -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        ends = [prompt.start + len(prompt.texts) for prompt in self._prompts]
        self._window.prompt.set_prompts(
            [
                TokenRow(
                    prompt.texts,
                    prompt.tokens.special,
                    len(prompt.tokens) - prompt.continued,
                    prompt.start,
                    max(ends) - end,
                )
                for prompt, end in zip(self._prompts, ends, strict=True)
            ]
        )

    def _show_text(self) -> None:
        if self._prompts:
            prompt = self._prompts[self._selected()]
            self._window.output.set_text(prompt.text, prompt.written, awaited=self._awaited)

    def _selected(self) -> int:
        return max(0, min(self._store.workspace.selected_prompt, len(self._prompts) - 1))

    def _follow_selection(self, prompts: int) -> None:
        if self._store.workspace.selected_prompt >= prompts:
            self._store.select_prompt(max(0, prompts - 1))
        self._window.prompt.select_prompt(self._store.workspace.selected_prompt)

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        workspace = self._store.workspace
        if topic == "selected_prompt":
            self._window.prompt.select_prompt(workspace.selected_prompt)
            self._show_text()
        elif topic == "measure":
            self._window.prompt.set_measure_choice(workspace.token_measure)
        if topic in ("measure", "selection", "hooks"):
            self._colour()

    @Slot()
    def _colour(self) -> None:
        """Colour the tokens by what was chosen, or say what is missing for it."""
        measure, panel = self._store.workspace.token_measure, self._window.prompt
        if measure in (NORM, CHANGE):
            found = self._colours.of(measure)
            panel.set_measure(found.name, found.values, unit="", about=found.about, missing=found.missing)
            return
        self._colours.rest()
        losses = [prompt.losses for prompt in self._prompts]
        if not any(losses):
            panel.set_measure("", missing="Run a prompt to colour its tokens." if not self._prompts else "")
        elif not any(math.isfinite(loss) for row in losses for loss in row):
            panel.set_measure("", missing="This model gives no probabilities of the tokens of a prompt.")
        elif measure == PROBABILITY:
            panel.set_measure("Probability", [[math.exp(-loss) for loss in row] for row in losses])
        else:
            panel.set_measure("Loss", losses, "nats")
        assert measure in (LOSS, PROBABILITY)


def token_losses(outcome: RunOutcome) -> list[float]:
    """Minus the log probability of every token of a run in nats, the generated ones included; NaN where unknown."""
    losses = [float(loss) for loss in outcome.losses] or [math.nan] * len(outcome.info.tokens)
    return losses + [-math.log(step.probability) if step.probability > 0 else math.inf for step in outcome.generated]
