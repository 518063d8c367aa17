"""What every conversation of the wiring is between: made once, handed to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi_crow_gui.arguments import Arguments
    from mi_crow_gui.engine.drawing_pool import DrawingPool
    from mi_crow_gui.engine.jobs import Jobs
    from mi_crow_gui.engine.long_jobs import LongJobs
    from mi_crow_gui.engine.service import ModelService
    from mi_crow_gui.state.settings import Settings
    from mi_crow_gui.state.store import DocumentStore
    from mi_crow_gui.window.main_window import MainWindow


@dataclass(frozen=True, slots=True)
class Parts:
    """Window, document, service, and the pools that serve them."""

    window: MainWindow
    store: DocumentStore
    service: ModelService
    jobs: Jobs
    long_jobs: LongJobs
    drawings: DrawingPool
    settings: Settings
    arguments: Arguments
