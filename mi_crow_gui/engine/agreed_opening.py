"""Opening a model whose Python code runs only when somebody agreed to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core_hooks.model.errors import ModelError
from core_hooks.model.opening import open_model
from mi_crow_gui.engine.foreign_code import foreign_code
from mi_crow_gui.engine.messages import ConsentWanted

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from core_hooks.model.opening import OpenedModel
    from core_hooks.model.records import ModuleTree
    from core_hooks.model.reference import ModelReference, OpenProgress


class ConsentMissing(Exception):
    """Code would have to run that nobody agreed to yet."""

    def __init__(self, wanted: ConsentWanted) -> None:
        super().__init__(wanted.code.source)
        self.wanted = wanted


def open_agreed(
    reference: ModelReference,
    consents: frozenset[str] | None,
    *,
    on_progress: Callable[[OpenProgress], None],
    on_tree: Callable[[ModuleTree], None],
    cancel: threading.Event,
) -> OpenedModel:
    """Open a model; code that comes with it runs only when `consents` has its fingerprint, never when they are None.

    Raises
    ------
    ConsentMissing
        There is code that nobody agreed to.
    ModelError
        The model can't be opened, or all code is refused and it has some.
    """

    def once(trusted: bool) -> OpenedModel:
        return open_model(
            replace(reference, trust_code=trusted), on_progress=on_progress, on_tree=on_tree, cancel=cancel
        )

    code = foreign_code(reference.source)
    if code is None:
        try:
            return once(False)
        except ModelError:
            # What was downloaded just now may have brought code along.
            code = foreign_code(reference.source)
            if code is None:
                raise
    if consents is None:
        raise ModelError(
            f"{reference.source} needs Python code to run ({code.names}), which --safe refuses: start without "
            "--safe to be asked."
        )
    if code.fingerprint not in consents:
        raise ConsentMissing(ConsentWanted(reference, code))
    return once(True)
