"""Weights in fewer bits, made while a model is read, by whichever quantising library is installed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from core_hooks.model.errors import ModelError
from core_hooks.model.module_shape import linear_size

if TYPE_CHECKING:
    import torch
    from torch import nn

NONE = "none"


@dataclass(frozen=True, slots=True)
class Quantisation:
    """One way to keep the weights of linear layers in fewer bits.

    Attributes
    ----------
    name
        What a `ModelReference` says: ``"bitsandbytes-4bit"``.
    words
        The same for people.
    library
        The package that does it.
    bits
        Of one weight.
    group
        So many weights of a row share their scale; 0 when a whole row does.
    scale_bytes
        Of what is kept beside each group.
    transposed
        Whether the transposed linear layers of the oldest models are converted, too.
    """

    name: str
    words: str
    library: str
    bits: int
    group: int = 0
    scale_bytes: int = 4
    transposed: bool = False

    def lacking(self) -> str:
        """Why it can't be used on this machine, as a sentence; ``""`` when it can."""
        try:
            version(self.library)
        except PackageNotFoundError:
            return f"{self.library} is not installed; install it with: pip install {self.library}"
        return ""


QUANTISATIONS = (
    Quantisation("bitsandbytes-8bit", "8 bit, bitsandbytes (LLM.int8)", "bitsandbytes", 8, transposed=True),
    Quantisation("bitsandbytes-4bit", "4 bit, bitsandbytes (NF4)", "bitsandbytes", 4, 64, transposed=True),
    Quantisation("torchao-int8", "8 bit, torchao (int8 weights)", "torchao", 8),
    Quantisation("torchao-float8", "8 bit, torchao (float8 weights)", "torchao", 8),
    Quantisation("quanto-int8", "8 bit, optimum-quanto (int8 weights)", "optimum-quanto", 8),
    Quantisation("quanto-int4", "4 bit, optimum-quanto (int4 weights)", "optimum-quanto", 4, 128, 8),
)
NAMES = (NONE, *(entry.name for entry in QUANTISATIONS))


def quantisation(name: str) -> Quantisation | None:
    """Return the quantisation of that name, None for ``"none"``.

    Raises
    ------
    ModelError
        There is none of that name.
    """
    if name == NONE:
        return None
    found = next((entry for entry in QUANTISATIONS if entry.name == name), None)
    if found is None:
        raise ModelError(f"There is no quantisation {name!r}; use {', '.join(NAMES)}.")
    return found


def check_quantisation(name: str, config: Any) -> None:
    """Raise a ModelError unless weights can be quantised as asked, here and for a model of this config."""
    wanted = quantisation(name)
    if wanted is None:
        return
    if wanted.lacking():
        raise ModelError(f"{name} can't be used: {wanted.lacking()}.")
    stored = getattr(config, "quantization_config", None)
    if stored:
        method = stored.get("quant_method") if isinstance(stored, dict) else getattr(stored, "quant_method", "")
        raise ModelError(
            f"The weights of this model are stored quantised already ({method or 'see its config.json'}); "
            "open it without a quantisation of its own."
        )


def library_config(name: str, dtype: torch.dtype) -> Any:
    """Return what `from_pretrained` takes as its ``quantization_config``.

    Raises
    ------
    ModelError
        The library can't be imported, or is too old or too new for this transformers.
    """
    wanted = quantisation(name)
    assert wanted is not None
    import transformers

    # It says of every forward that it casts its inputs.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        if name == "bitsandbytes-8bit":
            return transformers.BitsAndBytesConfig(load_in_8bit=True)
        if name == "bitsandbytes-4bit":
            return transformers.BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
            )
        if wanted.library == "torchao":
            import torchao.quantization as torchao

            kind = torchao.Int8WeightOnlyConfig if name == "torchao-int8" else torchao.Float8WeightOnlyConfig
            return transformers.TorchAoConfig(kind())
        return transformers.QuantoConfig(weights=name.removeprefix("quanto-"))
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ModelError(
            f"{wanted.library} {version(wanted.library)} can't be used with this transformers "
            f"({' '.join(str(error).split())}); install another version of it, or open the model without it."
        ) from error


def quantised_bytes(model: nn.Module, name: str) -> int:
    """Return the size that all parameters and buffers of `model` will have, those of its linear layers quantised.

    The unembedding, tied weights and what is no linear layer stay as they are, as the libraries leave them.
    """
    from core_hooks.model.estimate import weight_bytes

    total, wanted = weight_bytes(model), quantisation(name)
    if wanted is None:
        return total
    kept = _left_alone(model)
    for module in model.modules():
        size = linear_size(module)
        weight = module._parameters.get("weight")
        is_plain = hasattr(module, "in_features") or wanted.transposed
        if size is None or weight is None or id(weight) in kept or not is_plain:
            continue
        into, out = size
        groups = out * (-(-into // wanted.group) if wanted.group else 1)
        total -= weight.numel() * weight.element_size()
        total += weight.numel() * wanted.bits // 8 + groups * wanted.scale_bytes
    return total


def _left_alone(model: nn.Module) -> set[int]:
    """Parameters that no library converts: of the unembedding, tied ones, and the last layer."""
    seen: set[int] = set()
    kept: set[int] = set()
    parameter = None
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                (kept if id(parameter) in seen else seen).add(id(parameter))
    embeddings = getattr(model, "get_output_embeddings", lambda: None)()
    last = list(model.parameters())[-1:]
    kept.update(id(parameter) for parameter in last)
    if embeddings is not None:
        kept.update(id(parameter) for parameter in embeddings.parameters())
    return kept
