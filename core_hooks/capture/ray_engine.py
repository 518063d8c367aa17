"""The shards of a capture job computed by the workers of a Ray cluster, one of them a device.

Ray is an optional dependency: ``pip install "mi-crow-inspector[ray]"``. Among its own processes it passes pickles;
no file of a capture holds one.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from core_hooks.capture.index import CaptureError
from core_hooks.capture.ray_choice import INSTALL
from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator

    import numpy as np

    from core_hooks.capture.corpus_forward import Rows
    from core_hooks.capture.job_settings import JobSettings
    from core_hooks.capture.shard_plan import ShardPlan
    from core_hooks.model.reference import ModelReference

    Batches = list[tuple[np.ndarray, Rows]]

_TRIES = 3  # of one shard, before its workers are held to die of it
_LOOK = 0.2  # seconds between two looks whether the job was cancelled


class ShardWorker:
    """Holds the model in a process of its own and computes whole shards; what an actor of the cluster runs."""

    def __init__(self, reference: ModelReference, settings: JobSettings, threads: int) -> None:
        import threading

        import torch

        from core_hooks.capture.corpus_forward import CorpusForward
        from core_hooks.model.opening import open_model

        # As many as the job itself would use: sums over another number of threads may differ in the last bit.
        torch.set_num_threads(threads)
        self._settings = settings
        self._opened = open_model(reference)
        self._forward = CorpusForward(self._opened, settings, {}, threading.Event())
        self._forward.__enter__()
        self._known = False

    def process(self) -> int:
        """Number of its process on its machine."""
        import os

        return os.getpid()

    def shard(self, plan: ShardPlan) -> list[tuple[np.ndarray, Rows]]:
        """Batch by batch the rows of each site as they are stored, each with its numbers in the shard."""
        from core_hooks.capture.batching import batches, padded_batches

        if not self._known:
            self._forward.sites(int(plan.ids[0]))
            self._known = True
        found = []
        groups = batches(plan.lengths, self._settings.batch_tokens, same_length=not self._forward.pads)
        for batch in padded_batches(plan, groups, self._forward.pad):
            arriving = self._forward.rows(batch)
            assert arriving is not None
            found.append((batch.rows, arriving.take()))
        return found


class RayEngine:
    """Computes shards on a Ray cluster, several at a time, and gives them in order.

    Parameters
    ----------
    reference
        The model that every worker opens; a path must be one on every machine.
    workers
        How many; 0: one for each GPU when the model is on one, else one for each `threads` processors.
    threads
        That torch uses in a worker.
    address
        Of a cluster that runs, ``""`` for the one named by ``RAY_ADDRESS`` or, without that, one on this machine.

    Attributes
    ----------
    processes
        Process numbers of the workers that live, and how many were `lost` and replaced.

    Raises
    ------
    CaptureError
        Ray is not installed, or there is no such cluster.
    """

    def __init__(self, reference: ModelReference, *, workers: int = 0, threads: int = 1, address: str = "") -> None:
        try:
            import ray
        except ImportError as error:
            raise CaptureError(f"The engine 'ray' needs Ray; install it with `{INSTALL}`, or use 'local'.") from error
        self._ray: Any = ray
        self._reference, self._threads = reference, threads
        self._started = not ray.is_initialized()
        if self._started:
            try:
                ray.init(
                    address=address or None, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
                )
            except Exception as error:
                where = f" at '{address}'" if address else ""
                raise CaptureError(f"No Ray cluster{where} answers: {' '.join(str(error).split())[:200]}.") from error
        self._on_gpu = reference.device.startswith("cuda")
        resources = ray.cluster_resources()
        there = int(resources.get("GPU", 0)) if self._on_gpu else int(resources.get("CPU", 1)) // max(1, threads)
        self._count = workers or max(1, there)
        self.processes: dict[Any, int] = {}
        self.lost = 0

    def close(self) -> None:
        """End the workers, and the cluster if it was started for this job."""
        for worker in list(self.processes):
            self._ray.kill(worker)
        self.processes.clear()
        if self._started and self._ray.is_initialized():
            self._ray.shutdown()

    def shards(
        self, plans: Iterable[ShardPlan], settings: JobSettings, cancel: threading.Event
    ) -> Iterator[tuple[ShardPlan, Batches]]:
        """Give every plan, in order, with its rows batch by batch as the job would compute them; `cancel` ends it.

        Raises
        ------
        CaptureError
            A worker can't compute a shard, or workers died of the same one again and again.
        """
        source = iter(plans)
        waiting: deque[tuple[int, ShardPlan, int]] = deque()  # number, plan, how often it was tried
        going: dict[Any, tuple[Any, int, ShardPlan, int]] = {}
        done: dict[int, tuple[ShardPlan, Batches]] = {}
        free = self._hire(settings, self._count, cancel)
        number = given = 0
        more = True
        while not cancel.is_set():
            while free:
                # What was computed out of turn is held until its turn comes, so no one runs far ahead.
                if not waiting and more and number < given + 2 * self._count:
                    plan = next(source, None)
                    if plan is None:
                        more = False
                    else:
                        waiting.append((number, plan, 0))
                        number += 1
                if not waiting:
                    break
                worker = free.pop()
                at, plan, tries = waiting.popleft()
                going[worker.shard.remote(plan)] = (worker, at, plan, tries + 1)
            while given in done:
                yield done.pop(given)
                given += 1
            if not going:
                if not more and not waiting:
                    return
                continue
            ready, _ = self._ray.wait(list(going), timeout=_LOOK)
            for reference in ready:
                worker, at, plan, tries = going.pop(reference)
                batches = self._answer(reference, tries)
                if batches is None:
                    self.lost += 1
                    self.processes.pop(worker, None)
                    waiting.appendleft((at, plan, tries))
                    free += self._hire(settings, 1, cancel)
                else:
                    done[at] = (plan, batches)
                    free.append(worker)

    def _answer(self, reference: Any, tries: int) -> Batches | None:
        """What a worker gave; None when it died and the shard can be tried again."""
        errors = self._ray.exceptions
        try:
            batches: Batches = self._ray.get(reference)
            return batches
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, (CaptureError, ModelError)):
                raise CaptureError(str(cause)) from error
            raise CaptureError(f"A worker failed: {type(cause).__name__}: {' '.join(str(cause).split())}.") from error
        except (
            errors.RayActorError,
            errors.WorkerCrashedError,
            errors.ObjectLostError,
            errors.OutOfMemoryError,
        ) as error:
            if tries >= _TRIES:
                raise CaptureError(
                    f"Workers died {tries} times over the same shard; give them more memory or a smaller batch."
                ) from error
            return None

    def _hire(self, settings: JobSettings, count: int, cancel: threading.Event) -> list[Any]:
        """Start workers, all at once, and wait until each has opened the model; none when `cancel` is set."""
        resources = {"num_gpus": 1, "num_cpus": 0} if self._on_gpu else {"num_cpus": self._threads}
        actor = self._ray.remote(**resources)(ShardWorker)
        workers = [actor.remote(self._reference, settings, self._threads) for _ in range(count)]
        asked = [worker.process.remote() for worker in workers]
        # A cluster without room for them would let one wait for ever.
        while not cancel.is_set() and self._ray.wait(asked, num_returns=count, timeout=_LOOK)[1]:
            pass
        if cancel.is_set():
            for worker in workers:
                self._ray.kill(worker)
            return []
        try:
            numbers = self._ray.get(asked)
        except self._ray.exceptions.RayError as error:
            for worker in workers:
                self._ray.kill(worker)
            cause = getattr(error, "cause", None) or error
            raise CaptureError(f"A worker can't open the model: {' '.join(str(cause).split())[:300]}") from error
        self.processes.update(zip(workers, numbers, strict=True))
        return workers
