from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core_hooks.analysis.embedding import TSNE
from mi_crow_gui.plotdata.projection import LABEL, TOKEN, ProjectionSettings, prepare_projection
from mi_crow_gui.plotdata.rows import NotDrawable
from tests.mi_crow_gui.plotdata.frames import frame, noise


@pytest.mark.parametrize("shape", [(1, 40, 100), (1, 300, 20)])
def test_points_lie_along_the_first_two_singular_vectors(shape: tuple[int, ...]) -> None:
    values = noise(*shape)
    drawing = prepare_projection(frame(values), ProjectionSettings(hide_first=False))
    centred = values[0].astype(np.float64) - values[0].astype(np.float64).mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(drawing.points), np.abs(left[:, :2] * sizes[:2]), atol=1e-4)
    np.testing.assert_allclose(drawing.shares, sizes[:2] ** 2 / (sizes**2).sum(), rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 8), (1, 8, 1), (1, 3, 3)])
def test_where_nothing_varies_every_point_lies_at_zero(shape: tuple[int, ...]) -> None:
    drawing = prepare_projection(frame(np.ones(shape, np.float32)), ProjectionSettings(hide_first=False))
    assert drawing.points.shape == (shape[1], 2)
    assert not drawing.points.any()
    assert drawing.shares == (0, 0)


def test_rows_that_are_not_finite_have_no_place_and_are_counted() -> None:
    values = noise(1, 6, 4)
    values[0, 2, 1] = np.nan
    drawing = prepare_projection(frame(values, first_token=10), ProjectionSettings())
    assert drawing.positions.tolist() == [10, 11, 13, 14, 15]
    assert drawing.left_out == 1
    assert np.isfinite(drawing.points).all()


def test_the_same_token_has_the_same_colour_and_the_first_token_is_left_out() -> None:
    tokens = ("x", " a", " b", " a", " a")
    drawing = prepare_projection(frame(noise(1, 5, 4), tokens=tokens), ProjectionSettings(TOKEN))
    assert drawing.positions.tolist() == [1, 2, 3, 4]
    assert drawing.colours[0] == drawing.colours[2] == drawing.colours[3]
    assert drawing.scale is None


def test_values_whose_squares_overflow_are_refused_in_words() -> None:
    with pytest.raises(NotDrawable, match="too large"):
        prepare_projection(frame(noise(1, 5, 4) * np.float32(3e37)), ProjectionSettings())


def test_nothing_finite_leaves_no_points() -> None:
    drawing = prepare_projection(frame(np.full((1, 4, 4), np.nan, np.float32)), ProjectionSettings(hide_first=False))
    assert drawing.points.shape == (0, 2)
    assert drawing.left_out == 4


def test_tokens_of_texts_with_the_same_label_have_the_same_colour() -> None:
    labelled = replace(frame(noise(1, 5, 4)), classes=("", "cat", "dog", "cat", "dog"))
    colours = prepare_projection(labelled, ProjectionSettings(LABEL)).colours.tolist()
    assert colours[0] == colours[2] != colours[1] == colours[3]


def test_another_method_is_given_the_first_components_and_only_when_the_run_has_ended() -> None:
    values = noise(1, 200, 80)
    drawing = prepare_projection(frame(values), ProjectionSettings(method=TSNE))
    assert drawing.reduced is not None
    assert drawing.reduced.shape == (199, 50)
    np.testing.assert_array_equal(drawing.reduced[:, :2], drawing.points)
    assert prepare_projection(replace(frame(values), live=True), ProjectionSettings(method=TSNE)).reduced is None
    assert prepare_projection(frame(values[:, :4]), ProjectionSettings(method=TSNE)).reduced is None
