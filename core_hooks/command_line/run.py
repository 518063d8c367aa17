"""``core-hooks run``: a prompt through a model, what its layers held, and what it wrote."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.command_line.output import CommandError, print_json, print_table
from core_hooks.command_line.sites import select

if TYPE_CHECKING:
    import argparse

    import numpy as np

    from core_hooks.capture.folder import CapturedSite
    from core_hooks.model.forward import ForwardResult
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.reference import ModelReference, OpenProgress
    from core_hooks.model.tokens import TokenSequence, TokenStep


def run(arguments: argparse.Namespace, reference: ModelReference, progress: Any) -> None:
    """Run prompts, capture the layers asked for, print their statistics and write them when asked to."""
    from core_hooks.capture.folder import CapturedPrompt, CaptureError, write_capture
    from core_hooks.model.architecture import kind_of
    from core_hooks.model.batch import TokenBatch, encode_batch
    from core_hooks.model.generation import forward_batch, generate_batch
    from core_hooks.model.opening import open_model
    from core_hooks.model.prompt import decode
    from core_hooks.model.tokens import GenerationSettings

    if arguments.out is not None and not arguments.layer:
        raise CommandError("--out needs at least one --layer to write.")
    if arguments.out is not None and Path(arguments.out).exists():
        raise CommandError(f"{arguments.out} exists already; choose another folder for the capture.")
    opened = open_model(reference, on_progress=progress)
    sites = select(arguments.layer, opened.tree)
    rows = encode_batch(opened, arguments.prompt)
    settings = GenerationSettings(arguments.generate, arguments.temperature, arguments.top_k, arguments.seed)
    progress(_stage("Running"))
    with _Capturing(opened, sites, max(map(len, rows)), arguments.generate) as capturing:
        if arguments.generate:
            results = generate_batch(
                opened, rows, settings, cancel=threading.Event(), on_step=lambda steps: None, run=capturing.run
            )
            ran = [_Ran(tokens, result.prompt, result.steps) for tokens, result in zip(rows, results, strict=True)]
        else:
            prompts = forward_batch(opened, rows, run=capturing.run)
            ran = [_Ran(tokens, prompt) for tokens, prompt in zip(rows, prompts, strict=True)]
    progress.end()
    captured = capturing.captured()
    spans = TokenBatch(rows, "left" if arguments.generate and kind_of(opened.model) != "seq2seq" else "right").spans
    if arguments.out is not None:
        several = [
            CapturedPrompt(text, row.texts, row.ids, span.start)
            for text, row, span in zip(arguments.prompt, ran, spans, strict=True)
        ]
        try:
            write_capture(
                Path(arguments.out),
                captured,
                model={key: value for key, value in asdict(opened.summary).items() if key != "reference"},
                prompt=arguments.prompt[0],
                tokens=ran[0].texts,
                token_ids=ran[0].ids,
                settings=asdict(settings),
                batch=several if len(several) > 1 else (),
            )
        except CaptureError as error:
            raise CommandError(str(error)) from error
    real = _real(captured, ran, spans)
    if arguments.json:
        print_json(_as_json(opened, ran, captured, real))
        return
    for number, row in enumerate(ran, 1):
        if len(ran) > 1:
            print(f"{'' if number == 1 else chr(10)}prompt {number}: {arguments.prompt[number - 1]}")
        _print(row.prompt, decode(opened, row.ids) if row.steps else None)
    _print_captured(captured, real)
    if arguments.out is not None:
        print(f"\nThe capture is in {arguments.out}.")


@dataclass(frozen=True, slots=True, eq=False)
class _Ran:
    """One prompt and what came of it."""

    tokens: TokenSequence
    prompt: ForwardResult
    steps: tuple[TokenStep, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.tokens.texts, *(step.text for step in self.steps))

    @property
    def ids(self) -> tuple[int, ...]:
        return (*self.tokens.ids, *(step.token_id for step in self.steps))


_UNLIMITED = 1 << 62  # bytes: what was asked for is kept whole


class _Capturing:
    """A run with a detector on each site, whose records are joined over the steps of a generation."""

    def __init__(self, opened: OpenedModel, sites: list[str], prompt: int, generated: int) -> None:
        from core_hooks.capture.history import SiteHistory
        from core_hooks.capture.recorder import RecordingDetector
        from core_hooks.hooks.run import HookRun

        self.run = HookRun(1)
        self._model = opened.model
        self._histories = {site: SiteHistory(_UNLIMITED, prompt + generated) for site in sites}
        self._detectors = {site: RecordingDetector(site, self._histories[site].append) for site in sites}
        for detector in self._detectors.values():
            detector.prompt_tokens = prompt

    def __enter__(self) -> _Capturing:
        from core_hooks.hooks.attachment import attach

        self._attachment = attach(self._model, self._detectors)
        self.run.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.run.__exit__(*exc)
        self._attachment.close()

    def captured(self) -> list[CapturedSite]:
        """Return what each site held; CommandError names those that never ran."""
        from core_hooks.capture.folder import CapturedSite

        silent = [site for site, history in self._histories.items() if history.latest is None]
        if silent:
            raise CommandError(f"{', '.join(silent)} did not run, so there is nothing to capture; leave it out.")
        found = []
        for site, history in self._histories.items():
            values, latest = history.values(), history.latest
            assert values is not None
            assert latest is not None
            found.append(CapturedSite(site, values, latest.dtype, latest.stage, history.first_token, history.dropped))
        return found


def _real(captured: list[CapturedSite], ran: list[_Ran], spans: tuple[range, ...]) -> list[np.ndarray]:
    """Return the values of each site that are of tokens; those of a batch prompt behind prompt, without padding."""
    import numpy as np

    from core_hooks.capture.prompt_values import prompt_values

    if len(ran) == 1:
        return [site.values for site in captured]
    found = []
    for site in captured:
        parts = []
        for number, (row, span) in enumerate(zip(ran, spans, strict=True)):
            # A step puts its token behind the longest prompt, whatever the length of this one.
            whole = range(span.start, span.start + len(row.texts))
            part = prompt_values(site.values, number, len(ran), whole, site.first_token)
            parts += [part[0].reshape(-1, site.values.shape[-1])] if part is not None else []
        found.append(np.concatenate(parts) if parts else site.values)
    return found


def _print(prompt: ForwardResult, text: str | None) -> None:
    if text is not None:
        print(text)
    else:
        rows = [(c.text, f"{c.probability:.4f}", f"{c.logit:.4g}") for c in prompt.candidates]
        if rows:
            print_table(("next token", "probability", "logit"), rows, numbers=("probability", "logit"))
    for lack in prompt.lacks:
        print(lack)


def _print_captured(captured: list[CapturedSite], real: list[np.ndarray]) -> None:
    if not captured:
        return
    print()
    header = ("site", "shape", "dtype", "mean", "std", "min", "max")
    print_table(
        header,
        [
            (
                c.site or "(model)",
                "×".join(map(str, c.values.shape)),
                c.dtype,
                *(f"{number:.4g}" for number in statistics(values).values()),
            )
            for c, values in zip(captured, real, strict=True)
        ],
        numbers=header[3:],
    )


def _as_json(
    opened: OpenedModel, ran: list[_Ran], captured: list[CapturedSite], real: list[np.ndarray]
) -> dict[str, Any]:
    model = {key: value for key, value in asdict(opened.summary).items() if key != "reference"}
    captures = [
        {"site": c.site, "shape": list(c.values.shape), "dtype": c.dtype, **statistics(values)}
        for c, values in zip(captured, real, strict=True)
    ]
    if len(ran) == 1:
        return {"model": model, **_row_as_json(opened, ran[0]), "captures": captures}
    return {"model": model, "prompts": [_row_as_json(opened, row) for row in ran], "captures": captures}


def _row_as_json(opened: OpenedModel, row: _Ran) -> dict[str, Any]:
    from core_hooks.model.prompt import decode

    tokens, prompt = row.tokens, row.prompt
    return {
        "tokens": [
            {"id": i, "text": t, "loss": float(loss)}
            for i, t, loss in zip(tokens.ids, tokens.texts, prompt.losses, strict=True)
        ],
        "candidates": [asdict(candidate) for candidate in prompt.candidates],
        "lacks": list(prompt.lacks),
        "generated": [{"id": step.token_id, "text": step.text, "probability": step.probability} for step in row.steps],
        "text": decode(opened, [step.token_id for step in row.steps]),
    }


def statistics(values: np.ndarray) -> dict[str, float]:
    """Return mean, standard deviation, minimum and maximum, summed up in float64; NaN without values."""
    import numpy as np

    if not values.size:
        return dict.fromkeys(("mean", "std", "min", "max"), float("nan"))
    return {
        "mean": float(np.mean(values, dtype=np.float64)),
        "std": float(np.std(values, dtype=np.float64)),
        "min": float(values.min()),
        "max": float(values.max()),
    }


def _stage(text: str) -> OpenProgress:
    from core_hooks.model.reference import OpenProgress

    return OpenProgress(text)
