"""``core-hooks verify MODEL``: whether the files of a model's weights are whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core_hooks.command_line.output import CommandError, Progress, print_json
from core_hooks.model.checkpoint import HUB_FILE, HUB_ID, gguf_files

if TYPE_CHECKING:
    import argparse


def is_model(name: str) -> bool:
    """Whether `name` is that of a model's file or folder, or of a model in the hub's cache."""
    path = Path(name).expanduser()
    if path.is_dir():
        return (path / "config.json").is_file() or bool(gguf_files(path))
    if path.exists():
        return path.suffix in (".gguf", ".safetensors")
    from core_hooks.model.hub import cached_file, cached_folder

    file = HUB_FILE.fullmatch(name)
    if file:
        return cached_file(file[1], file[2]) is not None
    return HUB_ID.fullmatch(name) is not None and cached_folder(name) is not None


def verify(name: str, arguments: argparse.Namespace) -> int:
    """Check every file of the weights, print what each finding rests on; CommandError when one is damaged."""
    from core_hooks.model.weight_check import verify_weights

    progress = Progress()
    found = verify_weights(name, progress)
    progress.end()
    damaged = [check for check in found if check.problem]
    if arguments.json:
        print_json(
            [{"file": check.file, "bytes": check.nbytes, "problem": check.problem, "how": check.how} for check in found]
        )
    else:
        for check in found:
            print(f"{check.file}  {check.problem or 'whole as far as can be known'}  {check.how}")
    if damaged:
        raise CommandError(f"{len(damaged)} of {len(found)} files of {name} are damaged.")
    return 0
