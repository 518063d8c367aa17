from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_crow_gui.document import formatting


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1, "1.000"),
        (0.5, "0.5000"),
        (-2.5, "-2.500"),
        (0.0314159, "0.03142"),
        (0.00012345, "0.0001234"),
        (0.00009999, "9.999e-05"),
        (0.00001234, "1.234e-05"),
        (22680.4, "22,680"),
        (123456.7, "123,500"),
        (999.96, "1,000"),
        (9999.96, "10,000"),
        (999999.9, "1.000e+06"),
        (1.2345e20, "1.234e+20"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_a_number_has_four_significant_digits(value, written):
    assert formatting.number(value) == written


@given(st.floats(-1e300, 1e300))
def test_a_written_number_reads_back_within_four_digits(value):
    read = float(formatting.number(value).replace(",", ""))
    assert math.isclose(read, value, rel_tol=5.1e-4) or (value == 0 and read == 0)
    assert len(formatting.number(value)) <= 11


def test_counts_are_exact_and_thousands_are_separated():
    assert formatting.count(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (999_999, "999,999"),
        (1_000_000, "1.000 M"),
        (124_439_808, "124.4 M"),
        (999_999_999, "1.000 B"),
        (6_738_415_616, "6.738 B"),
        (70_553_706_496, "70.55 B"),
        (1_600_000_000_000, "1.600 T"),
        (-2_000_000, "-2.000 M"),
    ],
)
def test_large_counts_are_shortened(value, written):
    assert formatting.short_count(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.000 KiB"),
        (43_234_567, "41.23 MiB"),
        (1024**2 - 1, "1.000 MiB"),
        (5 * 1024**3, "5.000 GiB"),
        (1000 * 1024, "1,000 KiB"),
        (-2048, "-2.000 KiB"),
        (2000 * 1024**5, "2,000 PiB"),
    ],
)
def test_sizes_have_binary_units(value, written):
    assert formatting.byte_size(value) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (0.0123456, "12.35 ms"),
        (0.9994, "999.4 ms"),
        (0.9999, "1.000 s"),
        (1.5, "1.500 s"),
        (59.999, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7320, "2 h 02 min"),
        (-1.5, "-1.500 s"),
        (math.nan, "NaN"),
    ],
)
def test_times_are_in_ms_or_s_and_long_ones_in_minutes(seconds, written):
    assert formatting.duration(seconds) == written


def test_shapes_are_joined_by_times_signs():
    assert formatting.shape((1, 14, 128)) == "1 × 14 × 128"
    assert formatting.shape(()) == "scalar"


@pytest.mark.parametrize(
    ("fraction", "written"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.982, "98.20 %"),
        (0.999999, "> 99.99 %"),
        (0.0003, "0.030 %"),
        (1e-9, "1.0e-07 %"),
        (math.nan, "NaN"),
    ],
)
def test_shares_never_read_100_percent_when_they_are_less(fraction, written):
    assert formatting.percent(fraction) == written


def test_a_long_name_loses_its_middle():
    name = "model.layers.17.self_attn.q_proj"
    assert formatting.elide_middle(name, 40) == name
    assert formatting.elide_middle(name, 15) == "model.l…" + name[-7:]


@given(st.text(max_size=30), st.integers(-2, 40))
def test_an_elided_text_has_the_asked_length_its_beginning_and_its_end(text, length):
    short = formatting.elide_middle(text, length)
    if len(text) <= length:
        assert short == text
    else:
        assert len(short) == max(length, 0)
        before, _, after = short.partition("…") if length > 0 else ("", "", "")
        assert text.startswith(before)
        assert "…" in text or text.endswith(after)


def test_nouns_follow_their_number():
    assert formatting.plural(1, "hook") == "1 hook"
    assert formatting.plural(4000, "hook") == "4,000 hooks"
    assert formatting.plural(0, "match", "matches") == "0 matches"


@pytest.mark.parametrize(
    ("site", "room", "shown"),
    [
        ("encoder.layer.3.attention", 40, "encoder.layer.3.attention"),
        ("encoder.layer.3.attention", 19, "encoder…3.attention"),
        ("encoder.layer.3.attention", 18, "…layer.3.attention"),
        ("encoder.layer.3.attention", 14, "…3.attention"),
        ("encoder.layer.3.attention", 8, "encoder.layer.3.attention"),
        ("encoder.layer.3.attention.output", 26, "encoder…3.attention.output"),
        ("encoder.layer.3.attention.output", 25, "…layer.3.attention.output"),
        ("encoder.layer.3.attention.output", 18, "…attention.output"),
        ("transformer.ln_f.weight", 15, "…ln_f.weight"),
        ("model.layers.12.mlp.experts.7.up_proj", 24, "model…experts.7.up_proj"),
        ("lm_head", 3, "lm_head"),
        ("", 0, ""),
    ],
)
def test_a_site_is_shortened_by_whole_parts_so_that_numbered_siblings_differ(site: str, room: int, shown: str) -> None:
    assert formatting.elide_site(site, lambda text: len(text) <= room) == shown
