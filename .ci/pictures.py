"""`make pictures`: the pictures of the README, on the demo model and on a corpus captured from it."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, "resources/demo_model")

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path("resources/pictures")
GIVES = "When Mary and John went to the store , John gave a drink to"
OTHER = "When Mary and John went to the store , Mary gave a drink to"


class Studio:
    """The window, as an impatient person uses it."""

    def __init__(self, *arguments: str) -> None:
        from mi_crow_gui.app import create

        self.application, self.window = create(["--fresh", "--size", "1440x900", *arguments])
        self.window.show()

    def wait(self, condition: Callable[[], Any]) -> None:
        """Let the window work until the condition holds."""
        until = time.monotonic() + 60
        while not condition():
            self.application.processEvents()
            time.sleep(0.005)
            assert time.monotonic() < until, "The window did not come to what the picture is of."

    def rest(self) -> None:
        """Until nothing runs and nothing waits to be drawn."""
        for _ in range(100):
            self.wait(lambda: self.window.service.state in ("ready", "idle"))
            self.application.processEvents()
            time.sleep(0.01)

    def act(self, name: str) -> None:
        """Trigger an action and wait for what it starts."""
        self.window.action(name).trigger()
        self.rest()

    def panel(self, kind: str) -> Any:
        """The plot of a kind."""
        return next(panel for panel in self.window.plot_board.panels() if panel.kind == kind)

    def keep(self, name: str) -> None:
        """Write the window to a picture."""
        self.rest()
        path = FOLDER / f"{name}.png"
        assert self.window.grab().save(str(path))
        print(path)

    def close(self) -> None:
        """End it."""
        self.window.close()


def demo(theme: str) -> Studio:
    """The demo model, opened and run."""
    studio = Studio("--demo", "--theme", theme)
    studio.wait(lambda: studio.window.plot_board is not None and studio.window.service.run_number)
    studio.rest()
    return studio


def views() -> None:
    """Four views of one run: what the heads do and what the stream says."""
    studio = demo("dark")
    board = studio.window.plot_board
    for panel in board.panels():
        board.plotCloseRequested.emit(panel.plot_id)
    for kind in ("head_map", "attention", "logit_lens", "next_token"):
        board.plotAddRequested.emit(kind)
    studio.act("focus")
    studio.panel("attention").change_settings(block=1, head=0)
    studio.act("mapHeads")
    studio.wait(lambda: all(panel.drawing is not None for panel in board.panels()))
    board.tokenSelected.emit(14)
    studio.keep("views")
    studio.close()


def patching() -> None:
    """One prompt patched into another, measured at every block and token."""
    from PySide6.QtWidgets import QPushButton

    studio = demo("light")
    for panel in studio.window.plot_board.panels():
        studio.window.plot_board.plotCloseRequested.emit(panel.plot_id)
    studio.window.prompt.promptChanged.emit(GIVES)
    studio.act("run")
    studio.act("patchPrompts")
    panel = studio.panel("patching")
    field = panel.header.field("corrupted")
    field.setText(OTHER)
    field.editingFinished.emit()
    studio.rest()
    panel.findChild(QPushButton, "patchingMeasure").click()
    studio.wait(lambda: panel.drawing is not None and panel.drawing.content.made)
    studio.act("showBottom")
    studio.keep("patching")
    studio.close()


def neuron() -> None:
    """A corpus without its model: texts, channels, and what one channel answers to."""
    from demo_text import story  # type: ignore[import-not-found]
    from PySide6.QtWidgets import QTableView

    from core_hooks.cli import main

    with tempfile.TemporaryDirectory() as scratch:
        texts, folder = Path(scratch) / "texts.txt", Path(scratch) / "stories"
        rng = random.Random(0)
        texts.write_text("\n".join(" ".join(story(rng, 60)) for _ in range(2000)))
        layer = "transformer.h.2"
        main(
            ["capture", "resources/demo_model", "--texts", str(texts), "--layer", layer, "--out", str(folder), "--json"]
        )
        studio = Studio(str(folder), "--theme", "light")
        studio.wait(lambda: studio.window.plot_board is not None)
        studio.wait(lambda: any(type(child).__name__ == "Offline" for child in studio.window.children()))
        browser = next(child for child in studio.window.children() if type(child).__name__ == "Offline").browse.browser
        studio.rest()
        browser.show_tab(browser.channels)
        table = studio.window.findChild(QTableView, "channelsTable")
        studio.wait(lambda: table.model() is not None and table.model().rowCount())
        table.selectRow(0)
        studio.wait(lambda: any(panel.kind == "neuron_card" for panel in studio.window.plot_board.panels()))
        card = studio.panel("neuron_card")
        studio.wait(lambda: card.drawing is not None)
        studio.keep("neuron")
        studio.close()


if __name__ == "__main__":
    # One window a process, and nobody's settings: what is not the picture's subject must not be in it.
    with tempfile.TemporaryDirectory() as home:
        for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            os.environ[variable] = home
        {"views": views, "patching": patching, "neuron": neuron}[sys.argv[1]]()
