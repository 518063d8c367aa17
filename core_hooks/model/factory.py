"""Models that a Python function returns: ``package.module:factory``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.model.architecture import one_line
from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


def factory_file(source: str) -> Path:
    """Return the file that opening `source` would run; ModelError when there is no such module.

    Nothing below the top package runs to find it: the file is looked for from the package's own folder.
    """
    module = source.partition(":")[0]
    _see_working_folder()
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError) as error:
        raise ModelError(f"The module {module} can't be found: {one_line(error)}.") from error
    if spec is None:
        raise ModelError(f"There is no Python module {module!r}; start where it can be imported from.")
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    if not rest and spec.origin:
        return Path(spec.origin)
    for place in places:
        for candidate in (place.joinpath(*rest).with_suffix(".py"), place.joinpath(*rest, "__init__.py")):
            if candidate.exists():
                return candidate
    raise ModelError(f"There is no Python module {module!r} in {', '.join(map(str, places)) or spec.origin}.")


def call_factory(source: str, trust_code: bool) -> tuple[nn.Module, Any]:
    """Return what the factory makes: a module and its example inputs, or None for those.

    Raises
    ------
    ModelError
        Without `trust_code`, naming the file that would run; or the factory is missing, fails, or returns
        something else.
    """
    path = factory_file(source)
    if not trust_code:
        raise ModelError(f"{source} runs the code in {path}; read it, then open it again with the consent to run it.")
    from torch import nn

    module_name, _, name = source.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), name)
        made = factory()
    except (Exception, SystemExit) as error:
        raise ModelError(f"{source} failed with {type(error).__name__}: {one_line(error)}. Correct {path}.") from error
    model, inputs = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"{source} returned {type(model).__name__}; a factory returns a torch module, or the module and "
            f"example inputs. Correct {path}."
        )
    return model, inputs


def _see_working_folder() -> None:
    # A console script does not put the working folder on the path, where `python -m` would.
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
