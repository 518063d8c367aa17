from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from core_hooks.model.opening import open_model
from core_hooks.model.reference import ModelReference
from tests.core_hooks.model.tiny import save_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core_hooks.model.opened import OpenedModel


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 with a tokenizer."""
    return save_folder(tmp_path_factory.mktemp("models") / "tiny-gpt2")


@pytest.fixture(scope="session")
def tiny(model_folder: Path) -> Iterator[OpenedModel]:
    """The tiny GPT-2, open; tests leave it as it is."""
    opened = open_model(ModelReference(str(model_folder)))
    yield opened
    opened.close()
