"""Guards: a test that leaves a thread, a timer, a widget or a torch hook behind fails, by name."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QThread, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.mi_crow_gui.driver import Driver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mi_crow_gui.window.main_window import MainWindow


# How long a test waits at least for what it waits for: a limit tells what hangs, never how quick a machine is.
PATIENCE = 100_000


class PatientBot(QtBot):
    """Takes the limit that a test gives for what it is on an idle machine."""

    def waitUntil(self, callback: Any, *, timeout: int = PATIENCE) -> None:
        super().waitUntil(callback, timeout=max(timeout, PATIENCE))

    def waitSignal(self, signal: Any, *, timeout: int = PATIENCE, **options: Any) -> Any:
        return super().waitSignal(signal, timeout=max(timeout, PATIENCE), **options)

    def waitSignals(self, signals: Any, *, timeout: int = PATIENCE, **options: Any) -> Any:
        return super().waitSignals(signals, timeout=max(timeout, PATIENCE), **options)

    def waitExposed(self, widget: Any, *, timeout: int = PATIENCE) -> Any:
        return super().waitExposed(widget, timeout=max(timeout, PATIENCE))


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """The robot of every test of the window, in no hurry."""
    return PatientBot(request)


class _Started:
    """Remembers, weakly, every object of a Qt class on which `start` was called during a test."""

    def __init__(self, kind: type) -> None:
        self.objects: list[weakref.ref[Any]] = []
        original = kind.start  # type: ignore[attr-defined]
        started = self.objects

        # A function, not a Mock: patching a Qt method with a bare Mock crashes PySide6.
        def start(this: Any, *arguments: Any) -> Any:
            started.append(weakref.ref(this))
            return original(this, *arguments)

        kind.start = start  # type: ignore[attr-defined]

    def alive(self) -> list[Any]:
        found = [reference() for reference in self.objects]
        return [this for this in found if this is not None and shiboken6.isValid(this)]


_timers = _Started(QTimer)
_threads = _Started(QThread)


def _name(this: Any) -> str:
    parent = this.parent()
    owner = f" of {type(parent).__name__}" if parent is not None else ""
    return f"{type(this).__name__} {this.objectName()!r}{owner}"


_blamed: set[int] = set()


def _own_torch_hooks() -> list[str]:
    """Hooks of ours on any module alive, found through the registries that torch keeps; each is told of once."""
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    found = []
    for module in (this for this in gc.get_objects() if issubclass(type(this), torch.nn.Module)):
        for registry in (module._forward_hooks, module._forward_pre_hooks):
            for hook in registry.values():
                owner = getattr(hook, "__module__", None) or type(hook).__module__
                if owner.startswith(("core_hooks", "mi_crow_gui")) and id(hook) not in _blamed:
                    _blamed.add(id(hook))
                    found.append(f"{owner} on {type(module).__name__}")
    return found


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves something running, showing or attached."""
    _timers.objects.clear()
    _threads.objects.clear()
    widgets_before = set(QApplication.topLevelWidgets()) if QApplication.instance() else set()
    threads_before = set(threading.enumerate())
    yield
    application = QApplication.instance()
    if application is not None:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        application.processEvents()
    left = [_name(timer) for timer in _timers.alive() if timer.isActive()]
    left += [_name(thread) for thread in _threads.alive() if thread.isRunning()]
    if application is not None:
        left += [
            f"widget {type(widget).__name__} {widget.objectName()!r}"
            for widget in QApplication.topLevelWidgets()
            if widget not in widgets_before and widget.isVisible()
        ]
    left += [
        f"thread {thread.name}"
        for thread in set(threading.enumerate()) - threads_before
        # Python's stand-ins for threads that others started (Qt's own, torch's) end with those; tqdm's monitor is
        # transformers' and lives as long as the process.
        if not isinstance(thread, threading._DummyThread) and thread.is_alive() and thread.name != "tqdm_monitor"
    ]
    if "window" in request.fixturenames or "service" in request.fixturenames:
        left += _own_torch_hooks()
    assert not left, f"left behind: {', '.join(left)}"


@pytest.fixture(autouse=True)
def collections_are_nobodys_business() -> Iterator[None]:
    """Hypothesis has itself called by every garbage collection, where an interrupt of user code would be lost."""
    theirs = [callback for callback in gc.callbacks if callback.__module__.startswith("hypothesis")]
    for callback in theirs:
        gc.callbacks.remove(callback)
    yield
    gc.callbacks[:0] = theirs


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, logs, recovery and caches of a test go to its own folder."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    from mi_crow_gui.app import create

    _, made = create(["--fresh", "--size", "1440x900"])
    made.show()
    qtbot.waitUntil(lambda: made.plot_board is not None, timeout=20_000)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def driver(qtbot: QtBot, window: MainWindow) -> Driver:
    return Driver(qtbot, window)
