"""Layer names: from what a person writes for a layer to torch's dotted name, the one canonical spelling."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from core_hooks.hooks.compiled import unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

_NUMBER = re.compile(r"\d+")


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield ``(canonical dotted name, module)`` depth-first in pre-order, the root (``""``) first.

    Wrappers are looked through, so a compiled model and its original give the same names. A module that hangs
    in several places is yielded in each; one that contains itself is not entered again.
    """
    stack: list[tuple[str, nn.Module, tuple[int, ...]]] = [("", unwrap(model), ())]
    while stack:
        name, module, above = stack.pop()
        yield name, module
        above = (*above, id(module))
        children = [(child_name, unwrap(child)) for child_name, child in module.named_children()]
        for child_name, child in reversed(children):
            if id(child) not in above:
                stack.append((f"{name}.{child_name}" if name else child_name, child, above))


class LayerNames:
    """Every spelling by which the layers of one model may be called.

    Built once for a model; a module added to the model later is not known.

    Attributes
    ----------
    prefix
        Lower-cased class name of the root, without wrappers, e.g. ``"gpt2lmheadmodel"``.
    positions
        Canonical names in depth-first pre-order; position 0 is the root's first child.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.prefix = type(unwrap(model)).__name__.lower()
        self._modules = dict(walk(model))
        self._first_names: dict[nn.Module, str] = {}
        self._canonical = {name: self._first_names.setdefault(module, name) for name, module in self._modules.items()}
        self.positions = tuple(self._modules)[1:]
        self._aliases: dict[str, list[str]] = {self.prefix: [""]}
        for name in self.positions:
            flat = name.replace(".", "_")
            for alias in (flat, f"{self.prefix}_{flat}"):
                meant = self._aliases.setdefault(alias, [])
                if self._canonical[name] not in meant:
                    meant.append(self._canonical[name])

    def resolve(self, site: str | int | None) -> str:
        """Return the canonical dotted name of `site`.

        Parameters
        ----------
        site
            A dotted name; the underscored spelling of one, with or without the lower-cased class name of the
            root before it; a position in depth-first pre-order, 0 being the root's first child and negative
            ones count from the end; or ``""`` or None for the root.

        Returns
        -------
        str
            torch's dotted name, without wrappers such as ``_orig_mod.``. A module with several names has the
            first as its canonical one.

        Raises
        ------
        ValueError
            ``Layer name '<n>' not found in model.`` or ``Layer index '<i>' not found in model.``, then what
            comes close; or an underscored name that several layers share, then those layers.
        """
        if site is None:
            return ""
        if isinstance(site, int) and not isinstance(site, bool):
            return self._at(site)
        if not isinstance(site, str):
            raise ValueError(f"A layer is given by name or position, got: {type(site).__name__} {site!r}")
        found = self._canonical.get(site)
        if found is not None:
            return found
        meant = self._aliases.get(site, [])
        if len(meant) == 1:
            return meant[0]
        own = self._as_torch_spells(site)
        if own is not None:
            return own
        if meant:
            names = ", ".join(repr(name) for name in meant)
            raise ValueError(f"Layer name '{site}' is ambiguous: it can mean {names}. Use the dotted name.")
        close = self.close_matches(site)
        hint = " Did you mean " + " or ".join(repr(name) for name in close) + "?" if close else ""
        raise ValueError(f"Layer name '{site}' not found in model.{hint}")

    def _at(self, position: int) -> str:
        try:
            return self._canonical[self.positions[position]]
        except IndexError:
            last = len(self.positions) - 1
            hint = f" Positions go from 0 to {last}, or from {-last - 1} to -1." if last >= 0 else ""
            raise ValueError(f"Layer index '{position}' not found in model.{hint}") from None

    def _as_torch_spells(self, site: str) -> str | None:
        # torch's own name where it differs: with `_orig_mod.` or `module.` in it, or a sibling's second name
        try:
            return self._first_names.get(unwrap(self._model.get_submodule(site)))
        except AttributeError:
            return None

    def module(self, site: str | int | None) -> nn.Module:
        """Return the module that `site` means, inside its wrappers; errors as in `resolve`."""
        return self._modules[self.resolve(site)]

    def close_matches(self, site: str, count: int = 3) -> list[str]:
        """Return up to `count` canonical names that `site` may have been meant for, the likeliest first."""
        wanted = _flatten(site).removeprefix(self.prefix + ".")
        flat = {name: _flatten(name) for name in self.positions}
        # A name written from the middle of the path ("h.0.attn") is the commonest slip beside a typo.
        found = [name for name in self.positions if flat[name].endswith("." + wanted)][:count]
        # Blocks repeat: one comparison per pattern keeps this quick for a hundred thousand modules.
        patterns: dict[str, list[str]] = {}
        for name in self.positions:
            patterns.setdefault(_NUMBER.sub("0", flat[name]), []).append(name)
        numbers = _NUMBER.findall(wanted)
        for pattern in difflib.get_close_matches(_NUMBER.sub("0", wanted), patterns, n=count):
            likeliest = max(patterns[pattern], key=lambda name: _NUMBER.findall(flat[name]) == numbers)
            if likeliest not in found:
                found.append(likeliest)
        return found[:count]


def _flatten(name: str) -> str:
    return name.replace("_", ".").lower()


def resolve(model: nn.Module, site: str | int | None) -> str:
    """Return the canonical dotted name of `site` in `model`, as `LayerNames(model).resolve` does."""
    return LayerNames(model).resolve(site)


def close_matches(model: nn.Module, site: str, count: int = 3) -> list[str]:
    """Return up to `count` canonical layer names of `model` that `site` may have been meant for."""
    return LayerNames(model).close_matches(site, count)
