"""A capture from what a `LocalStore` holds of a run, so that it opens in the window like any other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core_hooks.capture.corpus import CorpusText
from core_hooks.capture.corpus_writer import CorpusSite, CorpusWriter
from core_hooks.capture.durable import TEMPORARY, make_folder
from core_hooks.capture.folder_lock import LOCK, FolderLock
from core_hooks.capture.index import FORMAT, VERSION, CaptureError, CaptureIndex, write_index
from core_hooks.capture.local_store import LocalStore
from core_hooks.capture.row_detector import as_numpy
from core_hooks.capture.shard_plan import Place, ShardPlan, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core_hooks.capture.store import LayerTensors, Store

ACTIVATIONS, IDS, MASK = "activations", "input_ids", "attention_mask"
_STORED = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


def capture_from_store(store: Store, run_id: str, folder: Path) -> CaptureIndex:
    """Write a new capture with the activations that a run of `store` holds, a shard a batch.

    Parameters
    ----------
    store
        Whose batches hold ``activations`` of shape [batch, tokens, channels] by layer, as
        `LanguageModel.activations` saves them; ``attention_mask`` and ``input_ids`` of any layer say which rows are
        padding and which tokens the others are. Without them every row is kept, its token id is -1.
    folder
        Must not exist yet, or be empty.

    Raises
    ------
    CaptureError
        The run holds no activations, or batches of different layers, or the folder is not free.
    """
    batches = _batches(store, run_id)
    first = next(batches, None)
    if first is None:
        raise CaptureError(f"Run '{run_id}' of '{store.base_path}' holds no batches of activations.")
    if folder.exists() and any(e.name != LOCK and not e.name.endswith(TEMPORARY) for e in folder.iterdir()):
        raise CaptureError(f"'{folder}' exists already; choose another folder for the capture.")
    make_folder(folder)
    sites = [_site(layer, values) for layer, values in _activations(first, run_id).items()]
    meta = store.get_run_metadata(run_id)
    index = CaptureIndex(
        format=FORMAT,
        version=VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        finished=False,
        model={"name": str(meta.get("model", ""))},
        prompts=[],
        tokens=[],
        token_ids=[],
        sites=[site.as_json(0) for site in sites],
        settings={},
        kind="corpus",
        source={"kind": "store", "path": str(store.base_path), "run": run_id},
    )
    with FolderLock(folder):
        write_index(folder, index)
        writer = CorpusWriter(folder, index, sites)
        try:
            row = text = number = 0
            held: LayerTensors | None = first
            while held is not None:
                row, text = _write_batch(writer, sites, held, run_id, row, text, number)
                number += 1
                held = next(batches, None)
            return writer.finish()
        finally:
            writer.close()


def store_runs(folder: Path) -> list[str]:
    """The runs of the `LocalStore` in a folder, by name; CaptureError when there is none."""
    runs = Path(folder) / LocalStore().runs_prefix
    try:
        found = sorted(entry.name for entry in runs.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise CaptureError(f"'{folder}' is no store: it has no folder '{runs.name}' that can be read.") from error
    if not found:
        raise CaptureError(f"The store '{folder}' holds no run.")
    return found


def convert_run(folder: Path, run_id: str, out: Path) -> CaptureIndex:
    """`capture_from_store` for the `LocalStore` in a folder; CaptureError for whatever is wrong with its files too."""
    if run_id not in store_runs(folder):
        raise CaptureError(f"The store '{folder}' has no run '{run_id}'; it has {', '.join(store_runs(folder)[:8])}.")
    try:
        return capture_from_store(LocalStore(folder), run_id, out)
    except (OSError, ValueError, KeyError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise CaptureError(f"Run '{run_id}' of '{folder}' can't be read: {said}.") from error


def _write_batch(
    writer: CorpusWriter, sites: list[CorpusSite], tensors: LayerTensors, run_id: str, row: int, text: int, number: int
) -> tuple[int, int]:
    values = _activations(tensors, run_id)
    if [_site(layer, tensor) for layer, tensor in values.items()] != sites:
        raise CaptureError(
            f"Batch {number} of run '{run_id}' holds other layers than the first; it can't be converted."
        )
    batch, longest = next(iter(values.values())).shape[:2]
    real = _table(tensors, MASK, (batch, longest))
    ids = _table(tensors, IDS, (batch, longest))
    kept = np.ones((batch, longest), bool) if real is None else real.astype(bool)
    windows: list[Window] = []
    texts: list[CorpusText] = []
    for at in range(batch):
        tokens = np.full(longest, -1, np.int32) if ids is None else ids[at].astype(np.int32)
        if not kept[at].any():
            continue
        windows.append(Window(text + len(texts), 0, tokens[kept[at]]))
        texts.append(CorpusText(text + len(texts), ""))
    if not windows:
        return row, text
    after = Place(text + len(texts), text + len(texts), 0)
    plan = ShardPlan.of(windows, texts, first_row=row, first_text=text, empty=0, behind=after)
    chosen = torch.from_numpy(np.flatnonzero(kept))
    rows: dict[str, np.ndarray] = {}
    for site in sites:
        flat = values[site.site].reshape(batch * longest, -1).index_select(0, chosen)
        rows[site.site] = as_numpy(flat.to(getattr(torch, site.stored_dtype)).contiguous())
    writer.begin(plan)
    writer.write(np.arange(plan.rows), rows)
    writer.end()
    return row + plan.rows, text + len(texts)


def _batches(store: Store, run_id: str) -> Iterator[LayerTensors]:
    numbers = store.list_run_batches(run_id)
    if numbers:
        for number in numbers:
            yield store.get_detector_metadata(run_id, number)[1]
    else:
        for _, tensors in store.iter_run_detector_metadata(run_id):
            yield tensors


def _activations(tensors: LayerTensors, run_id: str) -> dict[str, torch.Tensor]:
    found = {
        layer: by_key[ACTIVATIONS]
        for layer, by_key in tensors.items()
        if ACTIVATIONS in by_key and by_key[ACTIVATIONS].dim() >= 3 and by_key[ACTIVATIONS].is_floating_point()
    }
    if not found:
        raise CaptureError(f"A batch of run '{run_id}' holds no activations of shape [batch, tokens, channels].")
    if len({tensor.shape[:2] for tensor in found.values()}) > 1:
        raise CaptureError(f"The layers of run '{run_id}' hold different numbers of tokens; convert them one by one.")
    return found


def _table(tensors: LayerTensors, key: str, shape: tuple[int, int]) -> np.ndarray | None:
    for by_key in tensors.values():
        tensor: Any = by_key.get(key)
        if tensor is not None and tuple(tensor.shape) == shape:
            return np.asarray(tensor.cpu().numpy())
    return None


def _site(layer: str, tensor: torch.Tensor) -> CorpusSite:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return CorpusSite(layer, "before", dtype, _STORED.get(tensor.dtype, "float32"), tuple(tensor.shape[2:]))
