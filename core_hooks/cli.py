"""The command line: ``core-hooks COMMAND MODEL ...``.

Torch is imported by the commands, not by this module, so that help and wrong arguments answer at once.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from core_hooks.command_line import capture_commands
from core_hooks.command_line.output import CommandError, Progress
from core_hooks.model.errors import ModelError
from core_hooks.model.quantisation import NAMES, NONE
from core_hooks.model.reference import ModelReference

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for a model that can't be used, 2 for wrong arguments."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    progress = Progress()
    try:
        if hasattr(arguments, "handler"):
            return capture_commands.run(arguments)
        _run(arguments, progress)
    except (ModelError, CommandError) as error:
        progress.end()
        print(f"core-hooks: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        progress.end()
        print("core-hooks: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output, such as `head`, has seen enough
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115 - the interpreter flushes it when it ends
        return 0
    return 0


def _run(arguments: argparse.Namespace, progress: Progress) -> None:
    reference = ModelReference(
        arguments.model,
        arguments.device,
        arguments.dtype,
        arguments.attention,
        arguments.trust_code,
        arguments.quantise,
    )
    if arguments.command == "run":
        from core_hooks.command_line.run import run

        run(arguments, reference, progress)
        return
    from core_hooks.command_line import hierarchy

    (hierarchy.info if arguments.command == "info" else hierarchy.tree)(arguments, reference)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is a `--help` away."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSED, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def _parser() -> _Parser:
    parser = _Parser(prog="core-hooks", description="Look inside language models.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    info = commands.add_parser("info", help="what a model is and what it needs; reads no weights")
    tree = commands.add_parser("tree", help="the module hierarchy; reads no weights")
    tree.add_argument("--grep", metavar="G", help="only modules that match: a glob, or a word in name or class")
    run = commands.add_parser("run", help="run a prompt and capture layers")
    run.add_argument(
        "--prompt", action="append", required=True, metavar="T",
        help="the text, or token ids without a tokenizer; given several times, the prompts go through together",
    )  # fmt: skip
    run.add_argument("--generate", type=_count, default=0, metavar="N", help="continue by N tokens")
    run.add_argument("--layer", action="append", default=[], metavar="G", help="a dotted name or a glob; repeatable")
    run.add_argument("--out", metavar="DIR", help="write the captures to this new folder")
    run.add_argument("--temperature", type=_temperature, default=0.0, metavar="X", help="0, the default, is greedy")
    run.add_argument("--top-k", type=_count, default=0, metavar="N", help="sample among the N likeliest only")
    run.add_argument("--seed", type=_count, default=0, metavar="N", help="makes sampling repeatable")
    capture_commands.add_parser(commands)
    for command in (info, tree, run):
        command.add_argument("model", metavar="MODEL", help="folder, .gguf, .safetensors, hub id, or module:factory")
        command.add_argument("--device", default="cpu", metavar="D", help="cpu, cuda:0, mps or auto")
        command.add_argument("--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16"), metavar="T")
        command.add_argument("--attention", default="auto", metavar="A", help="eager, sdpa, ...")
        command.add_argument("--quantise", default=NONE, choices=NAMES, metavar="Q", help=", ".join(NAMES))
        command.add_argument("--trust-code", action="store_true", help="run Python code that comes with the model")
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return number


def _temperature(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return number


if __name__ == "__main__":
    sys.exit(main())
