"""The libraries that a model is made of, as they are meant to be: user code may change them by mistake."""

from __future__ import annotations

import builtins
import math
import sys
from types import ModuleType
from typing import Any

_TORCH = ("torch", "torch.nn.functional", "torch.nn.init", "torch.linalg", "torch.special", "torch.fft")
_CLASSES = (
    ("torch", "Tensor"),
    ("torch.nn", "Module"),
    ("torch.nn", "Linear"),
    ("torch.nn", "LayerNorm"),
    ("torch.nn", "Embedding"),
    ("torch.nn", "GELU"),
    ("torch.nn", "SiLU"),
    ("torch.nn", "Dropout"),
)
_ABSENT: Any = object()


class Libraries:
    """Remembers functions and classes of torch, math and Python, and puts back those that were replaced or removed."""

    def __init__(self) -> None:
        holders: list[Any] = [math, builtins, *(sys.modules[name] for name in _TORCH if name in sys.modules)]
        holders += [getattr(sys.modules[name], kind) for name, kind in _CLASSES if name in sys.modules]
        self._known = [(holder, _functions(holder), frozenset(vars(holder))) for holder in holders]
        self._modules = {name: sys.modules[name] for name in _TORCH if name in sys.modules}
        self._recursion = sys.getrecursionlimit()
        self._dtype: Any = None
        torch = sys.modules.get("torch")
        self._torch = torch
        if torch is not None:
            self._dtype = torch.get_default_dtype()

    def put_back(self) -> list[str]:
        """Names of what was changed and is now as it was."""
        changed: list[str] = []
        torch = self._torch
        if torch is not None and torch.get_default_dtype() is not self._dtype:
            torch.set_default_dtype(self._dtype)
            changed.append("torch's default dtype")
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
            changed.append("Python's recursion limit")
        for name, module in self._modules.items():
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
                changed.append(name)
        for holder, functions, names in self._known:
            now = vars(holder)
            for name, function in functions.items():
                if now.get(name, _ABSENT) is not function:
                    setattr(holder, name, function)
                    changed.append(f"{_name(holder)}.{name}")
            if isinstance(holder, type) and len(now) > len(names):
                for name in [name for name in now if name not in names and _inherited(holder, name)]:
                    delattr(holder, name)
                    changed.append(f"{_name(holder)}.{name}")
        return changed


def _functions(holder: Any) -> dict[str, Any]:
    """What can be called; modules are filled later by whoever imports, so that others are no business of ours."""
    return {
        name: value
        for name, value in vars(holder).items()
        if (callable(value) or isinstance(value, property | staticmethod | classmethod))
        and not isinstance(value, ModuleType)
    }


def _inherited(kind: type, name: str) -> bool:
    """Whether a name of a class hides one of those that it is made from."""
    return any(name in vars(base) for base in kind.__mro__[1:])


def _name(holder: Any) -> str:
    name = str(getattr(holder, "__name__", holder))
    return f"torch.{name}" if isinstance(holder, type) else name
