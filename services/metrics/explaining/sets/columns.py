"""The sets of several parks on one business day in one set of columns, so that a question about a city takes as few operations as one about a park."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from services.metrics.figures.scope import Scope
from services.metrics.folding.coverage import NOTHING, Segment
from services.metrics.folding.steps import NO_CELL, Ints, Steps, Subjects
from services.metrics.measures import MEASURES, NUMBER, packed
from services.metrics.tables.rows import Cell

Mask = npt.NDArray[np.bool_]
BY_PARK = ("district", "park")
AT_ONCE = 20_000
"""Sets that are looked for at once: 5 to 24 ms."""


class Counts(Mapping[str, Ints]):
    """The measures of all sets by name; each is computed when it is asked for, and kept."""

    def __init__(self, measure: Callable[[str], Ints]) -> None:
        self._measure = measure
        self._kept = dict[str, Ints]()

    def __getitem__(self, name: str) -> Ints:
        found = self._kept.get(name)
        if found is None:
            found = self._kept[name] = self._measure(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(MEASURES)

    def __len__(self) -> int:
        return len(MEASURES)


class Sets:
    """The sets that were ever in some parks, and what they add on a business day (an ordinal): a row for each park in which a set was.

    `subjects`, `newest` and `early` are those of `Columns`, `since`, `waits` and `values` those of `OnDay`; `cells`: which of the list `cell` each set
    counts in, NO_CELL. Nothing of it depends on a question but for its parks and day, so questions share it.
    """

    def __init__(self, parts: Mapping[str, Steps], day: int) -> None:
        self.day, self.parks, self._steps = day, list(parts), list(parts.values())
        columns, on = [steps.columns for steps in self._steps], [steps.on(day) for steps in self._steps]
        self._ends = np.cumsum([0, *map(len, self._steps)])
        self.subjects: Subjects = np.concatenate([part.subjects for part in columns]) if columns else np.array([], "S1")
        self.newest, self.early = _joined(part.newest for part in columns), _joined(part.early for part in columns)
        self.cell: Sequence[Cell] = list(chain.from_iterable(steps.cells for steps in self._steps))
        many = [len(steps.cells) for steps in self._steps]
        self._park_of_cell = np.repeat(np.arange(len(many)), many)
        before = np.cumsum([0, *many])[:-1]
        self.cells = _joined(np.where(one.cells == NO_CELL, NO_CELL, one.cells + first) for one, first in zip(on, before, strict=True))
        self.since, self.waits, self.values = (_joined(getattr(one, name) for one in on) for name in ("since", "waits", "values"))
        self.counts = Counts(lambda name: _joined(one.measure(name) for one in on))
        self._here = np.array([*self._of_cells("here", lambda park: lambda cell: cell[0] == park)], np.bool_)
        self._groups = dict[str | None, tuple[Sequence[str], Ints]]()

    def __len__(self) -> int:
        return len(self.subjects)

    def _of_cells(self, name: str, value: Callable[[str], Callable[[Cell], object]]) -> Iterator[object]:
        for park, steps in zip(self.parks, self._steps, strict=True):
            yield from steps.of_cells((name, park), value(park))

    def counting(self, scope: Scope) -> Mask:
        """Which sets count in the scope. One that was in two parks has a row in the part of each, and counts in one."""
        allowed = [scope.may_hold(park) and (scope.parks is None or park in scope.parks) for park in self.parks]
        holds = self._here & np.array(allowed, np.bool_)[self._park_of_cell]
        if scope.group is not None and scope.by not in BY_PARK:
            codes, numbers = self.groups(scope)
            holds &= numbers == (codes.index(scope.group) if scope.group in codes else -1)
        found: Mask = np.append(holds, False)[self.cells]
        return found

    def groups(self, scope: Scope) -> tuple[Sequence[str], Ints]:
        """The codes of the scope's rows, and of each cell that counts in its park the number of its code."""
        if scope.by in BY_PARK:
            codes, numbers = _numbered(scope.group_of((park, None, None, None)) for park in self.parks)
            return codes, numbers[self._park_of_cell]
        # A class does not depend on the tree.
        if scope.by not in self._groups:
            parts = (steps.of_cells(("group", scope.by), scope.group_of) for steps in self._steps)
            self._groups[scope.by] = _numbered(chain.from_iterable(parts))
        return self._groups[scope.by]

    def among(self, wanted: Subjects) -> Iterator[tuple[slice, Mask]]:
        """(rows, which of these sets are wanted), piece by piece; the wanted subjects ascend, as they do in the part of each park.

        Few are looked for in the part of each park, in one piece. Of many, every set is looked for among them, AT_ONCE at a time: that does not grow
        with parks times subjects.
        """
        if len(wanted) * len(self.parks) <= len(self):
            found = np.zeros(len(self), np.bool_)
            for steps, begin in zip(self._steps, self._ends, strict=False):
                found[begin + _places(steps.columns.subjects, wanted)] = True
            yield slice(len(self)), found
            return
        for begin in range(0, len(self), AT_ONCE):
            rows = slice(begin, begin + AT_ONCE)
            subjects = self.subjects[rows]
            yield rows, wanted[np.minimum(np.searchsorted(wanted, subjects), len(wanted) - 1)] == subjects

    def segments(self, wanted: Subjects, told: Mask) -> dict[str, tuple[Segment, int]]:
        """{subject: (its segment in force on the day, its members then)} of the told sets among those that are wanted, which ascend."""
        found = dict[str, tuple[Segment, int]]()
        for steps, begin in zip(self._steps, self._ends, strict=False):
            subjects = steps.columns.subjects
            for position in _places(subjects, wanted).tolist():
                if told[begin + position]:
                    found[subjects[position].decode()] = _on_day(steps, position, self.day)
        return found

    def first(self, chosen: Mask, start: str, most: int) -> list[str]:
        """The first subjects of the chosen sets from `start` on, at most so many."""
        at = np.flatnonzero(chosen)
        if start:
            at = at[self.subjects[at] >= np.bytes_(start.encode())]
        # Of each part the first ones alone: a city has tens of thousands.
        ahead = np.searchsorted(at, self._ends)
        at = at[np.arange(len(at)) - np.repeat(ahead[:-1], np.diff(ahead)) < most]
        return [subject.decode() for subject in sorted({*self.subjects[at].tolist()})[:most]]


