"""From what was typed and asked for to the tokens of a run: of one prompt or of every line of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core_hooks.model.architecture import kind_of
from core_hooks.model.batch import TokenBatch, encode_batch
from core_hooks.model.errors import ModelError
from core_hooks.model.prompt import encode
from core_hooks.model.tokens import TokenSequence
from mi_crow_gui.document.prompts import lines_of
from mi_crow_gui.engine.messages import RunInfo

if TYPE_CHECKING:
    from core_hooks.model.opened import OpenedModel
    from mi_crow_gui.engine.messages import RunRequest


def prompted(opened: OpenedModel, request: RunRequest) -> tuple[RunInfo, TokenBatch]:
    """Encode the prompts of a run, and lay them out as the forward will.

    Raises
    ------
    ModelError
        A prompt can't be encoded, or is too long together with what earlier steps have generated.
    """
    rows: tuple[TokenSequence, ...]
    texts = lines_of(request.prompt) if request.batch else (request.prompt,)
    if opened.example_inputs is not None and not request.prompt.strip():
        if request.kind != "run":
            raise ModelError(f"{opened.summary.name} runs on its example inputs and writes no text: use Run.")
        texts, rows = ("",), (TokenSequence((), (), ()),)
    elif request.batch:
        rows = encode_batch(opened, texts)
    else:
        rows = (encode(opened, request.prompt),)
    if request.continued:
        rows = tuple(row + more for row, more in zip(rows, request.continued, strict=True))
        _check_room(opened, rows)
    batch = TokenBatch(rows, "right" if request.kind == "run" or kind_of(opened.model) == "seq2seq" else "left")
    continued = max(map(len, request.continued), default=0)
    several = len(rows) > 1
    info = RunInfo(
        request.number,
        request.kind,
        request.prompt,
        rows[0],
        request.settings,
        continued,
        rows if several else (),
        texts if several else (),
        batch.spans if several else (),
        request.batch,
    )
    return info, batch


def _check_room(opened: OpenedModel, rows: tuple[TokenSequence, ...]) -> None:
    limit = opened.summary.context_length
    full = next((number for number, row in enumerate(rows, 1) if 0 < limit < len(row)), 0)
    if full:
        which = f" for prompt {full}" if len(rows) > 1 else ""
        raise ModelError(f"The model's context of {limit:,} tokens is full{which}: begin again with a shorter prompt.")
