"""Checksums of pieces make that of the whole."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core_hooks.capture.durable import checksum, joined_crc
from core_hooks.capture.shard import ShardWriter, TensorSpec

if TYPE_CHECKING:
    from pathlib import Path


@given(one=st.binary(max_size=300), other=st.binary(max_size=300))
def test_that_of_two_pieces_is_that_of_the_whole(one: bytes, other: bytes) -> None:
    assert joined_crc(zlib.crc32(one), zlib.crc32(other), len(other)) == zlib.crc32(one + other)


def test_that_of_a_long_piece_too() -> None:
    other = bytes(5_000_000)
    assert joined_crc(zlib.crc32(b"head"), zlib.crc32(other), len(other)) == zlib.crc32(b"head" + other)


def test_a_shard_of_which_some_tensors_are_known_has_that_of_its_file(tmp_path: Path) -> None:
    tensors = {
        "a": np.arange(7, dtype=np.float16), "b": np.arange(5, dtype=np.int64), "c": np.arange(9, dtype=np.float32),
        "d": np.arange(3, dtype=np.uint8), "none": np.empty(0, np.float32),
    }  # fmt: skip
    writer = ShardWriter(
        tmp_path / "s.safetensors", [TensorSpec(name, v.dtype.name, v.shape) for name, v in tensors.items()]
    )
    for name, values in tensors.items():
        writer.write(name, values)
    known = {name: zlib.crc32(tensors[name].tobytes()) for name in ("a", "c", "none")}
    found = [writer.checksum(known), writer.checksum({})]
    writer.finish()
    assert found == [checksum(tmp_path / "s.safetensors")] * 2
