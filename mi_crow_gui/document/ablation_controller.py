"""Controllers that take parts out of a model as an ablation did: readable text, one for each site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mi_crow_gui.document.experiment_settings import MEAN, RESAMPLE, ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence

_SAYS = {
    ZERO: "zeros in their place",
    MEAN: "their mean over the tokens in their place",
    RESAMPLE: "what they held at tokens drawn at random in their place",
}


def heads_out(heads: Sequence[int], width: int, by: str = ZERO, seed: int = 0) -> str:
    """Controller text for an output projection: these heads, each `width` channels of what it is given, taken out."""
    chosen = ", ".join(str(head) for head in sorted(heads))
    return "\n".join(
        [
            f"# Take out heads: {_SAYS[by]}.",
            f"HEADS, WIDTH = [{chosen}], {width}  # a head fills WIDTH channels of what goes in",
            *_constants(by, seed),
            "",
            "def control_input(x, ctx):",
            "    x = x.clone()",
            "    for head in HEADS:",
            "        channels = slice(head * WIDTH, (head + 1) * WIDTH)",
            *_lines(by, "x[..., channels]", "        "),
            "    return x",
            "",
        ]
    )


def output_out(by: str = ZERO, seed: int = 0) -> str:
    """Controller text for a module whose output is taken out."""
    return "\n".join(
        [
            f"# Take out what this gives: {_SAYS[by]}.",
            *_constants(by, seed),
            *([""] if by == RESAMPLE else []),
            "def control(x, ctx):",
            "    x = x.clone()",
            *_lines(by, "x[...]", "    "),
            "    return x",
            "",
        ]
    )


def _constants(by: str, seed: int) -> list[str]:
    return ["import numpy", "", f"SEED = {seed}"] if by == RESAMPLE else []


def _lines(by: str, part: str, indent: str) -> list[str]:
    if by == ZERO:
        return [f"{indent}{part} = 0"]
    if by == MEAN:
        return [
            f"{indent}# Of the forward that reads the prompt; later ones see a single token.",
            f"{indent}key = {'head' if 'channels' in part else repr('mean')}",
            f"{indent}{part} = ctx.state.setdefault(key, {part}.mean(dim=1, keepdim=True))",
        ]
    return [
        f"{indent}drawn = numpy.random.default_rng(SEED).integers(0, x.shape[1], x.shape[1])",
        f"{indent}{part} = {part}[:, drawn]",
    ]
