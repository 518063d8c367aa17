"""Where the files of a model are, found and checked before anything heavy is imported or read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.model.errors import ModelError
from core_hooks.model.gguf_header import read_gguf_header
from core_hooks.model.safetensors_header import read_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.model.safetensors_header import StoredTensor

FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
# One file of a repository of GGUF files, as (hub id, path in it).
HUB_FILE = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)/((?:[^/\\:.][^/\\:]*/)*[^/\\:.][^/\\:]*\.gguf)")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The files of one model.

    Attributes
    ----------
    name
        Short name for people.
    folder
        Holds ``config.json`` and the tokenizer's files.
    config
        The content of ``config.json``; empty for a GGUF, whose header says the same.
    weights
        The safetensors files, or the one ``.gguf``; empty when there are none.
    tensors
        What the safetensors files hold, by tensor name.
    missing
        Why `weights` can't be used, as a sentence, else ``""``: a hierarchy can be shown without weights.
    """

    name: str
    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    weights: tuple[Path, ...] = ()
    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    missing: str = ""

    @property
    def is_gguf(self) -> bool:
        """The weights are in a GGUF file."""
        return bool(self.weights) and self.weights[0].suffix == ".gguf"

    @property
    def has_tokenizer(self) -> bool:
        """Files of a tokenizer lie beside the config, or the GGUF holds one."""
        return self.is_gguf or any((self.folder / name).exists() for name in TOKENIZER_FILES)

    @property
    def nbytes(self) -> int:
        """Size of the stored weights in bytes."""
        if self.is_gguf:
            return self.weights[0].stat().st_size
        return sum(tensor.nbytes for tensor in self.tensors.values())


def is_factory(source: str) -> bool:
    """Whether `source` is of the form ``package.module:factory`` and no file of that name exists."""
    return FACTORY.fullmatch(source) is not None and not Path(source).exists()


def locate(path: Path, named: str = "") -> Checkpoint:
    """Return the files of the model at `path`: a folder, a ``.safetensors`` or a ``.gguf`` file.

    Only the config and the headers are read. Missing weights are no error here but `Checkpoint.missing`. `named` is
    what a person calls it by, when that is not its path.

    Raises
    ------
    ModelError
        There is no model at `path`, or a file of it is unreadable or damaged.
    """
    try:
        if path.is_dir():
            return _folder(path, named)
        if not path.exists():
            raise ModelError(f"There is no file or folder {path}; check the path.")
    except OSError as error:
        raise ModelError(f"{path} can't be read ({error.strerror or error}); check its permissions.") from error
    if path.suffix == ".gguf":
        return _gguf(path, named)
    if path.suffix == ".safetensors":
        config = read_json(path.parent / "config.json", beside=path)
        return Checkpoint(named or path.stem, path.parent, config, (path,), read_header(path))
    if any(path.match(pattern) for pattern in _PICKLES):
        raise ModelError(_pickle_sentence(path))
    raise ModelError(f"{path} is not a model; open a folder with a config.json, a .safetensors or a .gguf file.")


def gguf_files(folder: Path) -> tuple[Path, ...]:
    """Return the GGUF files of a folder that holds a model in no other form, else those one level below it."""
    if any(folder.glob("*.safetensors")):
        return ()
    return tuple(sorted(folder.glob("*.gguf")) or sorted(folder.glob("*/*.gguf")))


def several_ggufs(name: str, files: Sequence[str]) -> ModelError:
    """Return the error that names the GGUF files of `name`, a folder or hub id, of which one is to be opened."""
    others = ", ".join(files[:3]) + (", …" if len(files) > 3 else "")
    return ModelError(f"{name} holds {len(files)} GGUF files ({others}); open one of them, as {name}/{files[0]}.")


def _folder(folder: Path, named: str) -> Checkpoint:
    name = named or folder.resolve().name
    ggufs = gguf_files(folder)
    if len(ggufs) == 1:
        return _gguf(ggufs[0], named)
    if ggufs:
        raise several_ggufs(named or str(folder), [path.relative_to(folder).as_posix() for path in ggufs])
    config = read_json(folder / "config.json")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(file, str) for file in weight_map.values()):
            raise ModelError(f"{index} has no weight_map of tensor names to files; download it again.")
        files = [folder / Path(file).name for file in sorted(set(weight_map.values()))]
        absent = [file.name for file in files if not file.exists()]
        if absent:
            missing = f"{len(absent)} of the {len(files)} weight files that {index} names are missing from it"
            missing += f", first {absent[0]}; download them again."
            return Checkpoint(name, folder, config, missing=missing)
    elif (folder / "model.safetensors").exists():
        files = [folder / "model.safetensors"]
    else:
        files = sorted(folder.glob("*.safetensors"))
        if len(files) > 1:
            missing = f"{folder} holds {len(files)} safetensors files and no {index.name}; open one of the files."
            return Checkpoint(name, folder, config, missing=missing)
    if not files:
        pickled = next((file for pattern in _PICKLES for file in sorted(folder.glob(pattern))), None)
        missing = (
            _pickle_sentence(pickled)
            if pickled
            else f"{folder} holds no weights; put the model's .safetensors files beside its config.json."
        )
        return Checkpoint(name, folder, config, missing=missing)
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        tensors.update(read_header(file))
    return Checkpoint(name, folder, config, tuple(files), tensors)


def _gguf(path: Path, named: str) -> Checkpoint:
    read_gguf_header(path)
    return Checkpoint(named or path.stem, path.parent, weights=(path,))


def read_json(path: Path, beside: Path | None = None) -> dict[str, Any]:
    """Return the object that the JSON file at `path` holds; ModelError when there is none."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        where = f"beside {beside}" if beside else f"in {path.parent}"
        raise ModelError(f"There is no {path.name} {where}; a model needs one to be opened.") from error
    except OSError as error:
        raise ModelError(f"{path} can't be read ({error.strerror or error}); check its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON ({error}); repair it or download it again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object; repair it or download it again.")
    return content


def _pickle_sentence(path: Path) -> str:
    return (
        f"{path} is a pickle, which can run code when it is read, so it is not opened; "
        "convert the weights to safetensors first."
    )
