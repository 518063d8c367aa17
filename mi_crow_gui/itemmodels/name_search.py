"""Finds the modules whose dotted names and classes match a pattern, within milliseconds among a hundred thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core_hooks.model.site_parts import ways
from core_hooks.model.site_pattern import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from core_hooks.model.records import ModuleRecord
    from core_hooks.model.site_parts import PartTest, Steps

# So many different sets of ways a pattern may be part-way through; beyond that each name is tried by itself.
_MOST_STATES = 500
_MOST_TESTS = 16


class NameSearch:
    """The names of a tree as numbers: which different part each ends with, and which name stands above it.

    A pattern is tried on the different parts alone; how far each name has come with it follows from how far the name
    above it came, level by level, all names of a level at once.
    """

    def __init__(self, records: Sequence[ModuleRecord]) -> None:
        # Not with this module: the window is painted before anything as large is imported.
        import numpy as np

        self._sites = [record.path for record in records]
        self._parts, self._part_of = _numbered([site.rpartition(".")[2] for site in self._sites])
        self.take_classes(records)
        self._lower = [part.lower() for part in self._parts]
        self._parents = np.array([record.parent for record in records], np.int64)
        depths = np.array([record.depth for record in records], np.int64)
        order = np.argsort(depths, kind="stable")
        self._levels = np.split(order, np.flatnonzero(np.diff(depths[order])) + 1) if len(records) else []

    def take_classes(self, records: Sequence[ModuleRecord]) -> None:
        """The same modules, which may be of other classes now."""
        self._classes, self._class_of = _numbered([record.class_name for record in records])

    def __len__(self) -> int:
        return len(self._sites)

    def select(self, text: str) -> np.ndarray:
        """Which modules a pattern matches, True or False for each; the same as `SitePattern.select` says."""
        import numpy as np

        name, _, class_name = text.strip().partition(":")
        found = self._by_name(name.strip())
        if class_name.strip():
            pattern = compile_pattern(f":{class_name.strip()}")
            wanted = np.array([pattern.matches("", name) for name in self._classes], bool)
            found &= wanted[self._class_of]
        return found

    def with_ancestors(self, found: np.ndarray) -> np.ndarray:
        """Those of `found` and all modules above them."""
        shown = found.copy()
        for level in reversed(self._levels[1:]):
            shown[self._parents[level[shown[level]]]] = True
        return shown

    def _by_name(self, name: str) -> np.ndarray:
        import numpy as np

        if not name:
            return np.ones(len(self), bool)
        several = ways(name)
        table = self._table(several) if several is not None else None
        if table is None:
            found = np.zeros(len(self), bool)
            found[compile_pattern(name).select(self._sites)] = True
            return found
        kinds, following, accepting = table
        kind_of = kinds[self._part_of]
        states = np.zeros(len(self), np.int64)
        found = np.zeros(len(self), bool)
        if len(self):
            # The root has an empty name of its own, and the names below it do not begin with that.
            found[0] = accepting[following[0, kind_of[0]]]
        for level in self._levels[1:]:
            reached = following[states[self._parents[level]], kind_of[level]]
            states[level] = reached
            found[level] = accepting[reached]
        return found

    def _table(self, several: Sequence[Steps]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """For each part its kind, for each state and kind the next state, and for each state if a name ends well there.

        Parts that pass the same tests are of one kind. A state is a set of places in the steps, as bits of a number.
        """
        import numpy as np

        machine = _Machine(several)
        if len(machine.tests) > _MOST_TESTS:
            return None
        passed = np.zeros(len(self._parts), np.int64)
        for number, test in enumerate(machine.tests):
            parts = self._lower if test.lower else self._parts
            passed |= np.fromiter(map(bool, test.among(parts)), np.int64, len(parts)) << number
        kinds = np.flatnonzero(np.bincount(passed)).tolist()
        states = {machine.start: 0}
        pending, rows = [machine.start], []
        while pending:
            state = pending.pop(0)
            row = []
            for bits in kinds:
                reached = machine.step(state, bits)
                if reached not in states:
                    states[reached] = len(states)
                    pending.append(reached)
                row.append(states[reached])
            rows.append(row)
            if len(states) > _MOST_STATES:
                return None
        kind_of_bits = np.zeros(max(kinds) + 1, np.int64)
        kind_of_bits[kinds] = range(len(kinds))
        accepting = np.array([machine.accepts(state) for state in states], bool)
        return kind_of_bits[passed], np.array(rows, np.int64), accepting


def _numbered(names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The different names, and for each of `names` its number among them."""
    import numpy as np

    different = list(dict.fromkeys(names))
    numbers = dict(zip(different, range(len(different)), strict=True))
    return different, np.array([numbers[name] for name in names], np.int64)


class _Machine:
    """Walks through the steps of all ways at once."""

    def __init__(self, several: Sequence[Steps]) -> None:
        # (place, number of its test or -1 where parts are skipped) of every step, all ways one after the other.
        self._steps: list[tuple[int, int]] = []
        self._ends = 0
        self.start = 0
        numbers: dict[PartTest, int] = {}
        place = 0
        for steps in several:
            self.start |= 1 << place
            for step in steps:
                self._steps.append((place, -1 if step is None else numbers.setdefault(step, len(numbers))))
                place += 1
            self._ends |= 1 << place
            place += 1
        self.tests = tuple(numbers)
        self.start = self._closed(self.start)

    def step(self, state: int, passed: int) -> int:
        """The places reached with one more part."""
        reached = 0
        for place, test in self._steps:
            if state >> place & 1:
                if test < 0:
                    reached |= 1 << place
                elif passed >> test & 1:
                    reached |= 1 << place + 1
        return self._closed(reached)

    def accepts(self, state: int) -> bool:
        """Whether a name may end here."""
        return bool(state & self._ends)

    def _closed(self, state: int) -> int:
        """With the places behind those where no part need be skipped."""
        for place, test in self._steps:
            if test < 0 and state >> place & 1:
                state |= 1 << place + 1
        return state
