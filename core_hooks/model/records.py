"""The module hierarchy of a model as plain frozen records: no torch, no model, safe to hand to any thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """One module.

    Attributes
    ----------
    path
        Dotted name as in ``named_modules()``; ``""`` is the root.
    class_name
        Name of the module's class.
    parent
        Index of the parent in `ModuleTree.records`; -1 for the root.
    children
        Indices of the children, in registration order.
    depth
        0 for the root.
    own_parameters, parameters
        Number of parameter elements held by the module itself, and by it and everything below it; a tensor
        that occurs twice below one module counts once.
    bytes
        Size of `parameters` in bytes, with the dtype that each tensor has.
    dtype
        ``"float32"``, ``"bfloat16"``, ...; ``"mixed"`` for several, ``""`` for a module without parameters.
    weight_shape
        Shape of the module's own ``weight``, else of its first own parameter, else ``()``.
    device
        ``"cpu"``, ``"cuda:0"``, ``"meta"``, ``"mixed"``, or ``""`` without parameters.
    tied_to
        Path of the parameter whose storage the module's own weight shares (weight tying), else ``""``.
    shared_with
        Path under which the same module object was met first, else ``""``.
    """

    path: str
    class_name: str
    parent: int
    children: tuple[int, ...] = ()
    depth: int = 0
    own_parameters: int = 0
    parameters: int = 0
    bytes: int = 0
    dtype: str = ""
    weight_shape: tuple[int, ...] = ()
    device: str = ""
    tied_to: str = ""
    shared_with: str = ""

    @property
    def name(self) -> str:
        """Last part of the dotted path; ``""`` for the root."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class ModuleTree:
    """All modules of one model in depth-first pre-order; ``records[0]`` is the root."""

    records: tuple[ModuleRecord, ...]
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {record.path: i for i, record in enumerate(self.records)})

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[ModuleRecord]:
        return iter(self.records)

    def __contains__(self, path: object) -> bool:
        return path in self._index

    def index(self, path: str) -> int:
        """Position of `path` in `records`; KeyError when there is no such module."""
        return self._index[path]

    def record(self, path: str) -> ModuleRecord:
        """The record of `path`; KeyError when there is no such module."""
        return self.records[self._index[path]]

    @property
    def root(self) -> ModuleRecord:
        """The model itself."""
        return self.records[0]
