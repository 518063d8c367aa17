"""The search behind `core_hooks.model.anatomy.discover`.

It goes by structure first: which list of modules is as long as the config says the model is deep, which linear
layers map to the residual width, what lies behind the last block. Only where structure leaves a choice does it go
by the words of the field that all architectures use (attention, norm, query). No architecture is named.
"""

from __future__ import annotations

import logging
import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from core_hooks.hooks.compiled import unwrap
from core_hooks.model.anatomy import Anatomy, Block
from core_hooks.model.module_shape import is_list, is_norm, linear_size, linears, parameter_count
from core_hooks.model.summary import text_config

if TYPE_CHECKING:
    from torch import nn

_log = logging.getLogger(__name__)
_DEPTHS = ("num_hidden_layers", "num_layers", "num_decoder_layers", "decoder_layers", "encoder_layers")
_HEADS = ("num_attention_heads", "num_heads", "n_heads", "n_head", "num_v_heads")
_QUERY_KEY_VALUE = re.compile(r"(^|_)(q|k|v|query|key|value|kv)(_|$)|qkv|query_key_value", re.IGNORECASE)
_HEAD_NORM = re.compile(r"(^|_)(q|k|v|qk|query|key|value)_?(layer)?_?norm", re.IGNORECASE)
_LOGIT_CAP = re.compile(r"(final|output)_logits?_(soft_?)?cap")
_FEED_FORWARD = re.compile(r"mlp|ffn|feed_?forward|(^|_)ff(_|$)|fc|moe|expert", re.IGNORECASE)


def search(root: nn.Module) -> Anatomy:
    """Return the parts of the model `root`."""
    root = unwrap(root)
    config = text_config(getattr(root, "config", None))
    modules = dict(root.named_modules())
    stacks = _stacks(root, config)
    unembedding = _unembedding(root, modules, config, stacks)
    embedding = _path_of(modules, _call(root, "get_input_embeddings"))
    if not stacks:
        return _extended(
            root,
            Anatomy(embedding=embedding, unembedding=unembedding).without(
                "blocks", f"{type(root).__name__} has no list of layers that repeat, so it has no blocks."
            ),
        )
    # The stack nearest to the logits is the one that they are read from: a decoder comes after its encoder.
    decodes = bool(getattr(config, "is_encoder_decoder", False))
    main = stacks[-1] if decodes else max(stacks, key=lambda stack: parameter_count(modules[stack]))
    width = _width(config, modules, embedding)
    blocks = tuple(_block(modules, path, width, config) for path in _members(modules, main))
    before = stacks[: stacks.index(main)] if decodes else []
    encoder = tuple(_block(modules, path, width, config) for stack in before for path in _members(modules, stack))
    anatomy = Anatomy(
        blocks=blocks,
        encoder_blocks=encoder,
        embedding=embedding,
        final_norm=_final_norm(modules, main, width),
        unembedding=unembedding,
        readout=_readout(modules, unembedding, main, width),
        logit_softcap=_softcap(config),
        width=width,
    )
    return _extended(root, _with_reasons(root, anatomy))


def block_of(root: nn.Module, path: str) -> Block:
    """Return what is found in the module at `path`, taken for a block."""
    root = unwrap(root)
    config, modules = text_config(getattr(root, "config", None)), dict(root.named_modules())
    embedding = _path_of(modules, _call(root, "get_input_embeddings"))
    return _block(modules, path, _width(config, modules, embedding), config)


def readout_of(root: nn.Module, unembedding: str, stack: str, width: int) -> tuple[str, ...]:
    """Return what is called in turn between the final norm and the logits, with that list of blocks."""
    return _readout(dict(unwrap(root).named_modules()), unembedding, stack, width)


def _with_reasons(root: nn.Module, anatomy: Anatomy) -> Anatomy:
    name = type(root).__name__
    if not anatomy.unembedding:
        anatomy = anatomy.without("unembedding", f"No layer that gives a logit for each word was found in {name}.")
    if not any(block.attention for block in anatomy.blocks):
        anatomy = anatomy.without(
            "heads", f"No attention was found in the blocks of {name}, so there are no heads to tell apart."
        )
    elif not any(block.head_dim for block in anatomy.blocks):
        anatomy = anatomy.without(
            "heads", f"The number and width of the heads of {name} were not found, so they can't be told apart."
        )
    if not any(block.mlp for block in anatomy.blocks):
        anatomy = anatomy.without("mlp", f"No feed-forward part was found in the blocks of {name}.")
    return anatomy


