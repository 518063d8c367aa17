"""What a capture job is to do, and how far it is: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - part of the dataclass
from typing import Any, Literal

STORED = ("auto", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """A capture job.

    Attributes
    ----------
    out
        The capture's folder; it must not exist, or hold the same job if that is resumed.
    texts
        The corpus: see `core_hooks.capture.corpus.Corpus`, which also explains `column`, `label` and `encoding`.
    sites
        Dotted names of the modules whose outputs are captured.
    dtype
        What the shards hold: ``"auto"`` (as the model gives it), ``"float32"``, ``"float16"``, ``"bfloat16"``.
    batch_tokens
        Tokens of a batch at most, padding included.
    context
        Tokens that the model sees together at most; longer texts are cut into windows. 0: the model's own context.
    stage
        ``"after"``: what the caller of the module gets; ``"before"``: what it was before controllers acted.
    """

    out: Path
    texts: Path
    sites: tuple[str, ...]
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    batch_tokens: int = 2048
    context: int = 0
    column: str = "text"
    label: str = ""
    encoding: str = "utf-8"
    stage: Literal["before", "after"] = "after"


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is.

    Attributes
    ----------
    records, total_records
        Of the source, finished and altogether.
    tokens
        Captured since the job was started or resumed.
    rows
        In the capture, with those of earlier sessions.
    tokens_per_second
        Over this session, pauses left out.
    seconds_left
        Estimated from the texts done so far; NaN before there is anything to go by.
    """

    records: int
    total_records: int
    tokens: int
    rows: int
    tokens_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of a job: ``"finished"`` or ``"cancelled"``, which can be resumed."""

    state: Literal["finished", "cancelled"]
    folder: Path
    texts: int
    rows: int
    nbytes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobEstimate:
    """What a job will take, before it starts.

    Attributes
    ----------
    texts, tokens
        In the corpus; tokens by a sample.
    disk, free_disk, memory
        Bytes the capture will have, that are free where it goes, and that the job holds beside the model.
    seconds
        By one batch, run to see.
    """

    texts: int
    tokens: int
    disk: int
    free_disk: int
    memory: int
    seconds: float

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it."""
        return self.disk <= self.free_disk

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {name: getattr(self, name) for name in self.__slots__}
