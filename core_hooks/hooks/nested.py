"""The one traversal that finds the tensor inside whatever a module takes or returns, and puts another in its place."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

import torch

from core_hooks.hooks.call_input import CallInput

Tensor = torch.Tensor

# A step into a container is its kind and the index, key or attribute name to follow; a path is a row of steps.
Step: TypeAlias = tuple[str, Any]
Path: TypeAlias = tuple[Step, ...]
Select: TypeAlias = int | str | tuple[int | str, ...] | Callable[[Any], Any]

_PREFERRED = ("last_hidden_state", "logits")
_ITEM, _KEY, _ATTRIBUTE = "item", "key", "attribute"


def children(value: Any) -> list[tuple[Step, Any]]:
    """Return the steps into a container with what lies behind each, in order; empty for anything else."""
    if isinstance(value, (tuple, list)):
        return [((_ITEM, index), item) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return [((_KEY, key), value[key]) for key in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        extra = [name for name in _PREFERRED if name not in fields and _tensor_attribute(value, name)]
        return [((_ATTRIBUTE, name), getattr(value, name, None)) for name in (*fields, *extra)]
    return [((_ATTRIBUTE, name), getattr(value, name)) for name in _PREFERRED if _tensor_attribute(value, name)]


def _tensor_attribute(value: Any, name: str) -> bool:
    return isinstance(getattr(value, name, None), Tensor)


def _preferred_first(found: list[tuple[Step, Any]]) -> list[tuple[Step, Any]]:
    """Put ``last_hidden_state``, then ``logits``, before the rest where they are tensors."""
    if not found or found[0][0][0] == _ITEM:
        return found
    ranks = {name: rank for rank, name in enumerate(_PREFERRED)}

    def rank(entry: tuple[Step, Any]) -> int:
        (_, name), item = entry
        return ranks.get(name, 2) if isinstance(name, str) and isinstance(item, Tensor) else 2

    return sorted(found, key=rank)


def find_output(value: Any) -> Path | None:
    """Return the path to the tensor that an output stands for, ``None`` if it holds none.

    A container's own tensors come before those of the containers inside it; in mappings, dataclasses and
    model outputs ``last_hidden_state`` comes first, then ``logits``, then the order of the fields.
    """
    if isinstance(value, Tensor):
        return ()
    found = _preferred_first(children(value))
    for step, item in found:
        if isinstance(item, Tensor):
            return (step,)
    for step, item in found:
        below = find_output(item)
        if below is not None:
            return (step, *below)
    return None


def find_input(value: Any) -> Path | None:
    """Return the path to the first tensor among a call's arguments, each searched to its depths in turn."""
    if isinstance(value, Tensor):
        return ()
    for step, item in _preferred_first(children(value)):
        below = find_input(item)
        if below is not None:
            return (step, *below)
    return None


def locate(value: Any, select: Select | None, before: bool) -> Path | None:
    """Return the path to the tensor a hook works on, in the arguments (``before``) or the output of a call."""
    if select is not None:
        return find_selected(value, select)
    return find_input(value) if before else find_output(value)


def find_all(value: Any) -> list[Path]:
    """Return the paths to every tensor, depth-first."""
    if isinstance(value, Tensor):
        return [()]
    return [(step, *below) for step, item in children(value) for below in find_all(item)]


def find_selected(value: Any, select: Select) -> Path | None:
    """Return the path to the tensor that ``select`` names, ``None`` if it is not there.

    Parameters
    ----------
    value
        What the module returned (or was called with).
    select
        An index (negative too; 0 of a bare tensor is the tensor), a key or attribute name, a tuple of these to
        go deeper, or a function of ``value`` that returns one of the tensors inside it.

    Raises
    ------
    TypeError
        When a function returns something that is not a tensor inside ``value``.
    """
    if callable(select):
        chosen = select(value)
        if chosen is None:
            return None
        for candidate in find_all(value):
            if follow(value, candidate) is chosen:
                return candidate
        raise TypeError(
            f"select= must return one of the tensors of the {type(value).__name__} it was given or None, "
            f"got {type(chosen).__name__}"
        )
    if isinstance(value, Tensor) and select in (0, (0,)):
        return ()  # the same layer returns a tuple in one version of a model and its first element in another
    path: Path = ()
    for part in select if isinstance(select, tuple) else (select,):
        step = _step_to(value, part)
        if step is None:
            return None
        path = (*path, step)
        value = follow(value, (step,))
    below = find_output(value)
    return None if below is None else (*path, *below)


def _step_to(value: Any, part: int | str) -> Step | None:
    if isinstance(value, CallInput) and isinstance(part, str):
        names = list(value.kwargs)
        return (_ITEM, len(value.args) + names.index(part)) if part in names else None
    if isinstance(value, Mapping):
        if part in value:
            return (_KEY, part)
        if isinstance(part, int) and -len(value) <= part < len(value):
            return (_KEY, list(value)[part])
        return None
    if isinstance(value, (tuple, list)) and isinstance(part, int):
        return (_ITEM, part % len(value)) if -len(value) <= part < len(value) else None
    if isinstance(part, str) and isinstance(getattr(value, part, None), (Tensor, tuple, list, Mapping)):
        return (_ATTRIBUTE, part)
    return None


def follow(value: Any, path: Path) -> Any:
    """Return what lies at the end of a path."""
    for kind, key in path:
        value = getattr(value, key) if kind == _ATTRIBUTE else value[key]
    return value


def replace(value: Any, path: Path, new: Any) -> Any:
    """Return ``value`` with ``new`` at the end of ``path``, its containers rebuilt and never written into."""
    if not path:
        return new
    (kind, key), rest = path[0], path[1:]
    inner = replace(getattr(value, key) if kind == _ATTRIBUTE else value[key], rest, new)
    if kind == _ITEM:
        return _with_item(value, key, inner)
    if kind == _KEY:
        return _with_key(value, key, inner)
    changed = copy.copy(value)
    object.__setattr__(changed, key, inner)  # frozen dataclasses too
    return changed


def _with_item(value: tuple[Any, ...] | list[Any], index: int, item: Any) -> Any:
    if isinstance(value, list):
        changed = copy.copy(value)
        changed[index] = item
        return changed
    items = (*value[:index], item, *value[index + 1 :])
    if type(value) is tuple:
        return items
    if isinstance(value, CallInput):
        return value.with_values(items)
    if hasattr(value, "_make"):  # named tuples
        return value._make(items)
    return type(value)(items)  # torch.return_types and other sequences made from one iterable


def _with_key(value: Mapping[Any, Any], key: Any, item: Any) -> Any:
    if isinstance(value, MutableMapping):
        changed = copy.copy(value)
        changed[key] = item
        return changed
    return type(value)({**value, key: item})  # type: ignore[call-arg]