def _extended(root: nn.Module, anatomy: Anatomy) -> Anatomy:
    """Let the installed plugins add to what was found; one that fails is a line in the log and left out."""
    for plugin in entry_points(group="core_hooks.anatomy"):
        try:
            corrected = plugin.load()(root, anatomy)
            if isinstance(corrected, Anatomy):
                anatomy = corrected
        except Exception:  # noqa: BLE001 - a plugin may fail in any way
            _log.exception("The anatomy plugin %s failed and is left out.", plugin.name)
    return anatomy


def _stacks(root: nn.Module, config: Any) -> list[str]:
    """Return the outermost lists of layers, those as long as the config says if there are any."""
    depths = {value for name in _DEPTHS if isinstance(value := getattr(config, name, None), int)}
    found: list[tuple[str, int]] = []
    for path, module in root.named_modules():
        inside = any(path.startswith(stack + ".") for stack, _ in found)
        children = module._modules
        if inside or not is_list(module):
            continue
        if all(child is not None and any(linears(child)) for child in children.values()):
            found.append((path, len(children)))
    return [path for path, length in found if length in depths] or [path for path, _ in found]


def _members(modules: dict[str, nn.Module], stack: str) -> list[str]:
    return [_join(stack, name) for name in modules[stack]._modules]


def _block(modules: dict[str, nn.Module], path: str, width: int, config: Any) -> Block:
    block = modules[path]
    attentions = _attentions(block, width)
    (attention, projection), (crossed, _) = [*attentions, ("", ""), ("", "")][:2]
    norms = [
        name
        for name, module in block.named_modules()
        if is_norm(module, width) and not _HEAD_NORM.search(name.rpartition(".")[2])
    ]
    heads, n_kv_heads, head_dim = _heads(block, attention, projection, config)

    def full(name: str) -> str:
        return f"{path}.{name}" if name else ""

    return Block(
        path=path,
        attention=full(attention),
        cross_attention=full(crossed),
        output_projection=full(projection),
        mlp=full(_mlp(block, [name for name, _ in attentions], width)),
        norms=tuple(full(name) for name in norms),
        n_heads=heads,
        n_kv_heads=n_kv_heads,
        head_dim=head_dim,
    )


def _attentions(block: nn.Module, width: int) -> list[tuple[str, str]]:
    """Return each attention in a block with its output projection: the innermost module that holds one."""
    found: dict[str, str] = {}
    for name, module in block.named_modules():
        if not name or not _sounds_like_attention(name, module):
            continue
        outputs = [
            inner
            for inner, (_, out) in linears(module)
            if out == width and not _QUERY_KEY_VALUE.search(inner.rpartition(".")[2])
        ]
        if not outputs or len(list(linears(module))) < 2:
            continue
        projection = f"{name}.{outputs[-1]}"
        for outer in [outer for outer, known in found.items() if known == projection]:
            del found[outer]
        found[name] = projection
    return list(found.items())


def _sounds_like_attention(name: str, module: nn.Module) -> bool:
    words = f"{name.rpartition('.')[2]} {type(module).__name__}".lower()
    return "attn" in words or "attention" in words


def _heads(block: nn.Module, attention: str, projection: str, config: Any) -> tuple[int, int, int]:
    if not projection:
        return 0, 0, 0
    module = block.get_submodule(attention)
    sizes = dict(linears(block))
    mixed = sizes[projection][0]
    heads = _number(module, _HEADS) or _number(config, _HEADS)
    if not heads or mixed % heads:
        return 0, 0, 0
    width = mixed // heads
    return heads, _key_value_heads(module, heads, width, config), width


