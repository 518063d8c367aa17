"""Models by hub id: from the local cache first, without any network, else downloaded with progress and a cancel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.model.checkpoint import HUB_ID
from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.reference import OpenProgress

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

# What an inspector can use; other formats of the same weights would only double the download.
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]
_UNWANTED = ["onnx/*", "openvino/*", "*/*.safetensors"]


def cached_folder(hub_id: str) -> Path | None:
    """Return the folder of `hub_id` in the local cache, or None; the network is not touched."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub_id, "config.json")
    return Path(found).parent if isinstance(found, str) else None


def fetch(
    hub_id: str,
    on_progress: Callable[[OpenProgress], None] | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Return the folder that holds the files of `hub_id`, downloading them when the cache has them not.

    Raises
    ------
    ModelError
        The id is malformed, unknown or closed, or not in the cache while there is no network.
    OpeningCancelled
        `cancel` was set; what had arrived stays in the cache and is not fetched again.
    """
    if not HUB_ID.fullmatch(hub_id):
        raise ModelError(f"{hub_id!r} is neither an existing file or folder nor a hub id; check the spelling.")
    folder = cached_folder(hub_id)
    if folder is not None and not _is_partial(folder):
        return folder
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"{hub_id} is not a folder here and not in the local cache, and this machine is set to stay offline; "
            "give a folder, or allow the network by unsetting HF_HUB_OFFLINE."
        )
    if on_progress is not None:
        on_progress(OpenProgress(f"Looking for {hub_id} on the hub"))
    try:
        return Path(
            snapshot_download(
                hub_id,
                allow_patterns=_WANTED,
                ignore_patterns=_UNWANTED,
                etag_timeout=10,
                max_workers=4,
                tqdm_class=_bar_class(hub_id, on_progress, cancel),
            )
        )
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


def _is_partial(folder: Path) -> bool:
    """A config alone was cached by some other program's look at it; the weights are still to come."""
    return not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin"))


def _bar_class(hub_id: str, on_progress: Callable[[OpenProgress], None] | None, cancel: threading.Event | None) -> type:
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
                on_progress(OpenProgress(f"Downloading {hub_id}", int(self.n), int(self.total or 0), "bytes"))
            return None

    return Bar
