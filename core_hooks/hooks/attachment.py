"""Attaching hooks to the modules of a model: all of them or none, and off again when done."""

from __future__ import annotations

import difflib
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from torch import nn
from torch.compiler import is_dynamo_compiling

from core_hooks.hooks.compiled import reset_if_compiled, unwrap
from core_hooks.hooks.detector import Detector
from core_hooks.hooks.hook import Hook
from core_hooks.hooks.registration import Registration, register
from core_hooks.hooks.run import active_runs, current_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch.utils.hooks import RemovableHandle

Site: TypeAlias = "str | nn.Module"
HooksBySite: TypeAlias = "Mapping[Site, Hook | Iterable[Hook]] | Mapping[str, Hook | Iterable[Hook]]"


class Attachment:
    """Hooks on the modules of one model; a context manager, and a handle whose ``close()`` is idempotent.

    Made by ``attach``. Hooks may be exchanged between forwards with ``replace``.
    """

    def __init__(self, model: nn.Module, hooks_by_site: HooksBySite) -> None:
        self._model = unwrap(model)
        self._registrations: list[Registration] = []
        self._mark: _ForwardMark | None = None
        self._lock = threading.RLock()
        self.closed = False
        plan = self._plan(hooks_by_site)
        reset_if_compiled(model)
        try:
            self._mark = _ForwardMark(self._model)
            self._put_on(plan)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """The hooks, site by site in the order given."""
        return tuple(registration.hook for registration in self._registrations)

    @property
    def sites(self) -> Mapping[str, tuple[Hook, ...]]:
        """The hooks of each site by its dotted name."""
        found: dict[str, tuple[Hook, ...]] = {}
        for registration in self._registrations:
            name = registration.name or ""
            found[name] = (*found.get(name, ()), registration.hook)
        return MappingProxyType(found)

    def replace(self, hooks_by_site: HooksBySite) -> None:
        """Attach these hooks instead; hooks in both keep their counts and what they captured.

        Raises
        ------
        ValueError
            As ``attach`` does; the hooks that were attached then still are.
        RuntimeError
            When the attachment is closed.
        """
        with self._lock:
            if self.closed:
                raise RuntimeError("This attachment is closed; attach() the hooks again.")
            plan = self._plan(hooks_by_site)
            before = [
                (registration.name or "", module, registration.hook)
                for registration in self._registrations
                if (module := registration.module) is not None
            ]
            try:
                self._take_off()
                self._put_on(plan)
            except BaseException:
                self._take_off()
                self._put_on(before)
                raise

    def close(self) -> None:
        """Take every hook of this attachment off, and no other."""
        with self._lock:
            self.closed = True
            self._take_off()
            if self._mark is not None:
                self._mark.close()

    def _plan(self, hooks_by_site: HooksBySite) -> list[tuple[str, nn.Module, Hook]]:
        names = {name: unwrap(module) for name, module in _named_modules(self._model)}
        first_names: dict[nn.Module, str] = {}
        for name, module in names.items():
            first_names.setdefault(module, name)
        plan: list[tuple[str, nn.Module, Hook]] = []
        seen: set[Hook] = set()
        attached = set(self.hooks)
        for site, given in hooks_by_site.items():
            module = _resolve(site, names, first_names)
            for hook in (given,) if isinstance(given, Hook) else tuple(given):
                if not isinstance(hook, Hook):
                    raise TypeError(f"Only hooks can be attached, got {type(hook).__name__} for {site!r}.")
                if hook in seen:
                    raise ValueError(f"Hook {hook.id} is given twice; a hook has one place at a time.")
                if hook.attached and hook not in attached:
                    raise ValueError(
                        f"Hook {hook.id} is attached already (layer {hook.site or 'root'}); "
                        "remove() it first or make another."
                    )
                seen.add(hook)
                plan.append((first_names[module], module, hook))
        return plan

    def _put_on(self, plan: list[tuple[str, nn.Module, Hook]]) -> None:
        for name, module, hook in plan:
            self._registrations.append(register(module, hook, name))
        assert self._mark is not None
        self._mark.hooks = self.hooks

    def _take_off(self) -> None:
        while self._registrations:
            self._registrations[-1].close()
            self._registrations.pop()


def attach(model: nn.Module, hooks_by_site: HooksBySite) -> Attachment:
    """Attach hooks to modules of a model: all of them, or none if one cannot be.

    On each module, detectors with ``stage="before"`` see the unmodified value, then controllers act in the
    order given, then detectors with ``stage="after"`` see what the caller of the module gets.

    Parameters
    ----------
    model
        The root; ``torch.compile`` and data-parallel wrappers are looked through.
    hooks_by_site
        For each dotted name (``""`` is the root) or module of the model, a hook or several.

    Returns
    -------
    Attachment
        Close it, or use it in a ``with`` statement, to take the hooks off.

    Raises
    ------
    ValueError
        For an unknown name, with those that resemble it; for a module that is not part of the model; for a
        hook that is attached already or given twice.
    TypeError
        For something that is not a hook.
    """
    return Attachment(model, hooks_by_site)


class _ForwardMark:
    """Tells hooks and run that a forward of the model begins, before anything else happens in it."""

    def __init__(self, model: nn.Module | None) -> None:
        self.hooks: tuple[Hook, ...] = ()
        self._handle: RemovableHandle | None = None
        if model is not None:
            self._handle = model.register_forward_pre_hook(self.begin, prepend=True)

    def __reduce__(self) -> tuple[Any, tuple[None]]:
        return _ForwardMark, (None,)

    def begin(self, module: nn.Module, args: object) -> None:
        if is_dynamo_compiling():
            return
        if active_runs and (run := current_run()) is not None:
            run.begin_forward(self.hooks)
            return
        for hook in self.hooks:
            if isinstance(hook, Detector):
                hook.begin_forward()

    def close(self) -> None:
        if self._handle is not None:
            self._handle.remove()


def _named_modules(model: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """Yield dotted names without the parts that wrappers add, the root first."""
    stack: list[tuple[str, nn.Module, tuple[int, ...]]] = [("", model, ())]
    while stack:
        name, module, above = stack.pop()
        yield name, module
        above = (*above, id(module))
        children = [(child_name, unwrap(child)) for child_name, child in module.named_children()]
        stack += [
            (f"{name}.{child_name}" if name else child_name, child, above)
            for child_name, child in reversed(children)
            if id(child) not in above
        ]


def _resolve(site: Site, names: Mapping[str, nn.Module], first_names: Mapping[nn.Module, str]) -> nn.Module:
    if isinstance(site, nn.Module):
        module = unwrap(site)
        if module not in first_names:
            raise ValueError(f"The {type(site).__name__} given as a site is not part of the model.")
        return module
    found = names.get(site)
    if found is None:
        close = difflib.get_close_matches(str(site), [name for name in names if name], n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"Layer name '{site}' not found in model.{hint}")
    return found
