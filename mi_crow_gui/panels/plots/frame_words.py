"""What is said of a frame: which run and step it is of, and its values that can't be shown as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mi_crow_gui.document.formatting import count, plural
from mi_crow_gui.panels.look import GRID
from mi_crow_gui.plotdata.prompt_frame import was_kept

if TYPE_CHECKING:
    from mi_crow_gui.plotdata.frame import Frame


# In a narrower plot its title needs the room more than the word for it, and than which prompt of a batch it shows.
NARROW, _NO_PROMPT = 42 * GRID, 33 * GRID


def moment_words(drawing: Any, width: int) -> str:
    """Which run and step a drawing is of, and which prompt of a batch, as far as there is room."""
    when = drawing.frame.origin or f"run {drawing.run} · step {drawing.step}"
    if drawing.rows.samples > 1 and width >= _NO_PROMPT:
        # All plots show the same one: where room is short the number does, or the strip of tokens alone.
        when += f" · {'' if width < NARROW else 'prompt '}{drawing.rows.sample + 1}/{drawing.rows.samples}"
    return str(when)


def not_finite_words(nan: int, infinite: int) -> str:
    """How many values are no numbers."""
    words = [f"{count(nan)} NaN"] if nan else []
    words += [f"{count(infinite)} infinite"] if infinite else []
    return ", ".join(words)


def dropped_words(frame: Frame) -> str:
    """What of a frame the memory budget had no room for."""
    words = [f"{plural(frame.dropped, 'older row')} dropped"] if frame.dropped else []
    words += [f"{plural(frame.dropped_prompts, 'prompt')} of the batch dropped"] if frame.dropped_prompts else []
    return f"{', '.join(words)} (memory budget)" if words else ""


def blank_rows(drawing: Any) -> int:
    """How many of the rows shown are NaN only because they have no partner."""
    rows = drawing.rows
    return sum(rows.first <= place < rows.first + rows.count for place in drawing.frame.blank)


def no_values(site: str, frame: Frame) -> str:
    """Why a frame has no values at all."""
    if was_kept(frame):
        return f"{site or 'The model'} gave a tensor without values ({' × '.join(map(str, frame.shape))})."
    return (
        f"Prompt {frame.prompt + 1} of {frame.prompts} was not kept: the captures of this run did not fit into the "
        f"memory budget, which holds the first {frame.prompts - frame.dropped_prompts} here. "
        "Capture fewer sites, or run fewer prompts."
    )
