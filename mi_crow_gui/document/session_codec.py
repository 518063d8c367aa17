"""Workspace to JSON data and back; what comes back is checked field by field, for people may have edited it."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any, TypeVar

from core_hooks.model.reference import ModelReference
from core_hooks.model.tokens import GenerationSettings
from mi_crow_gui.document.hook_spec import HookSpec, new_id
from mi_crow_gui.document.plot_source import KNOWN, NEWEST
from mi_crow_gui.document.workspace import LOSS, MAP_MEASURES, NORM, TOKEN_MEASURES, PlotSpec, Workspace

_Item = TypeVar("_Item", HookSpec, PlotSpec)
_STAGES = ("before", "after", "input")
_LARGEST = 2**63 - 1


class SessionError(ValueError):
    """A session that can't be read or written; the message is one sentence for people."""


def workspace_to_data(workspace: Workspace) -> dict[str, Any]:
    """The workspace as JSON data."""
    model = workspace.model
    return {
        "model": _record_to_data(model) if model is not None else None,
        "prompt": workspace.prompt,
        "generation": _record_to_data(workspace.generation),
        "hooks": [_record_to_data(hook) for hook in workspace.hooks],
        "plots": [_record_to_data(plot) for plot in workspace.plots],
        "drafts": dict(workspace.drafts),
        "selected_site": workspace.selected_site,
        "batch": workspace.batch,
        "selected_prompt": workspace.selected_prompt,
        "token_measure": workspace.token_measure,
        "map_measure": workspace.map_measure,
        "capture": workspace.capture,
    }


def workspace_from_data(data: object) -> tuple[Workspace, list[str]]:
    """The workspace of JSON data, and the names of fields that this version does not know and leaves out."""
    reader = _Reader(data, "the workspace")
    model = reader.value("model")
    drafts = _Reader(reader.value("drafts", {}), "the drafts")
    measure, map_measure = reader.text("token_measure", LOSS), reader.text("map_measure", NORM)
    workspace = Workspace(
        model=None if model is None else _model(reader.inner("model")),
        prompt=reader.text("prompt"),
        generation=_generation(reader.inner("generation")),
        hooks=_with_own_ids([_hook(inner) for inner in reader.items("hooks")]),
        plots=_with_own_ids([_plot(inner) for inner in reader.items("plots")]),
        drafts=tuple((_clean(site), drafts.text(site)) for site in drafts.names),
        selected_site=None if reader.value("selected_site") is None else reader.text("selected_site"),
        batch=reader.flag("batch", False),
        selected_prompt=reader.whole("selected_prompt", 0),
        # One that a newer version knows is no reason to refuse the rest.
        token_measure=measure if measure in TOKEN_MEASURES else LOSS,
        map_measure=map_measure if map_measure in MAP_MEASURES else NORM,
        capture=reader.text("capture"),
    )
    return workspace, reader.unknown_fields()


def _model(reader: _Reader) -> ModelReference:
    source = reader.text("source")
    if not source:
        raise SessionError(f"{reader.where} names no source.")
    return ModelReference(
        source=source,
        device=reader.text("device", "cpu"),
        dtype=reader.text("dtype", "auto"),
        attention=reader.text("attention", "auto"),
        trust_code=reader.flag("trust_code", False),
        quantisation=reader.text("quantisation", "none"),
        parts=reader.options("parts"),
    )


def _generation(reader: _Reader) -> GenerationSettings:
    default = GenerationSettings()
    return GenerationSettings(
        max_new_tokens=reader.whole("max_new_tokens", default.max_new_tokens, least=1),
        temperature=reader.amount("temperature", default.temperature),
        top_k=reader.whole("top_k", default.top_k),
        seed=reader.whole("seed", default.seed),
    )


