from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_hooks.model.site_pattern import compile_pattern, matching_sites

NAMES = [
    "",
    "transformer",
    "transformer.h",
    "transformer.h.0",
    "transformer.h.0.attn",
    "transformer.h.0.attn.c_attn",
    "transformer.h.1",
    "transformer.h.1.attn",
    "transformer.h.10.attn",
    "transformer.ln_f",
    "lm_head",
]
CLASSES = [
    "GPT2LMHeadModel",
    "GPT2Model",
    "ModuleList",
    "GPT2Block",
    "GPT2Attention",
    "Conv1D",
    "GPT2Block",
    "GPT2Attention",
    "GPT2Attention",
    "LayerNorm",
    "Linear",
]


def selected(pattern: str) -> list[str]:
    return [NAMES[at] for at in compile_pattern(pattern).select(NAMES, CLASSES)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", NAMES),
        ("  ", NAMES),
        ("LN_", ["transformer.ln_f"]),
        ("c_attn", ["transformer.h.0.attn.c_attn"]),
        ("transformer.h.*.attn", ["transformer.h.0.attn", "transformer.h.1.attn", "transformer.h.10.attn"]),
        ("h.*.attn", ["transformer.h.0.attn", "transformer.h.1.attn", "transformer.h.10.attn"]),
        ("h.?.attn", ["transformer.h.0.attn", "transformer.h.1.attn"]),
        ("h.[1-9].attn", ["transformer.h.1.attn"]),
        ("h.[!0].attn", ["transformer.h.1.attn"]),
        ("transformer.h.*", ["transformer.h.0", "transformer.h.1"]),
        ("transformer.*", ["transformer.h", "transformer.ln_f"]),
        ("transformer.**.c_attn", ["transformer.h.0.attn.c_attn"]),
        ("transformer.**.h.0", ["transformer.h.0"]),
        ("transformer.h.0**", ["transformer.h.0", "transformer.h.0.attn", "transformer.h.0.attn.c_attn"]),
        ("**.attn", ["transformer.h.0.attn", "transformer.h.1.attn", "transformer.h.10.attn"]),
        ("*_f", ["transformer.ln_f"]),
        ("rmer.h.*", []),
        (":gpt2block", ["transformer.h.0", "transformer.h.1"]),
        (":*Model", ["", "transformer"]),
        ("h.1*:Attention", []),
        ("h.*.*:Attention", ["transformer.h.0.attn", "transformer.h.1.attn", "transformer.h.10.attn"]),
        ("nowhere", []),
    ],
)
def test_a_pattern_selects(pattern, expected):
    assert selected(pattern) == expected


def test_a_class_matches_nothing_where_classes_are_unknown():
    assert compile_pattern(":GPT2Block").select(NAMES) == []


def test_a_word_is_no_glob_and_a_star_or_a_class_is():
    assert not compile_pattern("attn").is_glob
    assert compile_pattern("*.attn").is_glob
    assert compile_pattern(":GPT2Block").is_glob
    assert compile_pattern("").is_empty


def test_attaching_by_name_takes_that_module_alone_and_never_guesses():
    assert matching_sites("transformer.h.1", NAMES) == ["transformer.h.1"]
    assert matching_sites("attn", NAMES) == []
    assert matching_sites("h.*", NAMES) == ["transformer.h.0", "transformer.h.1"]
    assert matching_sites(":LayerNorm", NAMES, CLASSES) == ["transformer.ln_f"]


@given(st.text(alphabet="ab.*?[]!-^\\:{}(|+$0", max_size=14), st.text(alphabet="ab.-[0", max_size=10))
def test_every_text_is_a_pattern_and_matching_agrees_with_selecting(pattern, name):
    compiled = compile_pattern(pattern)
    assert compiled.matches(name, "Block") == bool(compiled.select([name], ["Block"]))


@given(st.lists(st.sampled_from(["a", "b1", "h", "0"]), min_size=1, max_size=5), st.data())
def test_a_name_is_matched_by_itself_with_any_part_starred(parts, data):
    starred = [data.draw(st.sampled_from([part, "*"])) for part in parts]
    assert compile_pattern(".".join(starred)).matches(".".join(parts))
    assert compile_pattern("**." + starred[-1]).matches(".".join(parts))
