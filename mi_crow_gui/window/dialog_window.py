"""What a main window asks and tells in windows of their own, none of which blocks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QMainWindow

from mi_crow_gui.window import file_choosers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core_hooks.model.reference import ModelReference
    from mi_crow_gui.window.action_building import ExplainedAction
    from mi_crow_gui.window.actions import ActionSpec
    from mi_crow_gui.window.capture_corpus_dialog import CaptureCorpusDialog
    from mi_crow_gui.window.compare_weights_dialog import CompareWeightsDialog
    from mi_crow_gui.window.open_model_dialog import OpenModelDialog


class DialogWindow(QMainWindow):
    """A main window that opens dialogs by intent; each answer goes to a function, no answer to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: tuple[str, ...] = ()

    # Dialogs are imported when the first of them opens: the first paint does not wait for them.

    def ask_for_model(
        self, taken: Callable[[ModelReference], object], start: ModelReference | None = None
    ) -> OpenModelDialog:
        """Ask which model to open, and how."""
        from mi_crow_gui.window.open_model_dialog import OpenModelDialog

        dialog = OpenModelDialog(self, self.devices, start)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.chosen.connect(lambda reference: taken(reference))
        dialog.open()
        return dialog

    def show_capture_corpus(self) -> CaptureCorpusDialog:
        """Show the capture job beside the window: what goes on, or the form for the next."""
        from mi_crow_gui.window.capture_corpus_dialog import CaptureCorpusDialog

        dialog = self._raised(CaptureCorpusDialog)
        assert isinstance(dialog, CaptureCorpusDialog)
        return dialog

    def show_compare_weights(self) -> CompareWeightsDialog:
        """Show two models' weights beside the window."""
        from mi_crow_gui.window.compare_weights_dialog import CompareWeightsDialog

        dialog = self._raised(CompareWeightsDialog)
        assert isinstance(dialog, CompareWeightsDialog)
        return dialog

    def ask_for_file(self, title: str, name_filter: str, taken: Callable[[str], object], start: str = "") -> QDialog:
        """Ask for a file that exists."""
        return file_choosers.choose_file(self, title, name_filter, taken, start)

    def ask_for_folder(self, title: str, taken: Callable[[str], object], start: str = "") -> QDialog:
        """Ask for a folder that exists."""
        return file_choosers.choose_folder(self, title, taken, start)

    def ask_for_new_file(self, title: str, start: str, name_filter: str, taken: Callable[[str], object]) -> QDialog:
        """Ask where something is to be written."""
        return file_choosers.choose_new(self, title, start, name_filter, taken)

    def ask_consent(self, source: str, code: Mapping[str, str], agreed: Callable[[], object]) -> QDialog:
        """Ask before code of `source` runs; `code` gives the text of each piece by name."""
        from mi_crow_gui.window.consent_dialog import ConsentDialog

        dialog = ConsentDialog(source, code, self)
        dialog.agreed.connect(lambda: agreed())
        dialog.open()
        return dialog

    def show_about(self) -> QDialog:
        """Show name, version and licence."""
        from mi_crow_gui.window.about_dialog import AboutDialog

        return self._raised(AboutDialog)

    def show_shortcuts(self) -> QDialog:
        """Show every shortcut."""
        from mi_crow_gui.window.shortcuts_dialog import ShortcutsDialog

        return self._raised(ShortcutsDialog)

    def show_guide(self) -> QDialog:
        """Show the guide beside the window."""
        from mi_crow_gui.window.guide import GuideDialog

        return self._raised(GuideDialog)

    def show_command_palette(self) -> QDialog:
        """Let the user find an action by its words."""
        from mi_crow_gui.window.command_palette import CommandPalette

        palette = self.findChild(CommandPalette)
        if palette is None:
            palette = CommandPalette(self)
        palette.offer(self.actions_by_name(), self.action_specs())
        palette.open_over(self)
        return palette

    def actions_by_name(self) -> dict[str, ExplainedAction]:
        """Every action that the command palette offers."""
        return {}

    def action_specs(self) -> Sequence[ActionSpec]:
        """The same as the table of actions has them."""
        return ()

    def close_dialogs(self) -> None:
        """Close every window that belongs to this one."""
        for dialog in self.findChildren(QDialog):
            dialog.close()

    def _raised(self, kind: type[QDialog]) -> QDialog:
        """One dialog of a kind, in front."""
        dialog = self.findChild(kind)
        if dialog is None:
            dialog = kind(self)
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()
        return dialog
