"""Who makes a figure up: every enterprise (or union) that adds to it, with its workers and the days that it has been without a union.

The amounts of all contributors add up to the figure: both are C(F_k, t) of the same facts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any, overload
from uuid import UUID

import numpy as np

from services.metrics.explaining.measures import DERIVED, TIME_TO_FOUND, Amounts, Measure, measure_of
from services.metrics.explaining.sets.columns import Mask
from services.metrics.explaining.sets.known import sets_known, sets_of
from services.metrics.explaining.sets.standing import Standing, read, standing
from services.metrics.explaining.unions import without_union_since
from services.metrics.figures.questions import key_of, month_ends
from services.metrics.figures.rolled import rollups
from services.metrics.figures.scope import Scope, contribution_on, counts_of, time_to_found_on
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import name_store, set_store
from services.metrics.figures.tree import UNKNOWN
from services.metrics.figures.visibility import hidden
from services.metrics.folding.durations import EPOCH, days_of
from services.metrics.folding.facts import FactSet
from services.metrics.folding.steps import KINDS, NEVER, Ints, Subjects
from services.metrics.measures import Vector
from services.metrics.tables.rows import FOUNDED, Cell

MONTHS_OF_LAG = 13
WAITED = ("founded", "waiting", "days")
"""The amounts of the time to found."""
UNKNOWN_NUMBER = -1
UNION = "union/"


@dataclass(frozen=True, slots=True)
class Question:
    """Which figure: a name of `measures.EXPLAINED`, of an area (None: of everything) or of one group of `by` in it, on two days."""

    measure: str
    area: str | None
    by: str | None
    group: str | None
    as_of: date
    known_at: date

    @property
    def before(self) -> date:
        """The day with which a lag compares: the end of the month twelve months before."""
        return month_ends(self.as_of, MONTHS_OF_LAG)[0]

    def scope(self, snapshot: Snapshot) -> Scope:
        """The parks and the group, by the tree of the question's days."""
        return Scope.of(snapshot.areas.at(self.as_of, self.known_at), self.area, self.by, self.group)


@dataclass(frozen=True, slots=True)
class Contribution:
    """One enterprise or union: its cell, what it adds (`amounts`, as the measure's columns name them), and what ranks it.

    `workers` None: unknown. `days`: how long it has been without a union that it should have, None if it has one or need not; of the time
    to found, the days that it waited.
    """

    subject: str
    cell: Cell
    amounts: Amounts
    workers: int | None = None
    days: int | None = None
    name: str | None = None
    credit_code: str | None = None
    hidden: bool = False
    """Whether the caller may not know who it is (`figures.visibility.hidden`); it counts all the same."""


class Found(Sequence[Contribution]):
    """Contributions as columns, without names; each is made when it is asked for. `subjects`; `workers` and `days`, UNKNOWN for None; `amounts`, a
    row for each."""

    def __init__(self, subjects: Subjects, cells: Sequence[Cell], of_cells: Ints, amounts: Ints, workers: Ints, days: Ints) -> None:
        self.subjects, self.amounts, self.workers, self.days = subjects, amounts, workers, days
        self._cells, self._of_cells = cells, of_cells

    @classmethod
    def of(cls, found: Sequence[Contribution], width: int) -> Found:
        """Contributions with so many amounts."""
        cells = list(dict.fromkeys(one.cell for one in found))
        numbers = {cell: number for number, cell in enumerate(cells)}
        return cls(
            np.array([one.subject.encode() for one in found], "S" if found else "S1"),
            cells,
            np.array([numbers[one.cell] for one in found], np.int64),
            np.array([one.amounts for one in found], np.int64).reshape(-1, width),
            np.array([UNKNOWN_NUMBER if one.workers is None else one.workers for one in found], np.int64),
            np.array([UNKNOWN_NUMBER if one.days is None else one.days for one in found], np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Found]) -> Found:
        """All of some parts, of which there is one at least."""
        cells, ends = list(chain.from_iterable(part._cells for part in parts)), np.cumsum([0, *(len(part._cells) for part in parts)])
        return cls(
            np.concatenate([part.subjects for part in parts]),
            cells,
            np.concatenate([part._of_cells + end for part, end in zip(parts, ends[:-1], strict=True)]),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("amounts", "workers", "days")),
        )

    def only(self, chosen: Mask) -> Found:
        """Some of them."""
        at = np.flatnonzero(chosen)
        return Found(self.subjects[at], self._cells, self._of_cells[at], self.amounts[at], self.workers[at], self.days[at])

    def __len__(self) -> int:
        return len(self.subjects)

    @overload
    def __getitem__(self, at: int) -> Contribution: ...

    @overload
    def __getitem__(self, at: slice) -> list[Contribution]: ...

    def __getitem__(self, at: int | slice) -> Contribution | list[Contribution]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        workers, days = (None if number == UNKNOWN_NUMBER else number for number in (int(self.workers[at]), int(self.days[at])))
        subject: str = self.subjects[at].decode()
        return Contribution(subject, self._cells[self._of_cells[at]], tuple(self.amounts[at].tolist()), workers, days)


