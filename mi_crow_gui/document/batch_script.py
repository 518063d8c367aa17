"""The parts of a workspace's script that differ for a batch of prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.document.prompts import lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.model.tokens import GenerationSettings

IMPORTS = (
    "from core_hooks.model.batch import TokenBatch, encode_batch\n"
    "from core_hooks.model.generation import forward_batch, generate_batch\n"
)


def encoding(text: str, *, generating: bool) -> list[str]:
    """The lines that turn each prompt into tokens, and lay the batch out."""
    prompts = "".join(f"    {line!r},\n" for line in lines_of(text))
    return [
        f"prompts = [\n{prompts}]",
        "rows = encode_batch(opened, prompts)",
        f"tokens = TokenBatch(rows, {'left' if generating else 'right'!r})  # where the shorter ones are padded",
    ]


def running() -> list[str]:
    """The lines that run the batch once."""
    return [
        "    results = forward_batch(opened, rows, run=run)",
        "for prompt, result in zip(prompts, results):",
        '    print(repr(prompt), "mean loss:", result.losses[1:].mean(), "nats a token")',
    ]


def generating(settings: GenerationSettings, controllers: Sequence[str]) -> list[str]:
    """The lines that continue every prompt of the batch."""
    names = "".join(f"{name}, " for name in controllers)
    return [
        f"    settings = GenerationSettings({settings.max_new_tokens}, {settings.temperature}, {settings.top_k}, "
        f"{settings.seed})",
        "    ended = set()",
        "",
        "    def on_step(steps):",
        "        global rows",
        "        ended.update(number for number, step in enumerate(steps) if step is None)",
        "        rows = tuple(",
        "            row if step is None else row + TokenSequence((step.token_id,), (step.text,), (False,))",
        "            for row, step in zip(rows, steps)",
        "        )",
        "        number = max(step.step for step in steps if step is not None)",
        f"        for code in ({names}):",
        '            code.set_step(number, TokenBatch(rows, "left"), ended)',
        "",
        "    results = generate_batch(opened, rows, settings, cancel=threading.Event(), on_step=on_step, run=run)",
        "for prompt, result in zip(prompts, results):",
        '    print(repr(prompt), repr("".join(step.written for step in result.steps)))',
    ]


def showing(site: str, detector: str) -> list[str]:
    """The lines that show what a detector captured of each prompt, without padding."""
    return [
        f"values = {detector}.get_captured()  # what {site or 'the model'} gave, shorter prompts padded",
        "for number, span in enumerate(tokens.spans):",
        "    end = span.start + len(rows[number])",
        "    own = values[number, span.start : end]",
        f"    print({site!r}, number, tuple(own.shape), float(own.float().norm()))",
    ]