def _hook(reader: _Reader) -> HookSpec:
    stage = reader.text("stage", "before")
    if stage not in _STAGES:
        raise SessionError(f'{reader.where}: stage must be "before", "after" or "input", not {_shown(stage)}.')
    return HookSpec(
        site=reader.text("site", required=True),
        # Any kind is kept: it may belong to a plugin that is not installed here
        kind=reader.text("kind", required=True),
        enabled=reader.flag("enabled", True),
        stage=stage,
        code=reader.text("code"),
        trusted=reader.flag("trusted", False),
        options=reader.options("options"),
        id=reader.text("id") or new_id(),
    )


def _plot(reader: _Reader) -> PlotSpec:
    source = reader.text("source")
    if source not in KNOWN:
        # A newer version may know more; what follows the newest run is never wrong.
        source = NEWEST
    return PlotSpec(
        kind=reader.text("kind", required=True),
        site=None if reader.value("site") is None else reader.text("site"),
        tab=reader.text("tab", "Plots"),
        options=reader.options("options"),
        source=source,
        id=reader.text("id") or new_id(),
    )


def _record_to_data(record: Any) -> dict[str, Any]:
    data = {field.name: getattr(record, field.name) for field in fields(record)}
    for name in {"options", "parts"} & data.keys():
        data[name] = dict(data[name])
    return data


def _with_own_ids(items: list[_Item]) -> tuple[_Item, ...]:
    """Give a new id to every item whose id an earlier one has."""
    seen: set[str] = set()
    own = []
    for item in items:
        own.append(replace(item, id=new_id()) if item.id in seen else item)
        seen.add(item.id)
    return tuple(own)


class _Reader:
    """Takes typed fields out of one JSON object, and knows which it was not asked for."""

    def __init__(self, data: object, where: str) -> None:
        if not isinstance(data, dict):
            raise SessionError(f"{where[0].upper()}{where[1:]} must be a JSON object, not {_shown(data)}.")
        self.where = where[0].upper() + where[1:]
        self._data: dict[str, Any] = data
        self._asked: set[str] = set()
        self._inner: list[_Reader] = []

    @property
    def names(self) -> list[str]:
        return list(self._data)

    def value(self, name: str, default: Any = None) -> Any:
        self._asked.add(name)
        return self._data.get(name, default)

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        if required and name not in self._data:
            raise SessionError(f"{self.where} has no {name}.")
        value = self.value(name, default)
        return _clean(self._checked(name, value, "a text", isinstance(value, str)))

    def flag(self, name: str, default: bool) -> bool:
        value = self.value(name, default)
        return bool(self._checked(name, value, "true or false", isinstance(value, bool)))

    def whole(self, name: str, default: int, least: int = 0) -> int:
        value = self.value(name, default)
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST
        return int(self._checked(name, value, f"a whole number from {least} on", fits))

    def amount(self, name: str, default: float) -> float:
        value = self.value(name, default)
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LARGEST
        return float(self._checked(name, value, "a number from 0 on", fits and math.isfinite(value)))

    def options(self, name: str) -> tuple[tuple[str, str], ...]:
        reader = self.inner(name)
        return tuple(sorted((_clean(option), reader.text(option)) for option in reader.names))

    def inner(self, name: str) -> _Reader:
        reader = _Reader(self.value(name, {}), f"{name} in {self._lower()}")
        self._inner.append(reader)
        return reader

    def items(self, name: str) -> list[_Reader]:
        value = self.value(name, [])
        self._checked(name, value, "a list", isinstance(value, list))
        readers = [_Reader(item, f"{name[:-1]} {place}") for place, item in enumerate(value, start=1)]
        self._inner += readers
        return readers

    def unknown_fields(self) -> list[str]:
        unknown = sorted({*self._data} - self._asked)
        return list(dict.fromkeys([*unknown, *(name for inner in self._inner for name in inner.unknown_fields())]))

    def _checked(self, name: str, value: Any, wanted: str, fits: bool) -> Any:
        if not fits:
            raise SessionError(f"{self.where}: {name} must be {wanted}, not {_shown(value)}.")
        return value

    def _lower(self) -> str:
        return self.where[0].lower() + self.where[1:]


def _clean(text: str) -> str:
    """Replace halves of characters (lone surrogates), which JSON can hold but no tokenizer, file or widget."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _shown(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
