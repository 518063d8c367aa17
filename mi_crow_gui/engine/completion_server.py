"""The other end of `mi_crow_gui.engine.completion_process`: a process of its own, which can be ended at any moment.

Questions come as lines of JSON on standard input, answers leave as lines on standard output, until the input ends.
"""

from __future__ import annotations

import contextlib
import json
import sys

from mi_crow_gui.engine.completion import CompletionRequest, complete

# Reading torch's stubs takes seconds; done before anybody asks, nobody waits for it.
_FIRST = "lambda x: x."


def main() -> None:
    """Answer until nobody asks any more."""
    answers = sys.stdout
    # What a library prints must not come between the answers.
    sys.stdout = sys.stderr
    with contextlib.suppress(Exception):
        complete(CompletionRequest(_FIRST, 1, len(_FIRST)))
    _say(answers, {"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            names = complete(CompletionRequest(asked["text"], asked["line"], asked["column"]))
            _say(answers, {"number": asked["number"], "names": names})
        except Exception as error:  # noqa: BLE001 - a library reads text that is being written
            _say(answers, {"number": asked["number"], "names": (), "problem": f"{type(error).__name__}: {error}"})


def _say(stream: object, answer: dict[str, object]) -> None:
    print(json.dumps(answer), file=stream, flush=True)  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
