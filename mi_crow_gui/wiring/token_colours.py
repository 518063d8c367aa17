"""What tokens are coloured by that needs a captured site: the norm of its values, or their change from another run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from mi_crow_gui.document.workspace import CHANGE
from mi_crow_gui.engine.drawing_pool import DrawingWish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mi_crow_gui.engine.archive import KeptRun
    from mi_crow_gui.plotdata.frame import Frame
    from mi_crow_gui.plotdata.token_norms import TokenNorms
    from mi_crow_gui.wiring.parts import Parts
    from mi_crow_gui.wiring.plots_wiring import PlotsWiring

_PLACE = "tokens/colours"


@dataclass(frozen=True, slots=True)
class Colours:
    """A value for each token of each prompt; `about` says of what in short, `missing` why there is none."""

    name: str = ""
    values: Sequence[Sequence[float]] = ()
    about: str = ""
    missing: str = ""


class SiteColours(QObject):
    """Asks for the norms of the selected site when somebody looks at them, and keeps the newest."""

    changed = Signal()

    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts = parts
        self._plots: PlotsWiring | None = None
        self._asked: tuple[Frame, int] | None = None
        self._found: TokenNorms | None = None
        self._looking = False
        parts.drawings.drawn.connect(self._on_drawings_drawn)
        parts.service.pinsChanged.connect(self._on_service_pins_changed)

    def add_plots(self, plots: PlotsWiring) -> None:
        """Frames come from what the plots show."""
        self._plots = plots
        plots.changed.connect(self._on_plots_changed)

    def forget(self) -> None:
        """What was found is of an older run."""
        self._asked = self._found = None

    def rest(self) -> None:
        """Nobody looks at a site's numbers: nothing is computed."""
        self._looking = False

    def of(self, measure: str) -> Colours:
        """The newest numbers, and why there are none; asks for them where they are not there yet."""
        self._looking = True
        site = self._parts.store.workspace.selected_site
        if site is None:
            return Colours(missing="Select a captured module to colour tokens by it.")
        frame = self._plots.whole_frame_at(site) if self._plots is not None else None
        name = site or "the model"
        if frame is None:
            return Colours(missing=f"Capture {name} and run, to colour tokens by it.")
        other = None
        if measure == CHANGE:
            other = self._baseline(frame)
            if other is None:
                return Colours(
                    missing=f"Run again, or pin a run as A: there is no other run of {name} to compare with."
                )
        self._ask(frame, other)
        found = self._found
        if found is None or (found.run, found.site) != (frame.run, site):
            return Colours()
        if bool(found.baseline) != (measure == CHANGE):
            return Colours()
        if not any(len(row) for row in found.values):
            why = f"shares no token with run {found.baseline}" if found.baseline else "gives no values by token"
            return Colours(missing=f"{name} {why}." if not found.baseline else f"This run {why}.")
        about = f"of {name}"
        if other is not None:
            pinned = next((pin for pin, kept in self._parts.service.pinned.items() if kept.number == other.number), "")
            about += f" from run {other.number}" + (f" ({pinned})" if pinned else "")
        values = [row.tolist() for row in found.values]
        return Colours("Change" if other is not None else "Norm", values, about)

    def _baseline(self, frame: Frame) -> KeptRun | None:
        """The run that is pinned as A, else the newest one before this that is kept; both if they have the site."""
        service = self._parts.service
        pinned = service.pinned.get("A")
        kept: list[KeptRun | None] = [pinned]
        kept += [service.kept(number) for number in reversed(service.kept_numbers()) if number < frame.run]
        fit = (run for run in kept if run is not None and run.number != frame.run)
        return next((run for run in fit if run.frame(frame.site, frame.stage) is not None), None)

    def _ask(self, frame: Frame, other: KeptRun | None) -> None:
        asked = (frame, other.number if other is not None else 0)
        if self._asked is not None and self._asked[0] is asked[0] and self._asked[1] == asked[1]:
            return
        self._asked = asked
        # numpy is imported with it, which the first paint does not wait for.
        from mi_crow_gui.plotdata.token_norms import prepare_token_norms

        baseline = other.frame(frame.site, frame.stage) if other is not None else None
        self._parts.drawings.ask(DrawingWish(_PLACE, frame, baseline, prepare_token_norms))

    @Slot()
    def _on_plots_changed(self) -> None:
        if self._looking:
            self.changed.emit()

    @Slot()
    def _on_service_pins_changed(self) -> None:
        if self._looking:
            self.changed.emit()

    @Slot(str, object)
    def _on_drawings_drawn(self, plot_id: str, found: Any) -> None:
        if plot_id == _PLACE:
            self._found = found
            if self._looking:
                self.changed.emit()
