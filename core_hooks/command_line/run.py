"""``core-hooks run``: a prompt through a model, what its layers held, and what it wrote."""

from __future__ import annotations

import threading
from dataclasses import asdict
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
    """Run a prompt, capture the layers asked for, print their statistics and write them when asked to."""
    from core_hooks.capture.folder import CaptureError, write_capture
    from core_hooks.model.generation import forward, generate
    from core_hooks.model.opening import open_model
    from core_hooks.model.prompt import decode, encode
    from core_hooks.model.tokens import GenerationSettings

    if arguments.out is not None and not arguments.layer:
        raise CommandError("--out needs at least one --layer to write.")
    if arguments.out is not None and Path(arguments.out).exists():
        raise CommandError(f"{arguments.out} exists already; choose another folder for the capture.")
    opened = open_model(reference, on_progress=progress)
    sites = select(arguments.layer, opened.tree)
    tokens = encode(opened, arguments.prompt)
    settings = GenerationSettings(arguments.generate, arguments.temperature, arguments.top_k, arguments.seed)
    progress(_stage("Running"))
    steps: tuple[TokenStep, ...] = ()
    with _Capturing(opened, sites, len(tokens), arguments.generate) as capturing:
        if arguments.generate:
            result = generate(
                opened, tokens, settings, cancel=threading.Event(), on_step=lambda step: None, run=capturing.run
            )
            prompt, steps = result.prompt, result.steps
        else:
            prompt = forward(opened, tokens, run=capturing.run)
    progress.end()
    captured = capturing.captured()
    generated = [step.token_id for step in steps]
    if arguments.out is not None:
        try:
            write_capture(
                Path(arguments.out),
                captured,
                model={key: value for key, value in asdict(opened.summary).items() if key != "reference"},
                prompt=arguments.prompt,
                tokens=[*tokens.texts, *(step.text for step in steps)],
                token_ids=[*tokens.ids, *generated],
                settings=asdict(settings),
            )
        except CaptureError as error:
            raise CommandError(str(error)) from error
    if arguments.json:
        print_json(_as_json(opened, tokens, prompt, steps, decode(opened, generated), captured))
        return
    _print(prompt, decode(opened, [*tokens.ids, *generated]) if steps else None, captured)
    if arguments.out is not None:
        print(f"\nThe capture is in {arguments.out}.")


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


def _print(prompt: ForwardResult, text: str | None, captured: list[CapturedSite]) -> None:
    if text is not None:
        print(text)
    else:
        rows = [(c.text, f"{c.probability:.4f}", f"{c.logit:.4g}") for c in prompt.candidates]
        if rows:
            print_table(("next token", "probability", "logit"), rows, numbers=("probability", "logit"))
    for lack in prompt.lacks:
        print(lack)
    if captured:
        print()
        header = ("site", "shape", "dtype", "mean", "std", "min", "max")
        print_table(
            header,
            [
                (
                    c.site or "(model)",
                    "×".join(map(str, c.values.shape)),
                    c.dtype,
                    *(f"{number:.4g}" for number in statistics(c.values).values()),
                )
                for c in captured
            ],
            numbers=header[3:],
        )


def _as_json(
    opened: OpenedModel,
    tokens: TokenSequence,
    prompt: ForwardResult,
    steps: tuple[TokenStep, ...],
    text: str,
    captured: list[CapturedSite],
) -> dict[str, Any]:
    return {
        "model": {key: value for key, value in asdict(opened.summary).items() if key != "reference"},
        "tokens": [
            {"id": i, "text": t, "loss": float(loss)}
            for i, t, loss in zip(tokens.ids, tokens.texts, prompt.losses, strict=True)
        ],
        "candidates": [asdict(candidate) for candidate in prompt.candidates],
        "lacks": list(prompt.lacks),
        "generated": [{"id": step.token_id, "text": step.text, "probability": step.probability} for step in steps],
        "text": text,
        "captures": [
            {"site": c.site, "shape": list(c.values.shape), "dtype": c.dtype, **statistics(c.values)} for c in captured
        ],
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
