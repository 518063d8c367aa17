"""The exceptions of this room."""

from __future__ import annotations


class ModelError(Exception):
    """A model can't be opened or used as asked; the text is one sentence for the person: what, where, what to do.

    Raised ``from`` the underlying exception where there is one.
    """


class OpeningCancelled(Exception):
    """The person cancelled an opening; whatever had been loaded is released."""
