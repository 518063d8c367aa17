"""Hub ids: the local cache first and without a network; else a download from a hub that is played here."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import huggingface_hub
import pytest
import torch

from core_hooks.model import hub
from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.opening import find, open_model
from core_hooks.model.reference import ModelReference, OpenProgress
from tests.core_hooks.model.test_gguf import write_gguf
from tests.core_hooks.model.tiny import tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ID = "someone/tiny"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache of this test's own."""
    folder = tmp_path / "hub"
    folder.mkdir()
    for module in (huggingface_hub.constants, huggingface_hub.file_download):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(folder), raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


def put_into_cache(cache: Path, model: Path) -> None:
    root = cache / "models--someone--tiny"
    snapshot = root / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    for path in model.iterdir():
        (snapshot / path.name).write_bytes(path.read_bytes())


def test_a_cached_id_opens_without_the_network(cache: Path, gpt2_folder: Path) -> None:
    put_into_cache(cache, gpt2_folder)
    opened = open_model(ModelReference(ID))
    assert opened.summary.name == ID
    assert opened.summary.blocks == 3


def test_an_id_that_is_not_cached_is_refused_while_offline(cache: Path) -> None:
    with pytest.raises(ModelError, match=r"not in the local cache.*HF_HUB_OFFLINE"):
        hub.fetch(ID)


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for."""

    folder: Path
    status = 200

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        if self.status != 200:
            self._send(self.status, b"", {"X-Error-Code": "RepoNotFound"} if self.status == 404 else {}, body)
        elif path.startswith(f"/api/models/{ID}"):
            siblings = [{"rfilename": file.name} for file in self.folder.iterdir()]
            files = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40}
                for f in self.folder.iterdir()
            ]
            listing: Any = files if "/tree/" in path else {"id": ID, "sha": COMMIT, "siblings": siblings}
            self._send(200, json.dumps(listing).encode(), {"Content-Type": "application/json"}, body)
        else:
            content = (self.folder / path.rpartition("/")[2]).read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self._send(200, content, {"ETag": etag, "X-Repo-Commit": COMMIT}, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(gpt2_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("Server", (Hub,), {"folder": gpt2_folder})
    running = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{running.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    for module in (huggingface_hub.file_download, huggingface_hub.hf_api):
        monkeypatch.setattr(module, "ENDPOINT", endpoint, raising=False)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", endpoint)
    yield handler
    running.shutdown()
    running.server_close()
    thread.join()
    huggingface_hub.close_session()


def test_an_id_that_is_not_cached_is_downloaded_with_progress_in_bytes(
    server: type[Hub], cache: Path, gpt2_folder: Path
) -> None:
    seen: list[OpenProgress] = []
    folder = hub.fetch(ID, on_progress=seen.append)
    assert (folder / "model.safetensors").read_bytes() == (gpt2_folder / "model.safetensors").read_bytes()
    assert any(progress.unit == "bytes" and progress.done for progress in seen)
    server.status = 500
    assert hub.fetch(ID) == folder


def test_a_download_is_cancelled(server: type[Hub]) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(OpeningCancelled):
        hub.fetch(ID, cancel=cancel)


def test_an_id_that_the_hub_does_not_know_is_refused(server: type[Hub]) -> None:
    server.status = 404
    with pytest.raises(ModelError, match="check the spelling"):
        hub.fetch(ID)


def test_a_hub_that_does_not_answer_is_said(server: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", nowhere)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", nowhere)
    with pytest.raises(ModelError, match="can't be downloaded; check the network"):
        hub.fetch(ID)


def test_a_disk_that_fills_during_a_download_is_said_with_where_to_make_room(
    server: type[Hub], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(ModelError, match=f"The disk is full: {ID} does not fit into {cache}"):
        hub.fetch(ID)


def test_a_download_is_cancelled_between_two_pieces_and_goes_on_where_it_was(
    server: type[Hub], gpt2_folder: Path
) -> None:
    cancel = threading.Event()
    seen: list[OpenProgress] = []

    def stop(progress: OpenProgress) -> None:
        seen.append(progress)
        if progress.unit == "bytes" and progress.done:
            cancel.set()

    with pytest.raises(OpeningCancelled):
        hub.fetch(ID, stop, cancel)
    assert any(progress.done for progress in seen)
    folder = hub.fetch(ID)
    assert (folder / "model.safetensors").read_bytes() == (gpt2_folder / "model.safetensors").read_bytes()


@pytest.fixture
def gguf_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ggufs"
    folder.mkdir()
    whole = write_gguf(folder / "tiny.F32.gguf").read_bytes()
    (folder / "other.F32.gguf").write_bytes(whole)
    (folder / "README.md").write_text("two files")
    return folder


def as_links(cache: Path) -> None:
    """As the hub keeps them: a blob by the sum of its content, and a link by its name."""
    for path in (cache / "models--someone--tiny" / "snapshots" / COMMIT).iterdir():
        content = path.read_bytes()
        blob = cache / "models--someone--tiny" / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(content)
        path.unlink()
        path.symlink_to(blob)


def test_a_cached_repository_of_gguf_files_names_them_and_opens_the_one_that_is_asked_for(
    cache: Path, gguf_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "unpacked"))
    put_into_cache(cache, gguf_folder)
    as_links(cache)
    sentence = rf"{ID} holds 2 GGUF files \(other.F32.gguf, tiny.F32.gguf\); open one of them, as {ID}/other.F32.gguf"
    with pytest.raises(ModelError, match=sentence):
        open_model(ModelReference(ID))
    opened = open_model(ModelReference(f"{ID}/tiny.F32.gguf"))
    assert opened.summary.name == f"{ID}/tiny.F32.gguf"
    assert opened.summary.architecture == "LlamaForCausalLM"
    for theirs, ours in zip(tiny_model("llama").parameters(), opened.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_cached_repository_of_one_gguf_file_is_opened_by_its_id_alone(cache: Path, gguf_folder: Path) -> None:
    (gguf_folder / "other.F32.gguf").unlink()
    put_into_cache(cache, gguf_folder)
    assert find(ID).weights[0].name == "tiny.F32.gguf"
    assert find(ID).name == ID


def test_a_gguf_file_that_is_not_cached_is_refused_while_offline(cache: Path) -> None:
    with pytest.raises(ModelError, match=rf"{ID}/tiny.gguf is not a file or folder here and not in the local cache"):
        open_model(ModelReference(f"{ID}/tiny.gguf"))


def test_of_a_repository_of_gguf_files_only_the_chosen_one_is_downloaded(
    server: type[Hub], cache: Path, gguf_folder: Path
) -> None:
    server.folder = gguf_folder
    with pytest.raises(ModelError, match=f"open one of them, as {ID}/other.F32.gguf"):
        hub.fetch(ID)
    assert hub.cached_file(ID, "other.F32.gguf") is None
    path = hub.fetch_file(ID, "tiny.F32.gguf")
    assert path.read_bytes() == (gguf_folder / "tiny.F32.gguf").read_bytes()
    assert hub.cached_file(ID, "other.F32.gguf") is None
    with pytest.raises(ModelError, match="has no file missing.gguf"):
        hub.fetch_file(ID, "missing.gguf")
