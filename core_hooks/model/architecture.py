"""Which class a checkpoint is opened with, and that class built without weights."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from core_hooks.model.errors import ModelError
from core_hooks.model.libraries import import_libraries, quiet_transformers

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel

    from core_hooks.model.checkpoint import Checkpoint
    from core_hooks.model.reference import ModelReference

# Config values with these words in their names say how many modules are built; a damaged one could fill the memory.
_COUNTS = re.compile(r"(?=.*(layer|block|expert|stage|depth))(?!.*(size|dim|vocab|width))")
_MOST_MODULES = 20_000

Kind = Literal["causal", "masked", "seq2seq", "other"]


def load_config(checkpoint: Checkpoint, reference: ModelReference) -> PreTrainedConfig:
    """Return the transformers config of `checkpoint`, with the attention implementation asked for.

    Raises
    ------
    ModelError
        The architecture is unknown, comes with code nobody consented to, or the config is not acceptable.
    """
    import_libraries()
    from transformers import AutoConfig

    where = checkpoint.weights[0] if checkpoint.is_gguf else checkpoint.folder / "config.json"
    code = custom_code(checkpoint)
    model_type = checkpoint.config.get("model_type")
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": reference.trust_code and bool(code)}
    if reference.attention != "auto":
        options["attn_implementation"] = reference.attention
    if checkpoint.is_gguf:
        options["gguf_file"] = checkpoint.weights[0].name
    elif not isinstance(model_type, str) or not model_type:
        raise ModelError(f"{where} names no model_type, so the architecture is unknown; add it to the file.")
    try:
        with quiet_transformers():
            return AutoConfig.from_pretrained(str(checkpoint.folder), **options)
    except Exception as error:
        if code and not reference.trust_code:
            raise ModelError(
                f"{checkpoint.name} needs Python code that comes with it ({', '.join(code)}); "
                "read it, then open the model again with the consent to run it."
            ) from error
        if model_type is not None and f"`{model_type}`" in str(error):
            raise ModelError(
                f"{where} is for an architecture, {model_type!r}, that the installed transformers does not know; "
                "check the name or update transformers."
            ) from error
        raise ModelError(f"{where} is not acceptable: {one_line(error)}.") from error


def custom_code(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the paths of the Python files that would run if code that comes with the model were trusted."""
    auto_map = checkpoint.config.get("auto_map")
    if not isinstance(auto_map, dict):
        return ()
    classes: list[str] = []
    for value in auto_map.values():
        classes += [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)]
    modules = {name.rpartition(".")[0] for name in classes}
    return tuple(
        sorted(
            module.replace("--", ":") + ".py" if "--" in module else str(checkpoint.folder / f"{module}.py")
            for module in modules
            if module
        )
    )


def model_class(config: PreTrainedConfig, checkpoint: Checkpoint, reference: ModelReference) -> type[PreTrainedModel]:
    """Return the class for `config`: the one it names itself, else a causal, masked or seq2seq one, else the base.

    What the checkpoint names comes first because its weights fit that class and no other; BERT, for example,
    also has a causal class, into which an encoder's weights do not fit.

    Raises
    ------
    ModelError
        When transformers has no class for the config.
    """
    import transformers
    from transformers.dynamic_module_utils import get_class_from_dynamic_module
    from transformers.models.auto import modeling_auto

    found: Any
    names = config.architectures if isinstance(config.architectures, (list, tuple)) else ()
    for name in (name for name in names if isinstance(name, str)):
        found = getattr(transformers, name, None)
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            return found
    auto_map = getattr(config, "auto_map", None) or {}
    for auto in ("AutoModelForCausalLM", "AutoModelForMaskedLM", "AutoModelForSeq2SeqLM", "AutoModel"):
        if auto in auto_map and reference.trust_code:
            custom: Any = get_class_from_dynamic_module(auto_map[auto], str(checkpoint.folder), local_files_only=True)
            return custom
    for mapping in (
        modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING if config.is_encoder_decoder else {},
        modeling_auto.MODEL_FOR_MASKED_LM_MAPPING if _is_encoder(config) else {},
        modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING,
        modeling_auto.MODEL_FOR_MASKED_LM_MAPPING,
        modeling_auto.MODEL_MAPPING,
    ):
        if type(config) in mapping:
            found = mapping[type(config)]
            return found[0] if isinstance(found, (tuple, list)) else found
    raise ModelError(
        f"transformers has no model class for {type(config).__name__}; name one under 'architectures' in "
        f"{checkpoint.folder / 'config.json'}."
    )


def _is_encoder(config: PreTrainedConfig) -> bool:
    # Encoders that can also be trained as decoders carry this switch; decoders proper have none.
    return getattr(config, "is_decoder", None) is False


def build_without_weights(cls: type[PreTrainedModel], config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """Return the model on the meta device: every module, shape and tie, and no memory for weights.

    Raises
    ------
    ModelError
        When the config asks for more modules than can be built, or contradicts itself.
    """
    import torch
    from transformers.initialization import no_init_weights

    for name, value in config.to_dict().items():
        if isinstance(value, int) and value > _MOST_MODULES and _COUNTS.match(name):
            raise ModelError(f"The config asks for {value:,} in {name}, more than can be built; correct config.json.")
    try:
        with quiet_transformers(), torch.device("meta"), no_init_weights():
            model = cls._from_config(config, dtype=dtype)
            model.tie_weights()
    except Exception as error:
        raise ModelError(
            f"{cls.__name__} can't be built from this config: {one_line(error)}. Correct config.json."
        ) from error
    return model


def stored_dtype(config: PreTrainedConfig, checkpoint: Checkpoint, reference: ModelReference) -> torch.dtype:
    """Return the dtype to load in: the one asked for, else as the config says, else as the weights are stored.

    Raises
    ------
    ModelError
        When the one asked for is no dtype of weights.
    """
    import torch

    if reference.dtype != "auto":
        dtype = getattr(torch, reference.dtype, None)
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise ModelError(f"There is no dtype {reference.dtype!r} for weights; use float32, float16 or bfloat16.")
        return dtype
    if isinstance(config.dtype, torch.dtype):
        return config.dtype
    stored = next((t.torch_dtype for t in checkpoint.tensors.values() if t.torch_dtype), "float32")
    return getattr(torch, stored)


def kind_of(model: nn.Module) -> Kind:
    """Say what the model's logits predict: the next token, a masked one, a decoder's, or nothing known."""
    config = getattr(model, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        return "seq2seq"
    return _kind_named(type(model).__name__)


@cache
def _kind_named(name: str) -> Kind:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    if _listed(name, MODEL_FOR_MASKED_LM_MAPPING_NAMES):
        return "masked"
    if _listed(name, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) or name.endswith(("ForCausalLM", "LMHeadModel")):
        return "causal"
    return "other"


def _listed(name: str, mapping: Any) -> bool:
    return any(name == value or (isinstance(value, tuple) and name in value) for value in mapping.values())


def one_line(error: BaseException) -> str:
    """Return the first sentence of an exception's text, at most 200 characters, or its class name without one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # A first line such as "Validation error for field 'n_head':" says nothing without the next.
    text = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return textwrap.shorten(text, 200, placeholder=" …").rstrip(".:")
