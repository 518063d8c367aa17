"""The two words of a logit difference, as a person names them or leaves them open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core_hooks.analysis.base_run import run_base
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import token_text
from mi_crow_gui.engine.analyses import word_id

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from core_hooks.model.tokens import TokenSequence
    from mi_crow_gui.engine.tasks import TaskDesk


def two_words(opened: OpenedModel, right: str, wrong: str, tokens: TokenSequence, desk: TaskDesk) -> tuple[int, int]:
    """The vocabulary ids of two words; one that is not named is the likeliest of the others."""
    ids = [word_id(opened, right), word_id(opened, wrong)]
    if -1 in ids:
        last = run_base(opened, tokens, last_only=True, cancel=desk.cancel).logits[0, -1]
        likely = [int(token) for token in last.topk(min(3, len(last))).indices]
        for place in (0, 1):
            if ids[place] < 0:
                ids[place] = next(token for token in likely if token not in ids)
    if ids[0] == ids[1]:
        raise ModelError(
            f"Both words begin with the token {token_text(opened, ids[0])!r}, so their logits do not differ: choose "
            "words with different first tokens."
        )
    return ids[0], ids[1]
