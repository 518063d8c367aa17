"""Model files damaged in five hundred ways: every one opens or is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from core_hooks.model import gguf_cache
from core_hooks.model.architecture import one_line
from core_hooks.model.errors import ModelError, OpeningCancelled
from core_hooks.model.forward import forward
from core_hooks.model.gguf_cache import GgufCache
from core_hooks.model.gguf_conversion import convert
from core_hooks.model.libraries import quiet_transformers
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode
from core_hooks.model.reference import ModelReference, OpenProgress
from core_hooks.model.weight_check import verify_weights
from tests.core_hooks.model.test_gguf import write_gguf
from tests.core_hooks.model.tiny import save_folder, save_tokenizer, tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WRONG: tuple[Any, ...] = (None, -1, 0, 7, 10**6, 1.5, "text", "", [], [1, "a"], {}, {"a": 1}, True, False)


def truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def flip_a_bit(content: bytes, chance: random.Random) -> bytes:
    return flip_in(content, chance, len(content))


def flip_a_bit_of_the_header(content: bytes, chance: random.Random) -> bytes:
    return flip_in(content, chance, min(len(content), 4000))


def flip_in(content: bytes, chance: random.Random, length: int) -> bytes:
    damaged = bytearray(content)
    damaged[chance.randrange(length)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def overwrite_a_piece(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    piece = chance.randbytes(chance.randrange(1, 200))
    return content[:start] + piece + content[start + len(piece) :]


def cut_a_piece_out(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + content[start + chance.randrange(1, 100) :]


def add_at_the_end(content: bytes, chance: random.Random) -> bytes:
    return content + chance.randbytes(chance.randrange(1, 100))


def change_a_value(content: bytes, chance: random.Random) -> bytes:
    value = json.loads(content)
    holder: Any = value
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            break
        key = chance.choice(keys)
        if isinstance(holder[key], (dict, list)) and holder[key] and chance.random() < 0.7:
            holder = holder[key]
            continue
        holder[key] = chance.choice(WRONG)
        break
    return json.dumps(value).encode()


BYTES = (truncate, flip_a_bit, flip_a_bit_of_the_header, overwrite_a_piece, cut_a_piece_out, add_at_the_end)
JSON = (*BYTES, change_a_value, change_a_value, change_a_value, change_a_value)
INDEX = "model.safetensors.index.json"
# How many ways of damage, in what kind of model, by which ways.
FILES = {
    "config.json": (130, "whole", JSON),
    "model.safetensors": (110, "whole", BYTES),
    "tokenizer.json": (50, "whole", (*BYTES, change_a_value, change_a_value)),
    "tokenizer_config.json": (25, "whole", (*BYTES, change_a_value, change_a_value)),
    "generation_config.json": (25, "whole", (*BYTES, change_a_value, change_a_value)),
    INDEX: (40, "in shards", JSON),
    "model-00002-of-*": (30, "in shards", BYTES),
    "tiny.gguf": (90, "gguf", BYTES),
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("kinds")
    whole, shards, gguf = (root / name for name in ("whole", "shards", "gguf"))
    tiny_model("gpt2").save_pretrained(shards, max_shard_size="40KB")
    save_tokenizer(shards)
    gguf.mkdir()
    write_gguf(gguf / "tiny.gguf")
    return {"whole": save_folder(whole), "in shards": shards, "gguf": gguf}


def convert_here(source: Path, folder: Path, dtype: str, *others: object) -> None:
    """What the other process does and answers, without the seconds that starting it takes."""
    try:
        with quiet_transformers():
            convert(source, folder, dtype)
    except Exception as error:
        raise ModelError(f"{source} can't be unpacked: {one_line(error)}.") from error


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_opens_or_is_refused_in_a_sentence(
    name: str, kinds: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_cache, "_convert_elsewhere", convert_here)
    monkeypatch.setattr(gguf_cache.platformdirs, "user_cache_dir", lambda *args, **options: str(tmp_path / "cache"))
    count, kind, ways = FILES[name]
    before = open_model(ModelReference(str(kinds["whole"])))
    losses = forward(before, encode(before, "the store went")).losses
    folder = shutil.copytree(kinds[kind], tmp_path / "copy")
    file = next(folder.glob(name))
    source = file if kind == "gguf" else folder
    whole = file.read_bytes()
    noticed = 0
    for number in range(count):
        chance = random.Random(f"{name} {number}")
        way: Callable[[bytes, random.Random], bytes] = chance.choice(ways)
        file.write_bytes(way(whole, chance))
        noticed += not opens_and_runs(source, f"{way.__name__} {number} of {name}")
        assert not list((tmp_path / "cache").glob("gguf/.*"))
    assert noticed > 0
    # The model that was open all the while is what it was.
    np.testing.assert_array_equal(forward(before, encode(before, "the store went")).losses, losses)


def opens_and_runs(source: Path, what: str) -> bool:
    """Whether the model opens without a word and runs."""
    try:
        opened = open_model(ModelReference(str(source)))
        forward(opened, encode(opened, "the store went" if opened.tokenizer is not None else "3 4 5"))
    except ModelError as error:
        text = str(error)
        if "\n" in text or len(text) > 600:
            raise AssertionError(f"{what}: {text!r} is not one sentence") from error
        return False
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    opened.close()
    return not opened.notes


def test_the_ways_are_five_hundred() -> None:
    assert sum(count for count, _, _ in FILES.values()) == 500


def test_save_folder_makes_every_file_that_is_damaged(kinds: dict[str, Path]) -> None:
    assert all(list(kinds[kind].glob(name)) for name, (_, kind, _) in FILES.items())


def test_weights_that_are_no_numbers_are_named_with_their_file_when_they_are_opened(
    kinds: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(kinds["whole"], tmp_path / "copy")
    state = load_file(folder / "model.safetensors")
    state["transformer.h.1.mlp.c_fc.weight"][0, :5] = float("nan")
    state["transformer.h.2.ln_1.bias"][0] = float("inf")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    note = open_model(ModelReference(str(folder))).notes[0]
    assert note.startswith(f"2 tensors hold NaN or infinite numbers in {folder}: ")
    assert "transformer.h.1.mlp.c_fc.weight (5 of 4,096)" in note
    assert "transformer.h.2.ln_1.bias (1 of 32)" in note
    (check,) = verify_weights(str(folder))
    assert "transformer.h.2.ln_1.bias (1 of 32)" in check.problem
    assert "keeps no checksum" in check.how


def test_a_file_of_the_hub_is_checked_against_the_sha256_that_names_it(kinds: dict[str, Path], tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "1", tmp_path / "blobs"
    shutil.copytree(kinds["whole"], snapshot)
    blobs.mkdir()
    content = (snapshot / "model.safetensors").read_bytes()
    blob = blobs / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(blob)
    seen: list[OpenProgress] = []
    (check,) = verify_weights(str(snapshot), seen.append)
    assert (check.problem, check.nbytes) == ("", len(content))
    assert "sha256" in check.how
    assert seen[-1].done == seen[-1].total == len(content)
    damaged = bytearray(content)
    damaged[-3] ^= 1
    blob.write_bytes(damaged)
    (check,) = verify_weights(str(snapshot))
    assert "is damaged: its sha256" in check.problem
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(OpeningCancelled):
        verify_weights(str(snapshot), cancel=cancel)


def test_a_gguf_is_verified_and_what_is_kept_of_it_is_unpacked_again_when_it_was_damaged(
    kinds: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_cache, "_convert_elsewhere", convert_here)
    monkeypatch.setattr(gguf_cache.platformdirs, "user_cache_dir", lambda *args, **options: str(tmp_path))
    source = kinds["gguf"] / "tiny.gguf"
    (check,) = verify_weights(str(source))
    assert check.problem == ""
    assert "GGUF keeps no checksum" in check.how
    reference = ModelReference(str(source))
    first = open_model(reference)
    entry = GgufCache().find(source)
    assert entry is not None
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert GgufCache().is_whole(entry)
        path = entry / name
        whole = path.read_bytes()
        for damaged in (whole[:-1], whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:], b""):
            path.write_bytes(damaged)
            again = open_model(reference)
            assert again.summary == first.summary
            assert path.read_bytes() == whole
    assert not list((tmp_path / "gguf").glob(".*"))
