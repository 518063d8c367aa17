"""Attention patterns: what each head of a block looks at."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core_hooks.hooks.attachment import attach
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.errors import RunCancelled, StopForward
from core_hooks.hooks.nested import find_all, follow
from core_hooks.model.architecture import kind_of
from core_hooks.model.errors import ModelError
from core_hooks.model.forward import call, model_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    import torch
    from torch import nn

    from core_hooks.model.anatomy import Anatomy
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence

EAGER, _SDPA = "eager", "sdpa"


@dataclass(frozen=True, slots=True, eq=False)
class AttentionPatterns:
    """Attention weights.

    Attributes
    ----------
    patterns
        For each block asked for, float32 ``[heads, tokens, tokens]``: row ``i`` is how token ``i`` spreads its
        attention and sums to 1, save for what the model's dtype rounds off and for heads that may attend to nothing.
    switched_from
        The attention implementation in use before and after, when it was switched for this; else ``""``.
    """

    patterns: dict[int, np.ndarray]
    switched_from: str = ""


def attention_patterns(
    opened: OpenedModel, anatomy: Anatomy, tokens: TokenSequence, blocks: Sequence[int] | None = None
) -> AttentionPatterns:
    """Run the model over `tokens`, as far as needed, and return what the heads of some blocks attend to.

    Memory: ``4 * heads * tokens ** 2`` bytes a block. Hooks that are attached act as always.

    Parameters
    ----------
    blocks
        Indices; default: all that have attention.

    Raises
    ------
    ModelError
        A block has no attention, the model can't give weights, or a hook ended the forward.
    RunCancelled
        The run that the caller is in was cancelled.
    """
    patterns: dict[int, np.ndarray] = {}

    def keep(block: int, weights: torch.Tensor) -> None:
        patterns[block] = weights.float().cpu().numpy()

    switched_from = visit_patterns(opened, anatomy, tokens, keep, blocks)
    return AttentionPatterns(patterns, switched_from)


def visit_patterns(
    opened: OpenedModel,
    anatomy: Anatomy,
    tokens: TokenSequence,
    visit: Callable[[int, torch.Tensor], None],
    blocks: Sequence[int] | None = None,
) -> str:
    """Run the model over `tokens`, as far as needed, and hand over each block's pattern as it is computed.

    Parameters
    ----------
    visit
        Called with a block's index and its weights ``[heads, tokens, tokens]`` in the model's dtype, which are the
        model's own: copy what is kept.

    Returns
    -------
    str
        The attention implementation that was switched away from meanwhile, ``""`` when none was.

    Raises
    ------
    ModelError, RunCancelled
        As `attention_patterns`.
    """
    if kind_of(opened.model) == "seq2seq":
        raise ModelError(
            f"{opened.summary.architecture} reads with one stack and writes with another; attention is shown of models "
            "that have a single one."
        )
    with_attention = [index for index, block in enumerate(anatomy.blocks) if block.attention]
    if not with_attention:
        raise ModelError(anatomy.lacks("heads") or f"{opened.summary.architecture} has no attention.")
    wanted = with_attention if blocks is None else list(blocks)
    wrong = next((index for index in wanted if index not in with_attention), None)
    if wrong is not None:
        raise ModelError(f"Block {wrong} of {opened.summary.architecture} has no attention.")
    missing = set(wanted)
    watchers = {index: _PatternWatcher(index, len(tokens), visit, missing) for index in wanted}
    inputs = model_inputs(opened, tokens)
    with (
        eager_attention(opened) as switched_from,
        attach(opened.model, {anatomy.blocks[index].attention: watcher for index, watcher in watchers.items()}),
    ):
        _, stopped = call(opened, inputs)
    if stopped == "cancelled":
        raise RunCancelled("The run was cancelled.")
    if missing:
        why = "a hook stopped the forward before it" if stopped else "it returns none"
        raise ModelError(f"No attention weights from {anatomy.blocks[min(missing)].attention}: {why}.")
    return switched_from


@contextmanager
def eager_attention(opened: OpenedModel) -> Iterator[str]:
    """Let the model compute attention so that the weights exist; the implementation in use comes back at the end.

    Yields
    ------
    str
        Name of the implementation that was switched away from, ``""`` when it need not be.

    Raises
    ------
    ModelError
        The model can't be switched.
    """
    model: Any = opened.model
    before = getattr(getattr(model, "config", None), "_attn_implementation", None)
    if before in (None, EAGER):
        yield ""
        return
    name = opened.summary.architecture
    refusal = (
        f"{name} computes attention with {before!r}, which gives no weights; open it again with attention 'eager'."
    )
    can_set = getattr(model, "_can_set_attn_implementation", None)
    if not callable(can_set) or not can_set():
        raise ModelError(refusal)
    try:
        try:
            model.set_attn_implementation(EAGER)
        except ValueError as error:
            raise ModelError(refusal) from error
        yield str(before)
    finally:
        model.set_attn_implementation(before)


@contextmanager
def eager_nowhere_else(opened: OpenedModel, implementation: str, others: Iterable[str]) -> Iterator[None]:
    """Inside `eager_attention`: let the attention modules that nobody watches compute as before, which is quicker.

    The masks stay those of 'eager', which 'sdpa' takes. A module that does not say by a configuration of its own how it
    computes stays 'eager', and so does everything after another implementation.

    Parameters
    ----------
    implementation
        What `eager_attention` switched away from.
    others
        Paths of the attention modules that nobody watches.
    """
    switched: list[tuple[Any, Any]] = []
    try:
        for path in others if implementation == _SDPA else ():
            module: Any = opened.model.get_submodule(path)
            config: Any = getattr(module, "config", None)
            if getattr(config, "_attn_implementation", None) != EAGER or getattr(config, "sub_configs", None):
                continue
            own = copy(config)
            own._attn_implementation = implementation
            switched.append((module, config))
            module.config = own
        yield
    finally:
        for module, config in switched:
            module.config = config


class _PatternWatcher(Detector):
    """Finds the weights among what an attention module returns: the only tensor of tokens by tokens for each head."""

    def __init__(self, block: int, tokens: int, visit: Callable[[int, torch.Tensor], None], missing: set[int]) -> None:
        super().__init__()
        self._block, self._tokens, self._visit, self._missing = block, tokens, visit, missing

    def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
        for path in find_all(output):
            found = follow(output, path)
            if found.dim() == 4 and tuple(found.shape[2:]) == (self._tokens, self._tokens):
                self._visit(self._block, found[0].detach())
                self._missing.discard(self._block)
                break
        if not self._missing:
            raise StopForward("Every pattern that was asked for is there; the rest need not be computed.")
