"""Every spelling of a layer leads to torch's dotted name, and a wrong one is answered with help."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core_hooks.hooks.compiled import unwrap
from core_hooks.model.names import LayerNames, close_matches, resolve, walk


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn = nn.Linear(2, 2)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = Attention()
        self.mlp = nn.Linear(2, 2)


class TinyLM(nn.Module):
    def __init__(self, blocks: int = 2) -> None:
        super().__init__()
        self.wte = nn.Embedding(3, 2)
        self.h = nn.ModuleList(Block() for _ in range(blocks))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.wte(x)
        for block in self.h:
            x = block.mlp(x)
        return x


@pytest.fixture
def model() -> TinyLM:
    return TinyLM()


@pytest.mark.parametrize(
    "site",
    ["h.1.attn.c_attn", "h_1_attn_c_attn", "tinylm_h_1_attn_c_attn", 8, -2],
)
def test_d51_every_spelling_of_a_layer_gives_its_dotted_name(model: TinyLM, site: str | int) -> None:
    assert resolve(model, site) == "h.1.attn.c_attn"


@pytest.mark.parametrize("site", ["", None, "tinylm"])
def test_d51_empty_none_and_the_class_prefix_mean_the_root(model: TinyLM, site: str | None) -> None:
    assert resolve(model, site) == ""


def test_positions_count_depth_first_from_the_first_child_and_include_containers(model: TinyLM) -> None:
    assert [resolve(model, i) for i in range(5)] == ["wte", "h", "h.0", "h.0.attn", "h.0.attn.c_attn"]
    assert resolve(model, -1) == "h.1.mlp"


def test_the_walk_agrees_with_named_modules(model: TinyLM) -> None:
    assert list(walk(model)) == list(model.named_modules())


def test_an_unknown_name_is_an_error_in_the_contracts_words_with_what_comes_close(model: TinyLM) -> None:
    with pytest.raises(ValueError) as error:
        resolve(model, "h.1.atn.c_attn")
    assert str(error.value).startswith("Layer name 'h.1.atn.c_attn' not found in model.")
    assert "'h.1.attn.c_attn'" in str(error.value)


def test_a_name_that_resembles_nothing_is_an_error_without_guesses(model: TinyLM) -> None:
    with pytest.raises(ValueError) as error:
        resolve(model, "zzzzzz")
    assert str(error.value) == "Layer name 'zzzzzz' not found in model."


@pytest.mark.parametrize("position", [10, -11])
def test_a_position_outside_the_model_is_an_error_that_names_the_range(model: TinyLM, position: int) -> None:
    with pytest.raises(ValueError) as error:
        resolve(model, position)
    assert str(error.value).startswith(f"Layer index '{position}' not found in model.")
    assert "0 to 9" in str(error.value)


@pytest.mark.parametrize("site", [True, 1.5, ("h", 0)])
def test_what_is_neither_name_nor_position_is_refused(model: TinyLM, site: object) -> None:
    with pytest.raises(ValueError, match="name or position"):
        resolve(model, site)  # type: ignore[arg-type]


def colliding() -> nn.Module:
    outer = nn.Module()
    outer.add_module("a", nn.Module())
    outer.a.add_module("b_c", nn.Linear(1, 1))
    outer.add_module("a_b", nn.Module())
    outer.a_b.add_module("c", nn.Linear(1, 1))
    return outer


@pytest.mark.parametrize("site", ["a_b_c", "module_a_b_c"])
def test_d50_an_underscored_name_that_two_layers_share_is_an_error_naming_both(site: str) -> None:
    with pytest.raises(ValueError, match=r"ambiguous.*'a\.b_c', 'a_b\.c'"):
        resolve(colliding(), site)


def test_d50_both_layers_of_a_collision_are_reached_by_their_dotted_names() -> None:
    names = LayerNames(colliding())
    assert names.module("a.b_c") is not names.module("a_b.c")


def test_a_dotted_name_wins_over_the_alias_of_another_layer() -> None:
    model = nn.Module()
    model.add_module("a", nn.Module())
    model.a.add_module("b", nn.Linear(1, 1))
    model.add_module("a_b", nn.Linear(1, 1))
    assert resolve(model, "a_b") == "a_b"


@pytest.mark.parametrize("site", ["h.0.mlp", "tinylm_h_0_mlp", "_orig_mod.h.0.mlp", 5, -5])
def test_d63_a_compiled_model_has_the_names_of_its_original(model: TinyLM, site: str | int) -> None:
    compiled = torch.compile(model, backend="eager")
    assert resolve(compiled, site) == "h.0.mlp"
    assert LayerNames(compiled).module(site) is model.h[0].mlp
    assert LayerNames(compiled).module("") is model


def test_d63_a_compiled_block_inside_a_model_leaves_no_mark_in_the_names(model: TinyLM) -> None:
    before = LayerNames(model).positions
    model.h[0] = torch.compile(model.h[0], backend="eager")
    assert LayerNames(model).positions == before
    assert resolve(model, "h.0._orig_mod.mlp") == "h.0.mlp"


def test_d63_data_parallel_wrappers_are_looked_through(model: TinyLM) -> None:
    wrapped = nn.DataParallel(model)
    assert resolve(wrapped, "module.h.0.mlp") == resolve(wrapped, "h.0.mlp") == "h.0.mlp"
    assert unwrap(torch.compile(wrapped, backend="eager")) is model


def test_a_layer_that_is_really_called_module_keeps_its_name() -> None:
    model = nn.Module()
    model.add_module("module", nn.Linear(1, 1))
    assert resolve(model, "module") == "module"


def test_a_module_that_hangs_in_two_places_has_its_first_name_as_canonical() -> None:
    shared = nn.Linear(1, 1)
    siblings = nn.Sequential(shared, nn.ReLU(), shared)
    assert resolve(siblings, "2") == "0"
    cousins = nn.ModuleDict({"a": nn.Sequential(shared), "b": nn.Sequential(shared)})
    assert resolve(cousins, "b.0") == resolve(cousins, "b_0") == "a.0"
    assert resolve(cousins, 3) == "a.0"


def test_a_model_that_contains_itself_is_walked_once() -> None:
    model = nn.Sequential(nn.ReLU())
    model[0].add_module("owner", model)
    assert [name for name, _ in walk(model)] == ["", "0"]


def test_close_matches_finds_a_name_written_from_the_middle_of_the_path() -> None:
    assert close_matches(nn.ModuleDict({"transformer": TinyLM()}), "h.1.attn")[0] == "transformer.h.1.attn"


def test_close_matches_prefers_the_block_that_was_asked_for() -> None:
    assert close_matches(TinyLM(blocks=12), "h.7.atn.c_attn")[0] == "h.7.attn.c_attn"
