"""From a model to its module tree as plain records."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from core_hooks.model.names import unwrap
from core_hooks.model.records import ModuleRecord, ModuleTree

if TYPE_CHECKING:
    import torch
    from torch import nn


class _Node:
    """One place in the hierarchy while it is being built."""

    __slots__ = ("bytes", "children", "depth", "devices", "dtypes", "module", "own", "parameters", "parent", "path")

    def __init__(self, module: nn.Module, path: str, parent: int, depth: int) -> None:
        self.module = module
        self.path = path
        self.parent = parent
        self.depth = depth
        self.children: list[int] = []
        self.own = 0
        self.parameters = 0
        self.bytes = 0
        self.dtypes: frozenset[torch.dtype] = frozenset()
        self.devices: frozenset[torch.device] = frozenset()


def build_tree(model: nn.Module) -> ModuleTree:
    """Return the hierarchy of `model`, in time linear in the number of modules; meta models are welcome.

    Wrappers such as ``torch.compile`` are looked through. A module that hangs in several places has a record in
    each, with everything below it, and the later ones say where it was met first; one that contains itself is
    not entered again. A tensor that occurs several times below a module counts once there.
    """
    nodes = _walk(model)
    tied = _count(nodes)
    first_paths: dict[int, str] = {}
    records = []
    for node in nodes:
        first = first_paths.setdefault(id(node.module), node.path)
        weight = node.module._parameters.get("weight")
        if weight is None:
            weight = next((p for p in node.module._parameters.values() if p is not None), None)
        records.append(
            ModuleRecord(
                path=node.path,
                class_name=type(node.module).__name__,
                parent=node.parent,
                children=tuple(node.children),
                depth=node.depth,
                own_parameters=node.own,
                parameters=node.parameters,
                bytes=node.bytes,
                dtype=_one({str(dtype).removeprefix("torch.") for dtype in node.dtypes}),
                weight_shape=() if weight is None else tuple(weight.shape),
                device=_one({str(device) for device in node.devices}),
                tied_to=tied.get(node.path, ""),
                shared_with="" if first == node.path else first,
            )
        )
    return ModuleTree(tuple(records))


def _walk(model: nn.Module) -> list[_Node]:
    nodes: list[_Node] = []
    stack: list[tuple[nn.Module, str, int]] = [(unwrap(model), "", -1)]
    while stack:
        module, path, parent = stack.pop()
        index = len(nodes)
        nodes.append(_Node(module, path, parent, nodes[parent].depth + 1 if parent >= 0 else 0))
        if parent >= 0:
            nodes[parent].children.append(index)
        for name, child in reversed(module._modules.items()):
            if child is not None:
                child = unwrap(child)
                if not _contains_itself(nodes, index, child):
                    stack.append((child, f"{path}.{name}" if path else name, index))
    return nodes


def _contains_itself(nodes: list[_Node], index: int, child: nn.Module) -> bool:
    while index >= 0:
        if nodes[index].module is child:
            return True
        index = nodes[index].parent
    return False


def _count(nodes: list[_Node]) -> dict[str, str]:
    """Fill in the sums of all nodes and return, by module path, the parameter to which its weight is tied."""
    holders: dict[object, list[tuple[int, str]]] = defaultdict(list)
    sizes: dict[object, tuple[int, int]] = {}
    for index, node in enumerate(nodes):
        dtypes, devices = set(), set()
        for name, parameter in node.module._parameters.items():
            if parameter is None:
                continue
            key = _identity(parameter)
            count = parameter.numel()
            sizes[key] = (count, count * parameter.element_size())
            if not any(holder == index for holder, _ in holders[key]):
                node.own += count
                node.bytes += sizes[key][1]
                holders[key].append((index, name))
            dtypes.add(parameter.dtype)
            devices.add(parameter.device)
        node.parameters = node.own
        node.dtypes, node.devices = frozenset(dtypes), frozenset(devices)
    for node in reversed(nodes[1:]):  # children come after their parent, so the sums travel upwards
        above = nodes[node.parent]
        above.parameters += node.parameters
        above.bytes += node.bytes
        if not node.dtypes <= above.dtypes:
            above.dtypes |= node.dtypes
        if not node.devices <= above.devices:
            above.devices |= node.devices
    tied: dict[str, str] = {}
    for key, places in holders.items():
        if len(places) < 2:
            continue
        seen: dict[int, int] = defaultdict(int)
        for index, _ in places:
            while index >= 0:
                seen[index] += 1
                index = nodes[index].parent
        count, size = sizes[key]
        for index, times in seen.items():
            nodes[index].parameters -= (times - 1) * count
            nodes[index].bytes -= (times - 1) * size
        first, name = places[0]
        for index, _ in places[1:]:
            # The same module met again holds the same tensor, which is sharing of the module, not weight tying.
            if nodes[index].module is not nodes[first].module:
                tied[nodes[index].path] = f"{nodes[first].path}.{name}" if nodes[first].path else name
    return tied


def _identity(parameter: torch.Tensor) -> object:
    if parameter.is_meta or not parameter.numel():
        return id(parameter)
    try:
        return (parameter.data_ptr(), parameter.numel(), parameter.dtype)
    except RuntimeError:  # a tensor without storage of its own, such as a quantised or a distributed one
        return id(parameter)


def _one(names: set[str]) -> str:
    return "mixed" if len(names) > 1 else next(iter(names), "")
