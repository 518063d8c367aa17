"""A language model with its tokenizer, its layers, its hooks and its store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_hooks.hooks.compiled import unwrap
from core_hooks.language_model import detector_data, pretrained
from core_hooks.language_model.activations import LanguageModelActivations
from core_hooks.language_model.context import LanguageModelContext, special_token_ids
from core_hooks.language_model.inference import InferenceEngine
from core_hooks.language_model.input_tracker import InputTracker
from core_hooks.language_model.layers import LanguageModelLayers
from core_hooks.language_model.placement import place
from core_hooks.language_model.tokenizer import LanguageModelTokenizer, ensure_padding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import nn

    from core_hooks.capture.store import LayerTensors, Metadata, Store


class LanguageModel:
    """A language model, its tokenizer and a store, with everything that can be done with the three.

    Parameters
    ----------
    model
        Any module; a causal language model of transformers as a rule. Wrappers of ``torch.compile`` and data
        parallelism are looked through for names and for saving.
    tokenizer
        A tokenizer of transformers, or anything called like one; None for a model that is only hooked. One that
        cannot pad is set to pad with its end-of-text token.
    store
        Where captures are written; None until one is set.
    model_id
        Short name. Default: the model's ``config.name_or_path`` with ``_`` for ``/``, else its class name.
    device
        Where to move the model; None leaves it where it is. A model that is spread over several devices, is
        quantised or has no weights is never moved.

    Attributes
    ----------
    layers
        Names of the layers, and the hooks registered on them (`LanguageModelLayers`).
    inference
        Forward passes (`InferenceEngine`).
    activations
        Saving of activations (`LanguageModelActivations`).
    lm_tokenizer
        Tokenization (`LanguageModelTokenizer`).
    context
        What all of these share (`LanguageModelContext`).

    Raises
    ------
    ValueError
        `device` is no device.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        store: Store | None,
        model_id: str | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        ensure_padding(tokenizer)
        first = next(unwrap(model).parameters(), None)
        self.context = LanguageModelContext(
            language_model=self,
            model_id=model_id or _name_of(unwrap(model)),
            device=place(model, device),
            dtype=None if first is None else first.dtype,
            model=model,
            tokenizer=tokenizer,
            store=store,
            special_token_ids=special_token_ids(tokenizer),
        )
        self.layers = LanguageModelLayers(self.context)
        self.lm_tokenizer = LanguageModelTokenizer(self.context)
        self.inference = InferenceEngine(self)
        self.activations = LanguageModelActivations(self)

    @property
    def model(self) -> nn.Module:
        """The module itself."""
        assert self.context.model is not None
        return self.context.model

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, or None."""
        return self.context.tokenizer

    @property
    def model_id(self) -> str:
        """Short name, without ``/``."""
        assert self.context.model_id is not None
        return self.context.model_id

    @property
    def store(self) -> Store | None:
        """Where captures are written; may be set at any time."""
        return self.context.store

    @store.setter
    def store(self, store: Store | None) -> None:
        self.context.store = store

    def tokenize(self, texts: Sequence[str], **kwargs: Any) -> Mapping[str, Any]:
        """Return the encodings of `texts`; see `LanguageModelTokenizer.tokenize`."""
        return self.lm_tokenizer.tokenize(texts, **kwargs)

    def get_input_tracker(self) -> InputTracker | None:
        """Return the tracker of the current texts; None until one is created."""
        return self.context.input_tracker

    def ensure_input_tracker(self) -> InputTracker:
        """Return the tracker of the current texts, created (off) on the first call."""
        return self.context.input_tracker or InputTracker(self)

    def get_all_detector_metadata(self) -> tuple[Metadata, LayerTensors]:
        """Return what the registered detectors hold, as ``(metadata, tensors)``.

        Both are dicts by layer signature, as it was given at registration, and within it by the detector's own
        keys. Where several detectors share a layer the first has the signature, and each further one
        ``<signature>@<hook id>``, so that none hides another.
        """
        return detector_data.collect(self.layers.get_detectors(), lambda detector: detector.layer_signature)

    def clear_detectors(self) -> None:
        """Drop what the registered detectors hold."""
        detector_data.clear(self.layers.get_detectors())

    def save_detector_metadata(
        self,
        run_name: str,
        batch_idx: int | None,
        unified: bool = False,
        clear_after_save: bool = True,
    ) -> str:
        """Write what the registered detectors hold to the store and return where.

        A detector that has a store of its own is written to that one. Layers are named as at registration,
        positions by their dotted names; further detectors of a layer as in `get_all_detector_metadata`.

        Parameters
        ----------
        run_name
            The run; one path component.
        batch_idx
            The batch, from 0; may be None only if `unified`.
        unified
            Append to the run as a whole (``put_run_detector_metadata``) instead of writing a batch.
        clear_after_save
            Drop it from the detectors afterwards.

        Raises
        ------
        ValueError
            There is no store, or no batch index where one is needed.
        """
        detectors = self.layers.get_detectors()
        if self.store is None and not (detectors and all(detector.store is not None for detector in detectors)):
            raise ValueError("Store must be provided or set on the language model")
        if batch_idx is None and not unified:
            raise ValueError("batch_idx must be provided when unified is False")
        index = None if unified else batch_idx
        where = detector_data.save(detectors, self.layers.stored_label, self.store, run_name, index)
        if clear_after_save:
            detector_data.clear(detectors)
        return where

    def save_model(self, path: str | Path | None = None) -> Path:
        """Write model and tokenizer to a folder as safetensors and JSON, and return the folder.

        Parameters
        ----------
        path
            A folder that is new, empty, or an earlier saving. Default: the store's folder for models, by model id.

        Raises
        ------
        ValueError
            There is neither a path nor a store.
        FileExistsError
            The folder holds something else.
        """
        if path is None:
            if self.store is None:
                raise ValueError("Store must be provided or set on the language model")
            path = self.store.base_path / self.store.model_prefix / self.model_id
        folder = Path(path)
        pretrained.write_folder(folder, self.model, self.tokenizer, self.model_id)
        return folder

    @classmethod
    def from_huggingface(
        cls,
        name: str,
        store: Store | None,
        tokenizer_params: dict[str, Any] | None = None,
        model_params: dict[str, Any] | None = None,
        device: str | torch.device | None = None,
    ) -> LanguageModel:
        """Open a causal language model of transformers and its tokenizer by hub id or folder.

        Parameters
        ----------
        tokenizer_params, model_params
            For ``AutoTokenizer.from_pretrained`` and ``AutoModelForCausalLM.from_pretrained``.
        """
        model, tokenizer = pretrained.open_pretrained(name, name, model_params, tokenizer_params)
        opened = cls(model, tokenizer, store, device=device)
        opened.context.tokenizer_params, opened.context.model_params = tokenizer_params, model_params
        return opened

    @classmethod
    def from_local_torch(
        cls,
        model_path: str | Path,
        tokenizer_path: str | Path,
        store: Store | None,
        device: str | torch.device | None = None,
    ) -> LanguageModel:
        """Open a model and a tokenizer that ``save_pretrained`` wrote to two folders; nothing is downloaded."""
        local = {"local_files_only": True}
        model, tokenizer = pretrained.open_pretrained(model_path, tokenizer_path, local, local)
        return cls(model, tokenizer, store, device=device)

    @classmethod
    def from_local(
        cls,
        saved_path: str | Path,
        store: Store | None,
        model_id: str | None = None,
        device: str | torch.device | None = None,
        *,
        model: nn.Module | None = None,
        tokenizer: Any = None,
    ) -> LanguageModel:
        """Open what `save_model` wrote, or the weights in one file.

        Parameters
        ----------
        saved_path
            A folder of `save_model` or ``save_pretrained``, or a file of weights: safetensors, or ``torch.save``
            of a state dict, which is read with ``weights_only=True``.
        model_id
            The new model's name. For a file also the folder or hub id whose architecture and tokenizer to use.
        model
            Load the weights into this one; needed where transformers does not know the class.
        tokenizer
            Use this one instead of the saved one.

        Raises
        ------
        FileNotFoundError
            There is nothing at `saved_path`.
        ValueError
            The weights do not fit, would have to be unpickled, or nothing says what they are for.
        """
        path = Path(saved_path)
        if path.is_dir():
            model, tokenizer, saved_id = pretrained.read_folder(path, model, tokenizer)
            return cls(model, tokenizer, store, model_id=model_id or saved_id, device=device)
        if not path.is_file():
            raise FileNotFoundError(f"There is no saved model at {path}")
        model, tokenizer, found_id = pretrained.read_checkpoint(path, model, tokenizer, model_id)
        return cls(model, tokenizer, store, model_id=found_id and _safe(found_id), device=device)


def _name_of(model: nn.Module) -> str:
    named = getattr(getattr(model, "config", None), "name_or_path", None)
    return _safe(named) if isinstance(named, str) and named else type(model).__name__


def _safe(name: str) -> str:
    return re.sub(r"[/\\:]", "_", name)
