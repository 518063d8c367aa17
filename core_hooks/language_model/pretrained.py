"""A language model in a folder: the files every tool of the field reads, and one that says what wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, load_model, save_model

from core_hooks.capture.tensor_file import replacing_folder
from core_hooks.hooks.compiled import unwrap

if TYPE_CHECKING:
    from torch import nn

MARKER = "language_model.json"
_WEIGHTS = "model.safetensors"


def open_pretrained(
    model: str | Path,
    tokenizer: str | Path,
    model_params: dict[str, Any] | None = None,
    tokenizer_params: dict[str, Any] | None = None,
) -> tuple[nn.Module, Any]:
    """Return a causal language model of transformers and its tokenizer, each by folder or hub id."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    opened = AutoModelForCausalLM.from_pretrained(str(model), **(model_params or {}))
    return opened, AutoTokenizer.from_pretrained(str(tokenizer), **(tokenizer_params or {}))


def write_folder(folder: Path, model: nn.Module, tokenizer: Any, model_id: str) -> None:
    """Write model and tokenizer so that `folder` is whole or as it was before.

    Raises
    ------
    FileExistsError
        `folder` holds something else than an earlier saving.
    """
    if folder.exists() and not (folder / MARKER).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds something else; choose a folder that is new or empty")
    inner: Any = unwrap(model)
    with replacing_folder(folder) as new:
        is_pretrained = hasattr(inner, "save_pretrained")
        if is_pretrained:
            inner.save_pretrained(new)
        else:
            save_model(inner, str(new / _WEIGHTS))
        has_tokenizer = hasattr(tokenizer, "save_pretrained")
        if has_tokenizer:
            tokenizer.save_pretrained(new)
        about = {
            "model_id": model_id,
            "class": type(inner).__name__,
            "transformers": is_pretrained,
            "tokenizer": has_tokenizer,
        }
        (new / MARKER).write_text(json.dumps(about, indent=2), encoding="utf-8")


def read_folder(folder: Path, model: nn.Module | None, tokenizer: Any) -> tuple[nn.Module, Any, str]:
    """Return model, tokenizer and model id of a folder that `write_folder` or ``save_pretrained`` wrote.

    Raises
    ------
    FileNotFoundError
        `folder` holds no model.
    ValueError
        The model is not one of transformers and no `model` was given to load its weights into.
    """
    path = folder / MARKER
    about = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not (folder / "config.json").is_file() and not about:
        raise FileNotFoundError(f"{folder} holds no model: neither {MARKER} nor config.json is there")
    if model is not None:
        _load_weights(unwrap(model), sorted(folder.glob("*.safetensors")))
    elif about and not about["transformers"]:
        raise ValueError(
            f"{folder} holds the weights of a {about['class']}, which transformers cannot build; pass model="
        )
    else:
        model = _from_config(folder).from_pretrained(folder, local_files_only=True)
    if tokenizer is None and about.get("tokenizer", True):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return model, tokenizer, about.get("model_id") or folder.name


def read_checkpoint(
    path: Path, model: nn.Module | None, tokenizer: Any, model_id: str | None
) -> tuple[nn.Module, Any, str | None]:
    """Return a model with the weights of one file: ``.safetensors``, or of ``torch.save`` with ``weights_only``.

    A dict with the entry ``model_state_dict`` is one level deeper, and its entry ``model_id`` is used where none
    is given. Without `model`, the id names the folder or hub model whose architecture and tokenizer it is.

    Raises
    ------
    ValueError
        The file would have to be unpickled, does not fit, or nothing says which architecture it is for.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    state: dict[str, Any] = load_file(path) if path.suffix == ".safetensors" else _load_plain(path)
    if "model_state_dict" in state:
        named = state.get("model_id")
        model_id = model_id or (named if isinstance(named, str) else None)
        state = state["model_state_dict"]
    if model is None:
        if model_id is None:
            raise ValueError(f"{path} holds weights alone; pass model_id= or model= to say what they are for")
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model_id))
        tokenizer = AutoTokenizer.from_pretrained(model_id) if tokenizer is None else tokenizer
    _load_state(model, state, path)
    return model, tokenizer, model_id


def _load_plain(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the reader raise anything at all
        raise ValueError(f"{path} cannot be read as plain weights, and nothing else is ever unpickled") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds a {type(state).__name__}, not the weights of a model")
    return state


def _load_weights(model: nn.Module, files: list[Path]) -> None:
    if len(files) == 1:
        try:
            load_model(model, files[0])
        except RuntimeError as error:
            raise ValueError(f"{files[0]} does not fit a {type(model).__name__}: {error}") from error
        return
    state = {name: tensor for file in files for name, tensor in load_file(file).items()}
    _load_state(model, state, files[0].parent if files else Path())


def _load_state(model: nn.Module, state: Any, path: Path) -> None:
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} does not fit a {type(model).__name__}: {error}") from error


def _from_config(folder: Path) -> Any:
    """Return the class of transformers that wrote `folder`, which need not have a language-model head."""
    import transformers

    names = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    found = getattr(transformers, names[0], None) if names else None
    is_model = isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)
    return found if is_model else transformers.AutoModelForCausalLM
