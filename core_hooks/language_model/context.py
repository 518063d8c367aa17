"""What the parts of one language model share: the model, its tokenizer, its store, and where it lives."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from torch import nn

    from core_hooks.capture.store import Store
    from core_hooks.language_model.input_tracker import InputTracker
    from core_hooks.language_model.language_model import LanguageModel


class _WeaklyHeld:
    """A dataclass field that does not keep its value alive, and is None once the value is gone."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        reference = None if instance is None else instance.__dict__.get(self._name)
        return None if reference is None else reference()

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = None if value is None else weakref.ref(value)


@dataclass(eq=False)
class LanguageModelContext:
    """What hooks, layers and inference know of the language model they belong to.

    Attributes
    ----------
    language_model
        The `LanguageModel`, held weakly: it owns this context, and dropping it frees the model at once.
    model_id
        Short name, safe as a file name.
    tokenizer_params, model_params
        What tokenizer and model were opened with.
    device
        Where inputs go, e.g. ``"cpu"`` or ``"cuda:0"``.
    dtype
        Dtype of the model's parameters; None without parameters.
    model, tokenizer, store
        None until there is one.
    special_token_ids
        Ids that `ModelInputDetector` masks out unless it was given its own.
    input_tracker
        Keeps the texts of the current forward; None until one is created.
    """

    language_model: LanguageModel | None = _WeaklyHeld()  # type: ignore[assignment]
    model_id: str | None = None
    tokenizer_params: dict[str, Any] | None = None
    model_params: dict[str, Any] | None = None
    device: str = "cpu"
    dtype: torch.dtype | None = None
    model: nn.Module | None = field(default=None, repr=False)
    tokenizer: Any = field(default=None, repr=False)
    store: Store | None = field(default=None, repr=False)
    special_token_ids: set[int] | None = None
    input_tracker: InputTracker | None = field(default=None, repr=False)


def special_token_ids(tokenizer: object) -> set[int]:
    """Return the ids of a tokenizer's special tokens.

    These are its `all_special_ids`; of a tokenizer without any, the values of its attributes that end in
    ``_token_id``, where a value may be a list of ids.
    """
    known = set(_ids(getattr(tokenizer, "all_special_ids", None)))
    if known:
        return known
    names = [name for name in dir(tokenizer) if name.endswith("_token_id")]
    return {token for name in names for token in _ids(getattr(tokenizer, name, None))}


def _ids(value: object) -> Iterable[int]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int):
        yield value
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _ids(item)
