"""Controllers for the usual interventions, each on a whole activation or a region of it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from core_hooks.hooks.controller import Controller
from core_hooks.hooks.hook_type import FORWARD, HookType

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from core_hooks.hooks.region import Region


class RegionController(Controller):
    """A controller that changes a region of an activation and leaves the rest.

    A subclass implements ``change``.

    Parameters
    ----------
    layer_signature
        Layer this controller is meant for, kept as given.
    region
        What to change; default: everything.
    hook_type, hook_id
        As for ``Hook``.
    **options
        Those of ``Controller``.
    """

    def __init__(
        self,
        layer_signature: str | int | None = None,
        *,
        region: Region | None = None,
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(hook_type=hook_type, hook_id=hook_id, layer_signature=layer_signature, **options)
        self.region = region

    @abstractmethod
    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return what takes the place of the region's values.

        Parameters
        ----------
        values
            The region, ``(..., tokens, channels)``, in the layer's dtype and on its device; not to be written
            into.
        whole
            The whole activation.

        Returns
        -------
        torch.Tensor
            Of a shape that can be expanded to that of ``values``.
        """

    def modify_activations(
        self, module: nn.Module, inputs: torch.Tensor | None, output: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Return the activation with its region changed, ``None`` if the region is empty in this call."""
        target = output if self._hook_type is FORWARD else inputs
        if target is None:
            return None
        if self.region is None:
            return self.change(target, target).expand_as(target)
        where: Any = self.region.index(target)
        values = target[where]
        if values.numel() == 0:
            return None
        changed = target.clone()
        changed[where] = self.change(values, target).to(target.dtype)
        return changed


class ScaleController(RegionController):
    """Multiplies by ``factor``, a number or a tensor that broadcasts."""

    def __init__(self, layer_signature: str | int | None, factor: float | torch.Tensor, **options: Any) -> None:
        super().__init__(layer_signature, **options)
        self.factor = factor

    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return ``values * factor``."""
        factor = self.factor
        return values * (factor.to(values) if isinstance(factor, torch.Tensor) else factor)


class AddController(RegionController):
    """Adds ``factor * vector``: activation steering.

    Parameters
    ----------
    vector
        A tensor that broadcasts, usually ``(channels,)``; it is moved to the layer's device and dtype at every
        call and, if it requires a gradient, gets one. [1]_
    factor
        Its strength.

    References
    ----------
    .. [1] A. Turner et al., "Activation Addition: Steering Language Models Without Optimization", 2023.
    """

    def __init__(
        self, layer_signature: str | int | None, vector: torch.Tensor, factor: float = 1.0, **options: Any
    ) -> None:
        super().__init__(layer_signature, **options)
        self.vector = vector
        self.factor = factor

    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return ``values + factor * vector``."""
        return values + self.factor * self.vector.to(values)


class ZeroController(RegionController):
    """Replaces by zeros: zero ablation."""

    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return zeros."""
        return torch.zeros_like(values)


class MeanController(RegionController):
    """Replaces by a mean: mean ablation.

    Parameters
    ----------
    mean
        A tensor that broadcasts, usually ``(channels,)``, e.g. the mean over a data set, of the whole
        activation's channels or of the region's. Default: each channel's mean over all tokens of the call.
    """

    def __init__(
        self, layer_signature: str | int | None = None, mean: torch.Tensor | None = None, **options: Any
    ) -> None:
        super().__init__(layer_signature, **options)
        self.mean = mean

    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return the mean, as large as ``values``."""
        mean = self.mean
        if mean is None:
            mean = whole.mean(dim=tuple(range(whole.dim() - 1)))
        mean = mean.to(values)
        if self.region is not None and mean.dim() and mean.shape[-1] == whole.shape[-1] != values.shape[-1]:
            mean = mean[..., self.region.index(whole)[-1]]  # type: ignore[index]
        return mean.expand_as(values)


class ClampController(RegionController):
    """Limits values to ``minimum`` and ``maximum``; ``ValueError`` if neither is given."""

    def __init__(
        self,
        layer_signature: str | int | None,
        minimum: float | None = None,
        maximum: float | None = None,
        **options: Any,
    ) -> None:
        if minimum is None and maximum is None:
            raise ValueError("ClampController needs a minimum, a maximum or both.")
        super().__init__(layer_signature, **options)
        self.minimum = minimum
        self.maximum = maximum

    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return the limited values."""
        return values.clamp(self.minimum, self.maximum)


class NoiseController(RegionController):
    """Adds Gaussian noise.

    Parameters
    ----------
    std
        Standard deviation, in units of the activation; with ``relative``, of the values' own.
    seed
        Makes the noise of a row of calls repeatable: it is drawn on the CPU from a generator of its own.
        ``reseed()`` starts it again. Default: torch's global generator.
    """

    def __init__(
        self,
        layer_signature: str | int | None,
        std: float,
        *,
        seed: int | None = None,
        relative: bool = False,
        **options: Any,
    ) -> None:
        if std < 0:
            raise ValueError(f"std cannot be negative, got: {std}")
        super().__init__(layer_signature, **options)
        self.std = std
        self.seed = seed
        self.relative = relative
        self._draws: torch.Generator | None = None
        self.reseed()

    def reseed(self) -> None:
        """Start the row of noise again."""
        self._draws = None if self.seed is None else torch.Generator().manual_seed(self.seed)

    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return ``values`` and noise."""
        noise = torch.randn(values.shape, generator=self._draws).to(values)
        scale = self.std * values.detach().float().std().to(values) if self.relative else self.std
        return values + scale * noise

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_draws": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.reseed()


class ProjectOutController(RegionController):
    """Removes what lies along some directions: directional ablation.

    Parameters
    ----------
    directions
        ``(channels,)`` or ``(number, channels)``, of any length and angle; their span is removed.

    Raises
    ------
    ValueError
        When they have another rank, or are not finite or all zero.
    """

    def __init__(self, layer_signature: str | int | None, directions: torch.Tensor, **options: Any) -> None:
        rows = directions.detach().to(dtype=torch.float32, device="cpu")
        rows = rows[None] if rows.dim() == 1 else rows
        if rows.dim() != 2 or not bool(torch.isfinite(rows).all()) or not bool(rows.any()):
            raise ValueError(
                "directions must be finite, not all zero, and of shape (channels,) or (number, channels), "
                f"got: {tuple(directions.shape)}"
            )
        super().__init__(layer_signature, **options)
        _, lengths, span = torch.linalg.svd(rows, full_matrices=False)
        # Orthonormal rows; directions that follow from others count once.
        self.basis = span[lengths > lengths[0] * 1e-6]

    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return ``values`` without their components in the span; computed in float32 or better."""
        precise = values if values.dtype is torch.float64 else values.float()
        basis = self.basis.to(precise)
        return (precise - (precise @ basis.T) @ basis).to(values.dtype)


class ReplaceController(RegionController):
    """Replaces by values from elsewhere: activation patching.

    Parameters
    ----------
    source
        A tensor, or a function that returns one when the layer is called, e.g. ``detector.get_captured``:
        as large as the whole activation, of which the region is taken, or as large as the region. A batch of
        one serves every row.

    Raises
    ------
    ValueError
        At the call, when there is nothing to replace with or its shape does not fit.
    """

    def __init__(
        self,
        layer_signature: str | int | None,
        source: torch.Tensor | Callable[[], torch.Tensor | None],
        **options: Any,
    ) -> None:
        super().__init__(layer_signature, **options)
        self.source = source

    def change(self, values: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return the source's values."""
        source = self.source if isinstance(self.source, torch.Tensor) else self.source()
        if source is None:
            raise ValueError("There is nothing to replace with: the source captured nothing yet.")
        if self.region is not None and source.shape[1:] == whole.shape[1:]:
            where: Any = self.region.index(source)
            source = source[where]
        if source.shape != values.shape and source.shape != (1, *values.shape[1:]):
            raise ValueError(
                f"The source has shape {tuple(source.shape)}, what it should replace {tuple(values.shape)}"
            )
        return source.to(values).expand_as(values)
