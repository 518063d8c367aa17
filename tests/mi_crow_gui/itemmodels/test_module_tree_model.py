import time

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester, QSignalSpy

from mi_crow_gui.itemmodels.module_tree_model import Column, ModuleTreeModel, Role
from tests.mi_crow_gui.itemmodels.trees import gpt, tree_of


@pytest.fixture
def model(qapp):
    model = ModuleTreeModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_tree(gpt())
    yield model
    tester.deleteLater()


def names(model, parent=None):
    parent = QModelIndex() if parent is None else parent
    return [model.index(row, 0, parent).data() for row in range(model.rowCount(parent))]


def everything(model, parent=None):
    """All names shown, depth first."""
    parent = QModelIndex() if parent is None else parent
    found = []
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        found += [model.site(index) or index.data(), *everything(model, index)]
    return found


def test_every_module_is_shown_in_its_place(model):
    assert names(model) == ["(model)"]
    assert everything(model) == ["(model)", *(record.path for record in gpt().records[1:])]


def test_an_index_of_a_site_is_the_one_that_walking_down_gives(model):
    index = model.index_of_site("transformer.h.2.attn.c_proj")
    walked, path = index, []
    while walked.isValid():
        path.append((walked.row(), model.site(walked)))
        walked = walked.parent()
    assert path == [
        (1, "transformer.h.2.attn.c_proj"),
        (0, "transformer.h.2.attn"),
        (2, "transformer.h.2"),
        (1, "transformer.h"),
        (0, "transformer"),
        (0, ""),
    ]
    assert not model.index_of_site("transformer.h.9").isValid()


def test_a_filter_keeps_the_matches_and_their_ancestors_only(model):
    model.set_filter("h.*.mlp")
    assert model.match_count == 4
    assert model.matching_sites() == [f"transformer.h.{block}.mlp" for block in range(4)]
    shown = everything(model)
    assert "transformer.h.1.attn" not in shown
    assert "lm_head" not in shown
    assert len(shown) == 1 + 2 + 4 + 4
    assert model.index_of_site("transformer.h.1.mlp").data(Role.IS_MATCH) is True
    assert model.index_of_site("transformer.h.1").data(Role.IS_MATCH) is False
    assert not model.index_of_site("lm_head").isValid()


def test_a_filter_finds_classes_and_parts_of_names_whatever_their_case(model):
    model.set_filter(":attention")
    assert model.matching_sites() == [f"transformer.h.{block}.attn" for block in range(4)]
    model.set_filter("LM_H")
    assert model.matching_sites() == ["lm_head"]
    model.set_filter("no such thing")
    assert model.rowCount() == 0
    model.set_filter(" ")
    assert model.match_count == model.module_count == len(gpt())


def test_a_tick_asks_and_changes_nothing_by_itself(model):
    asked = QSignalSpy(model.checkRequested)
    index = model.index_of_site("transformer.h.1")
    assert index.flags() & Qt.ItemFlag.ItemIsUserCheckable
    assert not model.setData(index, Qt.CheckState.Checked, Qt.ItemDataRole.CheckStateRole)
    assert asked.at(0) == [["transformer.h.1"], True]
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Unchecked
    model.set_attached({"transformer.h.1": "capture"})
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
    assert index.data(Role.BADGE) == "capture"


def test_what_is_attached_repaints_what_was_seen_and_nothing_else(model):
    seen = QPersistentModelIndex(model.index_of_site("transformer.h.3"))
    changed = QSignalSpy(model.dataChanged)
    model.set_attached({"transformer.h.1": "capture", "transformer.h.3": "capture", "gone": "capture"})
    assert changed.count() == 1
    first, last = changed.at(0)[:2]
    assert (model.site(first), model.site(last)) == ("transformer.h.1", "transformer.h.3")
    assert seen.data(Role.BADGE) == "capture"
    model.set_attached({"transformer.h.1": "capture", "transformer.h.3": "capture", "gone": "capture"})
    assert changed.count() == 1


def test_values_and_shapes_are_written_for_people_and_numbers_stand_right(model):
    model.set_last_values({"lm_head": 22680.4}, "L2 norm of the newest token")
    model.set_shapes({"transformer.h.0": ((1, 14, 64), (1, 14, 128))})
    cell = model.index_of_site("lm_head", Column.LAST_VALUE)
    assert cell.data() == "22,680"
    assert cell.data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight
    assert model.headerData(Column.LAST_VALUE, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole) == (
        "L2 norm of the newest token"
    )
    assert model.index_of_site("transformer.h.0", Column.SHAPE).data() == "1 × 14 × 64 → 1 × 14 × 128"
    assert model.index_of_site("lm_head", Column.SHAPE).data() == "1234 × 128"


def test_the_tooltip_has_the_whole_path_and_names_a_tied_weight(model):
    index = model.index_of_site("lm_head")
    assert index.data(Role.MARK) == "tied"
    tip = index.data(Qt.ItemDataRole.ToolTipRole)
    assert tip.startswith("lm_head\n")
    assert "tied to transformer.wte.weight" in tip


def test_many_numbered_siblings_fold_into_ranges(model):
    model.set_tree(tree_of(["experts", *(f"experts.{n}" for n in range(70)), "experts.gate"]))
    experts = model.index_of_site("experts")
    assert names(model, experts) == ["0 … 31", "32 … 63", "64 … 69", "gate"]
    fold = model.index(1, 0, experts)
    assert model.site(fold) is None
    assert not fold.flags() & Qt.ItemFlag.ItemIsUserCheckable
    assert model.rowCount(fold) == 32
    inside = model.index_of_site("experts.40")
    assert inside.parent() == fold
    assert (inside.row(), inside.data()) == (8, "40")
    model.set_attached({"experts.40": "capture"})
    assert inside.data(Role.BADGE) == "capture"


def test_a_few_numbered_siblings_do_not_fold(model):
    model.set_tree(tree_of(["h", *(f"h.{n}" for n in range(32))]))
    assert names(model, model.index_of_site("h")) == [str(n) for n in range(32)]


def test_a_new_tree_forgets_the_old_ones_marks_and_filter(model):
    model.set_filter("mlp")
    model.set_attached({"lm_head": "capture"})
    model.set_tree(gpt(2))
    assert model.filter_text == ""
    assert model.index_of_site("lm_head").data(Role.BADGE) == ""
    model.set_tree(None)
    assert model.rowCount() == 0


def test_block_lists_are_the_outermost_numbered_lists(model):
    assert model.block_lists() == ["transformer.h"]
    model.set_tree(tree_of(["enc", "enc.0", "enc.0.experts", "enc.0.experts.0", "enc.0.experts.1", "enc.1"]))
    assert model.block_lists() == ["enc"]


def test_a_hundred_thousand_modules_are_filtered_within_a_few_frames(qapp):
    paths = ["layers"]
    for layer in range(100):
        paths += [f"layers.{layer}", f"layers.{layer}.experts"]
        for expert in range(249):
            above = f"layers.{layer}.experts.{expert}"
            paths += [above, f"{above}.up", f"{above}.gate", f"{above}.down"]
    model = ModuleTreeModel()
    model.set_tree(tree_of(paths))
    assert model.module_count > 99_000
    took = []
    for text in ("u", "up", "layers.*.experts", "experts.17"):
        start = time.thread_time()
        model.set_filter(text)
        everything_top = model.rowCount(model.index_of_site("layers"))
        took.append(time.thread_time() - start)
        assert everything_top > 0
    # About 20 ms each of computing; the bound only tells a filter from a crawl.
    assert max(took) < 1.0
