"""What the detectors of a model hold: gathered, dropped, written to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from core_hooks.capture.store import LayerTensors, Metadata, Store
    from core_hooks.hooks import Detector


def collect(
    detectors: Iterable[Detector], label: Callable[[Detector], str | int | None]
) -> tuple[Metadata, LayerTensors]:
    """Return ``(metadata, tensors)`` of detectors by layer, and within a layer by the detector's own keys.

    Parameters
    ----------
    label
        What the layer of a detector is called. Of several detectors on one layer the first has that name and each
        further one ``<name>@<hook id>``.
    """
    metadata: Metadata = {}
    tensors: LayerTensors = {}
    for detector in detectors:
        entry = label(detector)
        if entry in metadata:
            entry = f"{entry}@{quote(detector.id, safe='')}"
        metadata[entry] = dict(detector.metadata)  # type: ignore[index]
        tensors[entry] = dict(detector.tensor_metadata)  # type: ignore[index]
    return metadata, tensors


def clear(detectors: Iterable[Detector]) -> None:
    """Drop what `detectors` hold."""
    for detector in detectors:
        if hasattr(detector, "clear_captured"):
            detector.clear_captured()
        detector.metadata.clear()
        detector.tensor_metadata.clear()


def save(
    detectors: Iterable[Detector],
    label: Callable[[Detector], str],
    store: Store | None,
    run_name: str,
    batch_idx: int | None,
) -> str:
    """Write what `detectors` hold as one batch, or append it to the run when `batch_idx` is None; return where.

    A detector with a store of its own is written to that one, under the same run and batch.

    Raises
    ------
    ValueError
        There is a detector without a store of its own, or none at all, and `store` is None.
    """
    by_store: dict[int, tuple[Store | None, list[Detector]]] = {}
    for detector in detectors:
        target = store if detector.store is None else detector.store
        by_store.setdefault(id(target), (target, []))[1].append(detector)
    written = [_put(group, label, target, run_name, batch_idx) for target, group in by_store.values()]
    return written[0] if written else _put([], label, store, run_name, batch_idx)


def _put(
    detectors: Iterable[Detector],
    label: Callable[[Detector], str],
    store: Store | None,
    run_name: str,
    batch_idx: int | None,
) -> str:
    if store is None:
        raise ValueError("Store must be provided or set on the language model")
    metadata, tensors = collect(detectors, label)
    if batch_idx is None:
        return store.put_run_detector_metadata(run_name, metadata, tensors)
    return store.put_detector_metadata(run_name, batch_idx, metadata, tensors)
