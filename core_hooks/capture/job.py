"""Capturing layers over a whole corpus into a folder: estimated, paused, cancelled, killed, and resumed."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from core_hooks.capture.allocator import keep_freed_memory
from core_hooks.capture.batching import batches, padded_batches
from core_hooks.capture.corpus import Corpus
from core_hooks.capture.corpus_forward import CorpusForward
from core_hooks.capture.corpus_writer import GATHERED, CorpusSite, CorpusWriter
from core_hooks.capture.durable import make_folder
from core_hooks.capture.estimate import estimate_job
from core_hooks.capture.folder_lock import FolderLock
from core_hooks.capture.index import FORMAT, VERSION, CaptureError, CaptureIndex
from core_hooks.capture.job_folder import begun, clean, existing
from core_hooks.capture.job_settings import JobEstimate, JobProgress, JobResult, JobSettings
from core_hooks.capture.model_fingerprint import describe_model
from core_hooks.capture.pace import Pace
from core_hooks.capture.plan_process import PlanProcess
from core_hooks.capture.row_detector import widened_by_torch
from core_hooks.capture.shard_plan import Place, ShardPlan, plan_shards
from core_hooks.capture.threads import AtOnce, ReadAhead, WriteBehind
from core_hooks.capture.tokenizing import stock_backend, tokenizer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from core_hooks.capture.corpus import CorpusSize
    from core_hooks.capture.corpus_forward import ArrivingRows
    from core_hooks.capture.ray_engine import RayEngine
    from core_hooks.hooks.hook import Hook
    from core_hooks.model.batch import TokenBatch
    from core_hooks.model.opened import OpenedModel

    Behind = AtOnce | WriteBehind
    Report = Callable[[JobProgress], None]

_SHARD_BYTES = 32 << 20
_SHARD_BATCHES = 8  # a shard holds several batches at least, or there would be little to sort by length
_SHARD_ROWS = 1 << 18
_ELSEWHERE = 8  # characters for each row of a shard from which a corpus is worth processes beside this one
_NO_CONTEXT = 2048  # window of a model that sets no limit
_LOOK = 0.1  # seconds between two looks, while the job is paused, whether it was cancelled


class CaptureJob:
    """Runs the texts of a corpus through a model and writes what some modules give, token by token.

    `estimate` and `run` belong on the thread that owns the model; `pause`, `proceed` and `cancel` on any.

    Parameters
    ----------
    opened
        The model; hooks that are attached to it act too.
    settings
        What to capture, from what, to where.
    controllers
        More hooks to act meanwhile, by site; they are taken off again.
    acting
        What else acts on the model, a sentence each: kept in the index, and a job is resumed only with the same.
    cancel
        Once set, the job ends as after `cancel`.
    going
        While it is not set, the job is paused.
    engine
        Computes the shards elsewhere; without one they are computed by `opened`.
    on_batch
        Called with the tokens of each batch before it goes through the model, a row a text or window of one.

    Raises
    ------
    CaptureError
        When the settings can't be carried out.
    """

    def __init__(
        self,
        opened: OpenedModel,
        settings: JobSettings,
        *,
        controllers: Mapping[str, Hook] | None = None,
        acting: Sequence[str] = (),
        cancel: threading.Event | None = None,
        going: threading.Event | None = None,
        engine: RayEngine | None = None,
        on_batch: Callable[[TokenBatch], None] | None = None,
    ) -> None:
        if not settings.sites:
            raise CaptureError("There is nothing to capture: choose a layer.")
        if settings.batch_tokens < 1 or settings.context < 0:
            raise CaptureError("A batch and a context need at least one token.")
        unknown = next((site for site in settings.sites if site not in opened.tree), None)
        if unknown is not None:
            raise CaptureError(f"The model has no module '{unknown}'.")
        if getattr(opened.model, "main_input_name", "input_ids") != "input_ids":
            raise CaptureError(f"{opened.summary.architecture} takes no text, so no corpus can go through it.")
        self.settings = settings
        self._opened = opened
        self._controllers = dict(controllers or {})
        self._corpus = Corpus(settings.texts, column=settings.column, label=settings.label, encoding=settings.encoding)
        self._tokenize = tokenizer_of(opened)
        limit = opened.summary.context_length
        self._context = settings.context or limit or _NO_CONTEXT
        if limit and self._context > limit:
            raise CaptureError(f"The model's context holds {limit:,} tokens; {self._context:,} are too many.")
        self._size: CorpusSize | None = None
        if engine is not None and (self._controllers or acting):
            raise CaptureError("Controllers act only where the model is; use the local engine, or take them off.")
        self._engine = engine
        self._on_batch = on_batch
        self._acting = sorted({*self._controllers, *acting})
        self._cancel = cancel or threading.Event()
        self._going = going or threading.Event()
        if going is None:
            self._going.set()

    def pause(self) -> None:
        """Wait before the next batch until `proceed`."""
        self._going.clear()

    def proceed(self) -> None:
        """Go on after `pause`."""
        self._going.set()

    def cancel(self) -> None:
        """End soon; finished shards stay and the job can be resumed."""
        self._cancel.set()
        self._going.set()

    def estimate(self) -> JobEstimate:
        """What the job will take; reads the corpus once and runs one batch of it.

        Raises
        ------
        CaptureError
            The corpus can't be read, or a site can't be captured.
        RunCancelled
            The job was cancelled.
        """
        with self._forward() as forward:
            return estimate_job(
                self._corpus,
                self._measured(),
                self._tokenize,
                forward,
                self.settings,
                self._context,
                self._shard_rows,
                self._cancel,
            )

    def run(self, on_progress: Report | None = None, *, resume: bool = False) -> JobResult:
        """Capture until the corpus is done or the job is cancelled.

        Parameters
        ----------
        on_progress
            Called on this thread, once a batch at most five times a second.
        resume
            Go on with the capture that lies in the folder; without one, begin.

        Raises
        ------
        CaptureError
            The folder holds something else, the corpus can't be read, the disk is full, ...; whatever shards were
            finished stay readable, and resuming goes on behind them.
        """
        folder = self.settings.out
        found = existing(folder, resume)
        if found is not None and found.finished:
            return _result("finished", folder, found)
        size = self._measured()
        try:
            make_folder(folder)
        except OSError as error:
            raise CaptureError(f"'{folder}' can't be made: {error.strerror or error}.") from error
        with FolderLock(folder):
            # Whoever held the lock before may have gone on meanwhile.
            found = existing(folder, resume)
            if found is not None and found.finished:
                return _result("finished", folder, found)
            clean(folder)
            with self._forward() as forward:
                return self._capture(forward, found, size, on_progress)

    def _measured(self) -> CorpusSize:
        if self._size is None:
            self._size = self._corpus.measure(self._cancel)
        return self._size

    def _forward(self) -> CorpusForward:
        return CorpusForward(self._opened, self.settings, self._controllers, self._cancel, self._on_batch)

    def _capture(
        self, forward: CorpusForward, found: CaptureIndex | None, size: CorpusSize, on_progress: Report | None
    ) -> JobResult:
        folder = self.settings.out
        keep_freed_memory()
        sites = forward.sites(self._first_token())
        if self._cancel.is_set():
            return JobResult("cancelled", folder, 0, 0, 0)
        index = begun(folder, self._new_index(sites), found, self._opened)
        place = (Place.of_json(index.shards[-1]["next"]) if index.shards else None) or Place()
        plans = self._plans(index, place, size)
        several, row_bytes = self._several(size, index), sum(site.row_bytes for site in sites)
        # Rows that only have to be put in their place in memory are put there by the thread that has them.
        at_once = index.settings["shard_rows"] * row_bytes <= GATHERED and forward.on_cpu
        writer = CorpusWriter(folder, index, sites, widened_by_torch, elsewhere=several)
        pace = Pace(size.records, place.record, index.rows, on_progress)
        with ExitStack() as stack:
            stack.callback(writer.close)
            behind: Behind = stack.enter_context(AtOnce()) if at_once else stack.enter_context(WriteBehind())
            ahead = stack.enter_context(ReadAhead(plans))
            if self._engine is not None:
                self._write_shards(self._engine, ahead, writer, behind, pace)
            else:
                for plan in ahead:
                    behind.put(partial(writer.begin, plan))
                    if not self._run_shard(forward, plan, writer, behind, pace):
                        break
                    forward.check_controllers()
                    behind.put(writer.end)
            if not self._cancel.is_set():
                behind.flush()
                return _result("finished", folder, writer.finish())
        return _result("cancelled", folder, writer.index)

    def _plans(self, index: CaptureIndex, place: Place, size: CorpusSize) -> Iterator[ShardPlan]:
        """What is left to do; of a corpus of several shards the first is read here and the others elsewhere."""
        rows = index.settings["shard_rows"]
        here = plan_shards(
            self._corpus.texts(place.record),
            self._tokenize,
            shard_rows=rows,
            context=self._context,
            first_row=index.rows,
            place=place,
            cancel=self._cancel,
        )
        backend = stock_backend(self._opened)
        if backend is None or not self._several(size, index):
            yield from here
            return
        corpus, name = self._corpus, self._opened.summary.name
        with PlanProcess(corpus, backend, name, shard_rows=rows, context=self._context) as process:
            for first in here:
                yield first
                yield from process.plans(first.first_row + first.rows, first.next, self._cancel)
                return

    def _several(self, size: CorpusSize, index: CaptureIndex) -> bool:
        """Whether the corpus makes so many shards that a process that works on them is worth its start."""
        return size.nbytes >= _ELSEWHERE * index.settings["shard_rows"]

    def _run_shard(
        self, forward: CorpusForward, plan: ShardPlan, writer: CorpusWriter, behind: Behind, pace: Pace
    ) -> bool:
        """Run every batch of a shard; whether the job was not cancelled meanwhile."""
        pace.begin_shard(plan)
        together = batches(plan.lengths, self.settings.batch_tokens, same_length=not forward.pads)
        for batch in padded_batches(plan, together, forward.pad):
            self._wait_while_paused(pace)
            if self._cancel.is_set():
                return False
            arriving = forward.rows(batch)
            if arriving is None:
                return False
            behind.put(partial(_store, writer, batch.rows, arriving))
            pace.add(len(batch.rows))
        return True

    def _write_shards(
        self, engine: RayEngine, plans: Iterable[ShardPlan], writer: CorpusWriter, behind: Behind, pace: Pace
    ) -> None:
        """Write the shards that an engine computes, until they end or the job is cancelled."""
        for plan, found in engine.shards(plans, self.settings, self._cancel):
            self._wait_while_paused(pace)
            if self._cancel.is_set():
                return
            pace.begin_shard(plan)
            behind.put(partial(writer.begin, plan))
            for rows, values in found:
                behind.put(partial(writer.write, rows, values))
            behind.put(writer.end)
            pace.add(plan.rows)

    def _wait_while_paused(self, pace: Pace) -> None:
        if not self._going.is_set():
            pace.stop()
            while not self._going.wait(_LOOK) and not self._cancel.is_set():
                pass
            pace.start()

    def _first_token(self) -> int:
        for text in self._corpus.texts():
            ids = self._tokenize([text.text])[0] if text.text.strip() else []
            if ids:
                return ids[0]
        raise CaptureError(f"'{self._corpus.path}' holds no text.")

    def _shard_rows(self, row_bytes: int) -> int:
        """Tokens of a shard."""
        return min(max(_SHARD_BATCHES * self.settings.batch_tokens, _SHARD_BYTES // row_bytes), _SHARD_ROWS)

    def _new_index(self, sites: Sequence[CorpusSite]) -> CaptureIndex:
        settings = self.settings
        row_bytes = sum(site.row_bytes for site in sites)
        return CaptureIndex(
            format=FORMAT,
            version=VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            finished=False,
            model=describe_model(self._opened),
            prompts=[],
            tokens=[],
            token_ids=[],
            sites=[site.as_json(0) for site in sites],
            settings={
                "batch_tokens": settings.batch_tokens,
                "context": self._context,
                "shard_rows": self._shard_rows(row_bytes),
                "controllers": self._acting,
            },
            kind="corpus",
            source=self._corpus.as_json(),
        )


def _store(writer: CorpusWriter, rows: np.ndarray, arriving: ArrivingRows) -> None:
    places = writer.places(rows)
    if places is None:
        writer.write(rows, arriving.take())
    else:
        arriving.put(places)


def _result(state: Any, folder: Path, index: CaptureIndex) -> JobResult:
    nbytes = sum(part["bytes"] for part in [*index.shards, *index.files.values()])
    return JobResult(state, folder, index.texts, index.rows, nbytes, tuple(index.notes))
