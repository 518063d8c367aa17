"""A capture job beside the window: set up, estimated, started, watched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from mi_crow_gui.document.formatting import byte_size, count, duration, plural
from mi_crow_gui.panels.corpus_form import CorpusForm
from mi_crow_gui.panels.corpus_progress import CorpusProgress
from mi_crow_gui.panels.facts_table import FactsTable
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.window.dialog_buttons import DialogButtons
from mi_crow_gui.window.file_choosers import choose_file, choose_folder
from mi_crow_gui.window.file_drop import FileDrop
from mi_crow_gui.window.icons import icon

if TYPE_CHECKING:
    from core_hooks.capture.job_settings import JobEstimate, JobSettings
    from core_hooks.capture.ray_choice import RayChoice
    from core_hooks.capture.survey import FolderLook, TextsLook

TEXT_FILES = "Texts (*.txt *.jsonl *.ndjson *.csv *.tsv *.parquet *.md);;All files (*)"
_PAUSE_MS = 300  # nobody has typed for so long
_SIGN = 16
_EMPTY = (("Texts", "–"), ("Tokens", "–"), ("On disk", "–"), ("Memory", "–"), ("Time", "–"))


class CaptureCorpusDialog(QDialog):
    """Asks what to capture and shows the job; it never blocks the window, and closing it ends nothing.

    `looksWanted` and `estimateWanted` ask what is known of what stands there; the `show_` methods take the answers.
    """

    looksWanted = Signal(str, str, str)  # texts, encoding, folder
    estimateWanted = Signal(object)
    startRequested = Signal(object)
    pauseRequested = Signal(bool)
    cancelRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("captureCorpusDialog")
        self.setWindowTitle("Capture a corpus")
        self.form = CorpusForm()
        self.progress = CorpusProgress()
        self._ready = True
        self._texts_problem = self._folder_problem = self._estimate_problem = self._ended = ""
        self._ended_badly = False
        self._begun = False
        self._fits = True
        self._estimated: JobSettings | None = None
        self._estimate: JobEstimate | None = None
        self._known: tuple[str, str, str] | None = None  # what the last answer was about
        self._facts = FactsTable("corpusEstimate", "What the capture will take", numbers=True)
        self._facts.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._sign = QLabel()
        self._sign.setFixedSize(_SIGN, _SIGN)
        self._words = QLabel()
        self._words.setObjectName("corpusMessage")
        self._words.setAccessibleName("Message")
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setWordWrap(True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._words.setMinimumHeight(2 * self._words.fontMetrics().lineSpacing())
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._arrange()
        self._pause.timeout.connect(self._on_pause_timeout)
        self.form.changed.connect(self._on_form_changed)
        self.form.fileWanted.connect(self._on_form_file_wanted)
        self.form.folderWanted.connect(self._on_form_folder_wanted)
        self.form.outWanted.connect(self._on_form_out_wanted)
        self.progress.pauseRequested.connect(self.pauseRequested)
        self.progress.cancelRequested.connect(self.cancelRequested)
        FileDrop(self).dropped.connect(self._on_files_dropped)
        self._show_nothing()
        self._say()

    def _arrange(self) -> None:
        setting_up = QWidget()
        rows = QVBoxLayout(setting_up)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(2 * GRID)
        rows.addWidget(self.form)
        rows.addWidget(self._facts)
        rows.addStretch(1)
        self._pages = QStackedWidget()
        self._pages.addWidget(setting_up)
        self._pages.addWidget(self.progress)
        message = QHBoxLayout()
        message.setSpacing(GRID)
        message.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        message.addWidget(self._words, 1)
        self._buttons = DialogButtons(QDialogButtonBox.StandardButton.Close)
        self._start = self._buttons.addButton("Start", QDialogButtonBox.ButtonRole.AcceptRole)
        self._start.setObjectName("corpusStart")
        self._start.setDefault(True)
        close = self._buttons.button(QDialogButtonBox.StandardButton.Close)
        close.setObjectName("corpusClose")
        close.setAutoDefault(False)
        self._buttons.accepted.connect(self._on_start_clicked)
        self._buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addWidget(self._pages, 1)
        column.addLayout(message)
        column.addWidget(self._buttons)
        self.setMinimumWidth(88 * GRID)

    # ---- answers ----------------------------------------------------------------------------------------------

    def set_ready(self, ready: bool) -> None:
        """Whether a job could be started now: there is a model, and it does nothing else."""
        self._ready = ready
        self._say()

    def show_looks(self, asked: tuple[str, str, str], texts: TextsLook, folder: FolderLook, suggestion: str) -> None:
        """What was found; an answer about something else than what stands here is dropped."""
        form = self.form
        if asked != self._asked():
            return
        self._known = asked
        self._texts_problem, self._folder_problem = texts.problem if form.texts else "", folder.problem
        self._begun = folder.state == "begun"
        form.set_columns(texts.columns, texts.column)
        if not form.out and suggestion:
            form.set_out(suggestion)
        if folder.settings is not None and (not form.texts or not form.layers):
            form.set_settings(folder.settings)
        self._say()
        self._ask_estimate()

    def show_estimate(self, settings: JobSettings, estimate: JobEstimate | None, problem: str) -> None:
        """What a job with these settings will take, or why that can't be said."""
        if settings != self.form.settings():
            return
        self._estimate_problem, self._estimate = problem, estimate
        if estimate is not None:
            self._fits = estimate.fits
        self._show_facts()
        self._say()

    def _show_facts(self) -> None:
        estimate = self._estimate
        if estimate is None:
            self._facts.set_rows(_EMPTY)
        else:
            free = f"{byte_size(estimate.disk)} of {byte_size(estimate.free_disk)} free"
            self._facts.set_rows(
                [
                    ("Texts", count(estimate.texts)),
                    ("Tokens", f"about {count(estimate.tokens)}"),
                    ("On disk", f"about {free}"),
                    ("Memory", f"{byte_size(estimate.memory)} beside the model"),
                    ("Time", f"about {_time(estimate.seconds)}{' on this machine alone' if self.form.ray else ''}"),
                ]
            )
            if not estimate.fits:
                self._estimate_problem = (
                    f"There is no room for it: {free}. Free some, or choose fewer layers or float16."
                )

    def show_job(self, settings: JobSettings, controllers: int, ray: RayChoice | None = None) -> None:
        """The job that goes on now, in place of the form."""
        cluster = "" if ray is None else f"the Ray cluster {ray.address or 'of this machine'}"
        self.progress.begin(settings.texts, settings.out, len(settings.sites), controllers, cluster)
        self._ended = ""
        self._pages.setCurrentWidget(self.progress)
        self._say()

    def show_end(self, words: str, bad: bool) -> None:
        """What came of the job; the form is there again, to go on or for the next."""
        self._ended, self._ended_badly = words, bad
        self._pages.setCurrentIndex(0)
        self._known = None
        self._on_pause_timeout()
        self._say()

    @property
    def working(self) -> bool:
        """Whether a job is shown."""
        return self._pages.currentWidget() is self.progress

    # ---- handlers ---------------------------------------------------------------------------------------------

    @Slot()
    def _on_form_changed(self) -> None:
        self._ended = ""
        self._pause.start()
        if self._known != self._asked():
            self._texts_problem = self._folder_problem = ""
            self._begun = False
        settings = self.form.settings()
        if settings is None or settings != self._estimated:
            self._show_nothing()
        elif self._estimate is not None:
            self._show_facts()  # another engine takes another time
        self._say()

    @Slot()
    def _on_pause_timeout(self) -> None:
        if self._known != self._asked():
            self.looksWanted.emit(*self._asked())
        else:
            self._ask_estimate()

    def _asked(self) -> tuple[str, str, str]:
        return self.form.texts, self.form.encoding, self.form.out

    def _ask_estimate(self) -> None:
        settings = self.form.settings()
        if settings is None or self._texts_problem or self._folder_problem or settings == self._estimated:
            return
        self._estimated, self._estimate = settings, None
        self._facts.set_rows([(name, "…") for name, _ in _EMPTY])
        self.estimateWanted.emit(settings)

    def _show_nothing(self) -> None:
        self._estimated, self._estimate, self._fits, self._estimate_problem = None, None, True, ""
        self._facts.set_rows(_EMPTY)

    def _say(self) -> None:
        """The one sentence that matters most now, and what can be pressed."""
        settings = self.form.settings()
        # A job that was begun needs only the room for what it lacks.
        short = not self._fits and self._begun
        problem = self._texts_problem or self._folder_problem or ("" if short else self._estimate_problem)
        if self.working:
            text, sign = "You can close this window: the job goes on, and the status bar shows how far it is.", ""
        elif self._ended:
            text, sign = self._ended, "warning" if self._ended_badly else ""
        elif problem:
            text, sign = problem, "warning"
        elif not self.form.texts:
            text, sign = "Name a file or a folder of texts; or drop one here.", ""
        elif self._begun:
            text, sign = "This folder holds an unfinished capture: the job goes on behind its last whole shard.", ""
        elif not self._ready:
            text, sign = "The model is at work; the job can start when it has ended.", ""
        else:
            text, sign = "", ""
        self._words.setText(text)
        self._words.setForegroundRole(QPalette.ColorRole.WindowText if sign else QPalette.ColorRole.PlaceholderText)
        self._sign.setVisible(bool(sign))
        if sign:
            self._sign.setPixmap(icon(sign).pixmap(QSize(_SIGN, _SIGN), self.devicePixelRatioF()))
        self._start.setText("Go on" if self._begun else "Start")
        self._start.setVisible(not self.working)
        hindered = bool(problem)
        looked = self._known == self._asked()
        self._start.setEnabled(settings is not None and looked and not hindered and self._ready)
        self._start.setDefault(self._start.isEnabled())

    @Slot()
    def _on_start_clicked(self) -> None:
        settings = self.form.settings()
        if settings is not None and self._start.isEnabled() and not self.working:
            self.startRequested.emit(settings)

    @Slot(list)
    def _on_files_dropped(self, paths: list[str]) -> None:
        if not self.working:
            self.form.set_texts(paths[0])

    @Slot()
    def _on_form_file_wanted(self) -> None:
        choose_file(self, "Texts", TEXT_FILES, self.form.set_texts, self.form.texts)

    @Slot()
    def _on_form_folder_wanted(self) -> None:
        choose_folder(self, "Folder of texts", self.form.set_texts, self.form.texts)

    @Slot()
    def _on_form_out_wanted(self) -> None:
        # An empty folder, which the chooser can make, or one with a capture to go on with.
        choose_folder(self, "Folder of the capture", self.form.set_out, self.form.out or str(Path.home()))


def finished_words(texts: int, tokens: int, nbytes: int) -> str:
    """What a job has written."""
    return f"{plural(texts, 'text')}, {count(tokens)} tokens, {byte_size(nbytes)}"


def _time(seconds: float) -> str:
    return duration(round(seconds)) if seconds >= 60 else f"{max(1, round(seconds))} s"
