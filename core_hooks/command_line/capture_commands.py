"""``core-hooks capture|show|export|verify``: captures of whole corpora, without a window."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.command_line import weights
from core_hooks.command_line.output import CommandError, Progress, bytes_text, print_json, print_table
from core_hooks.model.quantisation import NAMES, NONE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from core_hooks.capture.job import CaptureJob
    from core_hooks.capture.job_settings import JobEstimate, JobProgress, JobSettings
    from core_hooks.capture.ray_engine import RayEngine
    from core_hooks.capture.reader import Capture
    from core_hooks.model.reference import ModelReference

INTERRUPTED = 130


def add_parser(commands: Any) -> None:
    """Add the four commands to those of `core-hooks`; each sets `handler` to its function."""
    capture = commands.add_parser("capture", help="run a corpus through a model and write what layers gave")
    capture.add_argument("model", metavar="MODEL", help="folder, .gguf, .safetensors, hub id, or module:factory")
    capture.add_argument("--texts", required=True, metavar="FILE", help="txt, jsonl, csv, tsv, parquet, or a folder")
    capture.add_argument("--layer", action="append", required=True, metavar="G", help="name or glob; repeatable")
    capture.add_argument("--out", required=True, metavar="DIR", help="folder of the capture")
    stored = ("auto", "float32", "float16", "bfloat16")
    capture.add_argument("--dtype", default="auto", choices=stored, help="what is stored; auto: as the model gives it")
    capture.add_argument("--batch-tokens", type=_positive, default=2048, metavar="N", help="tokens a batch at most")
    capture.add_argument("--context", type=_positive, default=0, metavar="N", help="cut texts into windows of N tokens")
    capture.add_argument("--column", default="text", metavar="C", help="column or field with the texts")
    capture.add_argument("--label", default="", metavar="C", help="column to keep beside each text")
    capture.add_argument("--encoding", default="utf-8", metavar="E", help="of text files")
    capture.add_argument("--resume", action="store_true", help="go on with the capture in DIR, or begin it")
    capture.add_argument("--estimate", action="store_true", help="say what it would take, and end")
    capture.add_argument("--engine", default="local", choices=("local", "ray"), help="where it runs")
    capture.add_argument("--workers", type=_count, default=0, metavar="N", help="of the engine ray; 0: one a device")
    capture.add_argument("--ray-address", default="", metavar="A", help="of a Ray cluster that runs")
    capture.add_argument("--device", default="cpu", metavar="D", help="cpu, cuda:0, mps or auto")
    capture.add_argument(
        "--model-dtype", default="auto", choices=stored, metavar="T", help="what the model computes in"
    )
    capture.add_argument("--quantise", default=NONE, choices=NAMES, metavar="Q", help=", ".join(NAMES))
    capture.add_argument("--attention", default="auto", metavar="A", help="eager, sdpa, ...")
    capture.add_argument("--trust-code", action="store_true", help="run Python code that comes with the model")
    capture.set_defaults(handler=run_capture)

    convert = commands.add_parser("convert", help="make a capture from a run of a LocalStore")
    convert.add_argument("store", metavar="STORE", help="folder of the store")
    convert.add_argument("--run", metavar="R", default="", help="which run; may be left out where there is one")
    convert.add_argument("--out", required=True, metavar="DIR", help="new folder of the capture")
    convert.add_argument("--json", action="store_true", help="print JSON")
    convert.set_defaults(handler=run_convert)
    show = commands.add_parser("show", help="what a capture holds; needs no model")
    show.add_argument("--site", metavar="S", help="statistics of the channels of a site")
    show.add_argument("--channel", type=_count, metavar="N", help="the card of one channel of the site")
    show.add_argument("--sort", default="kurtosis", metavar="Q", help="order of the channels: kurtosis, maximum, ...")
    show.set_defaults(handler=show_capture)
    export = commands.add_parser("export", help="write a capture to one file for other programs")
    export.add_argument("--format", required=True, choices=("safetensors", "npz", "csv", "parquet"))
    export.add_argument("--site", action="append", default=[], metavar="S", help="only this site; repeatable")
    export.add_argument("--out", metavar="FILE", help="default: DIR with the format as its ending")
    export.set_defaults(handler=run_export)
    verify = commands.add_parser("verify", help="check every byte of a capture, or of a model's weights")
    verify.set_defaults(handler=run_verify)
    for command in (show, export, verify):
        what = "folder of the capture" if command is not verify else "folder of the capture, or a model"
        command.add_argument("capture", metavar="DIR" if command is not verify else "DIR|MODEL", help=what)
    for command in (capture, show, export, verify):
        command.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the command that `arguments` are of and return the exit code."""
    from core_hooks.capture.index import CaptureError

    try:
        code: int = arguments.handler(arguments)
    except CaptureError as error:
        raise CommandError(str(error)) from error
    return code


