"""The command line of the inspector: parsed before Qt is imported, so that a wrong word costs nothing."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was asked for on the command line."""

    target: str | None = None
    demo: bool = False
    prompt: str | None = None
    attach: tuple[str, ...] = ()
    run: bool = False
    device: str = "cpu"
    dtype: str = "auto"
    quantise: str = "none"
    screenshot: Path | None = None
    capture: Path | None = None
    size: tuple[int, int] | None = None
    theme: Literal["system", "light", "dark"] | None = None
    quit: bool = False
    fresh: bool = False
    safe: bool = False
    no_plugins: bool = False
    debug: bool = False
    info: bool = False

    @property
    def is_errand(self) -> bool:
        """True when something is to be done without anybody clicking."""
        return bool(self.demo or self.run or self.attach or self.screenshot or self.capture or self.quit)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One clear line; argparse's own prints the whole usage too."""
        print(f"{self.prog}: {message}. Try --help.", file=sys.stderr)
        sys.exit(2)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and 640 <= int(width) <= 7680 and 480 <= int(height) <= 4320):
        raise argparse.ArgumentTypeError(f"'{text}' is no window size; write it like 1440x900")
    return int(width), int(height)


def parse(argv: Sequence[str]) -> Arguments:
    """Read the words behind the program's name; a wrong one is one line on stderr and exit code 2."""
    from core_hooks.model.quantisation import NAMES, NONE
    from mi_crow_gui import __version__

    parser = _Parser(
        prog="mi-crow-gui",
        description="Look inside language models: open one, point at layers, run prompts, watch the tensors.",
    )
    parser.add_argument(
        "target",
        nargs="?",
        metavar="MODEL | CAPTURE | SESSION",
        help="what to open: a model folder, "
        ".safetensors or .gguf file, hub id or module:factory; a capture folder; a .microw session",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="open the demo model with a prompt, detectors attached, and run it",
    )
    parser.add_argument("--prompt", metavar="TEXT", help="put this text into the prompt")
    parser.add_argument(
        "--attach",
        metavar="PATTERN",
        action="append",
        default=[],
        help="attach a detector to every layer this dotted name or glob matches; may be repeated",
    )
    parser.add_argument("--run", action="store_true", help="run the prompt once the model is loaded")
    parser.add_argument("--device", default="cpu", help="cpu, cuda:0, mps, or auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "float16", "bfloat16"])
    parser.add_argument("--quantise", default=NONE, choices=NAMES, metavar="Q", help=", ".join(NAMES))
    parser.add_argument("--screenshot", type=Path, metavar="PNG", help="write a picture of the window when it is idle")
    parser.add_argument("--capture", type=Path, metavar="DIR", help="save what was captured to this new folder")
    parser.add_argument("--size", type=_size, metavar="WxH", help="size of the window, e.g. 1440x900")
    parser.add_argument("--theme", choices=["system", "light", "dark"])
    parser.add_argument("--quit", action="store_true", help="end when everything asked for is done")
    parser.add_argument(
        "--fresh", action="store_true", help="ignore remembered layout, recovery and the list of captures"
    )
    parser.add_argument("--safe", action="store_true", help="never run code that comes with a model")
    parser.add_argument("--no-plugins", action="store_true", help="only the built-in detectors, controllers and plots")
    parser.add_argument("--debug", action="store_true", help="write more to the log")
    parser.add_argument("--info", action="store_true", help="print versions and folders, then end")
    parser.add_argument("--version", action="version", version=f"mi-crow-gui {__version__}")
    found = vars(parser.parse_args(argv))
    found["attach"] = tuple(found["attach"])
    arguments = Arguments(**found)
    if arguments.demo and arguments.target:
        parser.error("--demo opens the demo model; leave out the other one")
    if arguments.run and not (arguments.demo or arguments.target):
        parser.error("--run needs something to open: a model, or --demo")
    if arguments.screenshot is not None and arguments.screenshot.suffix.lower() != ".png":
        parser.error(f"--screenshot writes a PNG; '{arguments.screenshot}' does not end in .png")
    return arguments
