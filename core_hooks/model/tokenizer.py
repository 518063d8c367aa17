"""Opening the tokenizer that lies beside a model's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core_hooks.model.architecture import one_line
from core_hooks.model.libraries import quiet_transformers

if TYPE_CHECKING:
    from core_hooks.model.checkpoint import Checkpoint
    from core_hooks.model.reference import ModelReference


def load_tokenizer(checkpoint: Checkpoint, reference: ModelReference) -> tuple[Any, str]:
    """Return the tokenizer or None, and then a sentence that says why and what still works."""
    ids = "prompts are given as token ids, such as: 12 7 431"
    if not checkpoint.has_tokenizer:
        return None, f"There is no tokenizer in {checkpoint.folder}; {ids}."
    from transformers import AutoTokenizer

    options: dict[str, Any] = {"gguf_file": checkpoint.weights[0].name} if checkpoint.is_gguf else {}
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                str(checkpoint.folder), local_files_only=True, trust_remote_code=reference.trust_code, **options
            )
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the model is still worth opening
        return None, f"The tokenizer in {checkpoint.folder} can't be opened ({one_line(error)}); {ids}."
    return tokenizer, ""
