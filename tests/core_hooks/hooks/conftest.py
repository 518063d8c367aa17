"""Guards of the hooks' tests: one torch thread, no run left open, no compiled code shared between tests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import torch

from core_hooks.hooks.run import active_runs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    assert not active_runs
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is not None:
        dynamo.reset()
