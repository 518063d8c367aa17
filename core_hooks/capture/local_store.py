"""Runs in folders: safetensors and JSON that any other program can read, each file whole or absent."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from core_hooks.capture.durable import replacing_file, temporary_beside
from core_hooks.capture.store import Store
from core_hooks.capture.tensor_file import check_storable, read_tensors, replacing_folder, write_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from core_hooks.capture.store import Batch, LayerTensors, Metadata

_BATCH_FILE = re.compile(r"batch_(\d+)\.safetensors")
_BATCH_FOLDER = re.compile(r"batch_(\d+)")
_LIST_ITEM = "item_{}"


class LocalStore(Store):
    """A store in a folder.

    ::

        runs/<run>/meta.json                              put_run_metadata
        runs/<run>/batch_000000.safetensors               put_run_batch
        runs/<run>/batch_<i>/metadata.json                put_detector_metadata
        runs/<run>/batch_<i>/<layer>/<key>.safetensors
        runs/<run>/detectors/batch_000000.safetensors     put_run_detector_metadata, a file a call

    Files and folders are written under a temporary name, synced and renamed, so that what is listed is whole
    and a failed write leaves the earlier data as it was. Run ids, layers and keys are file names: one path
    component each, otherwise ValueError. Tensors may be of any layout in memory, share storage, or live on
    an accelerator; they come back contiguous and on the CPU. One process at a time may append to a run.
    """

    def __init__(
        self,
        base_path: Path | str = "",
        runs_prefix: str = "runs",
        dataset_prefix: str = "datasets",
        model_prefix: str = "models",
    ) -> None:
        super().__init__(base_path, runs_prefix, dataset_prefix, model_prefix)
        self._append_lock = threading.Lock()
        self._next_append: dict[str, int] = {}

    def put_run_batch(
        self, run_id: str, batch_index: int, tensors: Sequence[torch.Tensor] | Mapping[str, torch.Tensor]
    ) -> str:
        """Store the tensors of one batch as ``batch_%06d.safetensors`` and return its path.

        Raises
        ------
        ValueError
            An empty or unsafe run id, a negative index, or a tensor that safetensors cannot hold.
        """
        path = self._batch_file(run_id, batch_index)
        if hasattr(tensors, "keys"):
            named, kind = dict(tensors), "mapping"
        else:
            named, kind = {_LIST_ITEM.format(i): tensor for i, tensor in enumerate(tensors)}, "list"
        write_tensors(path, named, {"kind": kind})
        return str(path)

    def get_run_batch(self, run_id: str, batch_index: int) -> Batch:
        """Return the list or mapping that `put_run_batch` stored.

        A batch that only `put_detector_metadata` wrote comes as a mapping with the keys ``"<layer>/<key>"``.

        Raises
        ------
        FileNotFoundError
            There is no such batch.
        """
        path = self._batch_file(run_id, batch_index)
        if not path.exists():
            _, by_layer = self.get_detector_metadata(run_id, batch_index)
            return {f"{layer}/{key}": t for layer, tensors in by_layer.items() for key, t in tensors.items()}
        tensors, header = read_tensors(path)
        if header.get("kind") == "list":
            return [tensors[_LIST_ITEM.format(i)] for i in range(len(tensors))]
        return tensors

    def list_run_batches(self, run_id: str) -> list[int]:
        """Return the indices of all batches, however stored, ascending; empty for an unknown run."""
        folder = self._run(run_id)
        if not folder.is_dir():
            return []
        names = [entry.name for entry in folder.iterdir()]
        found = (_BATCH_FILE.fullmatch(name) or _BATCH_FOLDER.fullmatch(name) for name in names)
        return sorted({int(match[1]) for match in found if match})

    def delete_run(self, run_id: str) -> None:
        """Delete the run's folder with everything in it; an unknown run is no error."""
        folder = self._run(run_id)
        with self._append_lock:
            self._next_append.pop(run_id, None)
            if folder.exists():
                # renamed first, so that nobody ever sees half a run
                doomed = temporary_beside(folder)
                os.replace(folder, doomed)
                shutil.rmtree(doomed)

    def put_run_metadata(self, run_id: str, meta: dict[str, Any]) -> str:
        """Store `meta` as ``meta.json`` and return its path.

        Raises
        ------
        ValueError
            An unsafe run id, or a value that JSON cannot hold; earlier metadata stays as it was.
        """
        path = self._run(run_id) / "meta.json"
        _write_json(path, meta)
        return str(path)

    def get_run_metadata(self, run_id: str) -> dict[str, Any]:
        """Return what `put_run_metadata` stored, shapes as tuples; ``{}`` when there is nothing."""
        path = self._run(run_id) / "meta.json"
        meta: dict[str, Any] = _read_json(path) if path.exists() else {}
        return meta

    def put_detector_metadata(
        self, run_id: str, batch_index: int, metadata: Metadata, tensor_metadata: LayerTensors
    ) -> str:
        """Store metadata and tensors of one batch, both by layer and key, as one folder, and return its path.

        Layers given as positions become their decimal text.

        Raises
        ------
        ValueError
            An empty or unsafe run id, layer or key; a negative index; a value that JSON, or a tensor that
            safetensors, cannot hold. An earlier batch of this index then stays as it was.
        """
        folder = self._batch_folder(run_id, batch_index)
        by_layer, tensors = _checked(metadata, tensor_metadata)
        with replacing_folder(folder) as new:
            for name, tensor in tensors.items():
                layer, _, key = name.partition("/")
                write_tensors(new / layer / f"{key}.safetensors", {"tensor": tensor}, {})
            _write_json(new / "metadata.json", by_layer)
        return str(folder)

    def get_detector_metadata(self, run_id: str, batch_index: int) -> tuple[Metadata, LayerTensors]:
        """Return what `put_detector_metadata` stored, shapes as tuples.

        Raises
        ------
        FileNotFoundError
            There is no such batch.
        """
        folder = self._batch_folder(run_id, batch_index)
        if not folder.is_dir():
            raise FileNotFoundError(f"Run '{run_id}' has no batch {batch_index} in {self.base_path}")
        tensors: LayerTensors = {}
        for path in sorted(folder.glob("*/*.safetensors")):
            tensors.setdefault(path.parent.name, {})[path.stem] = _only_tensor(path)
        return _read_json(folder / "metadata.json"), tensors

    def get_detector_metadata_by_layer_by_key(
        self, run_id: str, batch_index: int, layer: str, key: str
    ) -> torch.Tensor:
        """Return one tensor, reading only its file.

        Raises
        ------
        FileNotFoundError
            There is no such batch, layer or key.
        """
        folder = self._batch_folder(run_id, batch_index)
        path = folder / _component(layer, "layer") / f"{_component(key, 'key')}.safetensors"
        if not path.exists():
            raise FileNotFoundError(
                f"Batch {batch_index} of run '{run_id}' has no '{key}' of layer '{layer}' in {self.base_path}"
            )
        return _only_tensor(path)

    def put_run_detector_metadata(self, run_id: str, metadata: Metadata, tensor_metadata: LayerTensors) -> str:
        """Append metadata and tensors to the run as one file more, and return its path.

        Each call writes what it was given and nothing else, so a run of n batches costs n writes. The file's
        tensors are named ``<layer>/<key>`` and its header holds the metadata as JSON, so that the sorted file
        names are the index of the run.

        Raises
        ------
        ValueError
            As for `put_detector_metadata`; nothing is then appended.
        """
        folder = self._run(run_id) / "detectors"
        by_layer, tensors = _checked(metadata, tensor_metadata)
        with self._append_lock:
            index = self._next_append.get(run_id, 0)
            path = folder / f"batch_{index:06d}.safetensors"
            while path.exists():
                index += 1
                path = folder / f"batch_{index:06d}.safetensors"
            write_tensors(path, tensors, {"metadata": _to_json(by_layer)})
            self._next_append[run_id] = index + 1
        return str(path)

    def iter_run_detector_metadata(self, run_id: str) -> Iterator[tuple[Metadata, LayerTensors]]:
        """Yield metadata and tensors, both by layer and key, for each call of `put_run_detector_metadata`."""
        for path in _appended(self._run(run_id) / "detectors"):
            flat, header = read_tensors(path)
            tensors: LayerTensors = {}
            for name, tensor in flat.items():
                layer, _, key = name.partition("/")
                tensors.setdefault(layer, {})[key] = tensor
            yield _from_json(header["metadata"]), tensors

    def _run(self, run_id: str) -> Path:
        return self.base_path / self.runs_prefix / _component(run_id, "run_id")

    def _batch_file(self, run_id: str, batch_index: int) -> Path:
        return self._run(run_id) / f"batch_{_position(batch_index):06d}.safetensors"

    def _batch_folder(self, run_id: str, batch_index: int) -> Path:
        return self._run(run_id) / f"batch_{_position(batch_index)}"