def _key_value_heads(module: nn.Module, heads: int, width: int, config: Any) -> int:
    for name, (_, out) in linears(module):
        last = name.rpartition(".")[2].lower()
        if re.search(r"(^|_)(k|key)(_|$)", last) and "value" not in last and out % width == 0:
            return out // width
        if ("qkv" in last or "query_key_value" in last or last == "c_attn") and out % width == 0:
            return max(1, (out // width - heads) // 2)
    stated = _number(config, ("num_key_value_heads", "num_kv_heads"))
    return stated if stated and heads % stated == 0 else heads


def _mlp(block: nn.Module, attentions: list[str], width: int) -> str:
    """Return the feed-forward part: the last module outside attention that adds to the residual stream.

    In a block without attention one such part is whatever mixes the tokens, and only a second one comes after it.
    """
    parts = []
    for top, child in block._modules.items():
        inside = [name.removeprefix(top + ".") for name in attentions if name.startswith(top + ".")]
        if child is None or top in attentions or (inside and not is_list(child)):
            continue
        inner = _contribution(child, width, inside)
        if inner is not None:
            parts.append(f"{top}.{inner}" if inner else top)
    if len(parts) < (1 if attentions else 2):
        return ""
    return next((part for part in reversed(parts) if _FEED_FORWARD.search(part)), parts[-1])


def _contribution(module: nn.Module, width: int, attentions: list[str]) -> str | None:
    """Return the path below `module` of what adds to the residual stream, ``""`` for itself, None for nothing."""
    if attentions:
        for name in reversed(list(module._modules)):
            child = module._modules[name]
            if child is None or name in attentions or is_norm(child, width):
                continue
            within = [a.removeprefix(name + ".") for a in attentions if a.startswith(name + ".")]
            inner = _contribution(child, width, within)
            if inner is not None:
                return f"{name}.{inner}" if inner else name
        return None
    size = linear_size(module)
    if size is not None:
        return "" if size[1] == width else None
    weights = sum(parameter.dim() >= 2 for parameter in module.parameters())
    if not weights:
        return None
    # A module that also normalises returns the whole residual stream; its part without the norm adds to it.
    if not any(is_norm(inner, width) for inner in module.modules()):
        return ""
    for name in reversed(list(module._modules)):
        child = module._modules[name]
        inner = _contribution(child, width, []) if child is not None and not is_norm(child, width) else None
        if inner is not None:
            return f"{name}.{inner}" if inner else name
    return None


def _final_norm(modules: dict[str, nn.Module], stack: str, width: int) -> str:
    """Return the norm beside the stack, one that comes after it before one that comes earlier."""
    parent, _, own = stack.rpartition(".")
    siblings = list(modules[parent]._modules)
    at = siblings.index(own)
    for name in [*siblings[at + 1 :], *reversed(siblings[:at])]:
        module = modules[parent]._modules[name]
        # Before the stack there may also be one for the embeddings.
        is_after = name in siblings[at + 1 :]
        if module is not None and is_norm(module, width) and (is_after or "emb" not in name.lower()):
            return _join(parent, name)
    return ""


def _unembedding(root: nn.Module, modules: dict[str, nn.Module], config: Any, stacks: list[str]) -> str:
    path = _path_of(modules, _call(root, "get_output_embeddings"))
    if path:
        return path
    words = getattr(config, "vocab_size", 0)
    outside = [
        name
        for name, (_, out) in linears(root)
        if words and out == words and not any(name.startswith(stack + ".") for stack in stacks)
    ]
    return outside[-1] if outside else ""


def _readout(modules: dict[str, nn.Module], unembedding: str, stack: str, width: int) -> tuple[str, ...]:
    """Return what lies between the final norm and the logits: what is called in turn, the last giving logits."""
    if not unembedding:
        return ()
    head = _outermost_without(unembedding, stack)
    parent, _, own = head.rpartition(".")
    siblings = list(modules[parent]._modules)
    holder = stack.removeprefix(parent + ".").partition(".")[0] if parent else _top(stack)
    between = siblings[siblings.index(holder) + 1 : siblings.index(own)] if holder in siblings else []
    steps = [_join(parent, name) for name in between if parameter_count(modules[_join(parent, name)])]
    return (*_projections(modules, stack, unembedding, width), *steps, head)


def _projections(modules: dict[str, nn.Module], stack: str, unembedding: str, width: int) -> list[str]:
    """Return the layers beside the stack that bring the residual stream to another width for the unembedding."""
    size, parent = linear_size(modules[unembedding]), stack.rpartition(".")[0]
    if size is None or size[0] == width:
        return []
    named = [_join(parent, name) for name in modules[parent]._modules]
    return [path for path in named if linear_size(modules[path]) == (width, size[0])]


def _outermost_without(path: str, stack: str) -> str:
    """Return the outermost module that contains `path` and not the stack; the root never counts."""
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        outer = ".".join(parts[:length])
        if not stack.startswith(outer + ".") and stack != outer:
            return outer
    return path


def _width(config: Any, modules: dict[str, nn.Module], embedding: str) -> int:
    width = _number(config, ("hidden_size", "d_model", "n_embd"))
    weight = getattr(modules.get(embedding), "weight", None)
    return width or (int(weight.shape[-1]) if weight is not None else 0)


def _softcap(config: Any) -> float:
    stated = vars(config) if hasattr(config, "__dict__") else {}
    value = next((stated[name] for name in stated if _LOGIT_CAP.search(name)), None)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name


def _top(path: str) -> str:
    return path.partition(".")[0]


def _number(holder: Any, names: tuple[str, ...]) -> int:
    for name in names:
        value = getattr(holder, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 0


def _call(root: nn.Module, name: str) -> Any:
    method = getattr(root, name, None)
    try:
        return method() if callable(method) else None
    except (NotImplementedError, AttributeError):
        return None


def _path_of(modules: dict[str, nn.Module], wanted: Any) -> str:
    return next((path for path, module in modules.items() if module is wanted), "") if wanted is not None else ""
