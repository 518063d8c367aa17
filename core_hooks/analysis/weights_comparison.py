"""The weights of two models, tensor by tensor, from their safetensors files; neither model is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.capture.index import CaptureError
from core_hooks.capture.mapped_shard import MappedShard, widened
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

_BLOCK = 1 << 20  # values at a time
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class TensorComparison:
    """One tensor of a model A against that of the same name of a model B.

    Attributes
    ----------
    shape
        Of A's.
    difference
        Euclidean norm of B less A; `relative` to that of A.
    cosine
        Between the two as long vectors; NaN when one is zero.
    problem
        Why they can't be compared: only one model has it, or the shapes differ; "" when they can.
    """

    name: str
    shape: tuple[int, ...]
    difference: float = float("nan")
    relative: float = float("nan")
    cosine: float = float("nan")
    problem: str = ""


def compare_weights(
    a: Path,
    b: Path,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> list[TensorComparison]:
    """Compare the weights in two folders, or two files, of safetensors, in blocks of what is mapped.

    Returns
    -------
    list of TensorComparison
        In the order of A's names, then those that B alone has.

    Raises
    ------
    CaptureError
        A folder holds no safetensors, or a file is not whole.
    RunCancelled
        `cancel` was set.
    """
    ours, theirs = _tensors(Path(a)), _tensors(Path(b))
    total = sum(max(1, math.prod(shard.shape(name))) for name, shard in ours.items())
    done = 0
    found = []
    for name, shard in ours.items():
        shape = shard.shape(name)
        other = theirs.get(name)
        if other is None:
            found.append(TensorComparison(name, shape, problem="only in A"))
        elif other.shape(name) != shape:
            text = " × ".join(map(str, other.shape(name)))
            found.append(TensorComparison(name, shape, problem=f"in B it is {text}"))
        elif shard.dtype(name) not in _FLOATS or other.dtype(name) not in _FLOATS:
            found.append(TensorComparison(name, shape, problem=f"{shard.dtype(name)} is no floating dtype"))
        else:
            found.append(_compare(name, shard, other, on_progress, cancel, done, total))
        done += max(1, math.prod(shape))
    added = [name for name in theirs if name not in ours]
    return found + [TensorComparison(name, theirs[name].shape(name), problem="only in B") for name in added]


def _tensors(path: Path) -> dict[str, MappedShard]:
    """The file of every tensor, by name; opened by their headers alone."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files:
        raise CaptureError(f"'{path}' holds no .safetensors file; choose the folder of a model.")
    found: dict[str, MappedShard] = {}
    for file in files:
        try:
            shard = MappedShard(file)
        except CaptureError as error:
            if not file.exists():
                raise CaptureError(f"There is no file or folder '{file}'.") from error
            raise CaptureError(f"'{file}' is not a whole safetensors file; download or copy it again.") from error
        found.update(dict.fromkeys(shard, shard))
    return found


def _compare(
    name: str,
    one: MappedShard,
    other: MappedShard,
    report: Callable[[int, int], None] | None,
    cancel: threading.Event | None,
    done: int,
    total: int,
) -> TensorComparison:
    a, b = one.tensor(name).reshape(-1), other.tensor(name).reshape(-1)
    kind_a, kind_b = one.dtype(name), other.dtype(name)
    square_a = square_b = product = change = 0.0
    for start in range(0, len(a), _BLOCK):
        if cancel is not None and cancel.is_set():
            raise RunCancelled("The comparison was cancelled.")
        if report is not None:
            report(done + start, total)
        x = _wide(a[start : start + _BLOCK], kind_a)
        y = _wide(b[start : start + _BLOCK], kind_b)
        square_a += float(x @ x)
        square_b += float(y @ y)
        product += float(x @ y)
        gap = y - x
        change += float(gap @ gap)
    length = np.sqrt(square_a) * np.sqrt(square_b)
    return TensorComparison(
        name,
        one.shape(name),
        difference=float(np.sqrt(change)),
        relative=float(np.sqrt(change / square_a)) if square_a > 0 else float("nan"),
        cosine=float(np.clip(product / length, -1, 1)) if length > 0 else float("nan"),
    )


def _wide(values: np.ndarray, kind: str) -> np.ndarray:
    return (widened(values) if kind == "BF16" else values).astype(np.float64)