def run_capture(arguments: argparse.Namespace) -> int:
    """Capture, with the estimate first and the progress on standard error; 130 when it was interrupted."""
    from core_hooks.capture.job import CaptureJob
    from core_hooks.capture.job_settings import JobSettings
    from core_hooks.command_line.sites import select
    from core_hooks.model.opening import open_model
    from core_hooks.model.reference import ModelReference

    progress = Progress()
    reference = ModelReference(
        arguments.model,
        arguments.device,
        arguments.model_dtype,
        arguments.attention,
        arguments.trust_code,
        arguments.quantise,
    )
    opened = open_model(reference, on_progress=progress)
    progress.end()
    settings = JobSettings(
        out=Path(arguments.out),
        texts=Path(arguments.texts),
        sites=tuple(select(arguments.layer, opened.tree)),
        dtype=arguments.dtype,
        batch_tokens=arguments.batch_tokens,
        context=arguments.context,
        column=arguments.column,
        label=arguments.label,
        encoding=arguments.encoding,
    )
    with _engine(arguments, reference) as engine:
        return _run_job(CaptureJob(opened, settings, engine=engine), arguments)


@contextmanager
def _engine(arguments: argparse.Namespace, reference: ModelReference) -> Iterator[RayEngine | None]:
    """What computes the shards elsewhere, None for this process."""
    if arguments.engine == "local" or arguments.estimate:
        yield None
        return
    import torch

    from core_hooks.capture.ray_engine import RayEngine

    engine = RayEngine(
        reference, workers=arguments.workers, threads=torch.get_num_threads(), address=arguments.ray_address
    )
    try:
        yield engine
    finally:
        engine.close()


def _run_job(job: CaptureJob, arguments: argparse.Namespace) -> int:
    settings = job.settings
    begun = arguments.resume and (settings.out / "capture.json").exists()
    if arguments.estimate or not begun:
        needs = job.estimate()
        if arguments.estimate:
            if arguments.json:
                print_json({**needs.as_json(), "fits": needs.fits})
            else:
                print(_estimate_text(needs, settings))
            return 0
        sys.stderr.write(_estimate_text(needs, settings) + "\n")
        if not needs.fits:
            raise CommandError(
                f"The capture needs {bytes_text(needs.disk)} and {bytes_text(needs.free_disk)} are free at "
                f"{settings.out}; free some, or choose fewer layers or float16."
            )
    line = _ProgressLine()
    with _Interruptible(job):
        result = job.run(line, resume=arguments.resume)
    line.end()
    facts = {
        "state": result.state,
        "folder": str(result.folder),
        "texts": result.texts,
        "tokens": result.rows,
        "bytes": result.nbytes,
        "notes": list(result.notes),
    }
    if arguments.json:
        print_json(facts)
    else:
        print(f"{result.texts:,} texts, {result.rows:,} tokens, {bytes_text(result.nbytes)} in {result.folder}")
        for note in result.notes:
            print(note)
    if result.state == "cancelled":
        sys.stderr.write("core-hooks: interrupted; the same command with --resume goes on\n")
        return INTERRUPTED
    return 0


def run_convert(arguments: argparse.Namespace) -> int:
    """Make a capture from a run of a store; CommandError when it must be said which."""
    from core_hooks.capture.store_conversion import convert_run, store_runs

    store, out = Path(arguments.store), Path(arguments.out)
    runs = store_runs(store)
    if not arguments.run and len(runs) > 1:
        raise CommandError(f"The store holds {len(runs)} runs; name one with --run: {', '.join(runs[:8])}.")
    index = convert_run(store, arguments.run or runs[0], out)
    if arguments.json:
        print_json({"folder": str(out), "texts": index.texts, "tokens": index.rows})
    else:
        print(f"{index.texts:,} texts, {index.rows:,} tokens in {out}")
    return 0


def show_capture(arguments: argparse.Namespace) -> int:
    """Print what a capture holds, the statistics of a site, or the card of a channel."""
    from core_hooks.capture.reader import open_capture

    if arguments.channel is not None and not arguments.site:
        raise CommandError("--channel needs the --site it is of.")
    with open_capture(Path(arguments.capture)) as capture:
        if arguments.channel is not None:
            _show_channel(capture, arguments)
        elif arguments.site:
            _show_site(capture, arguments)
        else:
            _show_index(capture, arguments)
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Write a capture to one file."""
    from core_hooks.capture.export import export_capture
    from core_hooks.capture.reader import open_capture

    folder = Path(arguments.capture)
    beside = folder.absolute()
    path = Path(arguments.out) if arguments.out else beside.with_name(f"{beside.name}.{arguments.format}")
    with open_capture(folder) as capture:
        export_capture(capture, path, arguments.format, sites=arguments.site)
    size = path.stat().st_size
    if arguments.json:
        print_json({"file": str(path), "bytes": size})
    else:
        print(f"{path}  {bytes_text(size)}")
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Check every file of a capture, or of a model's weights; CommandError when one is damaged."""
    from core_hooks.capture.verify import verify_capture

    if not (Path(arguments.capture) / "capture.json").exists() and weights.is_model(arguments.capture):
        return weights.verify(arguments.capture, arguments)
    found = verify_capture(Path(arguments.capture))
    damaged = [check for check in found if check.problem]
    if arguments.json:
        print_json(
            [
                {"file": check.file, "bytes": check.nbytes, "problem": check.problem, "note": check.note}
                for check in found
            ]
        )
    else:
        for check in found:
            print(f"{check.file}  {check.problem or check.note or 'whole'}")
    if damaged:
        raise CommandError(f"{len(damaged)} of {len(found)} files of {arguments.capture} are damaged.")
    return 0


