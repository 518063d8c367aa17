"""When a hook runs, and the types of what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

import torch

HOOK_FUNCTION_INPUT: TypeAlias = Sequence[torch.Tensor]
HOOK_FUNCTION_OUTPUT: TypeAlias = torch.Tensor | Sequence[torch.Tensor] | None


class HookType(str, Enum):  # noqa: UP042 - StrEnum would change str() for programs written for the reference
    """When a hook runs: before its module's forward (``PRE_FORWARD``) or after it (``FORWARD``).

    The plain strings ``"forward"`` and ``"pre_forward"`` are accepted wherever a ``HookType`` is.
    """

    FORWARD = "forward"
    PRE_FORWARD = "pre_forward"


# Looking a member up on its class costs more than anything else a hook does on its way to its work.
FORWARD = HookType.FORWARD


def as_hook_type(value: HookType | str) -> HookType:
    """Return the ``HookType`` meant by a member or its string; ``ValueError`` for anything else."""
    if isinstance(value, HookType):
        return value
    if isinstance(value, str):
        try:
            return HookType(value)
        except ValueError:
            allowed = [member.value for member in HookType]
            raise ValueError(f"Invalid hook_type string '{value}'. Must be one of: {allowed}") from None
    raise ValueError(f"hook_type must be HookType enum or string, got: {type(value)}")
