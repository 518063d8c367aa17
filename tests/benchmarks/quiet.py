"""Keeps what Qt says of its offscreen plugin out of the numbers."""

from __future__ import annotations

import sys


def keep_quiet() -> None:
    """Drop the line that every window shown offscreen costs; everything else that Qt says is printed."""
    from PySide6.QtCore import qInstallMessageHandler

    def handle(kind: object, context: object, message: str) -> None:
        if "propagateSizeHints" not in message:
            print(message, file=sys.stderr)

    qInstallMessageHandler(handle)
