"""The texts that the current forward was given."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core_hooks.language_model.language_model import LanguageModel


class InputTracker:
    """Keeps the texts of the latest forward of a language model; off until it is enabled.

    Creating one makes it the tracker that ``language_model.inference`` tells of its texts and that
    ``language_model.get_input_tracker()`` returns.

    Attributes
    ----------
    enabled
        Whether texts are kept.
    """

    def __init__(self, language_model: LanguageModel) -> None:
        self._language_model = weakref.ref(language_model)
        self._texts: list[str] = []
        self.enabled = False
        language_model.context.input_tracker = self

    @property
    def language_model(self) -> LanguageModel | None:
        """The model whose texts are tracked; None once it is gone."""
        return self._language_model()

    def enable(self) -> None:
        """Keep texts from now on."""
        self.enabled = True

    def disable(self) -> None:
        """Keep no more texts; those kept so far stay until `reset`."""
        self.enabled = False

    def set_current_texts(self, texts: Sequence[str]) -> None:
        """Keep a copy of `texts` in place of the earlier ones; nothing happens while disabled."""
        if self.enabled:
            self._texts = list(texts)

    def get_current_texts(self) -> list[str]:
        """Return a copy of the kept texts."""
        return list(self._texts)

    def reset(self) -> None:
        """Forget the kept texts."""
        self._texts = []
