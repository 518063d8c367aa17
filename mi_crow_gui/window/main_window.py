"""The main window: panels in their docks, actions in their menus; what they mean is decided elsewhere."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, get_args

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDockWidget,
    QMenu,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mi_crow_gui.panels.hooks_panel import HooksPanel
from mi_crow_gui.panels.inspector_panel import InspectorPanel
from mi_crow_gui.panels.start_page import StartPage
from mi_crow_gui.panels.status_bar import StatusBar
from mi_crow_gui.window import action_building, bottom_tabs, placement
from mi_crow_gui.window.actions import ACTIONS, TOOLBAR
from mi_crow_gui.window.banner import Banner
from mi_crow_gui.window.bottom_tabs import BottomTabs
from mi_crow_gui.window.dialog_window import DialogWindow
from mi_crow_gui.window.dock_layout import Arranged, DockLayout, Preset
from mi_crow_gui.window.file_drop import FileDrop
from mi_crow_gui.window.icons import application_icon, icon
from mi_crow_gui.window.menus import FlatToolBar, fill_menu_bar, fill_tool_bar
from mi_crow_gui.window.model_tabs import ModelTabs
from mi_crow_gui.window.theme import MODES, Mode, apply_theme, current_mode
from mi_crow_gui.window.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from PySide6.QtGui import QAction, QCloseEvent, QShowEvent

    from mi_crow_gui.window.action_building import ExplainedAction
    from mi_crow_gui.window.actions import ActionSpec

TITLE = "Mi-Crow inspector"


class MainWindow(DialogWindow):
    """Holds the panels as attributes and the actions by name; emits intents, decides nothing.

    `service` is the model service once the application has set it. `close_guard`, where set, is asked before the
    window closes: False keeps it open. `left_behind`: something goes on that only the end of the process ends.
    """

    pathsDropped = Signal(list)
    deviceChosen = Signal(str)
    themeChosen = Signal(str)

    # Qt tells of palettes while the window is still being built.
    _built = False

    def __init__(self) -> None:
        super().__init__()
        self.service: Any = None
        self.close_guard: Callable[[], bool] | None = None
        self.left_behind = False
        self.plot_board: QWidget | None = None
        self.setObjectName("mainWindow")
        self.setAccessibleName("Main window")
        self.setWindowTitle(f"{TITLE}[*]")
        self.setWindowIcon(application_icon())
        FileDrop(self).dropped.connect(self.pathsDropped)
        self.setDockNestingEnabled(True)
        self._sized = False

        self.model_tabs = ModelTabs()
        self.module_tree = self.model_tabs.tree
        self.module_map = self.model_tabs.map
        self.hooks = HooksPanel()
        self.inspector = InspectorPanel()
        self._workbench = Workbench()
        self.prompt = self._workbench.prompt
        self.output = self._workbench.output
        self.generation_bar = self._workbench.generation_bar
        self._tabs = BottomTabs()
        self.editor = self._tabs.editor
        self.captures = self._tabs.captures
        self.history = self._tabs.history
        self.log = self._tabs.log
        self.start_page = StartPage()
        self.status = StatusBar()
        self.banner = Banner()

        self._more_specs: list[ActionSpec] = []
        self._actions = action_building.build_actions(self)
        self.addActions(list(self._actions.values()))
        self._build_bars()
        self._build_centre()
        self._build_docks()
        self._draw_icons(self._toolbar_names())
        self._connect_actions()
        placement.place(self)
        self._built = True

    # ---- building ----------------------------------------------------------------------------------------------

    def _build_bars(self) -> None:
        self.menus = fill_menu_bar(self.menuBar(), self._actions)
        self.device_box = QComboBox()
        self.device_box.setObjectName("deviceBox")
        self.device_box.setAccessibleName("Device")
        self.device_box.setToolTip("Where the model computes")
        self.device_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.device_box.activated.connect(self._on_device_box_activated)
        self._toolbar = FlatToolBar("Tools")
        self._toolbar.setObjectName("toolBar")
        self._toolbar.setMovable(False)
        self._toolbar.toggleViewAction().setEnabled(False)
        self._toolbar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self._device_entry, drop_downs = fill_tool_bar(self._toolbar, self._actions, self.device_box)
        self._device_entry.setVisible(False)
        for menu in (*self.menus.values(), *drop_downs):
            menu.aboutToShow.connect(self._draw_all_icons)
        self.addToolBar(self._toolbar)
        self.setStatusBar(self.status)

    def _build_centre(self) -> None:
        self._pages = QStackedWidget()
        self._pages.addWidget(self.start_page)
        self._pages.addWidget(self._workbench)
        centre = QWidget()
        rows = QVBoxLayout(centre)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self.banner)
        rows.addWidget(self._pages, 1)
        self.setCentralWidget(centre)

    def _build_docks(self) -> None:
        self._parts = Arranged(
            window=self,
            model=self._dock("modelDock", "Model", self.model_tabs),
            hooks=self._dock("hooksDock", "Hooks", self.hooks),
            inspector=self._dock("inspectorDock", "Inspector", self.inspector),
            bottom=self._dock("bottomDock", bottom_tabs.TITLE, self._tabs),
            tabs=self._tabs,
            prompt=self.prompt,
            output=self._workbench.strip,
            split=self._workbench.split,
            toolbar=self._toolbar,
        )
        self._layout = DockLayout(self._parts)
        self._workbench.cramped.connect(self._on_workbench_cramped)

    def _dock(self, name: str, title: str, content: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setAccessibleName(title)
        dock.setWidget(content)
        return dock

    def _connect_actions(self) -> None:
        for name, preset in zip(("layoutInspect", "layoutWrite", "layoutAnalyse"), get_args(Preset), strict=True):
            self._actions[name].triggered.connect(lambda _on, preset=preset: self.apply_preset(preset))
        for name, mode in zip(("themeSystem", "themeLight", "themeDark"), MODES, strict=True):
            self._actions[name].triggered.connect(lambda _on, mode=mode: self._choose_theme(mode))
        for name, tab in (
            ("showEditor", bottom_tabs.EDITOR),
            ("showCaptures", bottom_tabs.CAPTURES),
            ("showHistory", bottom_tabs.HISTORY),
            ("showLog", bottom_tabs.LOG),
        ):
            self._actions[name].triggered.connect(lambda _on, tab=tab: self._show_tab(tab))
        for name, dock in (
            ("showModel", self._parts.model),
            ("showHooks", self._parts.hooks),
            ("showInspector", self._parts.inspector),
            ("showBottom", self._parts.bottom),
        ):
            self._mirror(self._actions[name], dock)
        for name, slot in (
            ("focus", self._on_focus_triggered),
            ("lockDocks", self._on_lock_triggered),
            ("resetLayout", self.reset_layout),
            ("filter", self._on_filter_triggered),
            ("commandPalette", self.show_command_palette),
            ("guide", self.show_guide),
            ("shortcuts", self.show_shortcuts),
            ("about", self.show_about),
            ("quit", self.close),
        ):
            self._actions[name].triggered.connect(slot)
        for wish, name in (
            (self.start_page.openModelRequested, "openModel"),
            (self.start_page.openDemoRequested, "openDemo"),
            (self.start_page.openCaptureRequested, "openCapture"),
            (self.start_page.openSessionRequested, "openSession"),
        ):
            wish.connect(self._actions[name].trigger)
        self._show_layout_state()
        self._show_theme_state()

    def _mirror(self, action: QAction, dock: QDockWidget) -> None:
        """Make an action show and hide a dock; the dock's own one does nothing while the docks are locked."""
        action.setChecked(dock.toggleViewAction().isChecked())
        dock.toggleViewAction().toggled.connect(action.setChecked)
        action.triggered.connect(lambda on: dock.setVisible(on))

    # ---- what others ask for -----------------------------------------------------------------------------------

    def action(self, name: str) -> ExplainedAction:
        """The action of that objectName; KeyError if the table has none."""
        return self._actions[name]

    def actions_by_name(self) -> dict[str, ExplainedAction]:
        """Every action of the table."""
        return dict(self._actions)

    def action_specs(self) -> tuple[ActionSpec, ...]:
        """The table of actions, and those that were added."""
        return (*ACTIONS, *self._more_specs)

    def add_actions(self, specs: Sequence[ActionSpec], after: str, button: str = "") -> list[ExplainedAction]:
        """Add further actions of one submenu to the menu bar, behind another action, and to the palette.

        With `button`, the object name of a drop-down of the tool bar, to that too.
        """
        if not specs:
            return []
        made = action_building.build_actions(self, specs)
        self._actions.update(made)
        self.addActions(list(made.values()))
        self._more_specs += specs
        top, _, title = specs[0].menu.partition("/")
        drop_down = self._toolbar.findChild(QToolButton, button) if button else None
        entries = self.menus[top].actions()
        submenu = QMenu(title, self.menus[top])
        submenu.setObjectName(f"{after}Kinds")
        submenu.setToolTipsVisible(True)
        submenu.addActions(list(made.values()))
        submenu.aboutToShow.connect(self._draw_all_icons)
        self.menus[top].insertMenu(entries[entries.index(self._actions[after]) + 1], submenu)
        if drop_down is not None:
            drop_down.menu().addMenu(submenu)
        return list(made.values())

    def latest(self, site: str) -> np.ndarray | None:
        """Newest captured value of a site, or None."""
        return None if self.service is None else self.service.latest(site)

    def install_plot_board(self, board: QWidget) -> None:
        """Put the plots in their place; called once, after the first paint."""
        self.plot_board = board
        self._workbench.install_plots(board)

    def install_capture_text(self, panel: QWidget) -> None:
        """Put the text of an open capture over the plots."""
        self._workbench.install_capture_text(panel)

    def set_devices(self, devices: Sequence[str], current: str = "") -> None:
        """Offer these devices in the tool bar and for the next model; none hides the box."""
        self.devices = tuple(devices)
        self.device_box.clear()
        self.device_box.addItems(list(devices))
        if current:
            self.device_box.setCurrentText(current)
        self._device_entry.setVisible(bool(devices))

    def show_start_page(self) -> None:
        """Show how to open something."""
        self._pages.setCurrentIndex(0)

    def _on_workbench_cramped(self) -> None:
        self._layout.resize()

    def show_workbench(self) -> None:
        """Show prompt, plots and output."""
        self._pages.setCurrentIndex(1)

    def show_editor(self) -> None:
        """Bring the controller editor to the front, with the keyboard in it."""
        self._show_tab(bottom_tabs.EDITOR)

    def show_banner(self, text: str, *answers: Any) -> None:
        """Show a notice above the work; `answers` are words and what they do, in turn: "Restore", restore, ..."""
        self.banner.show_message(text, tuple(zip(answers[::2], answers[1::2], strict=True)))

    def apply_preset(self, preset: Preset) -> None:
        """Arrange the panels for inspecting, writing or analysing."""
        self._layout.apply(preset)
        self._show_layout_state()

    def reset_layout(self) -> None:
        """Put every panel back where it was at first, locked."""
        self._layout.lock(True)
        self.apply_preset("inspect")

    def save_state(self) -> bytes:
        """Place, size and layout, for `restore_state`."""
        geometry = base64.b64encode(bytes(self.saveGeometry().data())).decode("ascii")
        return json.dumps({"geometry": geometry, **self._layout.state()}).encode()

    def restore_state(self, saved: bytes) -> bool:
        """Take up what `save_state` gave; False, with the window as it was, if it can't be used."""
        try:
            state = json.loads(saved)
            geometry = base64.b64decode(state["geometry"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            return False
        if not self._layout.restore(state):
            return False
        placement.restore(self, geometry)
        self._sized = True
        self._show_layout_state()
        return True

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot(int)
    def _on_device_box_activated(self, index: int) -> None:
        self.deviceChosen.emit(self.device_box.itemText(index))

    @Slot()
    def _on_filter_triggered(self) -> None:
        self._parts.model.show()
        self.model_tabs.show_tree()
        self.module_tree.focus_filter()

    @Slot(bool)
    def _on_focus_triggered(self, on: bool) -> None:
        self._layout.focus(on)
        self._show_layout_state()

    @Slot(bool)
    def _on_lock_triggered(self, locked: bool) -> None:
        self._layout.lock(locked)

    @Slot()
    def _draw_all_icons(self) -> None:
        """Menus need theirs only when one opens: the first paint does not wait for them."""
        self._draw_icons(name for name, action in self._actions.items() if action.icon().isNull())

    def _choose_theme(self, mode: Mode) -> None:
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, mode)
        self.themeChosen.emit(mode)

    def _show_tab(self, index: int) -> None:
        if self._layout.focused:
            self._on_focus_triggered(False)
        self._parts.bottom.show()
        self._tabs.go_to(index)

    def _show_layout_state(self) -> None:
        preset = self._layout.preset
        self._actions[f"layout{preset.capitalize()}"].setChecked(True)
        self._actions["focus"].setChecked(self._layout.focused)
        self._actions["lockDocks"].setChecked(self._layout.locked)

    def _show_theme_state(self) -> None:
        application = QApplication.instance()
        if isinstance(application, QApplication):
            self._actions[f"theme{current_mode(application).capitalize()}"].setChecked(True)

    def _draw_icons(self, names: Any) -> None:
        table = {spec.name: spec for spec in self.action_specs()}
        for name in list(names):
            self._actions[name].setIcon(icon(table[name].icon))

    def _toolbar_names(self) -> list[str]:
        return [button.action for section in TOOLBAR for button in section if button is not None]

    # ---- Qt's events -------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:  # noqa: D102 - Qt's
        super().showEvent(event)
        if not self._sized:
            self._sized = True
            self._layout.resize()

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._built:
            self._draw_icons([name for name, action in self._actions.items() if not action.icon().isNull()])
            self._show_theme_state()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: D102 - Qt's
        if self.close_guard is not None and not self.close_guard():
            event.ignore()
            return
        self.close_dialogs()
        event.accept()
