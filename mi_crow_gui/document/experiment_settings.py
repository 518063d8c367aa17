"""What an experiment is asked: plain values that a plot's header changes, a session keeps, and a script repeats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

RANDOM, PROMPT = "random", "prompt"
HEADS, MLP, BLOCK, ATTENTION, RESIDUAL = "heads", "mlp", "block", "attention", "residual"
ZERO, MEAN, RESAMPLE = "zero", "mean", "resample"
LOSS, REPEATED_LOSS, LOGIT_DIFFERENCE = "loss", "loss of repeats", "logit difference"
PROBABILITY, DIVERGENCE = "probability", "divergence"


@dataclass(frozen=True, slots=True)
class ExperimentSettings:
    """Of every experiment: how its map is shown, which is no part of the question.

    `scale` is one of `mi_crow_gui.plotdata.scale`.
    """

    title: ClassVar[str] = ""

    scale: str = "min-max"

    def question(self) -> ExperimentSettings:
        """The same without what only changes the look: results of equal questions are equal."""
        return replace(self, scale="min-max")


@dataclass(frozen=True, slots=True)
class AblationSettings(ExperimentSettings):
    """Take parts out one by one.

    Attributes
    ----------
    part
        ``"heads"``, ``"mlp"`` or ``"block"``.
    by
        What takes a part's place: ``"zero"``, ``"mean"`` or ``"resample"``.
    metric
        ``"loss"``, ``"loss of repeats"`` (tokens that occurred before) or ``"logit difference"``.
    right, wrong
        Words of the logit difference; the first token of each counts. Empty: the two likeliest words.
    source
        ``"random"`` for random tokens said twice, ``"prompt"`` for the window's prompt.
    text
        The prompt that was measured; an empty one stands for what the window's prompt says.
    """

    title: ClassVar[str] = "Ablation"

    part: str = HEADS
    by: str = ZERO
    metric: str = LOSS
    right: str = ""
    wrong: str = ""
    source: str = PROMPT
    text: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PatchingSettings(ExperimentSettings):
    """Put what one prompt's run held into the run of another.

    Attributes
    ----------
    clean, corrupted
        The prompts.
    part
        ``"residual"``, ``"attention"`` or ``"mlp"`` at one token, or ``"heads"`` at all.
    metric
        ``"logit difference"``, ``"probability"`` or ``"divergence"``.
    right, wrong
        Words of the metric, as in `AblationSettings`; empty: the likeliest after each prompt.
    """

    title: ClassVar[str] = "Patching"

    clean: str = ""
    corrupted: str = ""
    part: str = RESIDUAL
    metric: str = LOGIT_DIFFERENCE
    right: str = ""
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class DirectEffectSettings(ExperimentSettings):
    """Split the logit of a word into what each part of the model writes.

    Attributes
    ----------
    word, against
        The word, and one whose logit is taken off; empty: the likeliest, and none.
    position
        Index of the token after which the word is predicted; -1 is the last.
    text
        As in `AblationSettings`.
    """

    title: ClassVar[str] = "Direct effect"

    word: str = ""
    against: str = ""
    position: int = -1
    text: str = ""


@dataclass(frozen=True, slots=True)
class SteeringSettings(ExperimentSettings):
    """Make a steering vector from pairs of prompts, and measure what it does.

    Attributes
    ----------
    toward, away
        Prompts with and without what is to be steered toward, one a line; the lines answer to each other.
    everywhere
        Take the mean over all tokens but the first, rather than the last token.
    block
        The one that is chosen: its vector is applied and saved; -1: the middle one.
    right, wrong
        Words whose logit difference is measured; empty: the likeliest after the first prompts of both sides.
    most
        The strengths go from ``-most`` to ``most``.
    text
        What is steered, as in `AblationSettings`.
    path
        A steering vector that was saved; pairs and layer are then those of the file.
    """

    title: ClassVar[str] = "Steering"

    toward: str = ""
    away: str = ""
    everywhere: bool = False
    block: int = -1
    right: str = ""
    wrong: str = ""
    most: float = 4.0
    text: str = ""
    path: str = ""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The prompts, side by side; lines that the other list does not have are left out."""
        toward, away = (tuple(line for line in text.splitlines() if line.strip()) for text in (self.toward, self.away))
        return tuple(zip(toward, away, strict=False))

    def question(self) -> SteeringSettings:
        """Which layer is chosen is no part of the question: all are measured."""
        return replace(self, scale="min-max", block=-1)
