"""From a model to its module tree as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core_hooks.hooks.compiled import unwrap
from core_hooks.model.records import ModuleRecord, ModuleTree
from core_hooks.model.stored_tensor import stored_bytes, stored_dtype, stored_elements

if TYPE_CHECKING:
    import torch
    from torch import nn


def build_tree(model: nn.Module) -> ModuleTree:
    """Return the hierarchy of `model`, in time linear in the number of modules; meta models are welcome.

    Wrappers such as ``torch.compile`` are looked through. A module that hangs in several places has a record in
    each, with everything below it, and the later ones say where it was met first; one that contains itself is
    not entered again. A tensor that occurs several times below a module counts once there.
    """
    places = _walk(model)
    sums = _count(places)
    first_paths: dict[int, str] = {}
    records = []
    for index, (module, path) in enumerate(zip(places.modules, places.paths, strict=True)):
        first = first_paths.setdefault(id(module), path)
        records.append(
            ModuleRecord(
                path=path,
                class_name=type(module).__name__,
                parent=places.parents[index],
                children=tuple(places.children.get(index, ())),
                depth=places.depths[index],
                own_parameters=sums.own[index],
                parameters=sums.parameters[index],
                bytes=sums.bytes[index],
                dtype=sums.dtypes[index],
                weight_shape=_weight_shape(module),
                device=sums.devices[index],
                tied_to=sums.tied.get(index, ""),
                shared_with="" if first == path else first,
            )
        )
    return ModuleTree(tuple(records))


@dataclass(slots=True)
class _Places:
    """The hierarchy in depth-first pre-order, as columns: a hundred thousand rows of objects would cost twice."""

    modules: list[nn.Module]
    paths: list[str]
    parents: list[int]
    depths: list[int]
    children: dict[int, list[int]]


@dataclass(slots=True)
class _Sums:
    """What the parameters at and below each place come to."""

    own: list[int]
    parameters: list[int]
    bytes: list[int]
    dtypes: list[str]
    devices: list[str]
    tied: dict[int, str]


def _walk(model: nn.Module) -> _Places:
    places = _Places([], [], [], [], {})
    stack: list[tuple[nn.Module, str, int]] = [(unwrap(model), "", -1)]
    while stack:
        module, path, parent = stack.pop()
        index = len(places.modules)
        places.modules.append(module)
        places.paths.append(path)
        places.parents.append(parent)
        places.depths.append(places.depths[parent] + 1 if parent >= 0 else 0)
        if parent >= 0:
            places.children.setdefault(parent, []).append(index)
        for name, child in reversed(module._modules.items()):
            if child is not None:
                child = unwrap(child)
                if not _is_above(child, places, index):
                    stack.append((child, f"{path}.{name}" if path else name, index))
    return places


def _is_above(module: nn.Module, places: _Places, index: int) -> bool:
    while index >= 0:
        if places.modules[index] is module:
            return True
        index = places.parents[index]
    return False


def _count(places: _Places) -> _Sums:
    count = len(places.modules)
    sums = _Sums([0] * count, [0] * count, [0] * count, [""] * count, [""] * count, {})
    holders: dict[object, int] = {}
    repeated: dict[object, list[int]] = {}
    dtype_names: dict[torch.dtype, str] = {}
    device_names: dict[torch.device, str] = {}
    for index, module in enumerate(places.modules):
        own: set[object] = set()
        for parameter in module._parameters.values():
            if parameter is None:
                continue
            key = _identity(parameter)
            dtype, device = stored_dtype(parameter), parameter.device
            _mix(sums.dtypes, index, dtype_names.get(dtype) or dtype_names.setdefault(dtype, str(dtype)[6:]))
            _mix(sums.devices, index, device_names.get(device) or device_names.setdefault(device, str(device)))
            holder = holders.setdefault(key, index)
            if key in own:
                continue  # a second name within the same module
            if holder != index:
                repeated.setdefault(key, [holder]).append(index)
            own.add(key)
            sums.own[index] += stored_elements(parameter)
            sums.bytes[index] += stored_bytes(parameter)
    sums.parameters = list(sums.own)
    for index in range(count - 1, 0, -1):  # children come after their parent, so the sums travel upwards
        above = places.parents[index]
        sums.parameters[above] += sums.parameters[index]
        sums.bytes[above] += sums.bytes[index]
        _mix(sums.dtypes, above, sums.dtypes[index])
        _mix(sums.devices, above, sums.devices[index])
    for key, indices in repeated.items():
        _count_once(places, sums, key, indices)
    return sums


def _count_once(places: _Places, sums: _Sums, key: object, indices: list[int]) -> None:
    """Take what a repeated parameter was counted too often out of every place above it, and mark the ties."""
    first = indices[0]
    name, parameter = _named(places.modules[first], key)
    times: dict[int, int] = {}
    for index in indices:
        while index >= 0:
            times[index] = times.get(index, 0) + 1
            index = places.parents[index]
    for index, seen in times.items():
        sums.parameters[index] -= (seen - 1) * stored_elements(parameter)
        sums.bytes[index] -= (seen - 1) * stored_bytes(parameter)
    path = places.paths[first]
    for index in indices[1:]:
        # The same module met again holds the same tensor: that is a shared module, not a tied weight.
        if places.modules[index] is not places.modules[first]:
            sums.tied[index] = f"{path}.{name}" if path else name


def _named(module: nn.Module, key: object) -> tuple[str, torch.Tensor]:
    return next(
        (name, parameter)
        for name, parameter in module._parameters.items()
        if parameter is not None and _identity(parameter) == key
    )


def _identity(parameter: torch.Tensor) -> object:
    """Return what two parameters have in common when they are the same numbers in memory."""
    if not parameter.is_meta:
        try:
            pointer = parameter.data_ptr()
        except RuntimeError:  # a tensor without storage of its own, such as a distributed one
            pointer = 0
        if pointer:
            return (pointer, parameter.numel())
    return id(parameter)


def _mix(names: list[str], index: int, name: str) -> None:
    """Note `name` at `index`; two different ones make ``"mixed"``."""
    if name and names[index] != name:
        names[index] = "mixed" if names[index] else name


def _weight_shape(module: nn.Module) -> tuple[int, ...]:
    parameters = module._parameters
    weight = parameters.get("weight")
    if weight is None:
        weight = next((parameter for parameter in parameters.values() if parameter is not None), None)
    return () if weight is None else tuple(weight.shape)
