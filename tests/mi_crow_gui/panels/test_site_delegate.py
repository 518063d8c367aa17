"""Sites in a narrow column of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect
from PySide6.QtGui import QPainter, QPixmap, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QStyleOptionViewItem

from mi_crow_gui.panels import site_delegate
from mi_crow_gui.panels.site_delegate import SiteDelegate

if TYPE_CHECKING:
    import pytest
    from pytestqt.qtbot import QtBot


def test_numbered_siblings_are_drawn_apart_and_the_size_hint_asks_for_the_whole_name(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    plain = site_delegate.elide_site

    def noted(site: str, fits: object) -> str:
        drawn.append(plain(site, fits))  # type: ignore[arg-type]
        return drawn[-1]

    monkeypatch.setattr(site_delegate, "elide_site", noted)
    model, delegate = QStandardItemModel(), SiteDelegate()
    for number in range(3):
        model.appendRow(QStandardItem(f"encoder.some_layers.{number}.attention.output"))
    picture, option = QPixmap(400, 24), QStyleOptionViewItem()
    option.rect = QRect(0, 0, 180, 24)
    painter = QPainter(picture)
    for number in range(3):
        delegate.paint(painter, option, model.index(number, 0))
    painter.end()
    assert len(set(drawn)) == 3
    assert all(text.startswith(("encoder…", "…")) for text in drawn)
    assert delegate.sizeHint(QStyleOptionViewItem(), model.index(0, 0)).width() > 180
    assert len(drawn) == 3
