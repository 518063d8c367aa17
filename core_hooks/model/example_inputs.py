"""Something to run a model on that takes no tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import nn


def example_inputs(model: nn.Module) -> tuple[dict[str, Any] | None, str]:
    """Return inputs for a model that takes images and a sentence about them; None and ``""`` for any other model.

    The image is noise of the size that the config names, [1, channels, height, width] in the model's dtype, the
    same at every call.
    """
    config = getattr(model, "config", None)
    if getattr(model, "main_input_name", "") != "pixel_values":
        return None, ""
    vision = getattr(config, "vision_config", config)
    size, channels = getattr(vision, "image_size", None), getattr(vision, "num_channels", 3)
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    if not isinstance(height, int) or not isinstance(width, int):
        return None, ""
    noise = torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(0))
    first = next(model.parameters(), noise)
    return (
        {"pixel_values": noise.to(first.device, first.dtype)},
        f"{type(model).__name__} takes images, not text; it runs on an image of noise, {height} by {width}.",
    )