def _places(subjects: Subjects, wanted: Subjects) -> Ints:
    """The positions of those of the wanted subjects that are among others; both ascend."""
    if not (len(subjects) and len(wanted)):
        return np.array([], np.int64)
    at = np.minimum(np.searchsorted(subjects, wanted), len(subjects) - 1)
    found: Ints = at[subjects[at] == wanted]
    return found


def _on_day(steps: Steps, position: int, day: int) -> tuple[Segment, int]:
    """The segment of one set in force on a day, and its members then."""
    columns = steps.columns
    begins, joins = (int(ends[position - 1]) if position else 0 for ends in (columns.ends, columns.member_ends))
    days, nets = (values[joins : columns.member_ends[position]] for values in (columns.days, columns.nets))
    members = int(nets[days <= day].sum())
    step = begins + int(np.searchsorted(columns.starts[begins : columns.ends[position]], day, "right")) - 1
    if step < begins:
        return NOTHING, members
    base, times, each = steps.shapes[columns.shapes[step]].reshape(3, NUMBER)
    cell = None if columns.cells[step] == NO_CELL else steps.cells[columns.cells[step]]
    added = base + times * columns.workers[step]
    return Segment(int(columns.starts[step]), cell, packed(added.tolist()), packed(each.tolist())), members


def _joined(parts: Iterable[Ints]) -> Ints:
    found = list(parts)
    return found[0] if len(found) == 1 else np.concatenate(found) if found else np.array([], np.int64)


def _numbered(values: Iterable[str]) -> tuple[list[str], Ints]:
    """The different values, and the number of each one."""
    numbers = dict[str, int]()
    found = np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
    return list(numbers), found
