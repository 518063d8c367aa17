"""What crosses between the GUI thread and the model thread: frozen data, no Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from core_hooks.capture.record import CaptureRecord
    from core_hooks.model.records import ModuleTree
    from core_hooks.model.reference import ModelSummary
    from core_hooks.model.tokens import Candidate, GenerationSettings, TokenSequence, TokenStep
    from mi_crow_gui.document.hook_spec import HookSpec
    from mi_crow_gui.plotdata.frame import Frame

RunKind = Literal["run", "generate", "step"]
StateName = Literal["idle", "loading", "ready", "running", "failed"]

# Keys of the mailbox that are no hook ids.
STEPS = "/steps"
STATES = "/states"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One press of Run, Generate or Step."""

    number: int
    kind: RunKind
    prompt: str
    settings: GenerationSettings
    hooks: tuple[HookSpec, ...]
    controllers: bool = True
    memory_budget: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run that has begun: its prompt as tokens."""

    number: int
    kind: RunKind
    prompt: str
    tokens: TokenSequence
    settings: GenerationSettings


@dataclass(frozen=True, slots=True)
class HookState:
    """What is known of one attached hook: shown in the hooks list."""

    id: str
    site: str
    attached: bool
    enabled: bool
    fired: int = 0
    failures: int = 0
    last_shape: tuple[int, ...] = ()
    error: str = ""
    error_line: int = 0


@dataclass(frozen=True, slots=True)
class HookReport:
    """The states of all hooks in the order of the list.

    Reports reach the window by two ways, the mailbox and a signal; `serial` grows with each, so an older one that
    comes later is known as such.
    """

    serial: int
    states: tuple[HookState, ...]


@dataclass(frozen=True, slots=True)
class HookFailure:
    """A hook that failed and disabled itself; `line` is the user's own line in `code`, 0 if there is none."""

    hook_id: str
    site: str
    message: str
    line: int
    run: int
    details: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Something asked for that did not work: one sentence for people, the traceback for the log."""

    task: str
    message: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that is ready, as the GUI knows it."""

    summary: ModelSummary
    tree: ModuleTree


@dataclass(frozen=True, slots=True, eq=False)
class CaptureUpdate:
    """The newest call of a site, the frame that follows from it, and the L2 norm of its last token's values."""

    record: CaptureRecord
    frame: Frame
    last_norm: float


@dataclass(frozen=True, slots=True, eq=False)
class RunOutcome:
    """A run that has ended.

    Attributes
    ----------
    losses, probabilities
        Of each prompt token given those before it, in nats; the first is NaN. Empty when the model gives no logits.
    candidates
        What could follow the last prompt token.
    generated
        The tokens that were chosen.
    stopped
        ``"done"``, ``"length"``, ``"eos"``, ``"context"``, ``"cancelled"`` or ``"failed"``.
    seconds
        Time from the first forward to the end.
    """

    info: RunInfo
    stopped: str
    seconds: float
    losses: np.ndarray
    probabilities: np.ndarray
    candidates: tuple[Candidate, ...] = ()
    generated: tuple[TokenStep, ...] = ()
    hooks: tuple[HookState, ...] = ()
    dropped: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def text(self) -> str:
        """What was generated, as it is read."""
        return "".join(step.written for step in self.generated)

    @property
    def loss(self) -> float | None:
        """Mean loss over the prompt in nats a token; None without logits or with a single token."""
        known = self.losses[1:] if len(self.losses) > 1 else self.losses[:0]
        return float(known.mean()) if len(known) else None
