"""Controllers to begin with: readable text for the classic interventions, on a site or a part of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mi_crow_gui.document.controller_source import ENTRY, INPUT_ENTRY

VECTOR = "vector"
SITE, HEAD, TOKENS, STEPS = "site", "head", "tokens", "steps"
SCOPES = ((SITE, "Whole site"), (TOKENS, "Token range"), (STEPS, "Chosen steps"))


@dataclass(frozen=True, slots=True)
class Scope:
    """What a preset acts on: all of a site, a range of tokens, chosen steps, or the channels of one attention head."""

    kind: str = SITE
    head: int = 0
    head_dim: int = 0


@dataclass(frozen=True, slots=True)
class Heads:
    """How many heads the output projection at `site` mixes, each `head_dim` channels of its input."""

    site: str
    count: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class Preset:
    """An intervention; in `constants`, `steps` and `result` every line is code, ``{x}`` stands for the values.

    ``{at}`` takes the channels that it acts on out of another prompt's values, ``{across}`` out of a vector over them.
    `by_prompt`: it is about all tokens of a prompt at once, so that the prompts of a batch are taken one by one;
    `with_tokens`: and there is no doing it where the model runs on something else than a prompt.
    """

    name: str
    title: str
    says: str
    constants: tuple[str, ...]
    steps: tuple[str, ...]
    result: str
    by_prompt: bool = False
    with_tokens: bool = False


_DIRECTION = (
    "direction = torch.zeros({x}.shape[-1]).to({x})",
    "direction[CHANNEL] = 1  # or any vector of your own with one number a channel",
)

PRESETS = (
    Preset(
        "scale",
        "Scale",
        "Multiply the values",
        ("FACTOR = 0.5  # 1 changes nothing, 0 removes all",),
        (),
        "{x} * FACTOR",
    ),
    Preset("zero", "Zero", "Put zeros in place of the values", (), (), "torch.zeros_like({x})"),
    Preset(
        "mean",
        "Mean",
        "Give every token the mean over the tokens",
        (),
        (
            "# Of the forward that comes first in a run: later ones see a single token.",
            "mean = ctx.state.setdefault(row.prompt, {x}.mean(dim=0))",
        ),
        "mean",
        by_prompt=True,
    ),
    Preset(
        "clamp",
        "Clamp",
        "Cut off what is larger than a limit",
        ("LIMIT = 3.0  # the largest absolute value that stays",),
        (),
        "{x}.clamp(-LIMIT, LIMIT)",
    ),
    Preset(
        "noise",
        "Noise",
        "Add normal noise, the same in every run",
        ("STRENGTH = 0.1  # in standard deviations of the values", "SEED = 0"),
        (
            "random = torch.Generator().manual_seed(SEED + ctx.step)",
            "noise = torch.randn({x}.shape, generator=random).to({x})",
        ),
        "{x} + STRENGTH * {x}.std(correction=0) * noise",
        by_prompt=True,
    ),
    Preset(
        "add",
        "Add a vector",
        "Push every token along a direction",
        ("STRENGTH = 4.0", "CHANNEL = 0"),
        _DIRECTION,
        "{x} + STRENGTH * direction",
    ),
    Preset(
        VECTOR,
        "Add a saved vector…",
        "Push every token along a steering vector; the slider says how far",
        ("VECTOR = {vector}  # a name or a path",),
        (),
        "{x} + ctx.strength * ctx.vector(VECTOR){across}",
    ),
    Preset(
        "project",
        "Project a direction out",
        "Remove what the values have of a direction",
        ("CHANNEL = 0",),
        (*_DIRECTION, "unit = direction / direction.norm()", "along = ({x} @ unit).unsqueeze(-1)"),
        "{x} - along * unit",
    ),
    Preset(
        "replace",
        "Replace from another run",
        "Put the values of a pinned run in place of these",
        ('RUN = "A"  # pinned in the history; its prompt has as many tokens as this one',),
        ("source = ctx.run(RUN).capture(ctx.layer{where}, prompt=row.prompt)[0]{at}",),
        "source",
        by_prompt=True,
        with_tokens=True,
    ),
)


def preset(name: str) -> Preset:
    """The preset of this name; a `KeyError` if there is none."""
    return {one.name: one for one in PRESETS}[name]


def preset_text(name: str, scope: Scope, vector: str = "calm") -> str:
    """The controller text of a preset for a part of a site; `vector` is the name or path of a saved one."""
    chosen = preset(name)
    constants = _CONSTANTS[scope.kind]
    by_prompt = chosen.by_prompt or scope.kind == TOKENS
    whole = scope.kind in (SITE, STEPS) and not by_prompt
    names = {"x": "x" if whole else "part", **_PLACES[scope.kind], "vector": json.dumps(vector)}
    steps = [line.format(**names) for line in chosen.steps]
    result = chosen.result.format(**names)
    body = ["if ctx.step not in STEPS:", "    return x"] if scope.kind == STEPS else []
    body += ["channels = slice(HEAD * WIDTH, (HEAD + 1) * WIDTH)"] if scope.kind == HEAD else []
    if whole:
        body += [*steps, f"return {result}"]
    elif by_prompt:
        part = f"x[row.index, here{', channels' if scope.kind == HEAD else ''}]"
        here = _HERE[TOKENS] if scope.kind == TOKENS else _ITS_TOKENS if chosen.with_tokens else _HERE[SITE]
        read = [f"part = {part}"] if "{x}" in f"{chosen.steps}{chosen.result}" else []
        inner = [*here, *read, *steps, f"{part} = {result}"]
        body += ["x = x.clone()", "for row in ctx.rows:  # a prompt each; the rest of x is padding"]
        body += [*(f"    {line}" for line in inner), "return x"]
    else:
        part = "x[..., channels]"
        body += [f"part = {part}", *steps, "x = x.clone()", f"{part} = {result}", "return x"]
    numbers = [*constants, *chosen.constants]
    lines = [
        f"# {chosen.says}.",
        *(line.format(head=scope.head, head_dim=scope.head_dim, vector=names["vector"]) for line in numbers),
        *(("",) if numbers else ()),
        f"def {INPUT_ENTRY if scope.kind == HEAD else ENTRY}(x, ctx):",
        *(f"    {line}" for line in body),
    ]
    return "\n".join(lines) + "\n"


# Of each kind of scope: how the same part is taken out of a whole value, out of its channels, and where it is captured.
_PLACES: dict[str, dict[str, str]] = {
    SITE: {"at": "", "across": "", "where": ""},
    STEPS: {"at": "", "across": "", "where": ""},
    TOKENS: {"at": "", "across": "", "where": ", positions=[at - start for at in here]"},
    HEAD: {"at": "[:, channels]", "across": "[channels]", "where": ', where="input"'},
}

_CONSTANTS: dict[str, tuple[str, ...]] = {
    SITE: (),
    STEPS: ("STEPS = {{0}}  # 0 reads the prompt, n writes the n-th token",),
    TOKENS: ("FIRST, LAST = 0, 3  # positions in the sequence, from 0, both included",),
    HEAD: ("HEAD, WIDTH = {head}, {head_dim}  # a head fills WIDTH channels of what goes in",),
}

_ITS_TOKENS = ("here = row.columns",)  # none when its text has ended

# Where along the token axis the tokens of a prompt lie that are meant. Inputs without tokens are taken whole.
_HERE: dict[str, tuple[str, ...]] = {
    SITE: ("here = row.columns or range(x.shape[1])",),
    TOKENS: (
        "start = row.columns.start - row.positions.start",
        "here = [start + position for position in row.positions if FIRST <= position <= LAST]",
        "if not here:",
        "    continue",
    ),
}
