"""While a text is generated nothing is laid out anew: plots that change their size are all painted again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QSlider, QSpinBox, QTextEdit, QWidget

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import Views


class Resized(QObject):
    """The heights that a widget takes."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.heights: list[int] = []
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and watched is self.parent():
            self.heights.append(event.size().height())  # type: ignore[attr-defined]
        return False


def settled(views: Views) -> None:
    """One layout may ask for another."""
    for _ in range(3):
        QApplication.processEvents()


def generate(views: Views, prompt: str, tokens: int) -> None:
    views.driver.find(QSpinBox, "maxNewTokens").setValue(tokens)
    views.run(prompt, "generate")
    settled(views)


def test_a_second_generation_leaves_the_plots_as_large_as_they_are(views: Views, repeated_prompt: str) -> None:
    generate(views, repeated_prompt, 60)
    board = Resized(views.board)
    generate(views, repeated_prompt, 60)
    assert board.heights == []


def test_the_slider_keeps_its_place_while_the_plots_follow_the_newest_token(views: Views) -> None:
    slider, seen = views.driver.find(QSlider, "generationSlider"), []
    service = views.driver.window.service

    def place() -> float:
        return (slider.value() - slider.minimum()) / (slider.maximum() - slider.minimum())

    service.stepsArrived.connect(lambda steps: seen.append((slider.isVisible(), slider.isEnabled(), place())))
    generate(views, "marble owl ticket marble owl", 6)
    assert seen
    assert set(seen) == {(True, False, 1.0)}
    assert slider.isVisible()
    assert slider.isEnabled()
    assert slider.maximum() == 5


def test_a_run_that_writes_nothing_takes_slider_and_output_away(views: Views) -> None:
    generate(views, "marble owl ticket", 4)
    slider, output = views.driver.find(QSlider, "generationSlider"), views.driver.find(QTextEdit, "outputView")
    assert slider.isVisible()
    assert output.isVisible()
    views.driver.run()
    assert not slider.isVisible()
    assert not output.isVisible()


def test_a_prompt_that_is_refused_leaves_the_slider_of_the_run_that_is_shown(views: Views) -> None:
    generate(views, "marble owl ticket", 4)
    with views.qtbot.waitSignal(views.driver.window.service.failed, timeout=60_000):
        views.driver.prompt("marble owl ticket " * 80)
        views.driver.act("run")
    assert views.driver.find(QSlider, "generationSlider").isVisible()
