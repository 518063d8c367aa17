"""The tensors of a model as they lie in its safetensors files, without the model."""

from __future__ import annotations

from pathlib import Path

from core_hooks.capture.index import CaptureError
from core_hooks.capture.mapped_shard import MappedShard
from core_hooks.model.checkpoint import HUB_ID, read_json
from core_hooks.model.errors import ModelError
from core_hooks.model.hub import cached_folder

_INDEX, _WHOLE = "model.safetensors.index.json", "model.safetensors"


def open_weights(source: Path | str) -> dict[str, MappedShard]:
    """Return the file of every tensor of a model, by name, opened by their headers alone.

    Names are sorted, numbers in them as numbers. `source` is a folder, a ``.safetensors`` file, or the hub id of a
    model that was downloaded.

    Raises
    ------
    CaptureError
        There is no such model, it holds no safetensors, or a file is not whole.
    """
    path = _place(source)
    files = _files(path)
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
    return {name: found[name] for name in sorted(found, key=_number_parts)}


def _place(source: Path | str) -> Path:
    path = Path(source).expanduser()
    if isinstance(source, str) and not path.exists() and HUB_ID.fullmatch(source):
        path = cached_folder(source) or path
        if not path.exists():
            raise CaptureError(f"'{source}' is no file or folder, and no model of that name was downloaded.")
    return path


def _files(path: Path) -> list[Path]:
    """The files of weights in a folder: those that the index names, the whole one, or all that there are."""
    if not path.is_dir():
        return [path]
    if (path / _INDEX).exists():
        try:
            named = read_json(path / _INDEX).get("weight_map")
        except ModelError as error:
            raise CaptureError(str(error)) from error
        if isinstance(named, dict):
            # Of the name alone: an index must not lead out of its folder.
            return sorted({path / Path(str(file)).name for file in named.values()})
    return [path / _WHOLE] if (path / _WHOLE).exists() else sorted(path.glob("*.safetensors"))


def _number_parts(name: str) -> list[tuple[bool, int, str]]:
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in name.split(".")]
