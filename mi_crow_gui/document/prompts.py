"""The prompts that the text of the prompt field stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi_crow_gui.document.workspace import Workspace


def lines_of(text: str) -> tuple[str, ...]:
    """The prompts of a batch: every line that is not blank, as it stands."""
    # Not `splitlines`: it also splits at signs that no editor shows as the end of a line.
    return tuple(line.rstrip("\r") for line in text.split("\n") if line.strip())


def blank_lines(text: str) -> int:
    """How many lines stand between prompts and hold none; those at the end are no one's mistake."""
    return sum(not line.strip() for line in text.rstrip().split("\n")) if text.strip() else 0


def prompts_of(workspace: Workspace) -> tuple[str, ...]:
    """The prompts that a run is about: those of the batch, or the whole text."""
    return lines_of(workspace.prompt) if workspace.batch else (workspace.prompt,)


def prompt_at(workspace: Workspace, number: int) -> str:
    """One of them; the last if there are fewer."""
    prompts = prompts_of(workspace)
    return prompts[max(0, min(number, len(prompts) - 1))] if prompts else ""
