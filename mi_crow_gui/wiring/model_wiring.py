"""Opening a model: from a dialog, the start page, a drop, the recent list or the document, and what became of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from core_hooks.model.quantisation import NONE
from core_hooks.model.reference import ModelReference
from mi_crow_gui.document.formatting import byte_size, plural, short_count
from mi_crow_gui.document.resource_files import ResourceMissing, demo_model_folder, demo_prompts
from mi_crow_gui.wiring.consent_wiring import ConsentWiring
from mi_crow_gui.wiring.recent import RecentWiring, show_recent

if TYPE_CHECKING:
    from core_hooks.model.records import ModuleTree
    from core_hooks.model.reference import OpenProgress
    from mi_crow_gui.engine.messages import Failure, OpenedModel
    from mi_crow_gui.wiring.parts import Parts

log = logging.getLogger(__name__)

SESSION_SUFFIX = ".microw"


class ModelWiring(QObject):
    """Joins everything that can name a model with the service, and shows which one is open."""

    sessionNamed = Signal(str)
    captureNamed = Signal(str)
    captureListed = Signal(str)

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._window, self._store, self._service = parts.window, parts.store, parts.service
        self._wanted: ModelReference | None = None
        # Where the next model opens that is only named, by a drop or in the recent list.
        self.device = "cpu"
        self._prepared = False
        self._consent = ConsentWiring(parts)
        self._consent.agreed.connect(self.open)
        self._consent.refused.connect(self._on_consent_refused)
        self._recent = RecentWiring(parts)
        self._recent.chosen.connect(self._on_recent_chosen)
        window = parts.window
        window.action("openModel").triggered.connect(self._on_open_model_triggered)
        window.action("openDemo").triggered.connect(self.open_demo)
        window.pathsDropped.connect(self._on_window_paths_dropped)
        self._service.treeKnown.connect(self._on_service_tree_known)
        self._service.modelOpened.connect(self._on_service_model_opened)
        self._service.progressed.connect(self._on_service_progressed)
        self._service.failed.connect(self._on_service_failed)
        self._service.stateChanged.connect(self._on_service_state_changed)
        self._store.changed.connect(self._on_store_changed)
        self._on_service_state_changed(self._service.state)

    # ---- what people ask for -----------------------------------------------------------------------------------

    def names_capture(self, target: str | None) -> bool:
        """Whether something that was named is a capture by the look of its path."""
        return target is not None and (Path(target).expanduser() / "capture.json").is_file()

    def prepare(self) -> None:
        """Import what models need, once; captures are looked at without it."""
        if not self._prepared:
            self._prepared = True
            parts = self._parts
            self._service.lookout.prepare(parts.settings.torch_threads, not parts.arguments.no_plugins)

    def open_target(self, reference: ModelReference) -> None:
        """Open what a person named: a model, or a session or capture by the look of its path."""
        path = Path(reference.source).expanduser()
        if path.suffix == SESSION_SUFFIX:
            self.sessionNamed.emit(str(path))
        elif self.names_capture(reference.source):
            self.captureNamed.emit(str(path))
        else:
            self.open(reference)

    @Slot(object)
    def open(self, reference: ModelReference) -> None:
        """Open a model beside the present one, which stays until the new one is ready."""
        self.prepare()
        path = Path(reference.source).expanduser()
        if path.exists():
            reference = replace(reference, source=str(path))
        if not self._service.open(reference, self._consent.consents()):
            self._window.status.set_message("Something is going on already: stop it first (Esc).")
            return
        self._wanted = reference
        self._window.show_workbench()
        self._window.status.set_progress(f"Opening {short_name(reference.source)}")

    @Slot()
    def open_demo(self) -> None:
        """Open the demo model with its first prompt and detectors on its blocks, ready to run."""
        try:
            self.open(ModelReference(str(demo_model_folder()), device=self.device))
        except ResourceMissing as error:
            log.error("%s", error)
            self._window.status.set_message(str(error))

    # ---- handlers ----------------------------------------------------------------------------------------------

    @Slot()
    def _on_open_model_triggered(self) -> None:
        self.prepare()
        dialog = self._window.ask_for_model(self.open_target, ModelReference("", device=self.device))
        lookout = self._service.lookout
        dialog.lookWanted.connect(lookout.look)
        lookout.looked.connect(dialog.show_look)
        if lookout.choices is not None:
            dialog.set_choices(lookout.choices)
        lookout.choicesKnown.connect(dialog.set_choices)

    @Slot(list)
    def _on_window_paths_dropped(self, paths: list[str]) -> None:
        if paths:
            self.open_target(ModelReference(paths[0], device=self.device))
        for path in paths[1:]:
            # One is opened; of several captures the others are put into the list.
            if self.names_capture(path):
                self.captureListed.emit(path)

    @Slot(str)
    def _on_recent_chosen(self, name: str) -> None:
        self.open_target(ModelReference(name, device=self.device))

    @Slot(object)
    def _on_consent_refused(self, reference: ModelReference) -> None:
        self._wanted = None
        if self._service.model is None:
            self._window.show_start_page()

    @Slot(str)
    def _on_store_changed(self, topic: str) -> None:
        """A session, or an undo, may name another model than the one that is open."""
        wanted = self._store.workspace.model
        opened = self._service.model
        if topic != "model" or wanted is None:
            return
        # Consent is given to code, not kept with a name: it makes no other model of it.
        open_now = opened.summary.reference if opened is not None else None
        # Nor do the names that its parts are given.
        if open_now is not None and replace(open_now, trust_code=wanted.trust_code, parts=wanted.parts) == wanted:
            return
        if wanted != self._wanted:
            self.open(wanted)

    @Slot(object)
    def _on_service_tree_known(self, tree: ModuleTree) -> None:
        self._window.module_tree.set_tree(tree)

    @Slot(object)
    def _on_service_model_opened(self, opened: OpenedModel) -> None:
        window, summary = self._window, opened.summary
        self._wanted = None
        window.status.clear_progress()
        window.module_tree.complete_tree(opened.tree)
        window.status.set_model(summary.name, summary.reference.source)
        fewer_bits = summary.reference.quantisation
        window.status.set_device(summary.device, summary.dtype if fewer_bits == NONE else fewer_bits, summary.bytes)
        window.status.set_message(
            f"{summary.architecture}: {short_count(summary.parameters)} parameters, {byte_size(summary.bytes)}, "
            f"{plural(len(opened.tree), 'module')}"
        )
        for note in opened.notes:
            log.info("%s", note)
        if opened.notes:
            window.status.set_message(opened.notes[0])
        window.prompt.set_placeholder(prompt_words(opened))
        window.setWindowTitle(f"{summary.name}[*]")
        self._on_service_state_changed(self._service.state)
        self._store.set_model(summary.reference)
        if self._is_demo(summary.reference):
            self._furnish_demo()
        else:
            window.prompt.set_examples(())
            self._parts.settings.add_recent("models", summary.reference.source)
            show_recent(self._parts)

    @Slot(object)
    def _on_service_progressed(self, progress: OpenProgress) -> None:
        text = progress.text
        if progress.unit == "bytes" and progress.total:
            text = f"{text}: {byte_size(progress.done)} of {byte_size(progress.total)}"
        self._window.status.set_progress(text, progress.done, progress.total)

    @Slot(object)
    def _on_service_failed(self, failure: Failure) -> None:
        if failure.task != "open":
            return
        self._wanted = None
        opened = self._service.model
        self._window.module_tree.set_tree(opened.tree if opened is not None else None)
        if opened is None:
            self._window.show_start_page()

    @Slot(str)
    def _on_service_state_changed(self, state: str) -> None:
        ready, busy = state == "ready", state in ("loading", "running")
        opened = self._service.model
        refusal = opened.no_generation if opened is not None else ""
        self._window.action("run").setEnabled(self._service.takes_runs)
        for name in ("generate", "step"):
            self._window.action(name).refuse(refusal)
            self._window.action(name).setEnabled(self._service.takes_runs and not refusal)
        self._window.action("checkClean").setEnabled(ready)
        self._window.action("stop").setEnabled(busy)
        for name in ("openModel", "openDemo", "openSession"):
            self._window.action(name).setEnabled(not busy)

    # ---- the demo ----------------------------------------------------------------------------------------------

    def _is_demo(self, reference: ModelReference) -> bool:
        try:
            return Path(reference.source) == demo_model_folder()
        except ResourceMissing:
            return False

    def _furnish_demo(self) -> None:
        """Give a newcomer something to press Run on; never in place of what was typed or attached before."""
        prompts = demo_prompts()
        self._window.prompt.set_examples([(prompt.name, prompt.text, prompt.look_for) for prompt in prompts])
        if prompts and not self._store.workspace.prompt.strip():
            self._store.set_prompt(prompts[0].text)


def short_name(source: str) -> str:
    """The last part of a path or hub id."""
    return source.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or source


def prompt_words(opened: OpenedModel) -> str:
    """What the empty prompt says: what this model is to be given."""
    if opened.has_examples:
        return "Leave this empty and Run: the model runs on its example inputs"
    if not opened.summary.has_tokenizer:
        return "This model has no tokenizer: type token ids, such as 12 7 431"
    return "Type a prompt, then Run" if opened.no_generation else "Type a prompt, then Run or Generate"
