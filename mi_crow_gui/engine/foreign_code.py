"""Python code that opening a model would run: which files, their text, and a fingerprint that consent is given to."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core_hooks.model.checkpoint import is_factory, read_json
from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

# More would be read by nobody; that there are more is said.
_MOST_FILES = 200


@dataclass(frozen=True, slots=True)
class ForeignCode:
    """The files that would run, as (path, text), those named first that are entered first."""

    source: str
    files: tuple[tuple[str, str], ...]

    @property
    def fingerprint(self) -> str:
        """Changes with any name or character of the files."""
        digest = hashlib.sha256()
        for path, text in self.files:
            for part in (path, text):
                encoded = part.encode("utf-8", "surrogatepass")
                digest.update(len(encoded).to_bytes(8, "little") + encoded)
        return digest.hexdigest()

    @property
    def names(self) -> str:
        """The first files by name, for a sentence."""
        shown = ", ".join(Path(path).name for path, _ in self.files[:3])
        return shown if len(self.files) <= 3 else f"{shown} and {len(self.files) - 3} more"


def foreign_code(source: str) -> ForeignCode | None:
    """The code that opening `source` has to run; None when it needs none. Nothing runs, nothing is downloaded.

    Raises
    ------
    ModelError
        The code is asked for and is not here to be read.
    """
    if is_factory(source):
        from core_hooks.model.factory import factory_file

        entry = factory_file(source)
        packages = source.partition(":")[0].count(".") + (entry.name == "__init__.py")
        root = entry.parents[packages] if packages < len(entry.parents) else entry.parent
        return _read(source, [entry], root)
    folder = _folder(source)
    if folder is None or not (folder / "config.json").is_file():
        return None
    config = read_json(folder / "config.json")
    auto_map = config.get("auto_map")
    if not isinstance(auto_map, dict) or _known(config.get("model_type")):
        return None
    entries = [_entry(source, folder, module) for module in sorted(_modules(auto_map))]
    return _read(source, entries, folder) if entries else None


def _folder(source: str) -> Path | None:
    """The folder of a model on this machine; None for one that is yet to be downloaded."""
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        return path.parent
    from core_hooks.model.checkpoint import HUB_ID
    from core_hooks.model.hub import cached_folder

    return cached_folder(source) if HUB_ID.fullmatch(source) else None


def _known(model_type: object) -> bool:
    """Whether transformers has this architecture itself, so that the code beside the model is not needed."""
    from transformers import CONFIG_MAPPING

    return isinstance(model_type, str) and model_type in CONFIG_MAPPING


def _modules(auto_map: dict[str, object]) -> set[str]:
    values = [value if isinstance(value, list) else [value] for value in auto_map.values()]
    names = {name.rpartition(".")[0] for several in values for name in several if isinstance(name, str)}
    return names - {""}


def _entry(source: str, folder: Path, module: str) -> Path:
    repository, _, name = module.rpartition("--")
    if repository:
        from core_hooks.model.hub import cached_folder

        there = cached_folder(repository)
        if there is None:
            raise ModelError(
                f"{source} runs code of another repository, {repository}, which is not on this machine to be read; "
                "download that first."
            )
        folder = there
    path = folder / f"{name.replace('.', '/')}.py"
    if not path.is_file():
        raise ModelError(f"{source} names code in {path}, which is not there; download the model again.")
    return path


def _read(source: str, entries: list[Path], root: Path) -> ForeignCode:
    """`entries` and the files beside them that they import, followed as far as they lie under `root`."""
    texts: dict[Path, str] = {}
    waiting = list(entries)
    while waiting:
        path = waiting.pop(0)
        if path in texts:
            continue
        if len(texts) >= _MOST_FILES:
            texts[Path("(more)")] = f"# These files import more than the {_MOST_FILES} that are listed here."
            break
        try:
            texts[path] = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ModelError(f"{path} can't be read ({error.strerror or error}); check its permissions.") from error
        waiting += [other for other in _imports(path, texts[path], root) if other not in texts]
    return ForeignCode(source, tuple((str(path), text) for path, text in texts.items()))


def _imports(path: Path, text: str, root: Path) -> Iterator[Path]:
    """Files under `root` that the code of `path` would import, the packages on the way included."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    if path.parent != root:
        yield from _existing(path.parent, ())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _is_followed(root, path, alias.name):
                    yield from _along(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            start = root
            if not node.level and not _is_followed(root, path, node.module or ""):
                continue
            if node.level:
                start = path.parents[node.level - 1] if node.level <= len(path.parents) else root
            parts = node.module.split(".") if node.module else []
            yield from _along(start, parts)
            for alias in node.names:
                yield from _along(start, [*parts, alias.name])


def _is_followed(root: Path, path: Path, module: str) -> bool:
    """Whether an import belongs to the code at hand: among installed packages, only what is of the same package."""
    if not {"site-packages", "dist-packages"} & set(root.parts):
        return True
    return module.partition(".")[0] == path.relative_to(root).parts[0].removesuffix(".py")


def _along(start: Path, parts: list[str]) -> Iterator[Path]:
    for length in range(1, len(parts) + 1):
        yield from _existing(start.joinpath(*parts[: length - 1]), (parts[length - 1],))


def _existing(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    if not names:
        candidates = [folder / "__init__.py"]
    else:
        candidates = [folder / f"{names[0]}.py", folder / names[0] / "__init__.py"]
    yield from (path for path in candidates if path.is_file())
