"""The filter's search part by part: the same answers as one expression a name, in a fraction of the time."""

from __future__ import annotations

import statistics
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_hooks.model.site_parts import ways
from core_hooks.model.site_pattern import compile_pattern
from mi_crow_gui.itemmodels.name_search import NameSearch
from tests.mi_crow_gui.itemmodels.trees import gpt, tree_of

PARTS = ["a", "b", "ab", "aB", "attn", "h", "0", "1", "10", "x-y", "ä", "[", "c_attn"]


@st.composite
def trees(draw: st.DrawFn):
    """Names with everything above them, parents first."""
    leaves = draw(st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4), max_size=12))
    names = {".".join(leaf[:depth]) for leaf in leaves for depth in range(1, len(leaf) + 1)}
    return tree_of(sorted(names, key=lambda name: (name.count("."), name)))


pieces = st.sampled_from(
    [*PARTS, ".", ".", "*", "**", "**.", ".**", ".**.", "?", "[0-9]", "[!a]", "[.]", "[+-9]", "[9-0]", "[^a]", "A"]
)
patterns = st.lists(pieces, max_size=7).map("".join)


@settings(max_examples=300)
@given(trees(), patterns, st.sampled_from(["", ":", ":lin", ":*List", ":Model"]))
def test_every_filter_finds_what_trying_each_name_finds(tree, pattern, class_pattern):
    text = pattern + class_pattern
    records = tree.records
    by_name = compile_pattern(text).select([r.path for r in records], [r.class_name for r in records])
    assert NameSearch(records).select(text).nonzero()[0].tolist() == by_name


def test_too_many_ways_to_read_a_pattern_are_left_to_one_expression():
    text = "t**r**n**s**f*.h.**a**n"
    assert ways(text) is None
    sites = [record.path for record in gpt().records]
    found = NameSearch(gpt().records).select(text).nonzero()[0].tolist()
    assert found == compile_pattern(text).select(sites)
    assert found


def test_ancestors_of_what_was_found_are_known():
    search = NameSearch(gpt().records)
    shown = search.with_ancestors(search.select("h.2.att?"))
    assert [gpt().records[at].path for at in shown.nonzero()[0]] == [
        "",
        "transformer",
        "transformer.h",
        "transformer.h.2",
        "transformer.h.2.attn",
    ]


@pytest.fixture(scope="module")
def many():
    paths = ["h"]
    for block in range(100):
        paths += [f"h.{block}", f"h.{block}.attn", f"h.{block}.mlp", f"h.{block}.mlp.experts"]
        for number in range(250):
            above = f"h.{block}.mlp.experts.{number}"
            paths += [above, *(f"{above}.{part}" for part in ("up", "gate", "down"))]
    search = NameSearch(tree_of(paths).records)
    assert len(search) > 100_000
    return search, [record.path for record in tree_of(paths).records]


KINDS = ["a", "attn", "h.*.mlp", "**", "**.up", "h.**.up", "*", "e*", "**.experts.1*", "[0-9]", "h.?.attn", "up:Linear"]


def test_no_kind_of_filter_costs_what_trying_a_hundred_thousand_names_costs(many):
    search, sites = many
    ratios = []
    for text in KINDS:
        start = time.perf_counter()
        plain = compile_pattern(text.partition(":")[0]).select(sites)
        each = time.perf_counter() - start
        took = []
        for _ in range(3):
            start = time.perf_counter()
            found = search.select(text)
            took.append(time.perf_counter() - start)
        assert text.endswith("Linear") or found.sum() == len(plain)
        ratios.append(min(took) / each)
    # A tenth or less where the machine is quiet; it seldom is.
    assert statistics.median(ratios) < 0.5
