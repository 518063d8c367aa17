"""The controller of the selected site: written, checked, applied."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidgetItem,
    QPushButton,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.document.controller_constants import constants
from mi_crow_gui.document.controller_reading import uses_strength
from mi_crow_gui.document.controller_source import ERROR, Problem, check
from mi_crow_gui.panels.cell_delegate import ROW_HEIGHT
from mi_crow_gui.panels.code_editor import CodeEditor
from mi_crow_gui.panels.constants_bar import ConstantsBar
from mi_crow_gui.panels.flow_layout import FlowLayout
from mi_crow_gui.panels.look import GRID, fixed_font
from mi_crow_gui.panels.preset_menu import PresetMenu
from mi_crow_gui.panels.preview_table import PreviewTable
from mi_crow_gui.panels.problem_list import ProblemList
from mi_crow_gui.panels.site_label import SiteLabel
from mi_crow_gui.panels.strength_bar import StrengthBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.document.controller_constants import Constant
    from mi_crow_gui.document.controller_presets import Heads
    from mi_crow_gui.document.strength import Strength
    from mi_crow_gui.panels.preview_table import PreviewNumbers

_NO_SITE = "No module selected"
_HINT_NO_SITE = "Select a module in the tree to write a controller for it."
_HINT_EMPTY = "Write what the module should give out instead, then Apply (Ctrl+Return)."
_EXAMPLES = (
    ("lambda x: x * 0.5", "Halve everything the module gives out", "lambda x: x * 0.5"),
    (
        "def control(x, ctx): …",
        "Zero the last token while the prompt is read; x is [batch, tokens, channels]",
        "def control(x, ctx):\n    # ctx: layer, step, tokens, strength\n    if ctx.step == 0:\n        x = x.clone()\n"
        "        x[:, -1] = 0\n    return x\n",
    ),
)
_PREVIEW = "Try this text on the tensor that was captured last; the model does not run"
_PATIENCE = 300  # milliseconds


class EditorPanel(QWidget):
    """Shows one site's text; says what was typed, and asks to apply it or to go back to what is applied."""

    textEdited = Signal(str, str)  # site, text
    applyRequested = Signal(str, str)  # site, text
    revertRequested = Signal(str)  # site
    previewRequested = Signal(str, str)  # site, text
    completionRequested = Signal(str, int, int)  # text, line from 1, column from 0
    strengthChanged = Signal(str, object)  # site, Strength
    vectorRequested = Signal(object)  # Scope that a saved vector is to be added to
    focused = Signal()  # somebody is about to type

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._applied = ""
        self._showing = False
        self._problems: tuple[Problem, ...] = ()
        self._runtime: Problem | None = None
        self._when = ""
        self._no_preview = ""
        # Whoever is in the middle of a word is not told at once that it is wrong.
        self._patience = QTimer(self, singleShot=True, interval=_PATIENCE)
        self._patience.timeout.connect(self._show_problems)

        self._site = SiteLabel()
        self._site.setAccessibleName("Site of the controller")
        self._state = QLabel()
        self._state.setObjectName("controllerState")
        self._state.setAccessibleName("State of the controller")
        self._state.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._menu = PresetMenu(self)
        self._menu.chosen.connect(self._put)
        self._menu.vectorWanted.connect(self.vectorRequested)
        self._presets = QPushButton("Presets")
        self._presets.setObjectName("controllerPresets")
        self._presets.setAccessibleName("Presets of controllers")
        self._presets.setToolTip("Put a controller into the editor to begin with; Ctrl+Z brings back what was there")
        self._presets.setMenu(self._menu)
        self._revert = QPushButton("Revert")
        self._revert.setObjectName("controllerRevert")
        self._revert.setAccessibleName("Revert to the applied text")
        self._revert.setToolTip("Go back to the text that is applied")
        self._revert.clicked.connect(self._on_revert_clicked)
        self._preview = QPushButton("Preview")
        self._preview.setObjectName("controllerPreview")
        self._preview.setAccessibleName("Preview the controller")
        self._preview.clicked.connect(self._on_preview_clicked)
        self._apply = QPushButton("Apply")
        self._apply.setObjectName("controllerApply")
        self._apply.setAccessibleName("Apply the controller")
        self._apply.setToolTip("Put this controller on the site  (Ctrl+Return)")
        self._apply.clicked.connect(self.apply)

        self._edit = CodeEditor()
        self._edit.setObjectName("controllerEdit")
        self._edit.setAccessibleName("Controller code")
        self._edit.textChanged.connect(self._on_edit_changed)
        self._edit.applyPressed.connect(self.apply)
        self._edit.completion.wanted.connect(self.completionRequested)
        self._edit.focused.connect(self.focused)
        self._constants = ConstantsBar()
        self._constants.changed.connect(self._on_constant_changed)
        self._strength = StrengthBar()
        self._strength.changed.connect(self._on_strength_changed)
        self._examples = QWidget()
        row = FlowLayout(self._examples)
        words = QLabel("Begin with")
        words.setMinimumHeight(ROW_HEIGHT)
        row.addWidget(words)
        for label, tip, text in _EXAMPLES:
            row.addWidget(self._example_button(label, tip, text))

        self._list = ProblemList()
        self._list.itemActivated.connect(self._on_problem_activated)
        self._list.itemClicked.connect(self._on_problem_activated)

        where = QWidget()
        beside = QHBoxLayout(where)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(GRID)
        beside.addWidget(self._site, 1)
        beside.addWidget(self._state)
        # In one line it would make a narrow window wider.
        header = FlowLayout(first_fills=True)
        for part in (where, self._presets, self._revert, self._preview, self._apply):
            header.addWidget(part)
        for button in (self._revert, self._preview, self._apply):
            # Four buttons of the usual width would make the whole window wider.
            button.setFixedWidth(button.fontMetrics().horizontalAdvance(button.text()) + 3 * GRID)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addLayout(header)
        layout.addWidget(self._examples)
        layout.addWidget(self._edit, 1)
        layout.addWidget(self._constants)
        layout.addWidget(self._strength)
        layout.addWidget(self._list)
        self._previewed = PreviewTable()
        layout.addWidget(self._previewed)
        self._list.hide()
        self.set_site(None)

    # Setters

    def set_site(self, site: str | None, text: str = "", applied_text: str = "") -> None:
        """Show the text of a site; `applied_text` is what its controller runs, "" if it has none. None: no site."""
        other = site != self._site.site
        changed = other or text != self.text
        self._applied = applied_text
        self._site.set_site(site, instead=_NO_SITE)
        self._edit.setPlaceholderText(_HINT_NO_SITE if site is None else _HINT_EMPTY)
        if other:
            self._runtime = None
        if changed:
            self._previewed.show_numbers(None)
        self._showing = True
        self._edit.set_text(text, fresh=other)
        self._showing = False
        self._edit.setEnabled(site is not None)
        if changed:
            self._check()
            self._show_problems()
        self._show_state()

    def set_heads(self, heads: Heads | None) -> None:
        """The attention heads that presets may act on one by one, where the site has to do with any."""
        self._menu.set_site(self._site.site, heads)

    def set_strength(self, strength: Strength) -> None:
        """The strength of the site's controller, without saying so; shown for a text that asks for it."""
        self._strength.set_strength(strength)

    def put(self, text: str) -> None:
        """Put a text in place of what is there, as if it were typed."""
        self._put(text)

    def set_problems(self, problems: Sequence[Problem]) -> None:
        """What somebody else found wrong with the text as it stands; typing checks it anew."""
        self._problems = tuple(problems)
        self._show_problems()
        self._show_state()

    def set_preview_possible(self, obstacle: str = "") -> None:
        """Whether a preview can be asked for; `obstacle` is the sentence that says what has to be done before."""
        self._no_preview = obstacle
        self._show_state()

    def show_preview(self, numbers: PreviewNumbers | None) -> None:
        """Show what the text would do, until it is changed; None takes it back."""
        if numbers is not None:
            self.set_runtime_error(0, "")
        self._previewed.show_numbers(numbers)

    def set_preview_error(self, line: int, message: str) -> None:
        """What went wrong when the text was tried (line from 1, 0 if none is to blame)."""
        self._previewed.show_numbers(None)
        self.set_runtime_error(line, message, " in the preview")

    def set_runtime_error(self, line: int, message: str, when: str = " when it ran") -> None:
        """What went wrong when the applied text ran (line from 1, 0 if none is to blame); "" takes it back."""
        # The whole line: a traceback names no columns.
        self._runtime = Problem(line, 0, sys.maxsize, message) if message else None
        self._when = when
        self._show_problems()
        self._show_state()

    def offer_completions(self, names: Sequence[str], text: str, line: int, column: int) -> None:
        """Show names that fit at a place of the text, if that is where the cursor still is."""
        self._edit.completion.offer(names, text, line, column)

    # What is written

    @property
    def site(self) -> str | None:
        """The site whose controller is shown."""
        return self._site.site

    @property
    def text(self) -> str:
        """The text as it stands."""
        return self._edit.toPlainText()

    @property
    def strength(self) -> Strength:
        """The strength as it is set."""
        return self._strength.strength

    def apply(self) -> None:
        """Ask to put the text on the site, if it can be applied."""
        if self._can_apply():
            # Whether it fails again, the next run tells.
            self.set_runtime_error(0, "")
            self.applyRequested.emit(self._site.site, self.text)

    # Handlers

    def _on_edit_changed(self) -> None:
        if self._showing or self._site.site is None:
            return
        # What went wrong before may be mended now; running it again will tell.
        self._runtime = None
        self._previewed.show_numbers(None)
        self._check()
        self._patience.start()
        self._show_state()
        self.textEdited.emit(self._site.site, self.text)

    def _on_strength_changed(self, strength: Strength) -> None:
        # What a preview showed was made with another one.
        self._previewed.show_numbers(None)
        if self._site.site is not None:
            self.strengthChanged.emit(self._site.site, strength)

    def _on_constant_changed(self, constant: Constant, value: str) -> None:
        self._edit.replace_part(constant.line, constant.start, constant.end, value)

    def _on_preview_clicked(self) -> None:
        self.previewRequested.emit(self._site.site, self.text)

    def _on_revert_clicked(self) -> None:
        if self._site.site is not None:
            self.revertRequested.emit(self._site.site)

    def _on_problem_activated(self, item: QListWidgetItem) -> None:
        self._edit.go_to_line(item.data(Qt.ItemDataRole.UserRole))

    def _on_example_clicked(self) -> None:
        self._put(self.sender().property("example"))

    def _put(self, text: str) -> None:
        """Put a text in place of what is there, as if it were typed."""
        self._edit.set_text(text, fresh=False)
        self._edit.setFocus()

    # Inside

    def _example_button(self, label: str, tip: str, text: str) -> QPushButton:
        button = QPushButton(label)
        button.setObjectName(f"controllerExample{text.split()[0].capitalize()}")
        button.setAccessibleName(f"Insert the example {label}")
        button.setToolTip(tip)
        button.setFont(fixed_font())
        button.setProperty("example", text)
        button.clicked.connect(self._on_example_clicked)
        return button

    def _check(self) -> None:
        """Read the text; an empty one is no mistake yet."""
        written = self._site.site is not None and bool(self.text.strip())
        self._problems = check(self.text) if written else ()
        self._constants.set_constants(constants(self.text) if written else ())

    def _can_apply(self) -> bool:
        text = self.text
        changed = text != self._applied or self._runtime is not None
        return self._site.site is not None and bool(text.strip()) and changed and not self._has_errors()

    def _has_errors(self) -> bool:
        return any(problem.severity == ERROR for problem in self._problems)

    def _show_state(self) -> None:
        site, text = self._site.site, self.text
        empty = not text.strip()
        if site is None:
            state = ""
        elif empty:
            state = "empty"
        elif text == self._applied:
            state = "applied, but failed" if self._runtime is not None else "applied"
        else:
            state = "not applied"
        self._state.setText(state)
        self._examples.setVisible(site is not None and empty)
        self._strength.setVisible(site is not None and uses_strength(text))
        self._presets.setEnabled(site is not None)
        self._apply.setEnabled(self._can_apply())
        self._preview.setEnabled(site is not None and not (empty or self._has_errors() or self._no_preview))
        self._preview.setToolTip(self._no_preview or _PREVIEW)
        self._revert.setEnabled(site is not None and text != self._applied and bool(self._applied or text))

    def _show_problems(self) -> None:
        self._patience.stop()
        problems = [*self._problems] if self._runtime is None else [*self._problems, self._runtime]
        self._list.clear()
        for problem in problems:
            place = f"Line {problem.line}" if problem.line else "Controller"
            when = self._when if problem is self._runtime else ""
            error = problem.severity == ERROR
            sign = QStyle.StandardPixmap.SP_MessageBoxCritical if error else QStyle.StandardPixmap.SP_MessageBoxWarning
            text = f"{place}{when}: {problem.message}"
            item = QListWidgetItem(self.style().standardIcon(sign), text)
            item.setToolTip(problem.message)
            item.setData(Qt.ItemDataRole.UserRole, problem.line)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{problem.severity}, {text}")
            self._list.addItem(item)
        self._list.fit()
        self._list.setVisible(bool(problems))
        self._edit.set_problems(problems)
