"""The layers of a language model, and the hooks that are registered on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core_hooks.hooks import Controller, Detector, Hook, HookType, attach, hooks_of
from core_hooks.hooks.hook_type import as_hook_type
from core_hooks.model.names import LayerNames

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn
    from torch.utils.hooks import RemovableHandle

    from core_hooks.hooks import Attachment
    from core_hooks.language_model.context import LanguageModelContext


class LanguageModelLayers:
    """Finds layers by any spelling and keeps the register of their hooks.

    A layer signature is a dotted name, its underscored spelling with or without the lower-cased class name of the
    model before it, a position, or ``""`` for the model itself; see `LayerNames.resolve`. All spellings of a layer
    mean one entry. Detectors and controllers may share a layer: detectors see the unmodified value, or with
    ``stage="after"`` what the controllers left, whatever the order of registration.

    Attributes
    ----------
    name_to_layer
        Modules by lower-cased class name of the model, ``_``, and the dotted name with ``_`` for ``.``; the model
        itself is not among them. Where two layers share such a name the later one has it, and both are reached by
        their dotted names.
    idx_to_layer
        Modules by position in depth-first pre-order; 0 is the model's first child and containers count.
    names
        Resolves signatures.

    Raises
    ------
    ValueError
        The context has no model.
    """

    def __init__(self, context: LanguageModelContext) -> None:
        if context.model is None:
            raise ValueError("Model must be initialized before accessing layers")
        self.context = context
        self._model = context.model
        self.names = LayerNames(context.model)
        prefix = self.names.prefix
        modules = [self.names.module(name) for name in self.names.positions]
        flat = [f"{prefix}_{name.replace('.', '_')}" for name in self.names.positions]
        self.name_to_layer: dict[str, nn.Module] = dict(zip(flat, modules, strict=True))
        self.idx_to_layer: dict[int, nn.Module] = dict(enumerate(modules))
        self._places: dict[str, _Place] = {}

    def get_layer_names(self) -> list[str]:
        """Return the keys of `name_to_layer`."""
        return list(self.name_to_layer)

    def print_layer_names(self) -> None:
        """Print position, name and class of every layer."""
        for index, (name, layer) in enumerate(self.name_to_layer.items()):
            print(f"{index}: {name} ({type(layer).__name__})")

    def register_forward_hook_for_layer(
        self,
        layer_signature: str | int | None,
        hook: Callable[..., Any],
        hook_args: dict[str, Any] | None = None,
    ) -> RemovableHandle:
        """Register a plain function with torch, to be called after the layer.

        Parameters
        ----------
        hook_args
            For ``Module.register_forward_hook``, e.g. ``{"with_kwargs": True}``.

        Raises
        ------
        ValueError
            There is no such layer.
        """
        return self.names.module(layer_signature).register_forward_hook(hook, **(hook_args or {}))

    def register_pre_forward_hook_for_layer(
        self,
        layer_signature: str | int | None,
        hook: Callable[..., Any],
        hook_args: dict[str, Any] | None = None,
    ) -> RemovableHandle:
        """Register a plain function with torch, to be called before the layer; else as for the one after it."""
        return self.names.module(layer_signature).register_forward_pre_hook(hook, **(hook_args or {}))

    def register_hook(
        self, layer_signature: str | int | None, hook: Hook, hook_type: HookType | str | None = None
    ) -> str:
        """Attach a hook to a layer and return the hook's id.

        The hook gets `layer_signature` as its own and this model's context, both until it is unregistered.

        Parameters
        ----------
        hook_type
            Must be the hook's own type if given.

        Raises
        ------
        ValueError
            There is no such layer, the id is registered already, the hook is attached to another model, or
            `hook_type` is not the hook's.
        """
        name = self.names.resolve(layer_signature)
        if hook.id in self._live():
            raise ValueError(f"Hook with ID '{hook.id}' is already registered")
        if hook_type is not None and as_hook_type(hook_type) is not hook.hook_type:
            raise ValueError(
                f"Hook {hook.id} is of type '{hook.hook_type.value}' and cannot be registered as "
                f"'{as_hook_type(hook_type).value}'; set hook.hook_type first"
            )
        attachment = attach(self._model, {name: hook})
        self._places[hook.id] = _Place(hook, self.names.module(name), attachment, hook.layer_signature)
        hook.layer_signature = layer_signature
        hook.set_context(self.context, weak=True)
        return hook.id

    def unregister_hook(self, hook_or_id: Hook | str) -> bool:
        """Take a hook off its layer; return whether it was registered.

        The hook keeps what it captured, and gets back the layer signature it had before.
        """
        hook_id = hook_or_id.id if isinstance(hook_or_id, Hook) else hook_or_id
        if hook_id not in self._live():
            return False
        place = self._places.pop(hook_id)
        place.hook.remove()
        place.attachment.close()
        place.hook.layer_signature = place.earlier_signature
        return True

    def get_hooks(
        self, layer_signature: str | int | None = None, hook_type: HookType | str | None = None
    ) -> list[Hook]:
        """Return the registered hooks in order of registration.

        Parameters
        ----------
        layer_signature
            Only those of this layer, however it was spelled at registration; None for all layers.
        hook_type
            Only those of this type.

        Raises
        ------
        ValueError
            There is no such layer or type.
        """
        found = list(self._live().values())
        if layer_signature is not None:
            name = self.names.resolve(layer_signature)
            found = [hook for hook in found if hook.site == name]
        if hook_type is not None:
            wanted = as_hook_type(hook_type)
            found = [hook for hook in found if hook.hook_type is wanted]
        return found

    def get_controllers(self) -> list[Controller]:
        """Return the registered hooks that change values, those that also detect included."""
        return [hook for hook in self._live().values() if isinstance(hook, Controller)]

    def get_detectors(self) -> list[Detector]:
        """Return the registered hooks that detect, those that also change values included."""
        return [hook for hook in self._live().values() if isinstance(hook, Detector)]

    def enable_hook(self, hook_id: str) -> bool:
        """Enable a registered hook; return whether there is one with this id."""
        hook = self._live().get(hook_id)
        if hook is not None:
            hook.enable()
        return hook is not None

    def disable_hook(self, hook_id: str) -> bool:
        """Disable a registered hook; return whether there is one with this id."""
        hook = self._live().get(hook_id)
        if hook is not None:
            hook.disable()
        return hook is not None

    def enable_all_hooks(self) -> None:
        """Enable every registered hook."""
        for hook in self._live().values():
            hook.enable()

    def disable_all_hooks(self) -> None:
        """Disable every registered hook."""
        for hook in self._live().values():
            hook.disable()

    def stored_label(self, hook: Hook) -> str:
        """Return what the layer of a registered hook is called in a store.

        A name is kept as it was given. A position becomes the dotted name, and the model itself its lower-cased
        class name, for a position means another layer in another model and the root has no name to file under.
        """
        if isinstance(hook.layer_signature, str) and hook.layer_signature:
            return hook.layer_signature
        return hook.site or self.names.prefix

    def _live(self) -> dict[str, Hook]:
        """Return the registered hooks by id, without those that were removed behind this register's back."""
        gone = [hook_id for hook_id, place in self._places.items() if place.hook not in hooks_of(place.layer)]
        for hook_id in gone:
            self._places.pop(hook_id).attachment.close()
        return {hook_id: place.hook for hook_id, place in self._places.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    hook: Hook
    layer: nn.Module
    attachment: Attachment
    earlier_signature: str | int | None
