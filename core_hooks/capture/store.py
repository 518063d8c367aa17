"""What every store of runs offers, wherever it keeps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    Batch: TypeAlias = "list[torch.Tensor] | dict[str, torch.Tensor]"
    Metadata: TypeAlias = dict[str, dict[str, Any]]
    LayerTensors: TypeAlias = dict[str, dict[str, torch.Tensor]]


class Store(ABC):
    """Keeps tensors and plain metadata by run, batch, layer and key.

    A run holds any number of batches. A batch is either a list or mapping of tensors (`put_run_batch`) or
    what the detectors of one forward caught, by layer and key (`put_detector_metadata`). That may instead be
    appended to the run as a whole (`put_run_detector_metadata`).

    Parameters
    ----------
    base_path
        Where the store begins; for a store on disk a folder, which need not exist yet.
    runs_prefix, dataset_prefix, model_prefix
        Names under `base_path` for runs, data sets and models.
    """

    def __init__(
        self,
        base_path: Path | str = "",
        runs_prefix: str = "runs",
        dataset_prefix: str = "datasets",
        model_prefix: str = "models",
    ) -> None:
        self.base_path = Path(base_path)
        self.runs_prefix = runs_prefix
        self.dataset_prefix = dataset_prefix
        self.model_prefix = model_prefix

    @abstractmethod
    def put_run_batch(
        self, run_id: str, batch_index: int, tensors: Sequence[torch.Tensor] | Mapping[str, torch.Tensor]
    ) -> str:
        """Store the tensors of one batch, replacing an earlier one, and return where."""

    @abstractmethod
    def get_run_batch(self, run_id: str, batch_index: int) -> Batch:
        """Return the tensors of one batch, on the CPU, as the list or mapping that was stored."""

    @abstractmethod
    def list_run_batches(self, run_id: str) -> list[int]:
        """Return the indices of the run's batches, ascending; empty for an unknown run."""

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Delete everything stored of a run; an unknown run is no error."""

    @abstractmethod
    def put_run_metadata(self, run_id: str, meta: dict[str, Any]) -> str:
        """Store the metadata of a run, replacing earlier metadata, and return where."""

    @abstractmethod
    def get_run_metadata(self, run_id: str) -> dict[str, Any]:
        """Return the metadata of a run; ``{}`` when there is none."""

    @abstractmethod
    def put_detector_metadata(
        self, run_id: str, batch_index: int, metadata: Metadata, tensor_metadata: LayerTensors
    ) -> str:
        """Store what the detectors of one batch caught, replacing an earlier batch, and return where."""

    @abstractmethod
    def get_detector_metadata(self, run_id: str, batch_index: int) -> tuple[Metadata, LayerTensors]:
        """Return what `put_detector_metadata` stored: metadata and tensors, both by layer and key."""

    @abstractmethod
    def get_detector_metadata_by_layer_by_key(
        self, run_id: str, batch_index: int, layer: str, key: str
    ) -> torch.Tensor:
        """Return one tensor of one batch without reading the others."""

    @abstractmethod
    def put_run_detector_metadata(self, run_id: str, metadata: Metadata, tensor_metadata: LayerTensors) -> str:
        """Append what the detectors caught to the run as a whole, and return where."""

    def iter_run_detector_metadata(self, run_id: str) -> Iterator[tuple[Metadata, LayerTensors]]:
        """Yield what `put_run_detector_metadata` appended, in order.

        Raises
        ------
        NotImplementedError
            The store was written without a reader for it.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot read the detector data of a whole run")

    def iter_run_batches(self, run_id: str) -> Iterator[Batch]:
        """Yield the batches of a run in ascending order of their indices, one in memory at a time."""
        for index in self.list_run_batches(run_id):
            yield self.get_run_batch(run_id, index)

    def iter_run_batch_range(
        self, run_id: str, *, start: int = 0, stop: int | None = None, step: int = 1
    ) -> Iterator[Batch]:
        """Yield the batches whose index is in ``range(start, stop, step)``, skipping indices without a batch.

        Raises
        ------
        ValueError
            `start` is negative or `step` is not positive.
        """
        if start < 0:
            raise ValueError(f"start must not be negative, got: {start}")
        if step < 1:
            raise ValueError(f"step must be at least 1, got: {step}")
        present = self.list_run_batches(run_id)
        wanted = range(start, (present[-1] + 1 if present else 0) if stop is None else stop, step)
        return (self.get_run_batch(run_id, index) for index in present if index in wanted)
