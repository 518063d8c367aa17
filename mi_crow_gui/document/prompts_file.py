"""Prompts from a text file, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.document.formatting import byte_size
from mi_crow_gui.document.prompts import lines_of

if TYPE_CHECKING:
    from pathlib import Path

# What a person looks at row by row; more texts than this are a corpus, which is captured without being shown.
LARGEST = 1 << 20


class PromptsError(ValueError):
    """A file of prompts that can't be taken; the message is one sentence for people."""


def read_prompts(path: Path) -> tuple[str, ...]:
    """The lines of a UTF-8 text file that are not blank."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise PromptsError(
                f"'{path}' has {byte_size(size)}, and a batch is read from files of up to {byte_size(LARGEST)}: "
                "use File › Capture a corpus for so many texts."
            )
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PromptsError(
            f"'{path}' is not UTF-8 text (byte {error.start:,} can't be read): save it as UTF-8."
        ) from error
    except OSError as error:
        raise PromptsError(f"'{path}' can't be read: {error.strerror or error}.") from error
    prompts = lines_of(text)
    if not prompts:
        raise PromptsError(f"'{path}' holds no prompt: every line is blank.")
    return prompts
