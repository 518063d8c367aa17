from __future__ import annotations

import contextlib
import os
import shutil
import struct
import threading
import time
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from core_hooks.model import gguf_cache
from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.gguf_cache import GgufCache
from core_hooks.model.gguf_header import read_gguf_header
from core_hooks.model.opening import open_model, open_tree
from core_hooks.model.prompt import encode
from core_hooks.model.reference import ModelReference, OpenProgress
from tests.core_hooks.model.tiny import tiny_model


def write_gguf(path: Path) -> Path:
    """The tiny Llama as llama.cpp would store it, unquantised, with a byte-level tokenizer."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(3)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(48)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(96)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<pad>", "<eos>", *(chr(33 + i) for i in range(92)), "yz", "Ġ"])
    writer.add_token_types([3, 3, *([1] * 94)])
    writer.add_token_merges(["y z"])
    writer.add_eos_token_id(1)
    model = tiny_model("llama")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 3)
    for name, tensor in model.state_dict().items():
        values = tensor.numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = 4 if "q_proj" in name else 2  # llama.cpp interleaves the two halves of each head
            values = values.reshape(heads, 2, -1, 32).swapaxes(1, 2).reshape(values.shape)
        stem, _, suffix = name.rpartition(".")
        writer.add_tensor(f"{names.get_name(stem)}.{suffix}", np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny, tmp_path / "copy.gguf"))


class Unpacker:
    """Stands in for the other process, which needs seconds to start."""

    def __init__(self) -> None:
        self.calls = 0
        self.size = 1000
        self.error: Exception | None = None

    def __call__(self, source: Path, folder: Path, *others: object) -> None:
        self.calls += 1
        (folder / "model.safetensors").write_bytes(bytes(self.size))
        if self.error is not None:
            raise self.error


@pytest.fixture
def unpacker(monkeypatch: pytest.MonkeyPatch) -> Unpacker:
    stand_in = Unpacker()
    monkeypatch.setattr(gguf_cache, "_convert_elsewhere", stand_in)
    return stand_in


def test_the_header_is_that_of_the_file(tiny: Path) -> None:
    header = read_gguf_header(tiny)
    assert header.architecture == "llama"
    assert header.tensors["token_embd.weight"] == (96, 32)
    assert header.nbytes == sum(4 * tensor.numel() for tensor in tiny_model("llama").state_dict().values())


def test_a_gguf_opens_as_the_model_it_was_made_from_and_is_unpacked_once(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_cache.platformdirs, "user_cache_dir", lambda *args, **options: str(tmp_path))
    stages: list[OpenProgress] = []
    reference = ModelReference(str(tiny))
    opened = open_model(reference, on_progress=stages.append)
    ids = torch.arange(12)[None]
    with torch.no_grad():
        torch.testing.assert_close(opened.model(ids).logits, tiny_model("llama")(ids).logits)
    assert encode(opened, "Ab yz").texts == ("A", "b", " ", "yz")
    assert any(stage.unit == "tensors" and stage.total > 20 for stage in stages)
    monkeypatch.setattr(gguf_cache, "_convert_elsewhere", None)
    again = open_model(reference)
    assert again.summary == opened.summary
    assert [record.path for record in open_tree(reference)] == [record.path for record in opened.tree]
    assert GgufCache().size() > 100_000
    assert not list((tmp_path / "gguf").glob(".*"))


def test_a_cancel_ends_the_unpacking_at_once_and_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    cancel = threading.Event()

    unpacked: list[OpenProgress] = []

    def stop(progress: OpenProgress) -> None:
        if progress.unit == "tensors":
            unpacked.append(progress)
        if progress.text.startswith("Unpacking"):
            cancel.set()

    with pytest.raises(OpeningCancelled):
        GgufCache(tmp_path / "cache").unpack(tiny, on_progress=stop, cancel=cancel)
    # The other process ended before it had read anything.
    assert unpacked == []
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_unpacked_file_is_found_again_by_where_it_is_and_by_what_it_holds(
    tiny: Path, copy: Path, tmp_path: Path, unpacker: Unpacker
) -> None:
    cache = GgufCache(tmp_path / "cache")
    entry = cache.unpack(tiny)
    assert cache.unpack(tiny) == cache.find(tiny) == entry
    assert cache.find(copy) is None
    assert cache.unpack(copy) == entry
    assert unpacker.calls == 1
    assert cache.unpack(tiny, "bfloat16") != entry
    assert unpacker.calls == 2


def test_a_file_that_changed_is_unpacked_again(copy: Path, tmp_path: Path, unpacker: Unpacker) -> None:
    cache = GgufCache(tmp_path / "cache")
    first = cache.unpack(copy)
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    assert cache.find(copy) is None
    assert cache.unpack(copy) != first


def test_the_least_recently_used_entries_make_room(copy: Path, tmp_path: Path, unpacker: Unpacker) -> None:
    cache = GgufCache(tmp_path / "cache", limit=3000)
    entries = []
    for index in range(4):
        with copy.open("ab") as file:
            file.write(b"x")
        entries.append(cache.unpack(copy))
        stamp = time.time() - 1000 + index
        os.utime(entries[-1], (stamp, stamp))
    left = [entry for entry in entries if entry.exists()]
    assert entries[-1] in left
    assert entries[0] not in left
    assert cache.size() <= 3000


def test_clearing_gives_the_room_back(tiny: Path, tmp_path: Path, unpacker: Unpacker) -> None:
    cache = GgufCache(tmp_path / "cache")
    assert cache.clear() == cache.size() == 0
    cache.unpack(tiny)
    size = cache.size()
    assert cache.clear() == size > 1000
    assert cache.size() == 0
    assert cache.find(tiny) is None


def test_a_failure_leaves_nothing_half_written(tiny: Path, tmp_path: Path, unpacker: Unpacker) -> None:
    cache = GgufCache(tmp_path / "cache")
    unpacker.error = OSError(28, "No space left on device")
    with pytest.raises(ModelError, match="No space left"):
        cache.unpack(tiny)
    unpacker.error = ModelError("damaged.")
    with pytest.raises(ModelError, match="damaged"):
        cache.unpack(tiny)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_folder_that_cannot_be_made_is_said(tiny: Path, tmp_path: Path, unpacker: Unpacker) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="can't be kept"):
        GgufCache(tmp_path / "cache").unpack(tiny)


def test_a_truncated_file_is_refused_wherever_it_was_cut(copy: Path) -> None:
    content = copy.read_bytes()
    for length in (0, 3, 10, 24, 100, 1000, len(content) // 2, len(content) - 100):
        copy.write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"truncated|not a GGUF"):
            read_gguf_header(copy)


def test_other_versions_and_other_files_are_refused(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    content[4:8] = struct.pack("<I", 1)
    copy.write_bytes(content)
    with pytest.raises(ModelError, match="version 1"):
        open_model(ModelReference(str(copy)))
    copy.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ModelError, match="not a GGUF"):
        open_model(ModelReference(str(copy)))


def test_a_damaged_header_is_refused_quickly_and_in_words(copy: Path) -> None:
    content = copy.read_bytes()
    generator = np.random.default_rng(0)
    start = time.process_time()
    refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        damaged[int(generator.integers(0, 3000))] ^= 1 << int(generator.integers(0, 8))
        copy.write_bytes(damaged)
        with contextlib.suppress(ModelError):
            read_gguf_header(copy)
            continue
        refused += 1
    assert refused > 20
    assert time.process_time() - start < 5
