"""The colours of groups: seen on either theme, and told apart by people who see fewer colours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PySide6.QtGui import QColor, QPalette

from mi_crow_gui.panels.look import contrast
from mi_crow_gui.panels.plots.colours import PlotColours, group_colours
from mi_crow_gui.plotdata.groups import MOST

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISIONS = {
    name: np.array(matrix).reshape(3, 3)
    for name, matrix in {
        "normal": (1, 0, 0, 0, 1, 0, 0, 0, 1),
        "protan": (0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998),
        "deutan": (0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881),
        "tritan": (1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039),
    }.items()
}
# Of Okabe and Ito's palette the least distance of two under deuteranopia is 0.076.
LEAST = 0.09


def lightness_and_hue(linear: np.ndarray) -> np.ndarray:
    """Ottosson's OKLab, in which distances are what people see."""
    cones = linear.clip(0, 1) @ np.array(
        [[0.4122214708, 0.2119034982, 0.0883024619], [0.5363325363, 0.6806995451, 0.2817188376],
         [0.0514459929, 0.1073969566, 0.6299787005]]
    )  # fmt: skip
    return np.cbrt(cones) @ np.array(
        [[0.2104542553, 1.9779984951, 0.0259040371], [0.793617785, -2.428592205, 0.7827717662],
         [-0.0040720468, 0.4505937099, -0.808675766]]
    )  # fmt: skip


def colours_on(base: str) -> list[QColor]:
    palette = QPalette(QColor(base))
    palette.setColor(QPalette.ColorRole.Base, QColor(base))
    return [QColor.fromRgba(colour) for colour in group_colours(PlotColours.of(palette)).tolist()]


@pytest.mark.parametrize("base", ["#ffffff", "#191b20"])
@pytest.mark.parametrize("vision", list(VISIONS))
def test_groups_are_told_apart_whatever_colours_one_sees(qapp: object, base: str, vision: str) -> None:
    shares = np.array([colour.getRgbF()[:3] for colour in colours_on(base)])
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    seen = lightness_and_hue(linear @ VISIONS[vision].T)
    distances = {
        pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in itertools.combinations(range(9), 2)
    }
    assert min(distances.values()) > LEAST, min(distances, key=distances.__getitem__)


@pytest.mark.parametrize("base", ["#ffffff", "#191b20"])
def test_groups_stand_out_from_the_background(qapp: object, base: str) -> None:
    colours = colours_on(base)
    assert len(colours) == MOST + 1
    assert all(contrast(colour, QColor(base)) >= 3 for colour in colours)
