"""Unpacking a GGUF file into a folder of safetensors; run as a program, in a process of its own.

``python -m core_hooks.model.gguf_conversion FILE FOLDER DTYPE`` prints one JSON object a line: ``{"done": ..,
"total": ..}`` while it works and ``{"error": ".."}`` when it can't go on.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.model.architecture import one_line
from core_hooks.model.libraries import quiet_transformers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def convert(source: Path, folder: Path, dtype: str) -> None:
    """Write the model and the tokenizer in the GGUF file `source` to `folder`, as `transformers` saves them.

    Parameters
    ----------
    dtype
        Of the unpacked weights; ``"auto"`` is the floating type that the file itself uses.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    place, name = str(source.parent), source.name
    wanted = "auto" if dtype == "auto" else getattr(torch, dtype)
    model: Any = AutoModelForCausalLM.from_pretrained(
        place,
        gguf_file=name,
        dtype=wanted,
        quantization_config=GgufConfig(gguf_file=name, dequantize=True),
        local_files_only=True,
    )
    # What is left is a plain model; the mark of the quantiser would keep it from being saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    # A model without a tokenizer is still worth opening: whoever opens it is told that there is none.
    with contextlib.suppress(Exception):
        AutoTokenizer.from_pretrained(place, gguf_file=name, local_files_only=True).save_pretrained(folder)


def _report_bars(factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Stand in for the bars that transformers would draw; those over tensors count, the one over files does not."""
    iterable: Any = args[0] if args else kwargs.get("iterable")
    total = kwargs.get("total") or (len(iterable) if hasattr(iterable, "__len__") else 0)
    if iterable is None or not total or "shard" in str(kwargs.get("desc", "")):
        return factory(*args, **kwargs)
    return _told(iterable, total)


def _told(iterable: Iterable[Any], total: int) -> Iterator[Any]:
    for done, item in enumerate(iterable):
        print(json.dumps({"done": done, "total": total}), flush=True)
        yield item


def main(source: str, folder: str, dtype: str) -> int:
    """Convert, and report a failure as a line of JSON."""
    from transformers.utils import logging

    logging.set_tqdm_hook(_report_bars)
    try:
        with quiet_transformers():
            convert(Path(source), Path(folder), dtype)
    except Exception as error:  # noqa: BLE001 - it goes to the parent process, whatever it is
        full = (isinstance(error, OSError) and error.errno == 28) or "No space left" in str(error)
        print(json.dumps({"error": one_line(error), "disk_full": full}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
