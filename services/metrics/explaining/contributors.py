"""Who makes a figure up: every enterprise (or union) that adds to it, with its workers and the days that it has been without a union.

The amounts of all contributors add up to the figure: both are C(F_k, t) of the same facts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.metrics.explaining.fact_sets import sets_known, sets_of
from services.metrics.explaining.measures import DERIVED, TIME_TO_FOUND, Amounts, Measure, measure_of
from services.metrics.explaining.unions import without_union_since
from services.metrics.figures import rollups, sql
from services.metrics.figures.questions import Snapshot, key_of, month_ends
from services.metrics.figures.scope import Scope, contribution_on, counts_of, time_to_found_on
from services.metrics.figures.tree import UNKNOWN
from services.metrics.figures.visibility import hidden
from services.metrics.folding.durations import days_of
from services.metrics.folding.facts import FactSet
from services.metrics.measures import Vector
from services.metrics.tables.rows import FOUNDED, Cell

MONTHS_OF_LAG = 13
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


class Contributors:
    """Computes the contributions to one figure."""

    def __init__(self, snapshot: Snapshot, question: Question) -> None:
        self._snapshot = snapshot
        self._question = question
        self._scope = question.scope(snapshot)
        self._measure: Measure | None = None if question.measure == TIME_TO_FOUND else measure_of(question.measure)

    async def all(self) -> AsyncIterator[Contribution]:
        """Every contribution that is not 0, in no order, without names."""
        question, snapshot = self._question, self._snapshot
        async for rows in sql.states(snapshot.conn, snapshot.generation, await self._parks()):
            for subject, facts in (await sets_of(snapshot, rows, question.known_at)).items():
                found = self._of(subject, facts)
                if found is not None and any(found.amounts):
                    yield found

    async def one(self, subject: str) -> Contribution | None:
        """The contribution of one enterprise or union, also if it is 0; None if it is not in the scope."""
        stored = await sql.states_of(self._snapshot.conn, self._snapshot.generation, [subject])
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

    async def _parks(self) -> Collection[str] | None:
        """The parks that can have contributors, None: all. Over a year the changes in a park may cancel out, so all of the scope."""
        question, scope, snapshot = self._question, self._scope, self._snapshot
        if self._measure is None:
            rows = await sql.durations_by_key(snapshot.conn, snapshot.generation, "park", question.as_of, question.known_at, scope.parks)
            return sorted({row["key"] for row in rows if row["key"] and scope.may_hold(row["key"])})
        if self._measure.form == "lag":
            return None if scope.parks is None else list(scope.parks)
        found = await rollups.by_key(snapshot.conn, snapshot.generation, "park", question.as_of, question.known_at, scope.parks)
        of = self._measure.of
        return [park for park, value in found.items() if park is not None and any(of(counts_of(value))) and scope.may_hold(park)]


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
    unions = await sql.union_names(snapshot.conn, snapshot.generation, [id_of(one.subject) for one in found if is_union(one.subject)])
    enterprises = await sql.known_names(
        snapshot.conn, snapshot.generation, [id_of(one.subject) for one in found if not is_union(one.subject)]
    )
    listed = []
    for one in found:
        if one.subject in unseen:
            listed.append(replace(one, hidden=True))
            continue
        row = enterprises.get(id_of(one.subject))
        name, code = (row["name"], row["credit_code"]) if row else (unions.get(id_of(one.subject)), None)
        listed.append(replace(one, name=name, credit_code=code))
    return listed


async def counts_in(snapshot: Snapshot, question: Question, day: date) -> Vector:
    """The counts of the question's group on a day, summed from the ledger."""
    scope = question.scope(snapshot)
    found = await rollups.by_key(snapshot.conn, snapshot.generation, key_of(question.by), day, question.known_at, scope.parks)
    return sum(value for key, value in found.items() if scope.group is None or scope.group == _group(scope, key))


def _group(scope: Scope, key: str | None) -> str:
    return scope.tree.district(key) if scope.by == "district" else key or UNKNOWN


def is_union(subject: str) -> bool:
    """Whether a subject is a union, not an enterprise."""
    return subject.startswith(UNION)


def id_of(subject: str) -> UUID:
    """The enterprise's or union's id."""
    return UUID(subject.partition("/")[2])
