"""The steps of many sets of facts as columns: what each enterprise or union adds on any business day, without opening its set (pure).

Of a set everything is kept that does not depend on the day asked about: the step function C, since when each step has been without a union, the
waiting D, and members by day. A question about thousands of sets is then a few operations on arrays (docs/adr/0026-steps-of-sets-as-columns.md).
Days are ordinals.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from services.metrics.folding.coverage import Segment
from services.metrics.folding.durations import spans
from services.metrics.folding.facts import FactSet
from services.metrics.folding.findings import before_settled_from
from services.metrics.measures import INDEX, MEASURES, NUMBER, unpacked, vector
from services.metrics.tables.rows import FOUNDED, WAITING, Cell, Kind

Ints: TypeAlias = npt.NDArray[np.int64]
Subjects: TypeAlias = npt.NDArray[np.bytes_]
T = TypeVar("T")
NO_CELL = -1
NEVER = 0
"""In the place of a day: none."""
KINDS: Sequence[Kind | None] = (None, FOUNDED, WAITING)
"""The codes of `Columns.waits`."""
_WORKERS, _UNIONISED = INDEX["workers"], INDEX["workers_unionised"]
_SHOULD_ORGANISE = vector(should_organise_all=1)
_COVERED = vector(covered_units=1)


class Without(NamedTuple):
    """From `start` to the next one: the day since which an enterprise has been without a union that it should have; NEVER: it is not."""

    start: int
    since: int


def without_union(shape: Sequence[Segment]) -> list[Without]:
    """Since when an enterprise has been without a union that it should have, a line for each step of its shape.

    It is the start of its time to found (`durations`), or the day on which its last union ended.
    """
    found = list[Without]()
    since, covered_before = NEVER, False
    for segment in shape:
        covered = bool(segment.base & _COVERED)
        if segment.cell is None or covered:
            since = NEVER
        elif since == NEVER and (covered_before or segment.base & _SHOULD_ORGANISE):
            since = segment.start
        covered_before |= covered
        found.append(Without(segment.start, since))
    return found


@dataclass(frozen=True, slots=True)
class Columns:
    """The arrays. Of the sets, by subject: `subjects`, `newest` (the last known day), `early` (from when on
    something is dated before settling, see `findings.before_settled_from`), `ends` (of their steps), `member_ends`; of the steps:
    `starts`, `cells` (an index of Steps.cells, NO_CELL), `shapes` (an index of Steps.shapes), `workers`, `since` (see `Without`), `waits` (an index of
    KINDS) with `values`; of the members: `days` and `nets`.
    """

    subjects: Subjects
    newest: Ints
    early: Ints
    ends: Ints
    starts: Ints
    cells: Ints
    shapes: Ints
    workers: Ints
    since: Ints
    waits: Ints
    values: Ints
    member_ends: Ints
    days: Ints
    nets: Ints


STORED = dict.fromkeys((one.name for one in fields(Columns)), "<i4") | {"waits": "i1"}
"""{column: how its numbers are stored}"""
OF_SETS, OF_MEMBERS = ("subjects", "newest", "early", "ends", "member_ends"), ("days", "nets")
OF_STEPS = tuple(name for name in STORED if name not in (*OF_SETS, *OF_MEMBERS))


class _Stored(msgspec.Struct, array_like=True):
    cells: list[Cell]
    shapes: list[list[int]]
    width: int
    columns: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Steps:
    """`shapes`: rows of (what a step adds without its workers, how often its workers count in each measure, what each member adds), 3 × NUMBER."""

    columns: Columns
    cells: Sequence[Cell]
    shapes: Ints
    _known: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    def on(self, day: int) -> OnDay:
        """What the sets add on a day. That of the last day that was asked for is kept."""
        found: OnDay | None = self._known.get("on")
        if found is None or found.day != day:
            found = self._known["on"] = OnDay(self, day)
        return found

    def of_cells(self, key: Hashable, value: Callable[[Cell], T]) -> Sequence[T]:
        """A value of each cell, computed once for each key."""
        found: Sequence[T] | None = self._known.get(key)
        if found is None:
            found = self._known[key] = [value(cell) for cell in self.cells]
        return found

    def __len__(self) -> int:
        return len(self.columns.subjects)

    @classmethod
    def of(cls, sets: Mapping[str, FactSet]) -> Steps:
        """The steps of sets as they are now."""
        made = _Making()
        for subject in sorted(sets):
            made.add(subject, sets[subject])
        return made.steps()

    @classmethod
    def load(cls, stored: bytes) -> Steps:
        """Read what `dump` wrote."""
        read = msgspec.msgpack.decode(stored, type=_Stored)
        arrays: dict[str, Any] = {name: np.frombuffer(data, STORED[name]) for name, data in read.columns.items() if name != "subjects"}
        subjects = np.frombuffer(read.columns["subjects"], f"S{read.width}")
        return cls(Columns(subjects=subjects, **arrays), read.cells, np.array(read.shapes, np.int64).reshape(-1, 3 * NUMBER))

    def dump(self) -> bytes:
        """The steps as msgpack."""
        columns = {name: getattr(self.columns, name).astype(kind).tobytes() for name, kind in STORED.items() if name != "subjects"}
        columns["subjects"] = self.columns.subjects.tobytes()
        return msgspec.msgpack.encode(_Stored([*self.cells], self.shapes.tolist(), self.columns.subjects.itemsize, columns))

    def replaced(self, other: Steps) -> Steps:
        """These steps with those of `other` in the place of those of the same sets."""
        kept = np.flatnonzero(~np.isin(self.columns.subjects, other.columns.subjects))
        parts = [_part(self, kept, 0, 0), _part(other, np.arange(len(other)), len(self.cells), len(self.shapes))]
        together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        cells = dict.fromkeys((*self.cells, *other.cells))
        numbers = {cell: number for number, cell in enumerate(cells)}
        renumbered = np.array([*(numbers[cell] for cell in (*self.cells, *other.cells)), NO_CELL])
        together["cells"] = renumbered[together["cells"]]
        shapes, codes = np.unique(np.concatenate((self.shapes, other.shapes)), axis=0, return_inverse=True)
        together["shapes"] = codes.reshape(-1)[together["shapes"]]
        return _ordered(together, np.argsort(together["subjects"], kind="stable"), list(cells), shapes)


def _part(steps: Steps, kept: Ints, more_cells: int, more_shapes: int) -> dict[str, Any]:
    """Some sets of some steps, with lengths in the place of ends; numbers of cells and shapes are raised."""
    columns = steps.columns
    lengths, members = np.diff(columns.ends, prepend=0), np.diff(columns.member_ends, prepend=0)
    of_steps, of_members = _within(columns.ends, lengths, kept), _within(columns.member_ends, members, kept)
    part: dict[str, Any] = {name: getattr(columns, name)[kept] for name in OF_SETS} | {"ends": lengths[kept], "member_ends": members[kept]}
    part |= {name: getattr(columns, name)[of_steps] for name in OF_STEPS}
    part |= {name: getattr(columns, name)[of_members] for name in OF_MEMBERS}
    part["cells"] = np.where(part["cells"] == NO_CELL, NO_CELL, part["cells"] + more_cells)
    part["shapes"] = part["shapes"] + more_shapes
    return part


def _within(ends: Ints, lengths: Ints, chosen: Ints) -> Ints:
    """The positions of the elements of the chosen runs, in their order."""
    many = lengths[chosen].astype(np.int64)
    before = np.cumsum(many) - many
    found: Ints = np.arange(int(many.sum())) + np.repeat(ends[chosen].astype(np.int64) - many - before, many)
    return found


def _ordered(together: Mapping[str, Any], order: Ints, cells: Sequence[Cell], shapes: Ints) -> Steps:
    of_steps = _within(np.cumsum(together["ends"]), together["ends"], order)
    of_members = _within(np.cumsum(together["member_ends"]), together["member_ends"], order)
    arrays: dict[str, Any] = {name: together[name][order] for name in OF_SETS}
    arrays |= {name: np.cumsum(together[name][order]) for name in ("ends", "member_ends")}
    arrays |= {name: together[name][of_steps] for name in OF_STEPS} | {name: together[name][of_members] for name in OF_MEMBERS}
    return Steps(Columns(**arrays), cells, shapes)


class _Making:
    """Columns while they are filled."""

    def __init__(self) -> None:
        self._lists: dict[str, list[Any]] = {name: [] for name in STORED}
        self._cells: dict[Cell, int] = {}
        self._shapes: dict[tuple[int, ...], int] = {}

    def add(self, subject: str, facts: FactSet) -> None:
        lists = self._lists
        lists["subjects"].append(subject.encode())
        lists["newest"].append(facts.newest)
        lists["early"].append(before_settled_from(facts.in_force()) or NEVER)
        waited = spans(facts.shape)
        for segment, without in zip(facts.shape, without_union(facts.shape), strict=True):
            base, each = unpacked(segment.base), unpacked(segment.each)
            workers = base[_WORKERS]
            counted = [0] * NUMBER
            if workers:
                counted[_WORKERS], counted[_UNIONISED] = 1, int(base[_UNIONISED] > 0)
            rest = [value - workers * times for value, times in zip(base, counted, strict=True)]
            lists["starts"].append(segment.start)
            lists["cells"].append(NO_CELL if segment.cell is None else self._cells.setdefault(segment.cell, len(self._cells)))
            lists["shapes"].append(self._shapes.setdefault((*rest, *counted, *each), len(self._shapes)))
            lists["workers"].append(workers)
            lists["since"].append(without.since)
            duration = next((span.duration for span in reversed(waited) if span.start <= segment.start), None)
            lists["waits"].append(KINDS.index(duration.kind) if duration else 0)
            lists["values"].append(duration.value if duration else 0)
        lists["ends"].append(len(facts.shape))
        lists["member_ends"].append(len(facts.totals))
        lists["days"] += facts.totals.keys()
        lists["nets"] += facts.totals.values()

    def steps(self) -> Steps:
        arrays = {name: np.array(values, np.int64) for name, values in self._lists.items() if name != "subjects"}
        arrays |= {name: np.array([*accumulate(self._lists[name])], np.int64) for name in ("ends", "member_ends")}
        subjects = np.array(self._lists["subjects"], "S") if self._lists["subjects"] else np.array([], "S1")
        shapes = np.array([*self._shapes], np.int64).reshape(-1, 3 * NUMBER)
        return Steps(Columns(subjects=subjects, **arrays), list(self._cells), shapes)


class OnDay:
    """What the sets of some steps add on a business day. Of those in no cell on that day all is 0.

    `cells`: an index of Steps.cells, NO_CELL; `since`: since when without a union, NEVER; `waits`, `values`: D.
    """

    def __init__(self, steps: Steps, day: int) -> None:
        columns = steps.columns
        self.day, self._steps = day, steps
        past = np.concatenate(([0], np.cumsum(columns.starts <= day, dtype=np.int32)))
        begins = np.concatenate(([0], columns.ends[:-1]))[: len(steps)]
        many = past[columns.ends] - past[begins]
        counts = many > 0
        at = np.where(counts, begins + many - 1, 0)

        def of(values: Ints, none: int) -> Ints:
            return np.where(counts, values[at], np.int32(none)) if len(values) else np.full(len(steps), none, np.int32)

        self.cells = of(columns.cells, NO_CELL)
        self.since, self.waits, self.values = of(columns.since, NEVER), of(columns.waits, 0), of(columns.values, 0)
        inside = self.cells != NO_CELL
        self._workers, self._shape = np.where(inside, of(columns.workers, 0), 0), np.where(inside, of(columns.shapes, 0), -1)
        self._shapes = np.concatenate((steps.shapes, np.zeros((1, 3 * NUMBER), np.int64)))
        self._members: Ints | None = None

    def measure(self, name: str) -> Ints:
        """One measure of each set."""
        at = INDEX[name]
        base, times, each = (self._shapes[:, of * NUMBER + at] for of in range(3))
        found: Ints = base[self._shape] if base.any() else np.zeros(len(self._shape), np.int64)
        if times.any():
            found = found + times[self._shape] * self._workers
        return found + each[self._shape] * self.members() if each.any() else found

    def members(self) -> Ints:
        """How many members there are of each set."""
        if self._members is None:
            columns, length = self._steps.columns, len(self._steps)
            nets = np.concatenate(([0], np.cumsum(np.where(columns.days <= self.day, columns.nets, 0), dtype=np.int32)))
            self._members = nets[columns.member_ends] - nets[np.concatenate(([0], columns.member_ends[:-1]))[:length]]
        return self._members


class Counts(Mapping[str, Ints]):
    """The measures of an `OnDay` by name, computed when they are asked for."""

    def __init__(self, on: OnDay) -> None:
        self._on = on

    def __getitem__(self, name: str) -> Ints:
        return self._on.measure(name)

    def __iter__(self) -> Any:
        return iter(MEASURES)

    def __len__(self) -> int:
        return NUMBER
