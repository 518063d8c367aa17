"""What every plot of the board is: a title line, a picture, a line of read-out, and settings."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import QEvent, QSize, Signal
from PySide6.QtWidgets import QStackedWidget, QToolButton, QVBoxLayout, QWidget

from mi_crow_gui.document.hook_spec import new_id
from mi_crow_gui.document.plot_source import NEWEST
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.panels.plots.colours import PlotColours, site_colour
from mi_crow_gui.panels.plots.empty_page import EmptyPage
from mi_crow_gui.panels.plots.foot_line import FootLine
from mi_crow_gui.panels.plots.frame_words import NARROW, moment_words, no_values
from mi_crow_gui.panels.plots.source_menu import add_source_menu
from mi_crow_gui.panels.plots.title_line import TitleLine
from mi_crow_gui.panels.token_layout import readable_token
from mi_crow_gui.plotdata.options import options_of, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from PySide6.QtGui import QAction, QResizeEvent
    from PySide6.QtWidgets import QMenu

    from mi_crow_gui.plotdata.drawing import Drawing

NO_TOKEN = -1
# A lower plot needs the room of its foot line for its picture; and so low it still says something.
LOW, LEAST = 22 * GRID, 16 * GRID
_APPLYING = "the new settings are being applied"


class PlotPanel(QWidget):
    """A plot of one site. Subclasses say what is drawn; frames, runs and the document are none of its business.

    Positions of tokens are absolute; `NO_TOKEN` in a signal means none.
    """

    settingsChanged = Signal()
    tokenHovered = Signal(int)
    tokenSelected = Signal(int)
    closeRequested = Signal()
    exportRequested = Signal()
    pinRequested = Signal(bool)
    sourceRequested = Signal(str)
    offerTaken = Signal()
    readout = Signal(str)

    kind: ClassVar[str]
    title: ClassVar[str]
    settings_type: ClassVar[type]
    least_height: ClassVar[int] = LEAST

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot_id = new_id()
        self._settings = self.settings_type()
        self._site: str | None = None
        self._drawing: Any = None
        self._token: int | None = None
        self._pointed: int | None = None
        self._stale = self._said = ""
        self._low = False
        self._pinnable = self._pinned = False
        self._source = NEWEST
        self._sources: tuple[str, ...] = ()
        self._missing = self._empty_offer = ""
        self._colours = PlotColours.of(self.palette())
        self.setProperty("plotKind", self.kind)
        self.setProperty("site", "")

        title = self._title = TitleLine(self)
        title.menu.aboutToShow.connect(self._on_menu_about_to_show)
        title.close.clicked.connect(self._on_close_clicked)
        self._empty = EmptyPage()
        self._empty.offerTaken.connect(self.offerTaken)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._build())
        self._foot = FootLine()

        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addLayout(title)
        self._column.addWidget(self._stack, 1)
        self._column.addWidget(self._foot)
        self._say_titles()
        self._show_empty()

    # ---- for the board and the wiring ------------------------------------------------------------------------------

    def settings(self) -> Any:
        """What the plot is asked to be: a frozen value for `prepare`."""
        return self._settings

    def options(self) -> tuple[tuple[str, str], ...]:
        """The settings as a session keeps them."""
        return options_of(self._settings)

    def set_options(self, options: Iterable[tuple[str, str]]) -> None:
        """Take settings from the document: what is shown with others is outdated."""
        known: Any = settings_from(self.settings_type, options)
        if known == self._settings:
            return
        self._settings = known
        if self._drawing is not None:
            self.mark_stale(_APPLYING)
            self.settingsChanged.emit()

    def change_settings(self, **changes: Any) -> None:
        """Change some of the settings; the picture is outdated, and says so, until its new drawing arrives."""
        changed = replace(self._settings, **changes)
        if changed != self._settings:
            self._settings = changed
            if self._drawing is not None:
                self.mark_stale(_APPLYING)
            self.settingsChanged.emit()

    @property
    def drawing(self) -> Any:
        """What is shown, None when nothing is."""
        return self._drawing

    @property
    def stale(self) -> str:
        """Why what is shown is not the newest; "" when it is."""
        return self._stale

    def set_closable(self, closable: bool) -> None:
        """A plot outside a board has nothing to be closed from."""
        self._title.close.setVisible(closable)

    def set_pinnable(self, pinnable: bool) -> None:
        """Whether the plot offers to stay with its site, for who listens to `pinRequested`."""
        self._pinnable = pinnable

    def set_pinned(self, pinned: bool) -> None:
        """Whether the plot stays with its site or follows the selection."""
        self._pinned = pinned

    def set_sources(self, sources: tuple[str, ...]) -> None:
        """Which runs the plot offers to show, for who listens to `sourceRequested`."""
        self._sources = sources

    @property
    def source(self) -> str:
        """Which run the plot is about."""
        return self._source

    def set_source(self, source: str) -> None:
        """Which run the plot is about; what is shown of another disappears."""
        if source != self._source:
            self._source = source
            self.clear()

    def set_missing(self, sentence: str, offer: str = "") -> None:
        """Show nothing and say why, with words for a button that helps; "" says what is usual."""
        if (sentence, offer) != (self._missing, self._empty_offer) or self._drawing is not None:
            self._missing, self._empty_offer = sentence, offer
            self.clear()

    def set_site(self, site: str | None) -> None:
        """The site this plot is about; what is shown of another one disappears."""
        if site == self._site:
            return
        self._site = site
        self.setProperty("site", site or "")
        if self._drawing is not None and self._drawing.site != site:
            self.clear()
        self._say_titles()
        self._show_empty()

    def show_drawing(self, drawing: Drawing) -> None:
        """Show what `prepare` made."""
        self._stale = _APPLYING if drawing.settings != self._settings else ""
        self._drawing = drawing
        if self._site != drawing.site:
            self._site = drawing.site
            self.setProperty("site", drawing.site)
        self._missing = self._empty_offer = ""
        self._say_titles()
        if drawing.rows.values.size == 0:
            self._show_empty()
            return
        self._draw(drawing)
        self._mark_token(self._token)
        self._mark_pointed(self._pointed)
        stage = {"before": "before controllers", "input": "input"}.get(drawing.frame.stage, "")
        self._say_note(" · ".join(words for words in (drawing.frame.about, self._note(drawing), stage) if words))
        self._stack.setCurrentIndex(1)

    def set_token(self, position: int | None) -> None:
        """Point at a token of the sequence."""
        if position != self._token:
            self._token = position
            if self._drawing is not None:
                self._mark_token(position)

    def set_pointed(self, position: int | None) -> None:
        """Show which token is under the mouse, here or elsewhere."""
        if position != self._pointed:
            self._pointed = position
            if self._drawing is not None:
                self._mark_pointed(position)

    def mark_stale(self, reason: str) -> None:
        """Say that what is shown is not the newest, until a new drawing arrives."""
        self._stale = reason
        self._say_titles()

    def clear(self) -> None:
        """Show nothing."""
        self._drawing = None
        self._stale = ""
        self._say_note("")
        self._foot.set_readout("")
        self._say_titles()
        self._show_empty()

    def set_palette_theme(self) -> None:
        """Take the colours of the palette; happens by itself when the palette changes."""
        self._colours = PlotColours.of(self.palette())
        self._say_titles()
        self._recolour(self._colours)

    @contextmanager
    def as_picture(self) -> Iterator[QWidget]:
        """The widget as an export shows it: without buttons and cursor."""
        self._foot.set_readout("")
        self._float_foot(False)
        shown = [button for button in self.findChildren(QToolButton) if button.isVisibleTo(self)]
        for button in shown:
            button.setVisible(False)
        self._title.set_margin(GRID)
        self._column.activate()
        try:
            yield self
        finally:
            self._title.set_margin(0)
            self._float_foot(self._low)
            for button in shown:
                button.setVisible(True)

    # ---- for subclasses --------------------------------------------------------------------------------------------

    def _build(self) -> QWidget:
        """Make the picture."""
        raise NotImplementedError

    def _draw(self, drawing: Any) -> None:
        """Show a drawing that has at least one value."""
        raise NotImplementedError

    def _note(self, drawing: Any) -> str:
        """What the foot line says while nothing is pointed at."""
        return ""

    def _mark_token(self, position: int | None) -> None:
        """Draw the selected token's line."""

    def _mark_pointed(self, position: int | None) -> None:
        """Draw the line of the token under the mouse, and nothing else: it moves with the mouse."""

    def _recolour(self, colours: PlotColours) -> None:
        """Draw in other colours."""

    def _fill_menu(self, menu: QMenu) -> None:
        """Add this plot's own entries to the options menu."""

    def _point_at(self, text: str, position: int = NO_TOKEN) -> None:
        """Tell what is under the cursor; "" when nothing is."""
        self._foot.set_readout(text)
        self.readout.emit(f"{self._site or 'model'} · {text}" if text else "")
        self.tokenHovered.emit(position)

    def _move_token(self, by: int) -> None:
        """Select the token `by` places from the selected one, or an end of the sequence when none is."""
        if self._drawing is None or self._drawing.rows.row != "token":
            return
        rows = self._drawing.rows
        last = rows.first + rows.count - 1
        wanted = (rows.first if by > 0 else last) if self._token is None else self._token + by
        self.tokenSelected.emit(max(rows.first, min(wanted, last)))

    def _token_words(self, position: int) -> str:
        """A row as the read-out names it: token 7 ␣gave."""
        rows = self._drawing.rows
        text = rows.label(position)
        return f"{rows.row} {position} {readable_token(text)}" if text else f"{rows.row} {position}"

    def _add_choice(self, menu: QMenu, title: str, choices: Iterable[tuple[object, str]], field: str) -> list[QAction]:
        """A submenu whose entries (value, words) set one field of the settings."""
        actions = []
        inner = menu.addMenu(title)
        for value, words in choices:
            action = inner.addAction(words)
            action.setCheckable(True)
            action.setChecked(getattr(self._settings, field) == value)
            action.triggered.connect(lambda _checked=False, value=value: self.change_settings(**{field: value}))
            actions.append(action)
        return actions

    def _add_switch(self, menu: QMenu, title: str, field: str) -> None:
        """An entry that turns one field of the settings on or off."""
        action = menu.addAction(title)
        action.setCheckable(True)
        action.setChecked(getattr(self._settings, field))
        action.toggled.connect(lambda on: self.change_settings(**{field: on}))

    # ---- Qt and the inside -----------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(60 * GRID, 40 * GRID)

    def minimumSizeHint(self) -> QSize:  # noqa: D102 - Qt's
        return QSize(24 * GRID, self.least_height)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102 - Qt's
        super().resizeEvent(event)
        self._title.set_narrow(self.width() < NARROW)
        if (self.height() < LOW) != self._low:
            self._low = not self._low
            self._float_foot(self._low)
        self._foot.lie_in(self.rect())
        if (event.oldSize().width() < NARROW) != (self.width() < NARROW):
            self._say_titles()

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and hasattr(self, "_foot"):
            self.set_palette_theme()

    def _float_foot(self, floating: bool) -> None:
        self._foot.set_floating(floating, self._column, self._stack)

    def _say_note(self, note: str) -> None:
        """What the picture is of, in the foot line and where that does not fit."""
        self._said = note
        self._foot.set_note(note)
        self.setAccessibleDescription(note)
        if not self._stale:
            self._title.when.setToolTip(note)

    def _on_close_clicked(self) -> None:
        self.closeRequested.emit()

    def _on_menu_about_to_show(self) -> None:
        menu = self._title.menu
        menu.clear()
        self._fill_menu(menu)
        if self._pinnable and self._site is not None:
            pin = menu.addAction(f"Stay with {self._site or 'the model'}")
            pin.setCheckable(True)
            pin.setChecked(self._pinned)
            pin.toggled.connect(self.pinRequested)
        if len(self._sources) > 1:
            add_source_menu(menu, self._sources, self._source, self.sourceRequested.emit)
        menu.addSeparator()
        copy = menu.addAction("Copy as image", self._copy_image)
        export = menu.addAction("Export…", self.exportRequested.emit)
        for action in (copy, export):
            action.setEnabled(self._drawing is not None)

    def _copy_image(self) -> None:
        from mi_crow_gui.panels.plots.export import copy_image

        copy_image(self)

    def _say_titles(self) -> None:
        site = self._site
        self._title.set_site(site, None if site is None else site_colour(site, self.palette()))
        drawing = self._drawing
        when = "" if drawing is None else moment_words(drawing, self.width())
        if self._stale:
            when = f"⚠ {when} (stale)" if when else ""
        self._title.when.setText(when)
        self._title.when.setToolTip(f"Not the newest: {self._stale}." if self._stale else self._said)
        self._foot.set_warning(f"Not the newest: {self._stale}" if self._stale and drawing is not None else "")
        self.setAccessibleName(f"{self.title} of {site or 'the model'}" if site is not None else self.title)

    def _show_empty(self) -> None:
        if self._drawing is not None and self._drawing.rows.values.size:
            return
        if self._drawing is not None:
            text = no_values(self._site or "", self._drawing.frame)
        elif self._missing:
            text = self._missing
        elif self._site is None:
            text = "Select a module to see it here."
        else:
            text = f"Run the model to see {self._site or 'its output'} here."
        self._empty.setText(text)
        self._empty.set_offer(self._empty_offer if self._missing else "")
        self._stack.setCurrentIndex(0)
