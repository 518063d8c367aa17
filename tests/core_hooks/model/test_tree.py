from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from core_hooks.model.names import LayerNames
from core_hooks.model.tree import build_tree
from tests.core_hooks.model.tiny import FAMILIES, tiny_model


class Shared(nn.Module):
    """One block in two places, and a weight tied across two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.first = nn.Sequential(nn.Linear(4, 4))
        self.second = self.first
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embed.weight


def test_paths_are_those_of_named_modules_in_their_order() -> None:
    model = tiny_model("gpt2")
    assert [record.path for record in build_tree(model)] == [name for name, _ in model.named_modules()]


def test_a_shared_module_has_a_record_in_each_place_and_both_names_mean_the_first() -> None:
    model = Shared()
    tree = build_tree(model)
    assert [record.path for record in tree] == ["", "embed", "first", "first.0", "second", "second.0", "head"]
    assert LayerNames(model).resolve("second.0") == "first.0"
    assert tree.record("second").shared_with == "first"
    assert tree.record("second.0").shared_with == "first.0"
    assert tree.record("first").shared_with == ""
    assert tree.record("second.0").tied_to == ""


def test_tied_weights_are_marked_and_counted_once() -> None:
    tree = build_tree(Shared())
    assert tree.record("head").tied_to == "embed.weight"
    assert tree.record("embed").tied_to == ""
    assert tree.root.parameters == 40 + 20 == sum(p.numel() for p in Shared().parameters())
    assert (tree.record("head").parameters, tree.record("second").parameters) == (40, 20)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_sums_are_right_at_every_module(model_type: str) -> None:
    model = tiny_model(model_type)
    for record in build_tree(model):
        module = model.get_submodule(record.path)
        parameters = list(module.parameters())
        assert record.parameters == sum(p.numel() for p in parameters)
        assert record.bytes == sum(p.numel() * p.element_size() for p in parameters)
        assert record.own_parameters == sum(p.numel() for p in module.parameters(recurse=False))


def test_parents_children_and_depths_agree() -> None:
    tree = build_tree(tiny_model("llama"))
    for index, record in enumerate(tree):
        assert all(tree.records[child].parent == index for child in record.children)
        assert record.depth == (record.path.count(".") + 1 if record.path else 0)


def test_dtypes_and_devices_are_named_and_mixtures_said_so() -> None:
    model = nn.Sequential(nn.Linear(2, 2).bfloat16(), nn.Linear(2, 3, device="meta"), nn.ReLU())
    tree = build_tree(model)
    assert [record.dtype for record in tree] == ["mixed", "bfloat16", "float32", ""]
    assert [record.device for record in tree] == ["mixed", "cpu", "meta", ""]
    assert [record.weight_shape for record in tree] == [(), (2, 2), (3, 2), ()]


def test_a_compiled_or_parallel_wrapper_is_looked_through() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    assert build_tree(nn.DataParallel(model)) == build_tree(model)


def test_a_module_that_contains_itself_ends() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    model._modules["again"] = model
    assert [record.path for record in build_tree(model)] == ["", "0"]


def test_a_view_of_another_weight_is_told_from_the_weight() -> None:
    base = torch.randn(4, 4)
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 2, bias=False))
    model[0].weight = nn.Parameter(base)
    model[1].weight = nn.Parameter(base[:2])
    assert build_tree(model).record("1").tied_to == ""


def test_a_weight_with_two_names_in_one_module_counts_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False))
    model[0].same = model[0].weight
    assert [record.parameters for record in build_tree(model)] == [16, 16]


def test_the_time_is_linear_in_the_number_of_modules() -> None:
    def seconds(count: int) -> float:
        model = nn.Sequential(*(nn.Sequential(*(nn.Identity() for _ in range(9))) for _ in range(count // 10)))
        start = time.process_time()
        assert len(build_tree(model)) == count + 1
        return time.process_time() - start

    small = min(seconds(2_000) for _ in range(5))
    assert min(seconds(20_000) for _ in range(3)) < 50 * small
