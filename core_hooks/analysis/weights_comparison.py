"""The weights of two models, tensor by tensor and layer by layer, from their files; neither model is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core_hooks.analysis.weight_files import open_weights
from core_hooks.capture.mapped_shard import widened
from core_hooks.hooks.errors import RunCancelled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from core_hooks.capture.mapped_shard import MappedShard

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
    norms
        Euclidean norms of A's and of B's.
    """

    name: str
    shape: tuple[int, ...]
    difference: float = float("nan")
    relative: float = float("nan")
    cosine: float = float("nan")
    problem: str = ""
    norms: tuple[float, float] = (float("nan"), float("nan"))


@dataclass(frozen=True, slots=True)
class LayerComparison:
    """The tensors of one block, or of one module outside the blocks, taken together as one long vector.

    Attributes
    ----------
    tensors, changed, apart
        How many were compared, how many of them differ, and how many more can't be compared.
    difference, relative, cosine
        As of a `TensorComparison`; NaN where nothing could be compared.
    """

    name: str
    tensors: int
    changed: int
    apart: int
    difference: float
    relative: float
    cosine: float


def by_layer(tensors: Iterable[TensorComparison]) -> list[LayerComparison]:
    """Put the tensors of a layer together, layers in the order in which they come.

    A layer is what a name says up to its first number, as in ``transformer.h.0``; without a number it is the module
    that holds the tensor.
    """
    groups: dict[str, list[TensorComparison]] = {}
    for tensor in tensors:
        groups.setdefault(_layer(tensor.name), []).append(tensor)
    return [_together(name, group) for name, group in groups.items()]


def _layer(name: str) -> str:
    parts = name.split(".")
    number = next((at for at, part in enumerate(parts) if part.isdecimal()), None)
    return ".".join(parts[:-1] if number is None else parts[: number + 1]) or name


def _together(name: str, tensors: Sequence[TensorComparison]) -> LayerComparison:
    known = [tensor for tensor in tensors if not tensor.problem]
    change = math.sqrt(sum(tensor.difference**2 for tensor in known))
    a, b = (math.sqrt(sum(tensor.norms[side] ** 2 for tensor in known)) for side in (0, 1))
    # A tensor of zeros has no cosine, and adds nothing.
    product = sum(
        tensor.cosine * tensor.norms[0] * tensor.norms[1] for tensor in known if not math.isnan(tensor.cosine)
    )
    nothing = float("nan")
    return LayerComparison(
        name,
        tensors=len(known),
        changed=sum(tensor.difference > 0 for tensor in known),
        apart=len(tensors) - len(known),
        difference=change if known else nothing,
        relative=change / a if a > 0 else nothing,
        cosine=max(-1.0, min(1.0, product / (a * b))) if a * b > 0 else nothing,
    )


def compare_weights(
    a: Path | str,
    b: Path | str,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> list[TensorComparison]:
    """Compare the weights in two folders, or two files, of safetensors, in blocks of what is mapped.

    Models that name everything alike but for a prefix, such as one saved with its head (``transformer.h.0``) and one
    without (``h.0``), are compared under A's names.

    Parameters
    ----------
    a, b
        Each a folder, a ``.safetensors`` file, or the hub id of a model that was downloaded.
    on_progress
        Called with the values done and their number.
    cancel
        Checked between blocks.

    Returns
    -------
    list of TensorComparison
        In the order of A's names, numbers in them as numbers; then those that B alone has.

    Raises
    ------
    CaptureError
        There is no such model, it holds no safetensors, or a file is not whole.
    RunCancelled
        `cancel` was set.
    """
    ours, theirs = open_weights(a), open_weights(b)
    named = _partners(ours, theirs)
    total = sum(max(1, math.prod(shard.shape(name))) for name, shard in ours.items())
    done = 0
    found = []
    for name, shard in ours.items():
        shape = shard.shape(name)
        partner = named[name]
        other = theirs.get(partner)
        if other is None:
            found.append(TensorComparison(name, shape, problem="only in A"))
        elif other.shape(partner) != shape:
            text = " × ".join(map(str, other.shape(partner)))
            found.append(TensorComparison(name, shape, problem=f"in B it is {text}"))
        elif shard.dtype(name) not in _FLOATS or other.dtype(partner) not in _FLOATS:
            found.append(TensorComparison(name, shape, problem=f"{shard.dtype(name)} is no floating dtype"))
        else:
            found.append(_compare((name, shard), (partner, other), on_progress, cancel, done, total))
        done += max(1, math.prod(shape))
    met = set(named.values())
    added = [name for name in theirs if name not in met]
    return found + [TensorComparison(name, theirs[name].shape(name), problem="only in B") for name in added]


def _partners(ours: Iterable[str], theirs: Iterable[str]) -> dict[str, str]:
    """What B may call each of A's tensors: the same, or, where no name is the same, what a prefix makes of it."""
    names, known = list(ours), set(theirs)
    if not known.isdisjoint(names):
        return {name: name for name in names}
    best, most = "", 0
    for prefix in sorted(_prefixes(known) | {f"-{prefix}" for prefix in _prefixes(names)}):
        met = len(known.intersection(_with(prefix, names)))
        if met > most:
            best, most = prefix, met
    return dict(zip(names, _with(best, names), strict=True))


def _prefixes(names: Iterable[str]) -> set[str]:
    parts = (name.split(".") for name in names)
    return {".".join(part[:count]) + "." for part in parts for count in (1, 2, 3) if count < len(part)}


def _with(prefix: str, names: Iterable[str]) -> list[str]:
    """Names with a prefix; with the one behind a minus taken off."""
    if prefix.startswith("-"):
        return [name.removeprefix(prefix[1:]) for name in names]
    return [prefix + name for name in names]


def _compare(
    ours: tuple[str, MappedShard],
    theirs: tuple[str, MappedShard],
    report: Callable[[int, int], None] | None,
    cancel: threading.Event | None,
    done: int,
    total: int,
) -> TensorComparison:
    (name, one), (partner, other) = ours, theirs
    a, b = one.tensor(name).reshape(-1), other.tensor(partner).reshape(-1)
    kind_a, kind_b = one.dtype(name), other.dtype(partner)
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
        norms=(math.sqrt(square_a), math.sqrt(square_b)),
    )


def _wide(values: np.ndarray, kind: str) -> np.ndarray:
    return (widened(values) if kind == "BF16" else values).astype(np.float64)
