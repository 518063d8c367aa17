"""The analyses that plots ask for, by name: functions on the model thread that give plain numbers back.

Each is called as ``analysis(opened, request, cancel, progress)``: with what it is about (its tokens and parameters),
an event that is set when it is to stop, and a function that is told how far it has come, as (done, of how many). It
raises a `ModelError` with one sentence when this architecture or these tokens can't give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from core_hooks.analysis.attention import attention_patterns
from core_hooks.analysis.head_map import map_heads, repeated_random_tokens
from core_hooks.analysis.logit_lens import lens_cell, logit_lens
from core_hooks.analysis.next_token import next_token
from core_hooks.analysis.residual_norms import residual_norms
from core_hooks.analysis.residuals import capture_residuals
from core_hooks.hooks.errors import RunCancelled
from core_hooks.hooks.registration import hooks_of
from core_hooks.hooks.run import HookRun
from core_hooks.model.anatomy import Anatomy, discover
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import call, logits_of, model_inputs
from core_hooks.model.prompt import token_text
from core_hooks.model.readout import verify
from mi_crow_gui.document.formatting import byte_size
from mi_crow_gui.plotdata.analysis import frozen
from mi_crow_gui.plotdata.attention import SMALL, Attention, reduced
from mi_crow_gui.plotdata.head_map import RANDOM, SCORES, HeadScoresOfAll
from mi_crow_gui.plotdata.logit_lens import Lens, LensCell
from mi_crow_gui.plotdata.next_token import Expected, NextTokens
from mi_crow_gui.plotdata.residual_norms import ResidualNorms

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from torch import nn

    from core_hooks.analysis.residuals import Residuals
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.analysis_request import AnalysisRequest

_EXPECTED = 20  # words kept of each prediction
_LARGEST_PATTERNS = 1 << 30  # bytes of attention that are held for one plot

# What was found of a model is found once; touched by the model thread alone.
_anatomies: WeakKeyDictionary[nn.Module, Anatomy] = WeakKeyDictionary()


class AnalysisFunction(Protocol):
    """What stands behind a name."""

    def __call__(
        self,
        opened: OpenedModel,
        request: AnalysisRequest,
        cancel: threading.Event,
        progress: Callable[[int, int], None],
        /,
    ) -> Any:
        """Compute it."""


def next_tokens(
    opened: OpenedModel, request: AnalysisRequest, cancel: threading.Event, progress: Callable[[int, int], None]
) -> NextTokens:
    """What the model expects after each token."""
    tokens = _tokens(request)
    with HookRun(number=request.run, cancel=cancel):
        output, stopped = call(opened, model_inputs(opened, tokens))
    if stopped == "cancelled":
        raise RunCancelled("The run was cancelled.")
    logits = logits_of(output) if output is not None else None
    name = opened.summary.architecture
    if logits is None:
        why = "a hook stopped the forward before them" if output is None else "it has no head over a vocabulary"
        raise ModelError(f"No next token: {name} gives no logits ({why}).")
    if logits.shape[1] != len(tokens):
        raise ModelError(f"No next token: {name} gives {logits.shape[1]} rows of logits for {len(tokens)} tokens.")
    expected = []
    for place in range(len(tokens)):
        if cancel.is_set():
            raise RunCancelled("The analysis was cancelled.")
        came = tokens.ids[place + 1] if place + 1 < len(tokens) else None
        found = next_token(opened, logits[0, place], _EXPECTED, came)
        expected.append(Expected(found.candidates, found.entropy, found.chosen, found.chosen_rank))
        progress(place + 1, len(tokens))
    return NextTokens(request.run, tokens.texts, tuple(expected))


def lens(
    opened: OpenedModel, request: AnalysisRequest, cancel: threading.Event, progress: Callable[[int, int], None]
) -> Lens:
    """What the model would say at every place of its residual stream."""
    tokens, anatomy = _tokens(request), anatomy_of(opened)
    target = word_id(opened, str(dict(request.parameters).get("word", "")))
    residuals = _residuals(opened, anatomy, request, cancel)
    found = logit_lens(opened, anatomy, residuals, target, on_progress=progress, cancel=cancel)
    texts = {int(token_id): token_text(opened, int(token_id)) for token_id in np.unique(found.top)}
    return Lens(
        request.run,
        tokens.texts,
        tuple(tuple(texts[int(token_id)] for token_id in row) for row in found.top),
        frozen(found.probability),
        frozen(found.entropy),
        token_text(opened, target) if target >= 0 else "",
        None if found.target_rank is None else frozen(found.target_rank),
        None if found.target_probability is None else frozen(found.target_probability),
    )


def cell_of_lens(
    opened: OpenedModel, request: AnalysisRequest, cancel: threading.Event, progress: Callable[[int, int], None]
) -> LensCell:
    """The likeliest words at one place of the residual stream."""
    tokens, anatomy = _tokens(request), anatomy_of(opened)
    row, token = _number(request, "row"), _number(request, "token")
    found = lens_cell(opened, anatomy, _residuals(opened, anatomy, request, cancel), row, token, _EXPECTED)
    return LensCell(request.run, tokens.texts, row, token, found.candidates, found.entropy)


def attention(
    opened: OpenedModel, request: AnalysisRequest, cancel: threading.Event, progress: Callable[[int, int], None]
) -> Attention:
    """How the heads of one block spread their attention over the tokens."""
    tokens, anatomy = _tokens(request), anatomy_of(opened)
    blocks = tuple(index for index, block in enumerate(anatomy.blocks) if block.attention)
    if not blocks:
        raise ModelError(anatomy.lacks("heads") or f"{opened.summary.architecture} has no attention.")
    block = _number(request, "block")
    # A model with fewer blocks than the one the plot was made for: its last.
    block = block if block in blocks else blocks[-1]
    needed = 4 * anatomy.blocks[block].n_heads * len(tokens) ** 2
    if needed > _LARGEST_PATTERNS:
        raise ModelError(
            f"The attention of block {block} over {len(tokens):,} tokens takes {byte_size(needed)}, and this plot "
            f"holds {byte_size(_LARGEST_PATTERNS)}: shorten the text."
        )
    with HookRun(number=request.run, cancel=cancel):
        found = attention_patterns(opened, anatomy, tokens, [block])
    patterns = frozen(found.patterns[block])
    small = frozen(reduced(patterns, SMALL))
    path = anatomy.blocks[block].attention
    return Attention(request.run, tokens.texts, block, path, blocks, patterns, small, found.switched_from)


def head_map(
    opened: OpenedModel, request: AnalysisRequest, cancel: threading.Event, progress: Callable[[int, int], None]
) -> HeadScoresOfAll:
    """Score every head, on random tokens said twice or on those of the run, with controllers acting or off."""
    asked = dict(request.parameters)
    source, act = str(asked.get("source", RANDOM)), bool(asked.get("controllers", True))
    tokens = _tokens(request)
    found = map_heads(opened, anatomy_of(opened), tokens, controllers=act, on_progress=progress, cancel=cancel)
    scores = frozen(np.stack([getattr(found, kind) for kind, _ in SCORES]))
    hooks = [hook for module in opened.model.modules() for hook in hooks_of(module)]
    controllers = sum(hook.controls and hook.enabled for hook in hooks)
    return HeadScoresOfAll(
        request.run,
        tokens.texts,
        scores,
        source,
        found.switched_from,
        controllers if act else 0,
        0 if act else controllers,
    )


def norms(
    opened: OpenedModel, request: AnalysisRequest, cancel: threading.Event, progress: Callable[[int, int], None]
) -> ResidualNorms:
    """How long the residual stream is at every place."""
    tokens = _tokens(request)
    residuals = _residuals(opened, anatomy_of(opened), request, cancel)
    return ResidualNorms(request.run, tokens.texts, frozen(residual_norms(residuals)))


def _tokens(request: AnalysisRequest) -> TokenSequence:
    if request.tokens is None:
        raise ModelError("This is about the tokens of a run: run the model first.")
    return request.tokens


def _number(request: AnalysisRequest, name: str) -> int:
    value = dict(request.parameters)[name]
    assert isinstance(value, int)
    return value


def anatomy_of(opened: OpenedModel) -> Anatomy:
    """What the parts of a model are, found and confirmed once; where hooks are aside."""
    known = _anatomies.get(opened.model)
    if known is None:
        known = _anatomies[opened.model] = verify(opened, discover(opened))
    return known


def forget_anatomy(opened: OpenedModel) -> None:
    """Find the parts anew when they are next asked for: some were named by hand since."""
    _anatomies.pop(opened.model, None)


def _residuals(opened: OpenedModel, anatomy: Anatomy, request: AnalysisRequest, cancel: threading.Event) -> Residuals:
    with HookRun(number=request.run, cancel=cancel):
        return capture_residuals(opened, anatomy, _tokens(request))


def word_id(opened: OpenedModel, word: str) -> int:
    """The vocabulary id of a word, of its first token when it has several; -1 for none."""
    if not word:
        return -1
    if opened.tokenizer is None:
        if not word.strip().isascii() or not word.strip().isdigit():
            raise ModelError(f"This model has no tokenizer, so {word!r} can't be looked up: give a token id.")
        return int(word)
    ids = opened.tokenizer(word, add_special_tokens=False)["input_ids"]
    if not ids:
        raise ModelError(f"The tokenizer makes no token of {word!r}: choose another word.")
    return int(ids[0])


# Analyses that are asked for without a run make their own tokens.
OWN_TOKENS: dict[str, Callable[[OpenedModel], TokenSequence]] = {"head_map": repeated_random_tokens}

ANALYSES: dict[str, AnalysisFunction] = {
    "next_token": next_tokens,
    "logit_lens": lens,
    "lens_cell": cell_of_lens,
    "attention": attention,
    "head_map": head_map,
    "residual_norms": norms,
}
