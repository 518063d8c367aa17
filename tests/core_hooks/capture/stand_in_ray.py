"""As much of Ray as a capture job needs, in one process: written beside a test as the package ``ray``.

An address ``late:...`` answers once a file of that name is there, ``nowhere:...`` never; ``dies:...`` ends the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
import os
import time
from types import SimpleNamespace

_on = False


class RayError(Exception):
    pass


exceptions = SimpleNamespace(
    RayError=RayError, RayTaskError=type("RayTaskError", (RayError,), {}),
    **{name: type(name, (RayError,), {}) for name in
       ("RayActorError", "WorkerCrashedError", "ObjectLostError", "OutOfMemoryError")},
)


def is_initialized():
    return _on


def init(address=None, **settings):
    global _on
    kind, _, rest = (address or "").partition(":")
    if kind == "nowhere":
        raise ConnectionError("nobody is there")
    if kind == "dies":
        print("the cluster was lost", file=__import__("sys").stderr, flush=True)
        os._exit(7)
    while kind == "late" and not os.path.exists(rest):
        time.sleep(0.02)
    _on = True


def shutdown():
    global _on
    _on = False


def cluster_resources():
    return {"CPU": 2.0}


def remote(**resources):
    return lambda kind: SimpleNamespace(remote=lambda *given: _Actor(kind(*given)))


class _Actor:
    def __init__(self, thing):
        self._thing = thing

    def __getattr__(self, name):
        return SimpleNamespace(remote=lambda *given: _Reference(getattr(self._thing, name), given))


class _Reference:
    def __init__(self, function, given):
        self._function, self._given = function, given

    def value(self):
        return self._function(*self._given)


def wait(references, num_returns=1, timeout=None):
    return references[:num_returns], references[num_returns:]


def get(asked):
    return [one.value() for one in asked] if isinstance(asked, list) else asked.value()


def kill(actor):
    pass
"""


def write_stand_in(folder: Path) -> Path:
    """A folder for ``PYTHONPATH`` in which ``ray`` is the stand-in."""
    package = folder / "ray"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(SOURCE, encoding="utf-8")
    return folder
