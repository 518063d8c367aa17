"""Model files damaged in five hundred ways: every one opens or is refused in one sentence."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from core_hooks.model.errors import ModelError
from core_hooks.model.forward import forward
from core_hooks.model.gguf_header import read_gguf_header
from core_hooks.model.opening import open_model
from core_hooks.model.prompt import encode
from core_hooks.model.reference import ModelReference
from tests.core_hooks.model.test_gguf import write_gguf
from tests.core_hooks.model.tiny import save_folder

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
FILES = {
    "config.json": (150, (*BYTES, change_a_value, change_a_value, change_a_value, change_a_value)),
    "model.safetensors": (130, BYTES),
    "tokenizer.json": (60, (*BYTES, change_a_value, change_a_value)),
    "tokenizer_config.json": (30, (*BYTES, change_a_value, change_a_value)),
    "generation_config.json": (30, (*BYTES, change_a_value, change_a_value)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_opens_or_is_refused_in_a_sentence(name: str, gpt2_folder: Path, tmp_path: Path) -> None:
    count, ways = FILES[name]
    folder = shutil.copytree(gpt2_folder, tmp_path / "copy")
    whole = (folder / name).read_bytes()
    noticed = 0
    for number in range(count):
        chance = random.Random(f"{name} {number}")
        way: Callable[[bytes, random.Random], bytes] = chance.choice(ways)
        (folder / name).write_bytes(way(whole, chance))
        noticed += not opens_and_runs(folder, f"{way.__name__} {number} of {name}")
    assert noticed > 0


def opens_and_runs(folder: Path, what: str) -> bool:
    """Whether the model opens without a word and runs."""
    try:
        opened = open_model(ModelReference(str(folder)))
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


def test_a_damaged_gguf_header_is_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf")
    whole = path.read_bytes()
    refused = 0
    for number in range(100):
        chance = random.Random(number)
        path.write_bytes(chance.choice(BYTES)(whole, chance))
        try:
            read_gguf_header(path)
        except ModelError:
            refused += 1
    assert refused > 20


def test_the_ways_are_five_hundred() -> None:
    assert sum(count for count, _ in FILES.values()) + 100 == 500


def test_save_folder_makes_every_file_that_is_damaged(tmp_path: Path) -> None:
    assert {path.name for path in save_folder(tmp_path).iterdir()} >= set(FILES)
