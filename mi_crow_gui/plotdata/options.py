"""Settings of plots as the pairs of strings that a session keeps."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

Settings = TypeVar("Settings")


def options_of(settings: Any) -> tuple[tuple[str, str], ...]:
    """What differs from the defaults, by name."""
    default = type(settings)()
    names = [field.name for field in fields(settings)]
    return tuple(
        (name, str(getattr(settings, name))) for name in names if getattr(settings, name) != getattr(default, name)
    )


def settings_from(kind: type[Settings], options: Iterable[tuple[str, str]]) -> Settings:
    """Settings of a kind; what is unknown or can't be read keeps its default: a newer version may have written it."""
    default = kind()
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    read = {name: _read(text, getattr(default, name)) for name, text in options if name in names}
    return kind(**{name: value for name, value in read.items() if value is not None})


def _read(text: str, like: Any) -> Any:
    if isinstance(like, bool):
        return {"True": True, "False": False}.get(text)
    try:
        return type(like)(text)
    except ValueError:
        return None
