"""What every drawing carries: the frame it was prepared from and the settings it was prepared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame
    from mi_crow_gui.plotdata.rows import Rows
    from mi_crow_gui.plotdata.table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A plot of one frame, ready to be shown.

    Attributes
    ----------
    frame
        Where everything comes from; its values are exact, whatever was reduced for the screen.
    settings
        What the plot was asked to be; a widget whose settings have changed since knows the drawing as outdated.
    rows
        The part of the frame that is shown, as rows and columns.
    """

    frame: Frame
    settings: Any
    rows: Rows

    @property
    def run(self) -> int:
        """Number of the run."""
        return self.frame.run

    @property
    def step(self) -> int:
        """Newest step in the drawing."""
        return self.frame.step

    @property
    def site(self) -> str:
        """Where the values come from."""
        return self.frame.site

    def table(self) -> Table:
        """The numbers behind the picture, as measured, for export."""
        raise NotImplementedError
