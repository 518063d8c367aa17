"""Residual norms, driven through the window and checked against plain hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mi_crow_gui.plotdata.scale import MIN_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mi_crow_gui.views.conftest import PlainModel, Views


def plain_norms(plain: PlainModel, text: str) -> np.ndarray:
    stream = []
    blocks = plain.model.transformer.h
    handles = [blocks[0].register_forward_pre_hook(lambda module, args: stream.append(args[0].clone()))]
    for block in blocks:
        handles.append(
            block.register_forward_hook(
                lambda module, args, out: stream.append((out[0] if isinstance(out, tuple) else out).clone())
            )
        )
    plain(plain.ids(text))
    for handle in handles:
        handle.remove()
    return np.stack([np.sqrt((values[0].numpy().astype(np.float64) ** 2).sum(-1)) for values in stream])


def test_the_norms_are_those_of_what_plain_hooks_see(views: Views, plain: PlainModel, repeated_prompt: str) -> None:
    panel = views.only("residual_norms")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    np.testing.assert_allclose(content.norms, plain_norms(plain, repeated_prompt), rtol=1e-4)


def test_the_first_token_has_no_say_in_the_colours_unless_asked_for(views: Views, repeated_prompt: str) -> None:
    panel = views.only("residual_norms")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    assert panel.drawing.scale.high <= content.norms[:, 1:].max() < content.norms.max()
    assert "token 0 left out" in panel.drawing.scale.note
    panel.change_settings(scale=MIN_MAX)
    views.qtbot.waitUntil(lambda: not panel.stale and panel.drawing.settings.scale == MIN_MAX, timeout=8_000)
    assert panel.drawing.scale.high == content.norms.max()


def test_the_numbers_are_written_as_measured(views: Views, repeated_prompt: str, tmp_path: Path) -> None:
    panel = views.only("residual_norms")
    outcome = views.run(repeated_prompt)
    content = views.wait_shown(panel, outcome.info.number)
    panel.drawing.table().write_npy(tmp_path / "norms.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "norms.npy", allow_pickle=False), content.norms)
    panel.drawing.table().write_csv(tmp_path / "norms.csv")
    assert "block 3" in (tmp_path / "norms.csv").read_text(encoding="utf-8")
