"""Reading logits out of the residual stream, and checking on the model itself that an anatomy is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks.extraction import extract_tensor_from_output
from core_hooks.hooks.run import HookRun
from core_hooks.model.architecture import kind_of, one_line
from core_hooks.model.forward import call, input_device, logits_of
from core_hooks.model.module_shape import linear_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from core_hooks.model.anatomy import Anatomy, Block
    from core_hooks.model.opened import OpenedModel

_TOKENS = 6


def read_out(model: nn.Module, anatomy: Anatomy, residual: torch.Tensor, *, normalise: bool = True) -> torch.Tensor:
    """Return the logits that the model would give if its last block had returned `residual`: the logit lens.

    Method: nostalgebraist, "interpreting GPT: the logit lens" (2020).

    Parameters
    ----------
    residual
        The output of any block, [batch, tokens, width], in the model's dtype and on its device.
    normalise
        Apply the final norm; False for a residual stream that went through it already.

    Returns
    -------
    torch.Tensor
        [batch, tokens, vocabulary], in the model's dtype.

    Raises
    ------
    ValueError
        The anatomy has no unembedding; the text says why.
    """
    if anatomy.lacks("unembedding") or not anatomy.readout:
        raise ValueError(anatomy.lacks("unembedding") or "The anatomy names no unembedding.")
    if normalise and anatomy.final_norm:
        residual = model.get_submodule(anatomy.final_norm)(residual)
    logits = residual
    for path in anatomy.readout:
        logits = model.get_submodule(path)(logits)
    if anatomy.logit_scale != 1.0:
        logits = logits * anatomy.logit_scale
    if anatomy.logit_offset:
        logits = logits + tensor_at(model, anatomy.logit_offset).reshape(-1).to(logits)
    if anatomy.logit_softcap:
        logits = torch.tanh(logits / anatomy.logit_softcap) * anatomy.logit_softcap
    return logits


def tensor_at(model: nn.Module, path: str) -> torch.Tensor:
    """Return the parameter or buffer of that dotted name."""
    owner, _, name = path.rpartition(".")
    tensor = getattr(model.get_submodule(owner), name)
    assert isinstance(tensor, torch.Tensor)
    return tensor


def output_weight(projection: nn.Module) -> torch.Tensor:
    """Return the weight of an output projection as [channels in, channels out], whichever way it is stored.

    A quantised weight is read out by the layer itself, from one input for each channel.
    """
    weight, size = projection.weight, linear_size(projection)
    assert isinstance(weight, torch.Tensor)
    plain = weight.is_floating_point() and not hasattr(weight, "__tensor_flatten__") and weight.dim() == 2
    if plain or size is None:
        return weight if hasattr(projection, "nf") else weight.T
    bias = getattr(projection, "bias", None)
    dtype = bias.dtype if bias is not None else weight.dtype if weight.is_floating_point() else torch.float32
    with torch.no_grad():
        given = projection.forward(torch.eye(size[0], dtype=dtype, device=weight.device))
        return given if bias is None else given - bias


def head_output(projection: nn.Module, mixed: torch.Tensor, head: slice) -> torch.Tensor:
    """Return what one head adds to the residual stream: its slice of the projection's input times its weights.

    The sum over all heads, plus the projection's bias, is the projection's output.

    Parameters
    ----------
    mixed
        Input of the projection, [..., channels in].
    """
    return mixed[..., head] @ output_weight(projection)[head]


def verify(opened: OpenedModel, anatomy: Anatomy) -> Anatomy:
    """Return `anatomy` as far as one forward over a few tokens confirms it, with reasons for the rest.

    The logits read from the last block must be the model's; a constant factor between them, which some
    architectures apply, is measured and kept. The head slices must add up to what each output projection gives.
    Detectors that are attached see this forward; controllers do not act in it.
    """
    if not anatomy.blocks:
        return anatomy
    seen: dict[str, tuple[Any, Any]] = {}
    sites = {block.output_projection for block in anatomy.blocks} | {anatomy.blocks[-1].path}
    handles = []
    try:
        for site in sites - {""}:
            handles.append(opened.model.get_submodule(site).register_forward_hook(_keeper(seen, site)))
        with HookRun(controllers=False):
            output, _ = call(opened, _example(opened))
    except Exception as error:  # noqa: BLE001 - whatever keeps the model from running keeps it from being read
        return _unchecked(anatomy, f"{opened.summary.architecture} could not be run to check it: {one_line(error)}.")
    finally:
        for handle in handles:
            handle.remove()
    if output is None:
        return _unchecked(anatomy, f"A hook ended the forward that was to check {opened.summary.architecture}.")
    with torch.no_grad():
        return _checked_heads(opened, _checked_readout(opened, anatomy, seen, output), seen)


def _unchecked(anatomy: Anatomy, sentence: str) -> Anatomy:
    return anatomy.without("unembedding", sentence).without("heads", sentence)


def _checked_readout(opened: OpenedModel, anatomy: Anatomy, seen: dict[str, Any], output: Any) -> Anatomy:
    logits, last = logits_of(output), anatomy.blocks[-1].path
    if not anatomy.readout:
        return anatomy
    residual = extract_tensor_from_output(seen[last][1]) if last in seen else None
    name = opened.summary.architecture
    if logits is None:
        return anatomy.without("unembedding", f"{name} gave no logits.")
    if residual is None:
        return anatomy.without(
            "unembedding",
            f"{last}, taken for the last block of {name}, was never called or gave no tensor, so logits can't be read "
            "from the blocks.",
        )
    if residual.dim() == logits.dim() == 3 and residual.shape[1] != logits.shape[1]:
        return anatomy.without(
            "unembedding",
            f"The blocks of {name} work on {residual.shape[1]} places where it gives logits for {logits.shape[1]} "
            "tokens, so logits can't be read from the blocks.",
        )
    for candidate in _candidates(opened.model, anatomy, logits.shape[-1]):
        found = _scaled(opened, candidate, residual, logits)
        if found is not None:
            return found
    return anatomy.without(
        "unembedding",
        f"The last block of {name}, its final norm and {', '.join(anatomy.readout)} do not give the model's logits, "
        "so logits can't be read from the blocks.",
    )


def _candidates(model: nn.Module, anatomy: Anatomy, words: int) -> Iterator[Anatomy]:
    """The anatomy as it is, then with what a forward may do between modules: an activation, an offset, no norm."""
    readouts = [anatomy.readout, anatomy.readout[-1:]]
    if len(anatomy.readout) > 1:
        top = anatomy.readout[0].rpartition(".")[0]
        for name, module in model.get_submodule(top).named_children():
            if any(True for _ in module.parameters()) or isinstance(module, torch.nn.Dropout):
                continue
            path = f"{top}.{name}" if top else name
            readouts += [(*anatomy.readout[:at], path, *anatomy.readout[at:]) for at in range(1, len(anatomy.readout))]
    offsets = [""]
    for name, tensor in (*model.named_buffers(recurse=False), *model.named_parameters(recurse=False)):
        if tensor.numel() == words and tensor.shape[-1:] == (words,):
            offsets.append(name)
    for offset in offsets:
        for norm in dict.fromkeys((anatomy.final_norm, "")):
            for readout in dict.fromkeys(readouts):
                yield anatomy.with_(readout=readout, final_norm=norm, logit_offset=offset)


def _scaled(opened: OpenedModel, anatomy: Anatomy, residual: torch.Tensor, logits: torch.Tensor) -> Anatomy | None:
    """Return `anatomy` with the factor by which its readout gives `logits`, None when there is no such factor."""
    try:
        bare = anatomy.with_(logit_scale=1.0, logit_softcap=0.0, logit_offset="")
        plain = read_out(opened.model, bare, residual).float()
    except (RuntimeError, TypeError, AttributeError, ValueError):  # a module of the readout takes something else
        return None
    if plain.shape != logits.shape:
        return None
    wanted, cap = logits.float(), anatomy.logit_softcap
    if cap:
        wanted = torch.atanh((wanted / cap).clamp(-1 + 1e-6, 1 - 1e-6)) * cap
    if anatomy.logit_offset:
        wanted = wanted - tensor_at(opened.model, anatomy.logit_offset).reshape(-1).float()
    scale = float((plain * wanted).sum() / plain.square().sum())
    scaled = anatomy.with_(logit_scale=1.0 if abs(scale - 1) < 1e-3 else scale)
    return scaled if _close(read_out(opened.model, scaled, residual), logits) else None


def _checked_heads(opened: OpenedModel, anatomy: Anatomy, seen: dict[str, Any]) -> Anatomy:
    for block in anatomy.blocks:
        if block.head_dim and not _heads_add_up(opened, block, seen.get(block.output_projection)):
            return anatomy.without(
                "heads",
                f"The head slices of {block.path} do not add up to what {block.output_projection} gives, "
                "so heads can't be told apart.",
            )
    return anatomy


def _heads_add_up(opened: OpenedModel, block: Block, call: tuple[Any, Any] | None) -> bool:
    if call is None:
        return False
    mixed, output = call
    projection = opened.model.get_submodule(block.output_projection)
    if not isinstance(mixed, torch.Tensor) or not isinstance(output, torch.Tensor):
        return False
    if mixed.shape[-1] != block.n_heads * block.head_dim:
        return False
    total = torch.zeros_like(output, dtype=torch.float32)
    weight = output_weight(projection).float()
    for head in block.head_slices:
        total += mixed[..., head].float() @ weight[head]
    bias = getattr(projection, "bias", None)
    # A layer of quantised weights computes in fewer bits than what it returns.
    exact = projection.weight.dtype == output.dtype and not hasattr(projection.weight, "__tensor_flatten__")
    return _close(total if bias is None else total + bias.float(), output, exact=exact)


def _keeper(seen: dict[str, tuple[Any, Any]], site: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def keep(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        seen[site] = (args[0] if args else None, output)

    return keep


def _example(opened: OpenedModel) -> dict[str, Any]:
    if opened.example_inputs is not None or getattr(opened.model, "main_input_name", "input_ids") != "input_ids":
        from core_hooks.model.forward import model_inputs

        return model_inputs(opened, None)
    words = max(2, opened.summary.vocabulary)
    ids = torch.randint(words, (1, _TOKENS), generator=torch.Generator().manual_seed(0))
    ids = ids.to(input_device(opened))
    if not hasattr(opened.model, "config"):
        return {"*": (ids,)}
    inputs: dict[str, Any] = {"input_ids": ids, "use_cache": False}
    if kind_of(opened.model) == "seq2seq":
        inputs["decoder_input_ids"] = ids
    elif kind_of(opened.model) != "causal":
        del inputs["use_cache"]
    return inputs


def _close(found: torch.Tensor, wanted: torch.Tensor, *, exact: bool = True) -> bool:
    precision = 1e-3 if exact and wanted.dtype == torch.float32 else 5e-2
    scale = float(wanted.float().abs().max()) + 1e-6
    return found.shape == wanted.shape and float((found.float() - wanted.float()).abs().max()) <= precision * scale
