"""What was open lately, on the start page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi_crow_gui.wiring.parts import Parts

_SHOWN = 8


def show_recent(parts: Parts) -> None:
    """Offer the newest sessions, models and captures, by turns."""
    kinds = (("sessions", "session"), ("models", "model"), ("captures", "capture"))
    entries = [(name, word) for kind, word in kinds for name in parts.settings.recent(kind)[:4]]
    parts.window.start_page.set_recent(entries[:_SHOWN])
