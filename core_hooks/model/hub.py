"""Models by hub id: from the local cache first, without any network, else downloaded with progress and a cancel."""

from __future__ import annotations

import contextlib
import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.model.checkpoint import HUB_ID, gguf_files, several_ggufs
from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.reference import OpenProgress

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

# What an inspector can use; other formats of the same weights would only double the download.
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]
_UNWANTED = ["onnx/*", "openvino/*", "*/*.safetensors"]


def cached_folder(hub_id: str) -> Path | None:
    """Return the folder of `hub_id` in the local cache, or None; the network is not touched."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    found = try_to_load_from_cache(hub_id, "config.json")
    if isinstance(found, str):
        return Path(found).parent
    # A repository of GGUF files often has no config; what is here of it may be one file of many.
    root = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=hub_id, repo_type="model")
    try:
        folder = root / "snapshots" / (root / "refs" / "main").read_text().strip()
    except OSError:
        return None
    return folder if gguf_files(folder) else None


def cached_file(hub_id: str, name: str) -> Path | None:
    """Return one file of `hub_id` in the local cache, or None; the network is not touched."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub_id, name)
    return Path(found) if isinstance(found, str) else None


def is_whole(folder: Path) -> bool:
    """Whether the cache holds weights; a config alone was left by some other program's look at the model."""
    return any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")) or bool(gguf_files(folder))


def fetch(
    hub_id: str,
    on_progress: Callable[[OpenProgress], None] | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Return the folder that holds the files of `hub_id`, downloading them when the cache has them not.

    Of a repository that holds nothing but one GGUF file, that file.

    Raises
    ------
    ModelError
        The id is malformed, unknown or closed, or not in the cache while there is no network; or there are several
        GGUF files to choose from.
    OpeningCancelled
        `cancel` was set; what had arrived stays in the cache and is not fetched again.
    """
    if not HUB_ID.fullmatch(hub_id):
        raise ModelError(f"{hub_id!r} is neither an existing file or folder nor a hub id; check the spelling.")
    folder = cached_folder(hub_id)
    if folder is not None and is_whole(folder):
        return folder
    folder = _download(hub_id, hub_id, _WANTED, on_progress, cancel)
    if is_whole(folder):
        return folder
    from huggingface_hub import list_repo_files

    with _said(hub_id, cancel):
        ggufs = sorted(name for name in list_repo_files(hub_id) if name.endswith(".gguf"))
    if len(ggufs) > 1:
        raise several_ggufs(hub_id, ggufs)
    return fetch_file(hub_id, ggufs[0], on_progress, cancel) if ggufs else folder


def fetch_file(
    hub_id: str,
    name: str,
    on_progress: Callable[[OpenProgress], None] | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Return one file of `hub_id`, by its path there, downloading it when the cache has it not.

    Raises
    ------
    ModelError
        As `fetch`; also when there is no such file.
    OpeningCancelled
        `cancel` was set; what had arrived stays in the cache and is not fetched again.
    """
    found = cached_file(hub_id, name)
    if found is not None:
        return found
    path = _download(hub_id, f"{hub_id}/{name}", [glob.escape(name)], on_progress, cancel) / name
    if not path.exists():
        raise ModelError(f"{hub_id} has no file {name} on the hub; check the spelling.")
    return path


def _download(
    hub_id: str,
    what: str,
    patterns: list[str],
    on_progress: Callable[[OpenProgress], None] | None,
    cancel: threading.Event | None,
) -> Path:
    """Bring the files of `hub_id` that match `patterns` into the cache and return their folder."""
    from huggingface_hub import constants, snapshot_download

    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"{what} is not a file or folder here and not in the local cache, and this machine is set to stay offline; "
            "give a folder, or allow the network by unsetting HF_HUB_OFFLINE."
        )
    if on_progress is not None:
        on_progress(OpenProgress(f"Looking for {what} on the hub"))
    with _said(hub_id, cancel):
        return Path(
            snapshot_download(
                hub_id,
                allow_patterns=patterns,
                ignore_patterns=_UNWANTED,
                etag_timeout=10,
                max_workers=4,
                tqdm_class=_bar_class(what, on_progress, cancel),
            )
        )


@contextlib.contextmanager
def _said(hub_id: str, cancel: threading.Event | None) -> Iterator[None]:
    """Say what fails on the way to the hub in one sentence."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        yield
    except OpeningCancelled:
        raise
    except GatedRepoError as error:
        raise ModelError(
            f"{hub_id} is gated: accept its terms on its page, then log in with `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"There is no model {hub_id} on the hub; check the spelling, or log in.") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        if cancel is not None and cancel.is_set():
            raise OpeningCancelled from error
        if getattr(error, "errno", None) == 28:
            raise ModelError(
                f"The disk is full: {hub_id} does not fit into {constants.HF_HUB_CACHE}; make room there."
            ) from error
        raise ModelError(
            f"{hub_id} is not in the local cache and can't be downloaded; check the network, or give a folder."
        ) from error


def _bar_class(what: str, on_progress: Callable[[OpenProgress], None] | None, cancel: threading.Event | None) -> type:
    """Return a stand-in for tqdm that hands the bytes on and ends the download once `cancel` is set."""
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            self._counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": True})
            self.n, self.total = kwargs.get("initial") or 0, kwargs.get("total") or 0

        def update(self, n: float | None = 1) -> bool | None:
            if cancel is not None and cancel.is_set():
                raise OpeningCancelled
            self.n += n or 0
            if on_progress is not None and self._counts_bytes:
                on_progress(OpenProgress(f"Downloading {what}", int(self.n), int(self.total or 0), "bytes"))
            return None

    return Bar
