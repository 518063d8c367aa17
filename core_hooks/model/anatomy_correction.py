"""The parts of a model named by hand, where the search is wrong or finds nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core_hooks.model.errors import ModelError
from core_hooks.model.module_shape import linear_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from core_hooks.model.anatomy import Anatomy, Block

# What can be named: of the model by dotted path, of a block relative to it; numbers of heads are numbers.
MODEL_PARTS = ("blocks", "embedding", "final_norm", "unembedding")
BLOCK_PARTS = ("attention", "output_projection", "mlp")
NUMBERS = ("heads", "key_value_heads")
PARTS = (*MODEL_PARTS, *BLOCK_PARTS, *NUMBERS)


def corrected(root: nn.Module, found: Anatomy, parts: Mapping[str, str]) -> Anatomy:
    """Return `found` with the parts that were named by hand.

    Parameters
    ----------
    parts
        By the names of `PARTS`: ``{"blocks": "net.layers", "attention": "mix", "heads": "8"}``; ``blocks`` is the
        module that holds them, ``""`` says that the model has no such part, and what is not named stays as found.

    Raises
    ------
    ModelError
        There is no such part or module, or a number of heads does not divide the channels.
    """
    from core_hooks.model.anatomy_search import block_of, readout_of

    unknown = next((name for name in parts if name not in PARTS), None)
    if unknown is not None:
        raise ModelError(f"A model has no part called {unknown!r}; the parts are {', '.join(PARTS)}.")
    modules = dict(root.named_modules())
    for name in MODEL_PARTS:
        _check(name, parts.get(name, ""), modules, type(root).__name__)
    anatomy = found
    if "blocks" in parts:
        children = modules[parts["blocks"]]._modules if parts["blocks"] else {}
        paths = [f"{parts['blocks']}.{name}" for name in children]
        if parts["blocks"] and not paths:
            raise ModelError(f"{parts['blocks']} holds no modules, so it can't be the list of blocks.")
        anatomy = anatomy.with_(blocks=tuple(block_of(root, path) for path in paths), encoder_blocks=())
    blocks = tuple(_block(modules, block, parts) for block in anatomy.blocks)
    changes: dict[str, object] = {"blocks": blocks}
    changes |= {name: parts[name] for name in MODEL_PARTS[1:] if name in parts}
    anatomy = anatomy.with_(**changes)
    if {"blocks", "unembedding"} & parts.keys() and blocks:
        stack = blocks[0].path.rpartition(".")[0]
        steps = readout_of(root, anatomy.unembedding, stack, anatomy.width)
        anatomy = anatomy.with_(readout=tuple(step for step in steps if step != anatomy.final_norm))
    return _with_reasons(anatomy, type(root).__name__)


def _block(modules: Mapping[str, nn.Module], block: Block, parts: Mapping[str, str]) -> Block:
    for name in BLOCK_PARTS:
        if name not in parts:
            continue
        inner = parts[name]
        path = f"{block.path}.{inner}" if inner else ""
        # Blocks may differ: one that has no such module keeps what was found in it.
        if not inner or path in modules:
            changes: Any = {name: path}
            block = replace(block, **changes)
        elif not any(known.endswith(f".{inner}") for known in modules):
            raise ModelError(f"There is no module {inner!r} in {block.path}; name the {_words(name)} as it is there.")
    if not block.output_projection or not block.attention:
        return replace(block, n_heads=0, n_kv_heads=0, head_dim=0)
    if {"output_projection", "heads"} & parts.keys():
        size = linear_size(modules[block.output_projection])
        if size is None:
            raise ModelError(f"{block.output_projection} is no linear layer, so it can't be what mixes the heads.")
        heads = _number("heads", parts["heads"]) if "heads" in parts else block.n_heads
        if not heads or size[0] % heads:
            raise ModelError(
                f"The {size[0]} channels that {block.output_projection} takes can't be split among {heads} heads; "
                "correct their number."
            )
        shared = block.n_kv_heads if block.n_kv_heads and heads % block.n_kv_heads == 0 else heads
        block = replace(block, n_heads=heads, head_dim=size[0] // heads, n_kv_heads=shared)
    if "key_value_heads" in parts:
        shared = _number("key_value_heads", parts["key_value_heads"])
        if not shared or block.n_heads % shared:
            raise ModelError(f"{block.n_heads} heads can't share {shared} key and value heads; correct the number.")
        block = replace(block, n_kv_heads=shared)
    return block


def _with_reasons(anatomy: Anatomy, name: str) -> Anatomy:
    """The reasons as they follow from the parts that are there now."""
    lacking = {
        "blocks": not anatomy.blocks,
        "unembedding": not anatomy.unembedding,
        "heads": not any(block.head_dim for block in anatomy.blocks),
        "mlp": not any(block.mlp for block in anatomy.blocks),
    }
    kept = tuple((part, reason) for part, reason in anatomy.reasons if lacking.get(part, True))
    anatomy = replace(anatomy, reasons=kept)
    for part, is_lacking in lacking.items():
        if is_lacking and not anatomy.lacks(part):
            anatomy = anatomy.without(part, f"By what was named by hand, {name} has no {_words(part)}.")
    return anatomy


def _check(name: str, path: str, modules: Mapping[str, nn.Module], model: str) -> None:
    if path not in modules:
        raise ModelError(f"There is no module {path!r} in {model}; name the {_words(name)} by its dotted path.")


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ModelError(f"The number of {_words(name)} is {text!r}; it must be a whole number.")
    return int(text)


def _words(name: str) -> str:
    return {"mlp": "feed-forward part"}.get(name, name.replace("_", " "))
