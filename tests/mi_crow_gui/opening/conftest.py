"""Models of several kinds as people have them, small enough to open in a moment."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.core_hooks.model.tiny import save_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FACTORY = """from torch import nn, ones

from .layers import middle


def build():
    return nn.Sequential(nn.Linear(4, 8), middle(), nn.Linear(8, 2)), (ones(1, 4),)
"""

CONFIG = """from transformers import PreTrainedConfig


class OddConfig(PreTrainedConfig):
    model_type = "odd_one"
"""

MODEL = """import torch
from torch import nn
from transformers import PreTrainedModel

from .configuration_odd import OddConfig


class OddModel(PreTrainedModel):
    config_class = OddConfig

    def __init__(self, config):
        super().__init__(config)
        self.table = nn.Embedding(8, 4)
        self.post_init()

    def forward(self, input_ids):
        return self.table(input_ids)
"""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    made = {name: save_folder(root / name, name) for name in ("bert", "t5", "vit", "llama", "mixtral", "mamba")}
    made["ids"] = save_folder(root / "ids", "gpt2", tokenizer=False)
    return made


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    package = tmp_path / "odd_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(FACTORY)
    (package / "layers.py").write_text("from torch import nn\n\n\ndef middle():\n    return nn.ReLU()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "odd_package.models:build"
    for name in [name for name in sys.modules if name.startswith("odd_package")]:
        del sys.modules[name]


@pytest.fixture
def custom_folder(tmp_path: Path, folders: dict[str, Path]) -> Path:
    """A model that transformers does not know and that brings its code along."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "configuration_odd.py").write_text(CONFIG)
    (folder / "modeling_odd.py").write_text(MODEL)
    config = {
        "model_type": "odd_one",
        "architectures": ["OddModel"],
        "auto_map": {"AutoConfig": "configuration_odd.OddConfig", "AutoModel": "modeling_odd.OddModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    import torch
    from safetensors.torch import save_file

    save_file({"table.weight": torch.zeros(8, 4)}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def copy(tmp_path: Path, folders: dict[str, Path]) -> Path:
    return shutil.copytree(folders["llama"], tmp_path / "llama")
