"""What a model can't take is said where it would be seen; what fills its context to the last token is analysed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QSpinBox

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import Views

KINDS = (
    "heatmap",
    "trace",
    "histogram",
    "statistics",
    "projection",
    "next_token",
    "logit_lens",
    "attention",
    "residual_norms",
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_view_says_why_a_text_of_two_thousand_tokens_is_not_shown(views: Views, kind: str) -> None:
    views.driver.tick("transformer.h.1")
    panel = views.only(kind)
    service = views.driver.window.service
    views.driver.prompt(" ".join(["violin", "harbor"] * 1000))
    with views.qtbot.waitSignal(service.failed, timeout=10_000):
        views.driver.act("run")
    sentence = "The prompt has 2,000 tokens and the model's context holds 128; shorten the prompt."
    assert panel._empty.text() == sentence
    outcome = views.run("violin harbor seven")
    views.wait_shown_drawing(panel, outcome.info.number)


@pytest.mark.parametrize("kind", ["next_token", "logit_lens", "attention", "residual_norms"])
def test_a_generation_that_fills_the_context_is_analysed_as_far_as_the_model_went(
    views: Views, repeated_prompt: str, kind: str
) -> None:
    panel = views.only(kind)
    views.driver.find(QSpinBox, "maxNewTokens").setValue(200)
    outcome = views.run(repeated_prompt, "generate")
    assert outcome.stopped == "context"
    views.qtbot.waitUntil(
        lambda: panel.drawing is not None and not panel.stale and not panel.drawing.frame.live, timeout=10_000
    )
    assert len(panel.drawing.content.tokens) == 128
