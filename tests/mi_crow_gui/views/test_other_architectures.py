"""What an architecture lacks is said by name in the plot; what it has is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core_hooks.model.reference import ModelReference
from tests.core_hooks.model.tiny import save_folder
from tests.mi_crow_gui.views.conftest import Views

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from tests.mi_crow_gui.driver import Driver

KINDS = ("next_token", "logit_lens", "attention", "residual_norms", "head_map")
PROMPT = "the store Mary gave the store Mary gave"


@pytest.fixture
def folder(tmp_path: Path, family: str) -> Path:
    """Made before the window, whose model thread imports transformers at the same time."""
    return save_folder(tmp_path / family, family)


@pytest.mark.parametrize(
    ("family", "lacking"),
    [
        ("llama", {}),
        ("bert", {}),
        ("mamba", {"attention": "Mamba", "head_map": "Mamba"}),
        ("t5", {"attention": "T5", "head_map": "T5", "logit_lens": "t5", "residual_norms": "t5", "next_token": "T5"}),
    ],
)
def test_every_view_shows_what_there_is_or_says_what_is_lacking(
    folder: Path, driver: Driver, qtbot: QtBot, family: str, lacking: dict[str, str]
) -> None:
    service = driver.window.service
    with qtbot.waitSignal(service.modelOpened, timeout=60_000):
        assert service.open(ModelReference(str(folder)))
    driver.window.show_workbench()
    views = Views(driver, qtbot)
    views.run(PROMPT)
    for kind in KINDS:
        panel = views.only(kind)
        qtbot.waitUntil(lambda panel=panel: panel.drawing is not None or said(panel) != panel.hint, timeout=10_000)
        assert (panel.drawing is None) == (kind in lacking), f"{kind}: {said(panel)}"
        if panel.drawing is None:
            assert lacking[kind] in said(panel)
        views.wait_idle()


def said(panel: Any) -> str:
    return panel._empty.text()
