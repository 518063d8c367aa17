"""Windows of tokens through a model, as far as the last site that is wanted, and the rows of each site."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core_hooks.capture.corpus_writer import CorpusSite
from core_hooks.capture.index import CaptureError
from core_hooks.capture.row_detector import RowDetector, as_numpy, to_host
from core_hooks.hooks.attachment import attach
from core_hooks.hooks.run import HookRun
from core_hooks.hooks.stop_after import StopAfter
from core_hooks.model.architecture import kind_of
from core_hooks.model.batch import TokenBatch
from core_hooks.model.forward import call
from core_hooks.model.inputs import decoder_start, input_device, pad_id, parameters_of
from core_hooks.model.prompt import token_text
from core_hooks.model.tokens import TokenSequence

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from core_hooks.capture.batching import PaddedBatch
    from core_hooks.capture.job_settings import JobSettings
    from core_hooks.hooks.hook import Hook
    from core_hooks.model.opened import OpenedModel

Rows = dict[str, np.ndarray]
_MOVED_AS = {2: torch.int16, 4: torch.int32}
_STORED = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


class ArrivingRows:
    """Rows of a batch on their way to host memory; may be waited for in another thread.

    Parameters
    ----------
    arriving
        Of each site what `core_hooks.capture.row_detector.to_host` gave.
    kept
        Which of the rows are of real tokens; None for all.
    """

    def __init__(
        self, arriving: Mapping[str, tuple[torch.Tensor, torch.cuda.Event | None]], kept: np.ndarray | None
    ) -> None:
        self._arriving = arriving
        # Padding is left out here, by the thread that waits, which need not be that of the model.
        self._kept = None if kept is None else torch.from_numpy(kept)

    def take(self) -> Rows:
        """The rows of each site, once they are there."""
        return {
            name: as_numpy(host if self._kept is None else host.index_select(0, self._kept))
            for name, host in self._arrived()
        }

    def put(self, places: Rows) -> None:
        """Copy the rows of each site, once they are there, to where they are wanted."""
        for name, host in self._arrived():
            # Whatever the values are, they are only moved; not every dtype can be selected from.
            kind = _MOVED_AS[host.element_size()]
            rows, place = host.view(kind), torch.from_numpy(places[name]).view(kind)
            if self._kept is None:
                place.copy_(rows)
            else:
                torch.index_select(rows, 0, self._kept, out=place)

    def _arrived(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, (host, event) in self._arriving.items():
            if event is not None:
                event.synchronize()
            yield name, host


class CorpusForward:
    """Runs batches and keeps the rows of the real tokens; a context manager that takes off every hook it put on.

    Parameters
    ----------
    controllers
        Hooks to act meanwhile, by site, besides those that are attached already.
    cancel
        Once set, the forward that runs ends at its next hook.
    on_batch
        Called with the tokens of each batch before it runs, for who tells controllers of them.

    Attributes
    ----------
    pads
        Whether windows of different lengths may go together: only if the model can be told what is padding.
    pad
        Token id that padding has.
    on_cpu
        Whether rows are in host memory once they are computed.
    """

    def __init__(
        self,
        opened: OpenedModel,
        settings: JobSettings,
        controllers: Mapping[str, Hook],
        cancel: threading.Event,
        on_batch: Callable[[TokenBatch], None] | None = None,
    ) -> None:
        self._opened = opened
        self._settings = settings
        self._controllers = dict(controllers)
        self._detectors = {site: RowDetector(site, settings.stage) for site in settings.sites}
        self._cancel = cancel
        self._on_batch = on_batch
        self._texts: dict[int, str] = {}  # of the token ids seen so far, where somebody wants to know
        self._special = frozenset(getattr(opened.tokenizer, "all_special_ids", ()))
        self._held = ExitStack()
        self._run: HookRun | None = None
        self._device = input_device(opened)
        self._takes = parameters_of(opened.model)
        self.pads = "attention_mask" in self._takes
        self.pad = pad_id(opened)
        self.on_cpu = all(part.device.type == "cpu" for part in opened.model.parameters())

    def __enter__(self) -> CorpusForward:
        model = self._opened.model
        with ExitStack() as stack:
            # One mapping by site: the order on a module is that of ranks, not of attaching.
            stack.enter_context(attach(model, self._controllers))
            stack.enter_context(attach(model, self._detectors))
            stack.enter_context(StopAfter(model, self._detectors))
            self._run = stack.enter_context(HookRun(cancel=self._cancel))
            self._held = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._held.close()

    def sites(self, token_id: int) -> list[CorpusSite]:
        """What each site gives, found by a forward over two times three tokens.

        Raises
        ------
        CaptureError
            For a site that does not run, or gives nothing that has a row for each token.
        """
        for detector in self._detectors.values():
            detector.dtype = None
        self._tell(np.full(6, token_id, np.int32), np.array([3, 3]))
        self._forward(np.full((2, 3), token_id, np.int64), None)
        found = []
        for name, detector in self._detectors.items():
            shape, dtype = detector.shape, detector.source_dtype
            if shape is None or dtype is None:
                raise CaptureError(f"'{name}' does not run or gives no tensor, so it can't be captured; leave it out.")
            if shape[:2] == (2, 3):
                row_shape = shape[2:]
            elif shape[:1] == (6,):
                row_shape = shape[1:]
            else:
                text = " × ".join(map(str, shape))
                raise CaptureError(
                    f"'{name}' gives {text} for 2 texts of 3 tokens, which has no row for each token; leave it out."
                )
            if not dtype.is_floating_point:
                raise CaptureError(f"'{name}' gives {dtype}, not floating-point numbers; leave it out.")
            wanted = self._settings.dtype
            stored = _STORED.get(dtype, "float32") if wanted == "auto" else wanted
            detector.dtype = getattr(torch, stored)
            dtype_name = str(dtype).removeprefix("torch.")
            found.append(CorpusSite(name, detector.stage, dtype_name, stored, tuple(row_shape) or (1,)))
        return found

    def rows(self, batch: PaddedBatch) -> ArrivingRows | None:
        """Run one batch; the rows of each site, window behind window, as stored; None when the job was cancelled."""
        if self._on_batch is not None:
            ids = batch.ids.reshape(-1)
            self._tell(ids if batch.kept is None else ids[batch.kept], batch.lengths)
        if not self._forward(batch.ids, None if batch.kept is None else batch.mask):
            return None
        arriving = {name: to_host(detector.take()) for name, detector in self._detectors.items()}
        return ArrivingRows(arriving, batch.kept)

    def check_controllers(self) -> None:
        """Raise when a hook has failed in this job and was switched off: the rows since would not be the same."""
        assert self._run is not None
        failed = next((record for record in self._run.report().hooks if record.failed), None)
        if failed is not None:
            raise CaptureError(f"A hook on '{failed.layer}' failed, so the capture stops: {failed.error}")

    def _tell(self, ids: np.ndarray, lengths: np.ndarray) -> None:
        """Say which tokens the next forward has."""
        if self._on_batch is None:
            return
        rows = []
        for row in np.split(ids, np.cumsum(lengths)[:-1]):
            numbers = tuple(row.tolist())
            rows.append(
                TokenSequence(
                    numbers, tuple(map(self._text, numbers)), tuple(number in self._special for number in numbers)
                )
            )
        self._on_batch(TokenBatch(tuple(rows)))

    def _text(self, token_id: int) -> str:
        text = self._texts.get(token_id)
        if text is None:
            text = self._texts[token_id] = token_text(self._opened, token_id)
        return text

    def _forward(self, ids: np.ndarray, mask: np.ndarray | None) -> bool:
        batch, longest = ids.shape
        inputs: dict[str, Any] = {}
        tokens = torch.from_numpy(ids).to(self._device)
        if hasattr(self._opened.model, "config"):
            inputs["input_ids"] = tokens
            if mask is not None:
                inputs["attention_mask"] = torch.from_numpy(mask).to(self._device)
            if "use_cache" in self._takes:
                inputs["use_cache"] = False
            if kind_of(self._opened.model) == "seq2seq":
                start = decoder_start(self._opened.model)
                inputs["decoder_input_ids"] = torch.full((batch, 1), start, device=self._device)
        else:
            inputs["*"] = (tokens,)
        for detector in self._detectors.values():
            detector.begin(batch * longest)
        _, stopped = call(self._opened, inputs)
        return stopped != "cancelled" and not self._cancel.is_set()
