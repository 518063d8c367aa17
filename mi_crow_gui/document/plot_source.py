"""Which run a plot shows: the newest, a pinned one, both, or the difference of two."""

from __future__ import annotations

NEWEST = ""
RUN_A, RUN_B = "A", "B"
DIFFERENCE = "B-A"
BOTH = "A+B"
SIDES = "sides"  # of the newest run, before and after the controllers of the site

# In the order of menus.
SOURCES = (
    (NEWEST, "Newest run (follows)"),
    (RUN_A, "Run A"),
    (RUN_B, "Run B"),
    (DIFFERENCE, "B − A"),
    (BOTH, "A and B overlaid"),
    (SIDES, "Before and after controllers"),
)
KNOWN = tuple(source for source, _ in SOURCES)


def follows(source: str) -> bool:
    """Whether a plot with this source shows the newest run."""
    return source in (NEWEST, SIDES)