def _show_index(capture: Capture, arguments: argparse.Namespace) -> None:
    index = capture.index
    facts: dict[str, Any] = {
        "model": index.model.get("name", ""),
        "created": index.created,
        "finished": index.finished,
        "texts": capture.texts,
        "tokens": capture.rows,
        "bytes": sum(part["bytes"] for part in [*index.shards, *index.files.values()]),
        "shards": len(index.shards),
        "source": index.source.get("path", ""),
    }
    if arguments.json:
        print_json({**facts, "sites": index.sites, "notes": index.notes})
        return
    for key, value in facts.items():
        text = bytes_text(value) if key == "bytes" else f"{value:,}" if type(value) is int else str(value)
        print(f"{key:<10}{text}")
    print()
    rows = [
        (row["site"] or "(model)", row["stage"], "×".join(map(str, row["shape"])), row["dtype"],
         row.get("stored_dtype", row["dtype"]))
        for row in index.sites
    ]  # fmt: skip
    print_table(("site", "stage", "shape", "dtype", "stored"), rows)
    for note in index.notes:
        print(note)


def _show_site(capture: Capture, arguments: argparse.Namespace) -> None:
    from core_hooks.capture.channels import rank_channels

    found = capture.statistics(arguments.site)
    order = rank_channels(found, arguments.sort)[:20]
    columns = ("mean", "variance", "minimum", "maximum", "kurtosis", "sparsity", "nonfinite")
    rows = [{"channel": int(c), **{name: float(getattr(found, name)[c]) for name in columns}} for c in order]
    if arguments.json:
        print_json(rows)
        return
    table = [[f"{row['channel']}", *(f"{row[name]:.4g}" for name in columns)] for row in rows]
    print_table(("channel", *columns), table, numbers=("channel", *columns))


def _show_channel(capture: Capture, arguments: argparse.Namespace) -> None:
    from core_hooks.capture.channels import channel_card

    card = channel_card(capture, arguments.site, arguments.channel)
    if arguments.json:
        print_json(
            {
                "site": card.site, "channel": card.channel, "count": card.count, "nonfinite": card.nonfinite,
                "mean": card.mean, "deviation": card.deviation, "minimum": card.minimum, "maximum": card.maximum,
                "counts": card.counts.tolist(), "edges": card.edges.tolist(),
                "top": [
                    {"text": e.text, "position": e.position, "value": e.value, "tokens": e.tokens, "marked": e.marked}
                    for e in card.top
                ],
            }
        )  # fmt: skip
        return
    print(f"{card.site or '(model)'}, channel {card.channel}: {card.count:,} tokens, mean {card.mean:.4g}, ", end="")
    print(f"deviation {card.deviation:.4g}, {card.minimum:.4g} to {card.maximum:.4g}\n")
    for example in card.top:
        shown = [f"[{token}]" if at == example.marked else token for at, token in enumerate(example.tokens)]
        print(f"{example.value:>12.5g}  {''.join(shown).strip()!r}")


class _ProgressLine:
    """One changing line on a terminal; else a line every ten seconds."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = 0.0

    def __call__(self, progress: JobProgress) -> None:
        now = time.monotonic()
        if not self._terminal and now - self._told < 10:
            return
        self._told = now
        text = (
            f"{progress.records:,} of {progress.total_records:,} texts, {progress.rows:,} tokens, "
            f"{progress.tokens_per_second:,.0f} tokens/s, {_duration(progress.seconds_left)} left"
        )
        sys.stderr.write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line free."""
        if self._terminal and self._told:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class _Interruptible:
    """The first Ctrl-C cancels the job in good order, the second ends the program."""

    def __init__(self, job: CaptureJob) -> None:
        self._job = job
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._cancel)

    def __exit__(self, *exc: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _cancel(self, number: int, frame: object) -> None:
        self._job.cancel()
        signal.signal(signal.SIGINT, self._before)


def _estimate_text(needs: JobEstimate, settings: JobSettings) -> str:
    return (
        f"{needs.texts:,} texts, about {needs.tokens:,} tokens and {bytes_text(needs.disk)} on disk "
        f"({bytes_text(needs.free_disk)} free), {bytes_text(needs.memory)} of memory, "
        f"about {_duration(needs.seconds)}, {len(settings.sites)} layer{'s' * (len(settings.sites) != 1)}"
    )


def _duration(seconds: float) -> str:
    if not 0 <= seconds < 1e9:
        return "an unknown time"
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {left:02} s" if minutes else f"{left} s"


def _number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1
        if value < least:
            import argparse

            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return value

    return number


_positive, _count = _number(1), _number(0)