class Contributors:
    """Computes the contributions to one figure."""

    def __init__(self, snapshot: Snapshot, question: Question) -> None:
        self._snapshot = snapshot
        self._question = question
        self._scope = question.scope(snapshot)
        self._measure: Measure | None = None if question.measure == TIME_TO_FOUND else measure_of(question.measure)

    async def all(self) -> Found:
        """Every contribution that is not 0, in no order."""
        question, snapshot = self._question, self._snapshot
        if self._measure is not None and self._measure.form == "lag":
            return Found.of([one async for one in self._of_states()], len(self._measure.columns))
        parks = self._scope.parks
        within = None if parks is None else [*filter(self._scope.may_hold, parks)]
        found = await standing(snapshot, within, question.as_of, question.known_at)
        rest = [self._of(subject, facts) async for subject, facts in read(snapshot, found.rest, question.known_at)]
        others = [one for one in rest if one is not None and any(one.amounts)]
        width = len(WAITED) if self._measure is None else len(self._measure.columns)
        told = self._told(found)
        return Found.joined([told, Found.of(others, width)]) if others else told

    async def _of_states(self) -> AsyncIterator[Contribution]:
        """As `all`, by the states of all sets: of two days, on which a set may be in two parks."""
        question, snapshot = self._question, self._snapshot
        parks = self._scope.parks
        async for rows in set_store.states(snapshot.conn, snapshot.generation, None if parks is None else list(parks)):
            for subject, facts in (await sets_of(snapshot, rows, question.known_at)).items():
                found = self._of(subject, facts)
                if found is not None and any(found.amounts):
                    yield found

    def _told(self, found: Standing) -> Found:
        """The contributions of the sets that their columns tell."""
        sets, day = found.sets, self._question.as_of.toordinal()
        counting, counts = found.told & sets.counting(self._scope), sets.counts
        if self._measure is None:
            at = np.flatnonzero(counting & (sets.waits != 0))
            founded, values = sets.waits[at] == KINDS.index(FOUNDED), sets.values[at]
            days = np.where(founded, values, day - EPOCH - values)
            amounts = np.stack((founded, ~founded, days), axis=1).astype(np.int64)
        else:
            columns = _columns(self._measure.of, counts)
            at = np.flatnonzero(counting & np.logical_or.reduce([column != 0 for column in columns]))
            amounts, since = np.stack([column[at] for column in columns], axis=1), sets.since[at]
            days = np.where(since == NEVER, UNKNOWN_NUMBER, day - since)
        workers = np.where(counts["units_headcount_known"][at] != 0, counts["workers"][at], UNKNOWN_NUMBER)
        return Found(sets.subjects[at], sets.cell, sets.cells[at], amounts, workers, days)

    async def one(self, subject: str) -> Contribution | None:
        """The contribution of one enterprise or union, also if it is 0; None if it is not in the scope."""
        stored = await set_store.states_of(self._snapshot.conn, self._snapshot.generation, [subject])
        sets = await sets_known(self._snapshot, stored, self._question.known_at)
        found = self._of(subject, sets[subject]) if subject in sets else None
        shown = await named(self._snapshot, self._question, [found] if found else [])
        return next((one for one in shown if not one.hidden), None)

    def _of(self, subject: str, facts: FactSet) -> Contribution | None:
        if self._measure is None:
            return self._waited(subject, facts)
        as_of, known_at = self._question.as_of, self._question.known_at
        cell, counts = today = self._counts(facts, as_of)
        amounts = self._measure.of(counts_of(counts))
        if self._measure.form == "lag":
            cell_before, counts_before = self._counts(facts, self._question.before)
            cell = cell or cell_before
            amounts = tuple(now - then for now, then in zip(amounts, self._measure.of(counts_of(counts_before)), strict=True))
        if cell is None:
            return None
        since = without_union_since(facts, as_of, known_at) if today[0] is not None else None
        return Contribution(subject, cell, amounts, _workers(counts), (as_of - since).days if since else None)

    def _counts(self, facts: FactSet, day: date) -> tuple[Cell | None, Vector]:
        cell, counts = contribution_on(facts, day, self._question.known_at)
        return (cell, counts) if cell is not None and self._scope.holds(cell) else (None, 0)

    def _waited(self, subject: str, facts: FactSet) -> Contribution | None:
        """(founded, waiting, days): the contribution to the time to found."""
        found = time_to_found_on(facts, self._question.as_of, self._question.known_at)
        if found is None or not self._scope.holds(found.cell):
            return None
        founded, days = found.kind == FOUNDED, days_of(found.kind, found.value, self._question.as_of)
        workers = _workers(self._counts(facts, self._question.as_of)[1])
        return Contribution(subject, found.cell, (int(founded), int(not founded), days), workers, days)


