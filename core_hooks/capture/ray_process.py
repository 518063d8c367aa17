"""A capture job over a Ray cluster in a process of its own.

Ray ends the process that it is in when the cluster is lost, and can't be interrupted while it looks for one: whoever
has something to lose lets ``python -m core_hooks.capture.ray_process`` drive the cluster. That reads what to do as a
line of JSON and then one word a line, ``pause``, ``proceed`` or ``cancel``; it writes lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from core_hooks.capture.index import INDEX, CaptureError
from core_hooks.capture.job_settings import JobProgress, JobResult, JobSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from core_hooks.capture.ray_choice import RayChoice
    from core_hooks.model.reference import ModelReference

_HIRING = "workers open the model"
_LOOK = 0.1  # seconds between two looks whether the job was cancelled or paused
_PATIENCE = 5.0  # seconds that the process has to end in good order; what it wrote is whole even if it is killed


def capture_over_ray(
    reference: ModelReference,
    settings: JobSettings,
    choice: RayChoice,
    *,
    threads: int,
    cancel: threading.Event,
    going: threading.Event,
    on_progress: Callable[[JobProgress], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> JobResult | None:
    """Run a job, or go on with the one that lies in its folder; blocks until it is over.

    Parameters
    ----------
    reference
        The model, by a name under which every worker finds it.
    threads
        That torch uses in a worker.
    cancel, going
        As of a `CaptureJob`.
    on_stage
        Called with what goes on before the first tokens, in words.

    Returns
    -------
    JobResult or None
        None when the job was cancelled before anything of it was there.

    Raises
    ------
    CaptureError
        What the job says, or the process was ended by something else.
    """
    task = {
        "reference": asdict(reference),
        "settings": {**asdict(settings), "out": str(settings.out.absolute()), "texts": str(settings.texts.absolute())},
        "address": choice.address, "workers": choice.workers, "threads": threads,
    }  # fmt: skip
    with _Child(task) as child:
        paused = asked = begun = False
        deadline = float("inf")
        while True:
            if cancel.is_set() and not asked:
                asked, deadline = True, time.monotonic() + (_PATIENCE if begun else 0)
                child.tell("cancel")
            if going.is_set() == paused:
                paused = not going.is_set()
                child.tell("pause" if paused else "proceed")
            message = child.next(_LOOK)
            if message is None:
                if time.monotonic() > deadline:
                    child.patience = 0.0
                    return _cancelled(settings)
                continue
            if "stage" in message:
                # From here on the job looks itself whether it was cancelled.
                begun = message["stage"] == _HIRING
                if on_stage is not None:
                    on_stage(message["stage"])
            elif "progress" in message and on_progress is not None:
                on_progress(JobProgress(**message["progress"]))
            elif "failed" in message:
                raise CaptureError(message["failed"])
            elif "result" in message:
                result = message["result"]
                return JobResult(
                    result["state"], settings.out, result["texts"], result["rows"], result["nbytes"],
                    tuple(result["notes"]),
                )  # fmt: skip
            elif "ended" in message:
                if asked:
                    return _cancelled(settings)
                raise CaptureError(message["ended"])


def _cancelled(settings: JobSettings) -> JobResult | None:
    """What there is of a job that ended without a word: something to go on with, or nothing."""
    begun = (settings.out / INDEX).exists()
    return JobResult("cancelled", settings.out, 0, 0, 0) if begun else None


class _Child:
    """The process and what it says; at the end of the context it is gone, and the cluster that it started with it."""

    def __init__(self, task: dict[str, Any]) -> None:
        package_root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), package_root]))
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.patience = _PATIENCE
        self._process = subprocess.Popen(
            [sys.executable, "-m", "core_hooks.capture.ray_process"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="ray-process", daemon=True)
        self._reader.start()
        self.tell(json.dumps(task))

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            # It lets go of the cluster first.
            self._process.wait(timeout=self.patience)
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def tell(self, line: str) -> None:
        """Write a line to it; whether it is there is seen when it is read from."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def next(self, within: float) -> dict[str, Any] | None:
        """What it says next, None for nothing in so many seconds."""
        try:
            return self._said.get(timeout=within)
        except queue.Empty:
            return None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    self._said.put(message)
        code = self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        why = f": {' '.join(last[0].split())[:300]}" if last else ""
        self._said.put(
            {"ended": f"The process that drives the cluster was ended (code {code}){why}; go on with the job."}
        )


def main(source: TextIO, out: TextIO) -> int:
    """Do the job that the first line names, and say how far it is."""
    task = json.loads(source.readline())
    cancel, going = threading.Event(), threading.Event()
    going.set()
    lock = threading.Lock()

    def say(**message: object) -> None:
        with lock:
            out.write(json.dumps(message) + "\n")
            out.flush()

    def listen() -> None:
        for line in source:
            word = line.strip()
            if word == "pause":
                going.clear()
            elif word == "proceed":
                going.set()
            elif word == "cancel":
                break
        # Whoever asked is gone, too.
        cancel.set()
        going.set()

    threading.Thread(target=listen, daemon=True).start()

    import torch

    from core_hooks.capture.job import CaptureJob
    from core_hooks.capture.ray_engine import RayEngine
    from core_hooks.hooks.errors import RunCancelled
    from core_hooks.model.errors import ModelError
    from core_hooks.model.opening import open_model
    from core_hooks.model.reference import ModelReference

    torch.set_num_threads(task["threads"])
    given = task["settings"]
    paths = {"out": Path(given["out"]), "texts": Path(given["texts"]), "sites": tuple(given["sites"])}
    settings = JobSettings(**{**given, **paths})
    parts = tuple(map(tuple, task["reference"]["parts"]))
    reference = ModelReference(**{**task["reference"], "parts": parts})
    try:
        say(stage="opening the model")
        opened = open_model(reference)
        say(stage="joining the cluster")
        engine = RayEngine(reference, workers=task["workers"], threads=task["threads"], address=task["address"])
        try:
            say(stage=_HIRING)
            job = CaptureJob(opened, settings, cancel=cancel, going=going, engine=engine)
            result = job.run(lambda progress: say(progress=asdict(progress)), resume=True)
        finally:
            engine.close()
    except (CaptureError, ModelError) as error:
        say(failed=str(error))
        return 1
    except RunCancelled:
        return 0
    say(
        result={
            "state": result.state, "texts": result.texts, "rows": result.rows, "nbytes": result.nbytes,
            "notes": list(result.notes),
        }
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    # What libraries print must not stand between the lines.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.exit(main(sys.stdin, lines))
