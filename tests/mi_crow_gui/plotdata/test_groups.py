from __future__ import annotations

import numpy as np

from mi_crow_gui.plotdata.groups import MOST, Groups, coded, grouped


def test_the_most_frequent_have_a_group_each_and_all_others_one() -> None:
    texts = [f"label {name}" for name in range(12) for _ in range(20 - name)]
    codes, names = coded(reversed(texts))
    groups, found = grouped(codes, names)
    assert found.names == tuple(f"label {name}" for name in range(MOST))
    assert found.counts == tuple(20 - name for name in range(MOST))
    assert (found.others, found.rest) == (4, 12 + 11 + 10 + 9)
    assert found.sizes == (*found.counts, found.rest)
    for text, group in zip(reversed(texts), groups.tolist(), strict=True):
        assert group == min(int(text.removeprefix("label ")), MOST)


def test_of_like_many_the_first_name_comes_first_and_what_no_point_has_is_no_group() -> None:
    groups, found = grouped(np.array([2, 0, 2, 0]), ("b", "never", "a"))
    assert found == Groups(("a", "b"), (2, 2))
    assert groups.tolist() == [0, 1, 0, 1]


def test_nothing_makes_no_groups() -> None:
    codes, names = coded(())
    groups, found = grouped(codes, names)
    assert found == Groups((), ())
    assert len(groups) == 0
