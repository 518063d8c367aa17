from __future__ import annotations

import time

from core_hooks.model.records import ModuleRecord, ModuleTree
from mi_crow_gui.itemmodels.module_grid import ModuleGrid, module_grid


def tree_of(paths: list[str]) -> ModuleTree:
    """A tree with these modules, the parents of each before it."""
    index = {path: i for i, path in enumerate(paths)}
    children: dict[int, list[int]] = {}
    for path in paths[1:]:
        children.setdefault(index[path.rpartition(".")[0]], []).append(index[path])
    return ModuleTree(
        tuple(
            ModuleRecord(
                path=path,
                class_name="Part",
                parent=index[path.rpartition(".")[0]] if path else -1,
                children=tuple(children.get(i, ())),
                depth=path.count(".") + 1 if path else 0,
            )
            for i, path in enumerate(paths)
        )
    )


BLOCKS = tree_of(
    ["", "wte", "h"]
    + [f"h.{i}{part}" for i in range(3) for part in ("", ".attn", ".attn.c_proj", ".attn.c_proj.deep", ".mlp")]
    + ["ln_f"]
)


def test_blocks_go_down_and_their_parts_across() -> None:
    grid = module_grid(BLOCKS)
    assert [row.label for row in grid.rows] == ["wte", "h.0", "h.1", "h.2", "ln_f"]
    assert grid.columns == ("block", "attn", "attn.c_proj", "mlp")
    assert grid.site(2, 2) == "h.1.attn.c_proj"
    assert grid.site(0, 1) is None
    assert grid.site(9, 0) is None


def test_every_site_of_the_grid_is_found_at_its_place() -> None:
    grid = module_grid(BLOCKS)
    for number, row in enumerate(grid.rows):
        for column, site in row.cells.items():
            assert grid.place(site) == (number, column)
    assert grid.place("h.1.attn.c_proj.deep") is None


def test_a_sweep_gives_what_lies_in_the_rectangle_from_any_corner() -> None:
    grid = module_grid(BLOCKS)
    expected = ["h.0.attn", "h.0.attn.c_proj", "h.1.attn", "h.1.attn.c_proj"]
    assert grid.sites((1, 1), (2, 2)) == expected
    assert grid.sites((2, 2), (1, 1)) == expected


def test_a_part_that_only_some_blocks_have_leaves_the_others_empty() -> None:
    grid = module_grid(tree_of(["", "h", "h.0", "h.0.attn", "h.1", "h.1.mlp"]))
    assert grid.site(0, 2) is None
    assert grid.site(1, 2) == "h.1.mlp"
    assert grid.site(1, 1) is None


def test_experts_have_one_column_together() -> None:
    paths = ["", "h"]
    for block in range(2):
        paths += [f"h.{block}", f"h.{block}.experts"]
        paths += [f"h.{block}.experts.{i}{part}" for i in range(8) for part in ("", ".up")]
    assert module_grid(tree_of(paths)).columns == ("block", "experts")


def test_encoder_and_decoder_stand_one_above_the_other() -> None:
    paths = ["", "encoder", "encoder.block", "encoder.block.0", "encoder.block.0.attn", "encoder.block.1"]
    paths += ["encoder.block.1.attn", "decoder", "decoder.block", "decoder.block.0", "decoder.block.0.cross"]
    paths += ["decoder.block.1", "decoder.block.1.cross", "lm_head"]
    grid = module_grid(tree_of(paths))
    assert [row.label for row in grid.rows] == [
        *(f"encoder.block.{i}" for i in (0, 1)),
        *(f"decoder.block.{i}" for i in (0, 1)),
        "lm_head",
    ]
    assert grid.columns == ("block", "attn", "cross")


def test_a_model_without_blocks_has_no_grid() -> None:
    assert module_grid(None) == ModuleGrid()
    assert module_grid(tree_of(["", "0", "1"])) == ModuleGrid()


def test_a_hundred_thousand_modules_are_laid_out_in_a_moment() -> None:
    paths = ["", "h"] + [f"h.{i}{part}" for i in range(10_000) for part in ("", *(f".p{n}" for n in range(9)))]
    tree = tree_of(paths)
    # Of computing: how busy the machine is does not count.
    start = time.thread_time()
    assert len(module_grid(tree).rows) == 10_000
    assert time.thread_time() - start < 2
