"""A figure as its explanation says it, and the events behind the contribution of one enterprise or union.

The figure is read from the ledger. The contributions (`contributors`, `ranking`) are computed again from the stored facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeAlias, assert_never

from services.metrics.counted import (
    BY_KIND,
    Area,
    Aspect,
    Attribute,
    Correction,
    DayClosing,
    Matter,
    Members,
    NotCounted,
    Withdrawal,
    kind_of,
    kinds_of,
)
from services.metrics.explaining.contributors import Question, counts_in
from services.metrics.explaining.measures import TIME_TO_FOUND, Amounts, measure_of
from services.metrics.explaining.waits import Waits, durations, require_durations
from services.metrics.figures.questions import Rate
from services.metrics.figures.scope import counts_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import fact_store
from services.metrics.figures.visibility import Row, shown_rows, unrestricted
from shared.process.db import Record

Position: TypeAlias = tuple[datetime, str, int]
"""(recorded_at, source, sequence) of an event."""
FIRST: Position = (datetime.min.replace(tzinfo=UTC), "", 0)

DEFAULT = (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.COVERAGE)
ASPECTS: dict[str, tuple[Aspect, ...]] = {
    "units": (Aspect.LIFE,),
    "units_headcount_known": (Aspect.LIFE, Aspect.HEADCOUNT),
    "units_headcount_stale": (Aspect.LIFE, Aspect.HEADCOUNT),
    "should_organise_all": (Aspect.LIFE, Aspect.HEADCOUNT),
    "should_organise_ge25": (Aspect.LIFE, Aspect.HEADCOUNT),
    "in_grace": (Aspect.LIFE, Aspect.HEADCOUNT),
    "workers": (Aspect.LIFE, Aspect.HEADCOUNT),
    "covered_units": (Aspect.LIFE, Aspect.COVERAGE),
    "second_covered": (Aspect.LIFE, Aspect.COVERAGE),
    "members": (Aspect.LIFE, Aspect.MEMBERS),
    "members_headcount_unknown": (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.MEMBERS),
    "members_unionised": (Aspect.LIFE, Aspect.COVERAGE, Aspect.MEMBERS),
    "unions": (Aspect.UNION,),
    "worker_joining_rate_all": (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.MEMBERS),
    "worker_joining_rate_unionised": (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.COVERAGE, Aspect.MEMBERS),
    "units_headcount_unknown": (Aspect.LIFE, Aspect.HEADCOUNT),
    "headcount_completeness": (Aspect.LIFE, Aspect.HEADCOUNT),
    "joining_lag": (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.MEMBERS),
}
"""{measure: the aspects of the facts that can change it}; every other measure has DEFAULT."""
BY_CLASS = frozenset(("industry", "size", "ownership"))


@dataclass(frozen=True, slots=True)
class Behind:
    """One event behind a contribution. `in_force` is False if, as known at that day, a later event replaced or withdrew it or it states no fact."""

    row: Row
    in_force: bool


def kinds_behind(measure: str, by: str | None) -> tuple[str, ...]:
    """The kinds of facts that can change a figure."""
    aspects = ASPECTS.get(measure, DEFAULT)
    if by in BY_CLASS and measure != "unions":
        aspects += (Aspect.CLASS, Aspect.HEADCOUNT) if by == "size" else (Aspect.CLASS,)
    return kinds_of(*aspects)


@dataclass(frozen=True, slots=True)
class Lag:
    """Two amounts twelve months before and now: by how much faster the first grew than the second."""

    before: Amounts
    now: Amounts

    @property
    def rate(self) -> Rate:
        """The growth of the first less that of the second; without a base where one of them was 0."""
        (part, whole), (part_now, whole_now) = self.before, self.now
        return Rate(part_now * whole - whole_now * part, part * whole) if part and whole else Rate(0, 0)


Figure: TypeAlias = int | Rate | Lag | Waits


async def figure(snapshot: Snapshot, question: Question) -> Figure:
    """The figure itself, from the ledger. Raises REBUILD_NEEDED (503) of the time to found."""
    if question.measure == TIME_TO_FOUND:
        return await _waits(snapshot, question)
    measure = measure_of(question.measure)
    amounts = await _amounts(snapshot, question, question.as_of)
    match measure.form:
        case "count":
            return amounts[0]
        case "rate":
            return Rate(*amounts)
        case "lag":
            return Lag(await _amounts(snapshot, question, question.before), amounts)


async def _amounts(snapshot: Snapshot, question: Question, day: date) -> Amounts:
    return measure_of(question.measure).of(counts_of(await counts_in(snapshot, question, day)))


async def _waits(snapshot: Snapshot, question: Question) -> Waits:
    require_durations(snapshot)
    answer = await durations(snapshot, area=question.area, by=question.by, as_of=question.as_of, known_at=question.known_at)
    if question.group is None:
        return answer.total
    return next((row for row in answer.rows if row.code == question.group), Waits(question.group))


def position_of(behind: Behind) -> Position:
    """The position of an event in the order of recording."""
    return behind.row["recorded_at"], behind.row["source"], behind.row["sequence"]


async def events(snapshot: Snapshot, question: Question, subject: str, after: Position, limit: int) -> tuple[list[Behind], bool]:
    """The next events behind a contribution in the order in which they were recorded, and whether there are more."""
    conn, generation, known_at = snapshot.conn, snapshot.generation, question.known_at
    kinds = kinds_behind(question.measure, question.by)
    rows = await fact_store.facts_of(conn, generation, subject, question.as_of, known_at, kinds, after, limit + 1)
    return await behind(snapshot, subject, known_at, rows[:limit]), len(rows) > limit


async def behind(snapshot: Snapshot, subject: str, known_at: date, rows: Sequence[Record]) -> list[Behind]:
    """Events of one subject as the caller may see them, in their order."""
    async with unrestricted(snapshot):
        corrected = await fact_store.corrections(snapshot.conn, snapshot.generation, subject, known_at)
    return [Behind(row, in_force(row, corrected)) for row in await shown_rows(snapshot, [dict(row) for row in rows])]


def in_force(row: Row, corrected: Mapping[tuple[str, int], int]) -> bool:
    """Whether an event states a fact that no later one replaced or withdrew; `corrected`: {(source, rank): sequence of the last correction}."""
    match BY_KIND[kind_of(row["type"])]:
        case Withdrawal():
            return False
        case Correction():
            rank = row["says"]["withdrawn"]["rank"]
            return corrected[row["source"], rank] == row["sequence"] and row["says"]["replacement"] is not None
        case Attribute() | Members() | Matter() | NotCounted() | Area() | DayClosing():
            return (row["source"], row["sequence"]) not in corrected
        case other:
            assert_never(other)
