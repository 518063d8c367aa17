"""Direct effect on the model thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core_hooks.analysis.base_run import run_base
from core_hooks.analysis.direct_effect import direct_effect
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import encode, token_text
from mi_crow_gui.engine.analyses import anatomy_of, word_id
from mi_crow_gui.plotdata.analysis import frozen
from mi_crow_gui.plotdata.direct_effect import ATTENTION_BIAS, MLP, REST, DirectEffects

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.document.experiment_settings import DirectEffectSettings
    from mi_crow_gui.engine.tasks import TaskDesk


def direct_effects(opened: OpenedModel, settings: DirectEffectSettings, desk: TaskDesk) -> DirectEffects:
    """Split the logit of a word into what each head and MLP adds to it."""
    anatomy, tokens = anatomy_of(opened), encode(opened, settings.text)
    if not -len(tokens) <= settings.position < len(tokens):
        raise ModelError(
            f"There is no token {settings.position} in this prompt: it has {len(tokens)}, from 0 to {len(tokens) - 1}."
        )
    word = word_id(opened, settings.word)
    if word < 0:
        logits = run_base(opened, tokens, cancel=desk.cancel).logits
        word = int(logits[0, settings.position].argmax())
    against = word_id(opened, settings.against)
    if against == word:
        raise ModelError(
            f"Both words begin with the token {token_text(opened, word)!r}, so their logits do not differ: choose "
            "words with different first tokens."
        )
    found = direct_effect(
        opened, anatomy, tokens, word, against=against, position=settings.position, cancel=desk.cancel
    )
    parts = [(str(head), found.heads[:, head]) for head in range(found.heads.shape[1])]
    parts += [(ATTENTION_BIAS, found.attention_bias), (MLP, found.mlp), (REST, found.block)]
    # A column that no block has, and one of zeros in a model without biases, says nothing.
    kept = [(name, values) for name, values in parts if name.isdigit() or np.nan_to_num(values).any()]
    words = (word,) if against < 0 else (word, against)
    return DirectEffects(
        0,
        tokens.texts,
        settings.question(),
        len(desk.attachments.controlled()),
        {},
        frozen(np.stack([values for _, values in kept], 1)),
        tuple(name for name, _ in kept),
        found.embedding,
        found.bias,
        found.total,
        found.logit,
        tuple(token_text(opened, token) for token in words),
        found.position,
        tuple((block.output_projection, block.mlp) for block in anatomy.blocks),
    )
