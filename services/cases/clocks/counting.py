"""From a start, a rule and what stops it to a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from services.cases.calendars.calendar import Calendar
from services.cases.clocks.clock import Clock
from services.cases.clocks.happened import Start, Timeline, day_of
from services.cases.clocks.names import Reason
from services.cases.clocks.periods import DAY, DayKind, Period
from services.cases.rulebook.defaults import DEFAULTS
from services.cases.rulebook.rulebook import Rulebook, Ruling

Interval: TypeAlias = tuple[date, date | None]
"""Suspended days: the first one, and the first that counts again; None while nobody knows."""


def period_of(value: Mapping[str, Any]) -> Period:
    """The period that a rule's value says."""
    if "months" in value:
        return Period(value["months"], DayKind.MONTHS, value.get("rolls", True))
    return Period(value["days"], DayKind(value["day_kind"]), value.get("rolls", True))


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends a clock: the day on which what it asks for was done, and the day on which it no longer matters."""

    met_on: date | None = None
    stopped_on: date | None = None

    def settled(self, closed_on: date | None) -> Ends:
        """The earlier of both alone; what is done on the day of the stop is done. The outcome of the case stops what is open."""
        stops = [day for day in (self.stopped_on, closed_on) if day is not None]
        stopped_on = min(stops, default=None)
        if self.met_on is not None and (stopped_on is None or self.met_on <= stopped_on):
            return Ends(self.met_on)
        return Ends(None, stopped_on)

    @property
    def on(self) -> date | None:
        """The day from which the clock no longer counts; of settled ends."""
        return self.stopped_on if self.met_on is None else self.met_on


@dataclass(frozen=True, slots=True)
class Counting:
    """What all clocks of a subject are counted by. `path`: the subject's area and those around it, inside out. `closed_on`: its outcome."""

    rules: Rulebook
    path: Sequence[str]
    calendar: Calendar
    closed_on: date | None = None

    def waiting(self, name: str, why: Reason, ends: Ends, **more: Any) -> Clock:
        """A clock that has not begun."""
        settled = ends.settled(self.closed_on)
        rule = DEFAULTS[more.pop("rule", name)]
        article = more.pop("article", rule.article)
        return Clock(clock=name, law=rule.law, article=article, reason=why, met_on=settled.met_on, stopped_on=settled.stopped_on, **more)

    def running(
        self,
        name: str,
        starts_on: date,
        ends: Ends,
        *,
        rule: str | None = None,
        part: str | None = None,
        ruling: Ruling | None = None,
        extended: int = 0,
        suspended: Sequence[Interval] = (),
        **more: Any,
    ) -> Clock:
        """A clock that runs from a day.

        `rule`: if it has not the clock's name; `part`: the key under which its value has the period. `ruling`: if it is not the one of the
        starting day. `suspended`: in order, without overlaps; those that matter stay with the clock. `more`: other fields of the clock.
        """
        settled = ends.settled(self.closed_on)
        row = DEFAULTS[rule or name]
        ruling = ruling or self.rules.at(row.name, self.path, starts_on)
        value = None if ruling is None else ruling.value if part is None else ruling.value.get(part)
        fields: dict[str, Any] = {
            "clock": name,
            "starts_on": starts_on,
            "law": row.law,
            "article": row.article,
            "extended_days": extended,
            "met_on": settled.met_on,
            "stopped_on": settled.stopped_on,
            **more,
        }
        if ruling is None or value is None:
            return Clock(**fields, reason=Reason.NO_RULE, rule_version=None if ruling is None else ruling.version)
        period = period_of(value)
        intervals = [gap for gap in _until(suspended, settled.on) if gap[1] is None or gap[1] - DAY > starts_on]
        gaps = [(begin, end) for begin, end in intervals if end is not None]
        due = period.end(starts_on, self.calendar, extended=extended, gaps=gaps)
        intervals = [gap for gap in intervals if due.unrolled is None or gap[0] <= due.unrolled]
        waits = bool(intervals) and intervals[-1][1] is None
        reason = Reason.SUSPENDED if waits else Reason.CALENDAR_ENDS if due.due_on is None else None
        return Clock(
            **fields,
            due_on=None if waits else due.due_on,
            not_before=due.not_before,
            days=period.length,
            day_kind=period.kind,
            rule_version=ruling.version,
            reason=reason,
            missing_year=due.missing_year if reason is Reason.CALENDAR_ENDS else None,
            suspended=tuple(intervals),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A clock that runs from one fact to another.

    `begins`: the fact from which it runs; `anew`: facts from which it runs again. `listed`: facts that make it known before it begins, with
    the reason `waits`. `met_by`, `stopped_by`: what ends it. `extended_by`: the step that adds days. `suspendable`: the steps `suspended`
    and `resumed` may name it. `without_notice`: public notice is left out.
    """

    clock: str
    begins: str
    met_by: tuple[str, ...]
    stopped_by: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    waits: Reason = Reason.NOT_RECEIVED
    extended_by: str | None = None
    suspendable: bool = False
    without_notice: bool = False


def clock_of(row: Row, line: Timeline, counting: Counting) -> Clock | None:
    """The clock of a row; None if nothing of it has happened."""
    start = line.start(row.begins, row.anew, row.met_by)
    if start.fact is None and not line.has(*row.listed):
        return None
    ends = ends_of(line, start, row.met_by, row.stopped_by)
    if start.fact is None:
        return counting.waiting(row.clock, row.waits, ends)
    extensions = line.since(start, row.extended_by) if row.extended_by else ()
    return counting.running(
        row.clock,
        start.fact.on,
        ends,
        begun_by=start.fact.rank,
        extended=sum(fact.said["days"] for fact in extensions),
        suspended=merged([*(suspensions(line, row.clock) if row.suspendable else ()), *(notices(line) if row.without_notice else ())]),
    )


def ends_of(line: Timeline, start: Start, met_by: Sequence[str], stopped_by: Sequence[str]) -> Ends:
    """The first facts behind a start that end its period."""
    return Ends(day_of(line.since(start, *met_by)), day_of(line.since(start, *stopped_by)))


def suspensions(line: Timeline, clock: str) -> list[Interval]:
    """The intervals that the steps `suspended` and `resumed` make of a clock."""
    steps = [fact for fact in line.named("suspended", "resumed") if fact.said["clock"] == clock]
    return _intervals([(fact.on, fact.name == "suspended") for fact in steps])


def notices(line: Timeline) -> list[Interval]:
    """The intervals of service by public notice (Case-handling Rules 2017, art. 46)."""
    return _intervals([(fact.on, fact.name == "notice_began") for fact in line.named("notice_began", "notice_ended")])


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same days in order and without overlaps."""
    made: list[Interval] = []
    for begin, end in sorted(intervals, key=lambda interval: interval[0]):
        if made and ((before := made[-1][1]) is None or begin <= before):
            made[-1] = (made[-1][0], None if before is None or end is None else max(before, end))
        else:
            made.append((begin, end))
    return made


def _intervals(steps: Iterable[tuple[date, bool]]) -> list[Interval]:
    """From (day, whether it begins) to intervals; what begins twice began the first time."""
    made: list[Interval] = []
    for day, begins in steps:
        is_open = bool(made) and made[-1][1] is None
        if begins and not is_open:
            made.append((day, None))
        elif not begins and is_open:
            made[-1] = (made[-1][0], day)
    return [(begin, end) for begin, end in made if end != begin]


def _until(intervals: Sequence[Interval], ended_on: date | None) -> list[Interval]:
    """The intervals that begin before the clock ended; an open one ends with the clock."""
    if ended_on is None:
        return list(intervals)
    return [(begin, ended_on if end is None else end) for begin, end in intervals if begin < ended_on]