def _columns(of: Callable[[Any], Any], counts: Mapping[str, Ints]) -> tuple[Ints, ...]:
    """The amounts of many sets at once: what is added and subtracted may be numbers or arrays."""
    found: tuple[Ints, ...] = of(counts)
    return found


def _workers(counts: Vector) -> int | None:
    found = counts_of(counts)
    return found["workers"] if found["units_headcount_known"] else None


async def named(snapshot: Snapshot, question: Question, found: Sequence[Contribution]) -> list[Contribution]:
    """The same contributions with names and credit codes, and which of them are hidden from the caller."""
    days = (
        {question.as_of, question.before}
        if question.measure in DERIVED and measure_of(question.measure).form == "lag"
        else {question.as_of}
    )
    unseen = await hidden(snapshot, [one.subject for one in found], *days)
    ids = {one.subject: id_of(one.subject) for one in found}
    unions = await name_store.union_names(snapshot.conn, snapshot.generation, [one for subject, one in ids.items() if is_union(subject)])
    enterprises = await name_store.known_names(
        snapshot.conn, snapshot.generation, [one for subject, one in ids.items() if not is_union(subject)]
    )
    listed = []
    for one in found:
        name, code, is_hidden = one.name, one.credit_code, one.subject in unseen
        if not is_hidden:
            row = enterprises.get(ids[one.subject])
            name, code = (row["name"], row["credit_code"]) if row else (unions.get(ids[one.subject]), None)
        listed.append(Contribution(one.subject, one.cell, one.amounts, one.workers, one.days, name, code, is_hidden))
    return listed


async def counts_in(snapshot: Snapshot, question: Question, day: date) -> Vector:
    """The counts of the question's group on a day, summed from the ledger."""
    scope = question.scope(snapshot)
    found = await rollups.by_key(snapshot.ledger, key_of(question.by), day, question.known_at, scope.parks)
    return sum(value for key, value in found.items() if scope.group is None or scope.group == _group(scope, key))


def _group(scope: Scope, key: str | None) -> str:
    return scope.tree.district(key) if scope.by == "district" else key or UNKNOWN


def is_union(subject: str) -> bool:
    """Whether a subject is a union, not an enterprise."""
    return subject.startswith(UNION)


def id_of(subject: str) -> UUID:
    """The enterprise's or union's id."""
    return UUID(subject.partition("/")[2])
