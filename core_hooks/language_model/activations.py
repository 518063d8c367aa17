"""Saving the activations of layers, over lists of texts and data sets of any size."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from core_hooks.hooks import Detector, LayerActivationDetector, ModelInputDetector
from core_hooks.language_model.runs import RunRecord, choose_name
from core_hooks.language_model.texts import batches_of, dataset_batches, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch

    from core_hooks.language_model.language_model import LanguageModel

    Site = str | int

# What a store calls the layer of the attention masks.
MASKS = "attention_masks"


class LanguageModelActivations:
    """Runs a language model over texts and writes what chosen layers returned to its store.

    The run's metadata says ``run_name``, ``model``, ``options``, ``dataset``, ``layer_signatures`` (as in the
    store), ``layers`` (their dotted names), ``num_layers``, ``num_batches`` and whether it is ``finished``.
    """

    def __init__(self, lm: LanguageModel) -> None:
        self._context = lm.context
        self._layers = lm.layers
        self._inference = lm.inference

    def save_activations(
        self,
        texts: Sequence[str],
        layer_signature: Site | Sequence[Site],
        run_name: str | None = None,
        batch_size: int | None = None,
        *,
        dtype: torch.dtype | None = None,
        max_length: int | None = None,
        autocast: bool = True,
        autocast_dtype: torch.dtype | None = None,
        free_cuda_cache_every: int | None = 0,
        verbose: bool = False,
        save_in_batches: bool = True,
        save_attention_mask: bool = False,
        stop_after_last_layer: bool = True,
    ) -> str:
        """Save what one or more layers return for `texts`, and return the run's name.

        Parameters
        ----------
        layer_signature
            A layer, or several, by any spelling; order means nothing.
        run_name
            Default ``run_YYYYmmdd_HHMMSS``.
        batch_size
            Texts in a batch; None for all at once.
        dtype
            Cast activations to this; default: as they are.
        max_length
            Truncate texts to this many tokens.
        autocast, autocast_dtype
            Mixed precision, on CUDA only; float16 unless another dtype is given.
        free_cuda_cache_every
            Give torch's unused GPU memory back every so many batches; 0 or None never.
        verbose
            Log each batch.
        save_in_batches
            Write a batch a forward, ``activations`` by layer, shape ``(texts, tokens, channels)`` as a rule;
            False appends each to the run as a whole.
        save_attention_mask
            Also write ``attention_mask`` of the layer ``attention_masks``: bool, ``(texts, tokens)``, False at
            padding and special tokens.
        stop_after_last_layer
            End each forward once every one of the layers has run.

        Raises
        ------
        ValueError
            No texts, no layer, no store, no tokenizer, an unknown layer, or a run that holds data already.
            Nothing stays attached, whatever happens.
        """
        if not texts:
            raise ValueError("Texts list cannot be empty")
        if isinstance(texts, str):
            raise ValueError("Texts must be a list of texts, not one text")
        return self._save(
            batches_of(texts, batch_size),
            describe(texts),
            layer_signature,
            run_name,
            batch_size,
            dtype=dtype,
            max_length=max_length,
            autocast=autocast,
            autocast_dtype=autocast_dtype,
            free_cuda_cache_every=free_cuda_cache_every,
            verbose=verbose,
            save_in_batches=save_in_batches,
            save_attention_mask=save_attention_mask,
            stop_after_last_layer=stop_after_last_layer,
        )

    def save_activations_dataset(
        self,
        dataset: Any,
        layer_signature: Site | Sequence[Site],
        run_name: str | None = None,
        batch_size: int = 32,
        *,
        dtype: torch.dtype | None = None,
        max_length: int | None = None,
        autocast: bool = True,
        autocast_dtype: torch.dtype | None = None,
        free_cuda_cache_every: int | None = 0,
        verbose: bool = False,
        save_in_batches: bool = True,
        save_attention_mask: bool = False,
        stop_after_last_layer: bool = True,
    ) -> str:
        """Save what one or more layers return for a data set, and return the run's name.

        Parameters
        ----------
        dataset
            Texts, rows with a ``"text"``, or an object with ``iter_batches(size)``; see `dataset_batches`.

        Everything else is as for `save_activations`.
        """
        return self._save(
            dataset_batches(dataset, batch_size),
            describe(dataset),
            layer_signature,
            run_name,
            batch_size,
            dtype=dtype,
            max_length=max_length,
            autocast=autocast,
            autocast_dtype=autocast_dtype,
            free_cuda_cache_every=free_cuda_cache_every,
            verbose=verbose,
            save_in_batches=save_in_batches,
            save_attention_mask=save_attention_mask,
            stop_after_last_layer=stop_after_last_layer,
        )

    def _save(
        self,
        batches: Iterable[list[str]],
        dataset: dict[str, Any],
        layer_signature: Site | Sequence[Site],
        run_name: str | None,
        batch_size: int | None,
        *,
        dtype: torch.dtype | None,
        max_length: int | None,
        autocast: bool,
        autocast_dtype: torch.dtype | None,
        free_cuda_cache_every: int | None,
        verbose: bool,
        save_in_batches: bool,
        save_attention_mask: bool,
        stop_after_last_layer: bool,
    ) -> str:
        store = self._context.store
        if store is None:
            raise ValueError("Store must be provided or set on the language model")
        layers = self._named(layer_signature)
        name = choose_name(store, run_name)
        with ExitStack() as attached:
            detectors: list[Detector] = []
            for signature in layers.values():
                detector = LayerActivationDetector(signature, target_dtype=dtype)
                self._layers.register_hook(signature, detector)
                attached.callback(self._layers.unregister_hook, detector)
                detectors.append(detector)
            stored = [self._layers.stored_label(detector) for detector in detectors]
            masks = ModelInputDetector(save_input_ids=False, save_attention_mask=True)
            if save_attention_mask:
                self._layers.register_hook("", masks)
                attached.callback(self._layers.unregister_hook, masks)
                detectors.append(masks)
            record = RunRecord(
                store=store,
                name=name,
                meta={
                    "model": self._context.model_id,
                    "options": {
                        "batch_size": batch_size,
                        "dtype": None if dtype is None else str(dtype),
                        "max_length": max_length,
                        "autocast": autocast,
                        "autocast_dtype": None if autocast_dtype is None else str(autocast_dtype),
                        "save_in_batches": save_in_batches,
                        "save_attention_mask": save_attention_mask,
                        "stop_after_last_layer": stop_after_last_layer,
                    },
                    "dataset": dataset,
                    "layer_signatures": stored,
                    "layers": list(layers),
                    "num_layers": len(layers),
                },
                detectors=lambda: detectors,
                label=lambda detector: MASKS if detector is masks else self._layers.stored_label(detector),
                in_batches=save_in_batches,
            )
            options = {
                "tok_kwargs": {} if max_length is None else {"max_length": max_length},
                "autocast": autocast,
                "autocast_dtype": autocast_dtype,
                "stop_after_layer": list(layers) if stop_after_last_layer else None,
            }
            for _ in self._inference.run_batches(batches, options, record, free_cuda_cache_every, verbose):
                pass
        return name

    def _named(self, layer_signature: Site | Sequence[Site]) -> dict[str, Site]:
        """Return the layers as they were given, by canonical name, each once."""
        given = [layer_signature] if isinstance(layer_signature, (str, int)) else list(layer_signature)
        if not given:
            raise ValueError("At least one layer must be given")
        named: dict[str, Site] = {}
        for signature in given:
            named.setdefault(self._layers.names.resolve(signature), signature)
        return named