def _component(value: object, what: str) -> str:
    """Return `value` as text if it is one path component on every system."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text:
        raise ValueError(f"{what} must not be empty, got: {value!r}")
    single = PurePosixPath(text).name == text == PureWindowsPath(text).name
    if not single or text[-1] in ". " or not text.isprintable() or len(text.encode()) > 200:
        raise ValueError(
            f"{what} must be a plain file name (no '/', '\\' or final '.', at most 200 bytes), got: {text!r}"
        )
    return text


def _position(batch_index: int) -> int:
    if batch_index < 0:
        raise ValueError(f"batch_index must not be negative, got: {batch_index}")
    return batch_index


def _checked(metadata: Metadata, tensor_metadata: LayerTensors) -> tuple[Metadata, dict[str, torch.Tensor]]:
    """Return what can be written, tensors as ``<layer>/<key>``, before anything is written."""
    by_layer = {_component(layer, "layer"): values for layer, values in metadata.items()}
    for layer, values in by_layer.items():
        _to_json(values, f"Metadata of layer '{layer}'")
    tensors: dict[str, torch.Tensor] = {}
    for layer, values in tensor_metadata.items():
        for key, tensor in values.items():
            name = f"{_component(layer, 'layer')}/{_component(key, 'key')}"
            if name in tensors:
                raise ValueError(f"'{name}' is given twice, once by position and once by name")
            tensors[name] = check_storable(name, tensor)
    return by_layer, tensors


def _appended(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = ((_BATCH_FILE.fullmatch(path.name), path) for path in folder.iterdir())
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def _only_tensor(path: Path) -> torch.Tensor:
    tensors, _ = read_tensors(path)
    if len(tensors) != 1:
        raise ValueError(f"{path} should hold one tensor but holds {len(tensors)}")
    return next(iter(tensors.values()))


def _to_json(value: object, what: str = "Metadata") -> str:
    try:
        return json.dumps(value, indent=2)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be plain JSON values (text, numbers, lists, dicts): {error}") from error


def _from_json(text: str) -> Any:
    return _with_tuple_shapes(json.loads(text))


def _with_tuple_shapes(value: Any) -> Any:
    """JSON has only lists; sizes come back as the tuples that they were."""
    if isinstance(value, list):
        return [_with_tuple_shapes(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _as_shape(item) if key.endswith("shape") else _with_tuple_shapes(item) for key, item in value.items()}


def _as_shape(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(size, int) for size in value):
        return tuple(value)
    return [_as_shape(item) for item in value] if isinstance(value, list) else _with_tuple_shapes(value)


def _write_json(path: Path, value: object) -> None:
    text = _to_json(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(path) as file:
        file.write(text.encode())


def _read_json(path: Path) -> Any:
    try:
        return _from_json(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not readable JSON: {error}") from error
