"""Forward passes of a language model, with what its hooks make of them."""

from __future__ import annotations

import inspect
import logging
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks import HookRun, ModelInputDetector, RunReport, current_run
from core_hooks.hooks.compiled import unwrap
from core_hooks.language_model import detector_data
from core_hooks.language_model.placement import input_device
from core_hooks.language_model.runs import RunRecord, choose_name
from core_hooks.language_model.stopping import StopAfter
from core_hooks.language_model.texts import batches_of, dataset_batches, describe
from core_hooks.language_model.tokenizer import LanguageModelTokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torch import nn

    from core_hooks.language_model.language_model import LanguageModel

    Site = str | int | None

logger = logging.getLogger(__name__)


class InferenceEngine:
    """Tokenizes, runs the model once, and leaves what the hooks caught in them or in the store.

    Attributes
    ----------
    last_report
        What each registered hook did in the latest forward; None before the first.
    """

    def __init__(self, lm: LanguageModel) -> None:
        # The parts and not the whole, so that the model's owner can be dropped without a cycle.
        self._context = lm.context
        self._layers = lm.layers
        self._tokenizer = LanguageModelTokenizer(lm.context)
        self.last_report: RunReport | None = None

    @property
    def lm(self) -> LanguageModel | None:
        """The language model this belongs to; None once it is gone."""
        return self._context.language_model

    def execute_inference(
        self,
        texts: Sequence[str],
        tok_kwargs: Mapping[str, Any] | None = None,
        autocast: bool = True,
        autocast_dtype: torch.dtype | None = None,
        with_controllers: bool = True,
        stop_after_layer: Site | list[Site] = None,
    ) -> tuple[Any, Mapping[str, Any]]:
        """Run the model once on `texts`, in eval and inference mode.

        Parameters
        ----------
        texts
            One batch.
        tok_kwargs
            For the tokenizer, over its defaults (`LanguageModelTokenizer.tokenize`); never changed.
        autocast, autocast_dtype
            Mixed precision, on CUDA only; float16 unless another dtype is given.
        with_controllers
            False switches the controllers off for this forward, and for no other thread.
        stop_after_layer
            End the forward once this layer, or each of these, has run.

        Returns
        -------
        output
            What the model returned. When the forward was ended early, what the last of the stop layers returned.
        encodings
            What the tokenizer gave, on the model's device.

        Raises
        ------
        ValueError
            No texts, no tokenizer, or an unknown stop layer.
        HookError
            A hook failed.
        """
        if not texts:
            raise ValueError("Texts list cannot be empty")
        if isinstance(texts, str):
            raise ValueError("Texts must be a list of texts, not one text")
        encodings = self._encode(texts, tok_kwargs)
        layers = {} if stop_after_layer is None else self._layers_of(stop_after_layer)
        with self._run(with_controllers) as run, evaluating(self._model) as model, ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            stack.enter_context(self._autocast(autocast, autocast_dtype))
            readers = [d for d in self._layers.get_detectors() if isinstance(d, ModelInputDetector)]
            for reader in readers:
                reader.set_inputs_from_encodings(encodings)
            with StopAfter(layers, run) as stopping:
                # Compiled code would not notice the stop, and compiling a half of the forward gains nothing.
                output = call_with(unwrap(model) if layers else model, encodings)
            for reader in readers:
                # One that sits on a layer which is given no ids was cleared by that layer's call.
                if "input_ids" not in reader.tensor_metadata and "attention_mask" not in reader.tensor_metadata:
                    reader.set_inputs_from_encodings(encodings)
            self._report(run, stopping)
        return stopping.output if stopping.stopped else output, encodings

    def infer_texts(
        self,
        texts: Sequence[str],
        run_name: str | None = None,
        batch_size: int | None = None,
        tok_kwargs: Mapping[str, Any] | None = None,
        autocast: bool = True,
        autocast_dtype: torch.dtype | None = None,
        with_controllers: bool = True,
        clear_detectors_before: bool = False,
        verbose: bool = False,
        stop_after_layer: Site | list[Site] = None,
        save_in_batches: bool = True,
    ) -> tuple[Any, Any]:
        """Run the model on `texts` in batches and, with a run name, write what the detectors caught to the store.

        Parameters
        ----------
        run_name
            Write each batch under this name; it must not hold data yet. None writes nothing.
        batch_size
            Texts in a batch; None for all at once.
        clear_detectors_before
            Drop what the detectors hold first.
        verbose
            Log each batch.
        save_in_batches
            Write a batch a forward; False appends each to the run as a whole.
        tok_kwargs, autocast, autocast_dtype, with_controllers, stop_after_layer
            As for `execute_inference`.

        Returns
        -------
        tuple
            ``(output, encodings)`` without `batch_size`; with one, a list of outputs and a list of encodings.

        Raises
        ------
        ValueError
            As for `execute_inference`; or there is a run name and no store, or the run holds data.
        """
        if not texts:
            raise ValueError("Texts list cannot be empty")
        if isinstance(texts, str):
            raise ValueError("Texts must be a list of texts, not one text")
        record = None if run_name is None else self._record(run_name, batch_size, describe(texts), save_in_batches)
        options = {
            "tok_kwargs": tok_kwargs,
            "autocast": autocast,
            "autocast_dtype": autocast_dtype,
            "with_controllers": with_controllers,
            "stop_after_layer": stop_after_layer,
        }
        if clear_detectors_before:
            detector_data.clear(self._layers.get_detectors())
        done = list(self.run_batches(batches_of(texts, batch_size), options, record, verbose=verbose))
        if batch_size is None:
            return done[0]
        return [output for output, _ in done], [encodings for _, encodings in done]

    def infer_dataset(
        self,
        dataset: Any,
        run_name: str | None = None,
        batch_size: int = 32,
        tok_kwargs: Mapping[str, Any] | None = None,
        autocast: bool = True,
        autocast_dtype: torch.dtype | None = None,
        with_controllers: bool = True,
        free_cuda_cache_every: int | None = 0,
        clear_detectors_before: bool = False,
        verbose: bool = False,
        stop_after_layer: Site | list[Site] = None,
        save_in_batches: bool = True,
    ) -> str:
        """Run the model over a data set, writing what the detectors catch, and return the run's name.

        Parameters
        ----------
        dataset
            Texts, rows with a ``"text"``, or an object with ``iter_batches(size)``; see `dataset_batches`.
        run_name
            Default ``run_YYYYmmdd_HHMMSS``.
        free_cuda_cache_every
            Give torch's unused GPU memory back every so many batches; 0 or None never.

        Other parameters are as for `infer_texts`. Outputs are not kept.

        Raises
        ------
        ValueError
            There is no store, the run holds data, the data set is empty, or as for `execute_inference`.
        """
        record = self._record(run_name, batch_size, describe(dataset), save_in_batches)
        options = {
            "tok_kwargs": tok_kwargs,
            "autocast": autocast,
            "autocast_dtype": autocast_dtype,
            "with_controllers": with_controllers,
            "stop_after_layer": stop_after_layer,
        }
        if clear_detectors_before:
            detector_data.clear(self._layers.get_detectors())
        batches = dataset_batches(dataset, batch_size)
        for _ in self.run_batches(batches, options, record, free_cuda_cache_every, verbose):
            pass
        return record.name

    def extract_logits(self, output: Any) -> torch.Tensor:
        """Return the logits of a model's output: its ``logits``, else its first element, else itself.

        Raises
        ------
        ValueError
            None of these is a tensor.
        """
        logits = getattr(output, "logits", None)
        if isinstance(logits, torch.Tensor):
            return logits
        if isinstance(output, torch.Tensor):
            return output
        if isinstance(output, (tuple, list)) and output and isinstance(output[0], torch.Tensor):
            return output[0]
        raise ValueError(f"Unable to extract logits from output type: {type(output)}")

    def run_batches(
        self,
        batches: Iterable[list[str]],
        options: Mapping[str, Any],
        record: RunRecord | None,
        free_cuda_cache_every: int | None = 0,
        verbose: bool = False,
    ) -> Iterator[tuple[Any, Mapping[str, Any]]]:
        """Run the model on each batch, write what `record` asks for, and yield ``(output, encodings)``.

        Parameters
        ----------
        options
            Keywords for `execute_inference`.
        record
            The run to write; None writes nothing.

        Raises
        ------
        ValueError
            There is no batch; or as for `execute_inference`.
        """
        count = 0
        for index, texts in enumerate(batches):
            # Written inside the run, so that another thread's captures cannot come between.
            with self._run(options.get("with_controllers", True)):
                result = self.execute_inference(texts, **options)
                if record is not None:
                    record.write(index)
            count += 1
            if free_cuda_cache_every and count % free_cuda_cache_every == 0 and torch.cuda.is_available():
                torch.cuda.empty_cache()
            if verbose:
                logger.info("Batch %d done, %d texts", index, len(texts))
            yield result
        if not count:
            raise ValueError("Texts list cannot be empty")
        if record is not None:
            record.finish(count)

    @property
    def _model(self) -> nn.Module:
        assert self._context.model is not None
        return self._context.model

    def _record(
        self, run_name: str | None, batch_size: int | None, dataset: dict[str, Any], in_batches: bool
    ) -> RunRecord:
        store = self._context.store
        if store is None:
            raise ValueError("Store must be provided to save metadata")
        return RunRecord(
            store=store,
            name=choose_name(store, run_name),
            meta={
                "model": self._context.model_id,
                "options": {"batch_size": batch_size, "save_in_batches": in_batches},
                "dataset": dataset,
            },
            detectors=self._layers.get_detectors,
            label=self._layers.stored_label,
            in_batches=in_batches,
        )

    def _encode(self, texts: Sequence[str], tok_kwargs: Mapping[str, Any] | None) -> Mapping[str, Any]:
        encodings = self._tokenizer.tokenize(texts, **(tok_kwargs or {}))
        tracker = self._context.input_tracker
        if tracker is not None:
            tracker.set_current_texts(texts)
        device = input_device(self._model)
        if hasattr(encodings, "to"):
            moved: Mapping[str, Any] = encodings.to(device)
            return moved
        return {key: v.to(device) if isinstance(v, torch.Tensor) else v for key, v in encodings.items()}

    @contextmanager
    def _run(self, with_controllers: bool) -> Iterator[HookRun]:
        """Enter a run, or stay in the one that this thread is in if that treats controllers as asked."""
        outer = current_run()
        if outer is not None and (with_controllers or not outer.controllers):
            outer.expect(self._layers.get_hooks())
            yield outer
            return
        number, cancel = (0, None) if outer is None else (outer.number, outer.cancel)
        run = HookRun(number, cancel, controllers=with_controllers, hooks=self._layers.get_hooks())
        if outer is not None:
            run.step = outer.step
        with run:
            yield run
        if outer is not None:
            # What was captured belongs to the surrounding run too.
            outer.states.update(run.states)

    def _autocast(self, wanted: bool, dtype: torch.dtype | None) -> Any:
        if not wanted or torch.device(input_device(self._model)).type != "cuda":
            return nullcontext()
        return torch.autocast("cuda", dtype=dtype or torch.float16)

    def _layers_of(self, sites: Site | list[Site]) -> dict[str, nn.Module]:
        names = self._layers.names
        wanted = sites if isinstance(sites, (list, tuple)) else [sites]
        return {names.resolve(site): names.module(site) for site in wanted}

    def _report(self, run: HookRun, stopping: StopAfter) -> None:
        self.last_report = run.report()
        if stopping.pending and not stopping.stopped:
            names = ", ".join(repr(name) for name in stopping.pending)
            logger.warning("The forward was not ended early, because these layers did not run: %s", names)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put a model into eval mode and each of its modules back into training mode that was in it."""
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        yield model
    finally:
        for module in training:
            module.training = True


def call_with(model: nn.Module, encodings: Mapping[str, Any]) -> Any:
    """Call a model with what its tokenizer gave, as far as its forward has parameters for it.

    A forward that has none called ``input_ids`` gets the ids as its first argument.
    """
    parameters = inspect.signature(unwrap(model).forward).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return model(**encodings)
    named = {key: value for key, value in encodings.items() if key in parameters}
    if "input_ids" in named or "input_ids" not in encodings:
        return model(**named)
    return model(encodings["input_ids"], **named)
