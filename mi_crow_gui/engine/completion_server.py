"""The other end of `mi_crow_gui.engine.completion_process`: a process of its own, which can be ended at any moment.

Questions come as lines of JSON on standard input, answers leave as lines on standard output, until the input ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading

from mi_crow_gui.engine.completion import CompletionRequest, complete

# Reading torch's stubs takes seconds; done before anybody asks, nobody waits for it.
_FIRST = "lambda x: x."
_WHILE_IDLE = ["lambda x, ctx: torch.", "lambda x, ctx: ctx.", "lambda x: torch.nn.functional."]


def main() -> None:
    """Answer until nobody asks any more."""
    answers = sys.stdout
    # What a library prints must not come between the answers.
    sys.stdout = sys.stderr
    asked: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    _warm(_FIRST)
    _say(answers, {"ready": True})
    while True:
        try:
            line = asked.get(block=not _WHILE_IDLE)
        except queue.Empty:
            _warm(_WHILE_IDLE.pop(0))
        else:
            _answer(json.loads(line), answers)


def _listen(asked: queue.Queue[str]) -> None:
    for line in sys.stdin:
        asked.put(line)
    # Whoever asked is gone.
    os._exit(0)


def _warm(text: str) -> None:
    with contextlib.suppress(Exception):
        complete(CompletionRequest(text, 1, len(text)))


def _answer(asked: dict[str, object], answers: object) -> None:
    try:
        names = complete(CompletionRequest(asked["text"], asked["line"], asked["column"]))  # type: ignore[arg-type]
        _say(answers, {"number": asked["number"], "names": names})
    except Exception as error:  # noqa: BLE001 - a library reads text that is being written
        _say(answers, {"number": asked["number"], "names": (), "problem": f"{type(error).__name__}: {error}"})


def _say(stream: object, answer: dict[str, object]) -> None:
    print(json.dumps(answer), file=stream, flush=True)  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
