"""The light and the dark look: Fusion with our own palettes and one accent colour."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QStyle, QStyleFactory

Mode = Literal["system", "light", "dark"]
MODES: tuple[Mode, ...] = ("system", "light", "dark")

_Role = QPalette.ColorRole
_Group = QPalette.ColorGroup

# Roles that carry text, and the role behind it. `tests` holds every pair to WCAG 2 AA in both themes.
TEXT_PAIRS: tuple[tuple[QPalette.ColorRole, QPalette.ColorRole], ...] = (
    (_Role.WindowText, _Role.Window),
    (_Role.WindowText, _Role.Base),
    (_Role.Text, _Role.Base),
    (_Role.Text, _Role.AlternateBase),
    (_Role.Text, _Role.Window),
    (_Role.Text, _Role.Button),
    (_Role.ButtonText, _Role.Button),
    (_Role.ButtonText, _Role.Window),
    (_Role.BrightText, _Role.Window),
    (_Role.BrightText, _Role.Base),
    (_Role.HighlightedText, _Role.Highlight),
    (_Role.HighlightedText, _Role.Accent),
    (_Role.ToolTipText, _Role.ToolTipBase),
    (_Role.PlaceholderText, _Role.Base),
    (_Role.PlaceholderText, _Role.AlternateBase),
    (_Role.PlaceholderText, _Role.Window),
    (_Role.Link, _Role.Base),
    (_Role.Link, _Role.Window),
    (_Role.LinkVisited, _Role.Base),
    (_Role.LinkVisited, _Role.Window),
)

_BOXES = ("QCheckBox", "QRadioButton")

_LIGHT = {
    _Role.Window: "#f2f3f5",
    _Role.WindowText: "#1c2026",
    _Role.Base: "#ffffff",
    _Role.AlternateBase: "#f6f7f9",
    _Role.Text: "#1c2026",
    _Role.Button: "#e8eaee",
    _Role.ButtonText: "#1c2026",
    _Role.BrightText: "#b3261e",
    _Role.Highlight: "#2b5cc4",
    _Role.HighlightedText: "#ffffff",
    _Role.Accent: "#2b5cc4",
    _Role.Link: "#2453b8",
    _Role.LinkVisited: "#6d3fa8",
    _Role.ToolTipBase: "#ffffff",
    _Role.ToolTipText: "#1c2026",
    _Role.PlaceholderText: "#5c6470",
    _Role.Light: "#ffffff",
    _Role.Midlight: "#f6f7f9",
    _Role.Mid: "#b9bec7",
    _Role.Dark: "#979da8",
    _Role.Shadow: "#6c727d",
}
_LIGHT_DISABLED = {
    _Role.WindowText: "#757c88",
    _Role.Text: "#757c88",
    _Role.ButtonText: "#70767f",
    _Role.PlaceholderText: "#7b828d",
    _Role.Base: "#f6f7f9",
    _Role.Highlight: "#c3c8d1",
    _Role.HighlightedText: "#4d535d",
    _Role.Accent: "#c3c8d1",
}

_DARK = {
    _Role.Window: "#22252b",
    _Role.WindowText: "#e4e7eb",
    _Role.Base: "#191b20",
    _Role.AlternateBase: "#1f2127",
    _Role.Text: "#e4e7eb",
    _Role.Button: "#30343c",
    _Role.ButtonText: "#e4e7eb",
    _Role.BrightText: "#ff9b91",
    _Role.Highlight: "#3563c2",
    _Role.HighlightedText: "#ffffff",
    _Role.Accent: "#3563c2",
    _Role.Link: "#8fb3ff",
    _Role.LinkVisited: "#c5a3f5",
    _Role.ToolTipBase: "#30343c",
    _Role.ToolTipText: "#e4e7eb",
    _Role.PlaceholderText: "#9aa2ae",
    _Role.Light: "#353a43",
    _Role.Midlight: "#3a3f48",
    _Role.Mid: "#41464f",
    _Role.Dark: "#14161a",
    _Role.Shadow: "#0b0c0e",
}
_DARK_DISABLED = {
    _Role.WindowText: "#868e9a",
    _Role.Text: "#868e9a",
    _Role.ButtonText: "#8b929d",
    _Role.PlaceholderText: "#7f8793",
    _Role.Base: "#1f2127",
    _Role.Highlight: "#3d424c",
    _Role.HighlightedText: "#b4bac4",
    _Role.Accent: "#3d424c",
}


def palette(*, dark: bool) -> QPalette:
    """The whole palette of one theme."""
    built = QPalette()
    for role, colour in (_DARK if dark else _LIGHT).items():
        built.setColor(_Group.All, role, QColor(colour))
    for role, colour in (_DARK_DISABLED if dark else _LIGHT_DISABLED).items():
        built.setColor(_Group.Disabled, role, QColor(colour))
    return built


def box_palette(*, dark: bool) -> QPalette:
    """The palette of check boxes and radio buttons.

    Fusion frames them in the colour of the window, darkened by 1.4: on a dark ground a frame that nobody sees.
    """
    built = palette(dark=dark)
    for group in (_Group.Active, _Group.Inactive, _Group.Disabled):
        frame = built.color(_Group.Disabled, _Role.WindowText)
        built.setColor(group, _Role.Window, frame.lighter(140))
    return built


def is_dark(of: QPalette | None = None) -> bool:
    """Whether a palette, by default the application's, has light text on a dark ground."""
    chosen = QGuiApplication.palette() if of is None else of
    return chosen.color(_Role.Window).lightness() < chosen.color(_Role.WindowText).lightness()


def apply_theme(application: QApplication, mode: Mode) -> None:
    """Give the application the light look, the dark look, or the one of the system, followed when that changes."""
    if mode not in MODES:
        raise ValueError(f"There is no theme '{mode}': choose one of {', '.join(MODES)}.")
    follower = application.findChild(_SystemFollower)
    if follower is None:
        follower = _SystemFollower(application)
    follower.follow(mode)


def current_mode(application: QApplication) -> Mode:
    """The mode last given to `apply_theme`; "system" before that."""
    follower = application.findChild(_SystemFollower)
    return "system" if follower is None else follower.mode


class _SystemFollower(QObject):
    """Keeps the application's palette in step with the chosen mode and, for "system", with the desktop."""

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._application = application
        self.mode: Mode = "system"
        if application.style().objectName() != "fusion":
            application.setStyle(_fusion())
        application.styleHints().colorSchemeChanged.connect(self._on_hints_color_scheme_changed)

    def follow(self, mode: Mode) -> None:
        self.mode = mode
        hints = self._application.styleHints()
        # Told to the platform too, so that window frames and native dialogs match.
        if mode == "system":
            hints.unsetColorScheme()
        else:
            hints.setColorScheme(Qt.ColorScheme.Dark if mode == "dark" else Qt.ColorScheme.Light)
        self._show()

    @Slot()
    def _on_hints_color_scheme_changed(self) -> None:
        if self.mode == "system":
            self._show()

    def _show(self) -> None:
        if self.mode == "system":
            # A platform that does not say gets the light look.
            dark = self._application.styleHints().colorScheme() == Qt.ColorScheme.Dark
        else:
            dark = self.mode == "dark"
        self._application.setPalette(palette(dark=dark))
        for kind in _BOXES:
            # Bytes, which the stubs ask for, are refused.
            self._application.setPalette(box_palette(dark=dark), kind)  # type: ignore[arg-type]


def _fusion() -> QStyle:
    style = QStyleFactory.create("Fusion")
    if style is None:
        raise RuntimeError("This build of Qt has no Fusion style.")
    return style
