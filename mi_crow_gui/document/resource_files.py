"""Where the files that come with the program lie, in a source checkout and in an installed wheel."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


class ResourceMissing(FileNotFoundError):
    """A file that belongs to the program is not there."""


@dataclass(frozen=True, slots=True)
class DemoPrompt:
    """A prompt that shows something in the demo model, and what to look for."""

    name: str
    text: str
    look_for: str


def resources_folder() -> Path:
    """The folder of everything that comes with the program."""
    # The wheel's own folder first: `resources` beside an installed package could belong to anybody.
    for folder in (_PACKAGE / "_resources", _PACKAGE.parent / "resources"):
        if folder.is_dir():
            return folder
    raise ResourceMissing(
        f"The program's resources are missing: neither {_PACKAGE / '_resources'} nor "
        f"{_PACKAGE.parent / 'resources'} exists. Install mi-crow-inspector again."
    )


def resource(*parts: str) -> Path:
    """The path of one resource, e.g. ``resource("icons", "run.svg")``; `ResourceMissing` if it is absent."""
    path = resources_folder().joinpath(*parts)
    if not path.exists():
        raise ResourceMissing(
            f"The program's file {'/'.join(parts)} is missing from {resources_folder()}. "
            "Install mi-crow-inspector again."
        )
    return path


def demo_model_folder() -> Path:
    """The folder of the bundled demo model."""
    return resource("demo_model")


def demo_prompts() -> tuple[DemoPrompt, ...]:
    """The demo model's prompts in the order in which they are offered."""
    path = resource("demo_model", "prompts.json")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(DemoPrompt(str(entry["name"]), str(entry["text"]), str(entry["look_for"])) for entry in entries)
    except (ValueError, TypeError, KeyError) as error:
        raise ResourceMissing(
            f"The program's file {path} is damaged ({error!r}). Install mi-crow-inspector again."
        ) from error
