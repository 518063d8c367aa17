"""Reading and tokenising a corpus in a process of its own, for what is done there holds no lock against the model.

``python -m core_hooks.capture.plan_process`` reads two lines of JSON, what to read and from where on, and writes plans:
a line of JSON each, and the bytes of its arrays behind it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import numpy as np

from core_hooks.capture.corpus import Corpus
from core_hooks.capture.fast_tokenizer import fast_tokenizer
from core_hooks.capture.index import CaptureError
from core_hooks.capture.shard_plan import PackedTexts, Place, ShardPlan, plan_shards

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_ARRAYS = ("ids", "starts", "numbers", "firsts")
_NICE = 5


class PlanProcess:
    """A process that plans the shards of a corpus; a context manager, at whose end it is gone.

    It gets ready while the first plan is made elsewhere, and goes on behind that.

    Parameters
    ----------
    backend
        The `tokenizers.Tokenizer` to use, of the model `name`.
    """

    def __init__(self, corpus: Corpus, backend: Any, name: str, *, shard_rows: int, context: int) -> None:
        package_root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
        # One processor is the model's.
        threads = str(max(1, (os.cpu_count() or 2) - 1))
        environment = {**os.environ, "PYTHONPATH": path, "RAYON_NUM_THREADS": threads}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "core_hooks.capture.plan_process"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        self._task = {
            "path": str(corpus.path), "column": corpus.column, "label": corpus.label, "encoding": corpus.encoding,
            "tokenizer": backend.to_str(), "name": name, "shard_rows": shard_rows, "context": context,
        }  # fmt: skip

    @property
    def number(self) -> int:
        """Of the process."""
        return self._child.pid

    def __enter__(self) -> PlanProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def plans(self, first_row: int, place: Place, cancel: threading.Event) -> Iterator[ShardPlan]:
        """Give the plans from a place on, as `plan_shards` does; `cancel` ends them.

        Raises
        ------
        CaptureError
            The corpus can't be read or tokenised, or the process was ended by something else.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            for line in (self._task, {"first_row": first_row, "place": place.as_json()}):
                self._child.stdin.write(json.dumps(line).encode() + b"\n")
            self._child.stdin.close()
        except OSError:
            raise self._gone() from None
        while not cancel.is_set():
            head = self._child.stdout.readline()
            message = json.loads(head) if head.endswith(b"\n") else None
            if message is None:
                raise self._gone()
            if "error" in message:
                raise CaptureError(message["error"])
            if message["end"]:
                return
            plan = _read_plan(message, self._child.stdout)
            if plan is None:
                raise self._gone()
            yield plan

    def _gone(self) -> CaptureError:
        return CaptureError(
            f"The process that reads '{self._task['path']}' was ended (code {self._child.wait()}), maybe for want of "
            "memory; resume the job."
        )


def _write_plan(plan: ShardPlan, out: BinaryIO) -> None:
    arrays = [getattr(plan, name) for name in _ARRAYS]
    arrays += [getattr(plan.texts, field.name) for field in fields(PackedTexts)]
    head = {
        "end": False, "arrays": [[array.dtype.str, len(array)] for array in arrays], "first_row": plan.first_row,
        "first_text": plan.first_text, "empty": plan.empty, "next": plan.next.as_json(),
    }  # fmt: skip
    out.write(json.dumps(head).encode() + b"\n")
    for array in arrays:
        out.write(np.ascontiguousarray(array).data)
    out.flush()


def _read_plan(head: dict[str, Any], source: IO[bytes]) -> ShardPlan | None:
    """The plan behind its line; None when the writer ended in the middle of it."""
    arrays = []
    for dtype, count in head["arrays"]:
        data = source.read(np.dtype(dtype).itemsize * count)
        if len(data) < np.dtype(dtype).itemsize * count:
            return None
        arrays.append(np.frombuffer(data, dtype))
    ids, starts, numbers, firsts, *texts = arrays
    rest = (head["first_row"], head["first_text"], head["empty"], Place(**head["next"]))
    return ShardPlan(ids, starts, numbers, firsts, PackedTexts(*texts), *rest)


def main(source: BinaryIO, out: BinaryIO) -> int:
    """Plan what is asked for, and report a failure as a line of JSON."""
    from tokenizers import Tokenizer

    if hasattr(os, "nice"):
        os.nice(_NICE)  # the model goes first
    task, begin = (json.loads(line or "{}") for line in (source.readline(), source.readline()))
    if not begin:
        return 0  # not needed after all
    try:
        corpus = Corpus(Path(task["path"]), column=task["column"], label=task["label"], encoding=task["encoding"])
        place = Place(**begin["place"])
        tokenize = fast_tokenizer(Tokenizer.from_str(task["tokenizer"]), task["name"])
        for plan in plan_shards(
            corpus.texts(place.record), tokenize, shard_rows=task["shard_rows"], context=task["context"],
            first_row=begin["first_row"], place=place,
        ):  # fmt: skip
            _write_plan(plan, out)
        out.write(b'{"end": true}\n')
    except CaptureError as error:
        out.write(json.dumps({"error": str(error)}).encode() + b"\n")
    out.flush()
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.stdin.buffer, sys.stdout.buffer))
    except BrokenPipeError:
        os._exit(1)  # whoever asked is gone
