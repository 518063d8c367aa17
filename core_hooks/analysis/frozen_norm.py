"""A normalisation with its scale held fixed, which makes it a linear map that terms of a sum go through one by one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from core_hooks.model.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


class FrozenNorm:
    """What a normalisation over channels does to the terms of one vector.

    Found out by calling the module on probes, so that it holds for layer norms and root mean square norms of any make,
    with weights, weights less one, biases or none; and checked on the vector itself.

    Parameters
    ----------
    module
        The normalisation; hooks on it don't see the probes.
    vector
        The sum of the terms as the model had it, ``[channels]``.

    Attributes
    ----------
    bias
        float64 ``[channels]``: what comes out whatever goes in.

    Raises
    ------
    ModelError
        The module does something else than scaling, with or without taking off the mean.
    """

    def __init__(self, module: nn.Module, vector: torch.Tensor, path: str) -> None:
        # In float64 a half precision model's own rounding is not multiplied; a copy carries no hooks that act.
        norm = copy.deepcopy(module).double()
        vector = vector.detach().double()

        def call(values: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = norm.forward(values[None, None])[0, 0].double()
            return result

        with torch.no_grad():
            output = call(vector)
            self.bias = call(torch.zeros_like(vector))
            self._weight = _weight(call, self.bias)
            spread = vector.std(correction=0)
            shifted = call(vector + spread)
            self._centred = float((shifted - output).abs().max()) < 1e-3 * float(
                (output - self.bias).abs().max() + 1e-12
            )
            plain = self._weight * self._off_mean(vector)
            self._scale = float((plain * (output - self.bias)).sum() / plain.square().sum())
            missed = float((self(vector) + self.bias - output).abs().max())
        if not missed <= 1e-4 * (float(output.abs().max()) + 1e-12):
            raise ModelError(
                f"{path} is not a normalisation that only scales, so what goes through it can't be told apart."
            )

    def __call__(self, terms: torch.Tensor) -> torch.Tensor:
        """Return what each term ``[..., channels]`` becomes, float64; their sum and `bias` is the norm's output."""
        return self._scale * self._weight * self._off_mean(terms.double())

    def _off_mean(self, values: torch.Tensor) -> torch.Tensor:
        return values - values.mean(-1, keepdim=True) if self._centred else values


def _weight(call: Callable[[torch.Tensor], torch.Tensor], bias: torch.Tensor) -> torch.Tensor:
    """Return the weights up to a common factor, read from probes of ones with alternating signs, which have no mean."""
    channels = len(bias)
    signs = 1.0 - 2.0 * (torch.arange(channels, dtype=torch.float64, device=bias.device) % 2)
    if channels % 2 == 0:
        return (call(signs) - bias) * signs
    # With an odd number one channel must stay 0 for the mean to be: two probes, another one each.
    last, first = signs.clone(), -signs
    last[-1], first[0] = 0.0, 0.0
    weight = (call(last) - bias) * last
    weight[-1] = ((call(first) - bias) * first)[-1]
    return weight
