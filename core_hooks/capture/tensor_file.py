"""A safetensors file of torch tensors, and how a file or folder takes its place whole."""

from __future__ import annotations

import json
import os
import shutil
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from core_hooks.capture.durable import replacing_file, temporary_beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_DTYPES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.uint16: "U16",
    torch.int32: "I32",
    torch.uint32: "U32",
    torch.int64: "I64",
    torch.uint64: "U64",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.complex64: "C64",
}


def check_storable(name: str, tensor: object) -> torch.Tensor:
    """Return `tensor` if a safetensors file can hold it; ValueError otherwise."""
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"'{name}' must be a tensor to be stored, got: {type(tensor).__name__}")
    if tensor.dtype not in _DTYPES or tensor.layout is not torch.strided or tensor.is_meta:
        raise ValueError(
            f"'{name}' cannot be stored: {tensor.dtype} on {tensor.device}, layout {tensor.layout}; "
            "make it a dense tensor with values, of a plain dtype"
        )
    return tensor


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, str]) -> None:
    """Write a safetensors file, streaming each tensor behind the header without a second copy of the data."""
    entries: dict[str, Any] = {"__metadata__": dict(header)} if header else {}
    # Widest elements first, as the format's own writer does, so that every tensor is aligned.
    ordered = sorted(tensors.items(), key=lambda item: (-check_storable(*item).element_size(), item[0]))
    end = 0
    for name, tensor in ordered:
        start, end = end, end + tensor.numel() * tensor.element_size()
        shape = list(tensor.shape)
        entries[name] = {"dtype": _DTYPES[tensor.dtype], "shape": shape, "data_offsets": [start, end]}
    head = json.dumps(entries, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(path) as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for _, tensor in ordered:
            # to("cpu") blocks until a copy from an accelerator has arrived
            flat = tensor.detach().to("cpu").resolve_conj().resolve_neg().contiguous().view(-1)
            if flat.numel():
                file.write(flat.view(torch.uint8).numpy().data)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors of a safetensors file by name, in host memory, and the text pairs of its header.

    Raises
    ------
    ValueError
        When the file is truncated, damaged, or no safetensors file.
    OSError
        When it can't be opened.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from error


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `folder` if the block ends well, and goes if not."""
    new, old = temporary_beside(folder), temporary_beside(folder)
    new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(new, folder)
        except OSError:
            if old.exists():
                os.replace(old, folder)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
