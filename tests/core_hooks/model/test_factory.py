from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import torch

from core_hooks.model.errors import ModelError
from core_hooks.model.estimate import estimate
from core_hooks.model.factory import factory_file
from core_hooks.model.forward import forward
from core_hooks.model.opening import open_model, open_tree
from core_hooks.model.reference import ModelReference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODE = """
import torch
from torch import nn

def model():
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU())

def with_inputs():
    return model().train(), torch.ones(1, 3)

def broken():
    raise RuntimeError("on purpose")

def wrong():
    return 3
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "homemade"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('this ran')")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "deep" / "models.py").write_text(CODE)
    (tmp_path / "single.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] in ("homemade", "single")]:
        del sys.modules[name]


def test_without_consent_the_file_is_named_and_nothing_runs(package: Path) -> None:
    with pytest.raises(ModelError, match=r"models\.py") as caught:
        open_model(ModelReference("homemade.deep.models:model"))
    assert "consent" in str(caught.value)
    with pytest.raises(ModelError, match="consent"):
        open_tree(ModelReference("homemade.deep.models:model"))
    assert "homemade" not in sys.modules
    assert factory_file("homemade.deep.models:model") == package / "deep" / "models.py"
    assert factory_file("homemade.deep:x") == package / "deep" / "__init__.py"


def test_a_factory_opens_as_the_module_it_returns(package: Path) -> None:
    trees: list[object] = []
    opened = open_model(ModelReference("single:model", trust_code=True), on_tree=trees.append)
    assert [record.path for record in opened.tree] == ["", "0", "1"]
    assert trees == [opened.tree]
    assert (opened.summary.architecture, opened.summary.parameters) == ("Sequential", 8)
    assert opened.tokenizer is None
    assert len(open_tree(ModelReference("single:model", trust_code=True))) == 3


def test_a_factory_with_inputs_runs_on_them_in_evaluation_mode(package: Path) -> None:
    opened = open_model(ModelReference("single:with_inputs", trust_code=True))
    assert not opened.model.training
    seen: list[torch.Tensor] = []
    handle = opened.model.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    forward(opened, None)
    handle.remove()
    assert torch.equal(seen[0], torch.ones(1, 3))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("single:broken", "failed with RuntimeError: on purpose"),
        ("single:wrong", "returned int"),
        ("single:absent", "AttributeError"),
        ("nowhere_at_all:model", "no Python module 'nowhere_at_all'"),
        ("homemade.nothing:model", "no Python module 'homemade.nothing'"),
    ],
)
def test_a_factory_that_cannot_be_used_is_said(package: Path, source: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_model(ModelReference(source, trust_code=True))


def test_a_package_that_ends_the_program_when_imported_does_not(package: Path) -> None:
    with pytest.raises(ModelError, match="SystemExit"):
        open_model(ModelReference("homemade.deep.models:model", trust_code=True))


def test_a_factory_cannot_be_estimated_before_it_ran(package: Path) -> None:
    with pytest.raises(ModelError, match="open it"):
        estimate(ModelReference("single:model"))
