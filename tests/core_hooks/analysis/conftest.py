from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from core_hooks.model.anatomy import discover
from core_hooks.model.opening import open_model
from core_hooks.model.readout import verify
from core_hooks.model.reference import ModelReference
from tests.core_hooks.analysis.subjects import Subject

DEMO = Path(__file__).resolve().parents[3] / "resources" / "demo_model"


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def demo() -> Subject:
    opened = open_model(ModelReference(str(DEMO)))
    return Subject(opened, verify(opened, discover(opened)))


@pytest.fixture(scope="session")
def smollm() -> Subject:
    folder = os.environ.get("MI_CROW_SMOLLM")
    if not folder:
        pytest.skip("MI_CROW_SMOLLM names no folder")
    opened = open_model(ModelReference(folder))
    return Subject(opened, verify(opened, discover(opened)))
