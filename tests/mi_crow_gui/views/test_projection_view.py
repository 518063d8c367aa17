"""The projection, driven through the window: components at once, other methods by a process of their own."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtWidgets import QMenu, QToolButton

from core_hooks.analysis.embedding import TSNE, UMAP, lacking
from mi_crow_gui.panels.plots.embedding_bar import EmbeddingBar
from mi_crow_gui.plotdata.projection import LABEL, PCA, TOKEN

if TYPE_CHECKING:
    from tests.mi_crow_gui.views.conftest import PlainModel, Views

SITE = "transformer.h.1"

needs_sklearn = pytest.mark.skipif(bool(lacking(TSNE)), reason="scikit-learn is not installed")


def projection(views: Views, prompt: str) -> Any:
    panel = views.only("projection")
    views.driver.tick(SITE)
    outcome = views.run(prompt)
    views.qtbot.waitUntil(
        lambda: panel.drawing is not None and not panel.stale and panel.drawing.run == outcome.info.number
    )
    return panel


def choices(panel: Any, title: str) -> dict[str, bool]:
    """What a submenu of the options offers, and whether it can be chosen."""
    panel._on_menu_about_to_show()
    menu = next(menu for menu in panel.findChildren(QMenu) if menu.title() == title)
    return {action.text(): action.isEnabled() for action in menu.actions()}


def test_the_points_are_the_principal_components_of_what_the_block_gave(
    views: Views, plain: PlainModel, repeated_prompt: str
) -> None:
    panel = projection(views, repeated_prompt)
    hidden = plain(plain.ids(repeated_prompt), output_hidden_states=True).hidden_states[2][0, 1:].double().numpy()
    left, sizes, _ = np.linalg.svd(hidden - hidden.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(panel.drawing.points), np.abs(left[:, :2] * sizes[:2]), atol=1e-3)


@needs_sklearn
def test_t_sne_comes_after_the_components_and_stays_when_colours_change(views: Views, repeated_prompt: str) -> None:
    panel = projection(views, repeated_prompt)
    wanted: list[object] = []
    panel.embeddingWanted.connect(wanted.append)
    panel.change_settings(method=TSNE)
    bar = panel.findChild(EmbeddingBar)
    views.qtbot.waitUntil(lambda: not bar.isHidden(), timeout=8_000)
    assert panel.drawing.method == PCA
    views.qtbot.waitUntil(lambda: panel.drawing.method == TSNE, timeout=90_000)
    assert bar.isHidden()
    assert "t-SNE of 23 tokens" in panel.accessibleDescription()
    points = panel.drawing.points
    assert np.isfinite(points).all()
    assert panel.drawing.table().header[-1] == "t-SNE 2"
    panel.change_settings(colour=TOKEN)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.colour == TOKEN, timeout=8_000)
    np.testing.assert_array_equal(panel.drawing.points, points)
    assert len(wanted) == 1


@needs_sklearn
def test_cancel_ends_the_process_and_goes_back_to_the_components(views: Views, repeated_prompt: str) -> None:
    panel = projection(views, repeated_prompt)
    panel.change_settings(method=TSNE)
    views.qtbot.waitUntil(lambda: not panel.findChild(EmbeddingBar).isHidden(), timeout=8_000)
    panel.findChild(QToolButton, "embeddingCancel").click()
    assert panel.findChild(EmbeddingBar).isHidden()
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.method == PCA, timeout=8_000)
    assert panel.settings().method == PCA


@needs_sklearn
def test_closing_the_window_ends_the_process(views: Views, repeated_prompt: str) -> None:
    panel = projection(views, repeated_prompt)
    panel.change_settings(method=TSNE)
    views.qtbot.waitUntil(lambda: not panel.findChild(EmbeddingBar).isHidden(), timeout=8_000)
    views.driver.window.close()


def test_what_is_not_installed_is_greyed_with_the_reason_and_components_are_shown(
    views: Views, repeated_prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = projection(views, repeated_prompt)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name in ("umap", "sklearn") else found(name, *more)
    )
    assert choices(panel, "Method") == {
        "PCA": True,
        "UMAP needs umap-learn, which is not installed: pip install umap-learn": False,
        "t-SNE needs scikit-learn, which is not installed: pip install scikit-learn": False,
    }
    panel.change_settings(method=UMAP)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.method == UMAP, timeout=8_000)
    assert panel.drawing.method == PCA
    assert panel.accessibleDescription().startswith("UMAP needs umap-learn")


def test_labels_are_offered_where_there_are_some(views: Views, repeated_prompt: str) -> None:
    panel = projection(views, repeated_prompt)
    assert choices(panel, "Colour by")["Label of the text (only corpora captured with labels have them)"] is False
    panel.change_settings(colour=LABEL)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.colour == LABEL, timeout=8_000)
    assert len(set(panel.drawing.colours.tolist())) == 1
