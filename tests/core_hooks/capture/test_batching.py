"""Windows put together and padded are those of the shard, each once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core_hooks.capture.batching import batches, padded_batches
from core_hooks.capture.shard_plan import Place, ShardPlan, Window


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40), room=st.integers(1, 30), same=st.booleans())
def test_each_batch_has_its_windows_padded_behind(lengths: list[int], room: int, same: bool) -> None:
    rng = np.random.default_rng(len(lengths))
    windows = [Window(n, 0, rng.integers(1, 99, length, np.int32)) for n, length in enumerate(lengths)]
    plan = ShardPlan.of(windows, [], first_row=0, first_text=0, empty=0, behind=Place())
    groups = batches(plan.lengths, room, same_length=same)
    found = list(padded_batches(plan, groups, -7))
    assert sorted(np.concatenate([batch.rows for batch in found]).tolist()) == list(range(sum(lengths)))
    for group, batch in zip(groups, found, strict=True):
        longest = max(lengths[number] for number in group)
        assert batch.lengths.tolist() == [lengths[number] for number in group]
        wanted = [windows[n].ids.tolist() + [-7] * (longest - lengths[n]) for n in group]
        assert batch.ids.tolist() == wanted
        assert batch.mask.tolist() == [[int(token != -7) for token in row] for row in wanted]
        real = np.flatnonzero(batch.mask)
        assert (batch.kept is None) == (len(real) == batch.mask.size)
        assert batch.kept is None or batch.kept.tolist() == real.tolist()
        assert batch.rows.tolist() == [row for n in group for row in range(sum(lengths[:n]), sum(lengths[: n + 1]))]
        assert plan.ids[batch.rows].tolist() == batch.ids.reshape(-1)[real].tolist()
