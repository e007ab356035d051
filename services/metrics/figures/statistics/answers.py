"""The statistics of a scope: counts by group from tallies, and the coverage figures that they are divided by, in one snapshot."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.metrics.figures.labels import label
from services.metrics.figures.questions import ALL, Rate, name_of
from services.metrics.figures.rolled import rollups
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.statistics import sql
from services.metrics.figures.statistics.catalogue import STATISTICS, Statistic, StatisticName, twelve_months_before
from services.metrics.figures.stores import figure_store
from services.metrics.figures.survival import Median, curve, median
from services.metrics.figures.tree import UNKNOWN
from services.metrics.folding.durations import EPOCH
from services.metrics.folding.tallying.tally import EVENTS, Name
from services.metrics.measures import Vector, measure
from shared.problems.errors import Unavailable
from shared.process.db import Record

FIRST_FOLD_VERSION = 3
"""A generation folded by less has no tallies."""
BY_UNIT = frozenset((Name.CONTRACT, Name.CONTRACT_WORKERS))
"""What counts a unit once however many kinds it has: the total is that without a code, not the sum of the kinds."""
BEGINNING = date.min


@dataclass(frozen=True, slots=True)
class Group:
    """One group, or the total: its tallies by name, the coverage figures of its units, and for the days to close {days: cases}."""

    code: str
    name: str
    tallies: Mapping[str, int]
    figures: Vector = 0
    closed: Mapping[int, int] = field(default_factory=dict)
    open: Mapping[int, int] = field(default_factory=dict)

    def count(self, name: Name) -> int:
        """One of the tallies."""
        return self.tallies.get(name, 0)

    def of(self, measure_name: str) -> int:
        """One of the coverage figures."""
        return measure(self.figures, measure_name)

    def over(self, name: Name, measure_name: str) -> Rate:
        """A tally over a coverage figure."""
        return Rate(self.count(name), self.of(measure_name))

    @property
    def completeness(self) -> Rate:
        """The units with a known headcount over all of the group."""
        return self.over_units("units_headcount_known")

    def over_units(self, measure_name: str) -> Rate:
        """A coverage figure over the units."""
        return Rate(self.of(measure_name), self.of("units"))

    def median_days(self) -> Median:
        """Days until half of the cases are closed, with open ones censored."""
        return median(curve(self.closed, self.open))


@dataclass(frozen=True, slots=True)
class Question:
    """`since`: the first day of the window; `area` None: everything."""

    name: StatisticName
    area: str | None
    by: str | None
    as_of: date
    known_at: date
    since: date

    @property
    def statistic(self) -> Statistic:
        return STATISTICS[self.name]


@dataclass(frozen=True, slots=True)
class Answer:
    """`rows` by code, none without `by`."""

    rows: Sequence[Group]
    total: Group


def window(as_of: date) -> date:
    """The first day of the twelve months up to a day."""
    return twelve_months_before(as_of) + timedelta(days=1)


def require_tallies(snapshot: Snapshot) -> None:
    """Raises REBUILD_NEEDED (503) for a generation that was folded before there were tallies."""
    if snapshot.fold_version < FIRST_FOLD_VERSION:
        raise Unavailable("REBUILD_NEEDED", params={"fold_version": snapshot.fold_version})


async def answer(snapshot: Snapshot, question: Question, language: str = "zh") -> Answer:
    """The statistic by group and in total. The caller's grant must have been checked."""
    by, statistic = question.by, question.statistic
    tree = snapshot.areas.at(question.as_of, question.known_at)
    parks = None if question.area is None else tree.under(question.area)
    place = by if by in ("park", "industry", "size") else "park" if by == "district" else figure_store.NO_KEY
    collected = _Collected(by, question.as_of)
    for names, since in _parts(statistic, question.since):
        valued = question.name is StatisticName.DAYS_TO_CLOSE
        for row in await sums(snapshot, place, names, (since, question.as_of), question.known_at, question.area, valued=valued):
            group = tree.district(row["key"]) if by == "district" else row["key"] or UNKNOWN
            collected.add(group, row["name"], row["code"], row["value"], row["count"])
    figures = await rollups.by_key(
        snapshot.ledger,
        "park" if place == figure_store.NO_KEY else place,
        question.as_of,
        question.known_at,
        parks,
    )
    whole = sum(figures.values())
    of_groups: defaultdict[str, Vector] = defaultdict(int)
    for key, value in figures.items():
        of_groups[tree.district(key) if by == "district" else key or UNKNOWN] += value
    rows = []
    for code in sorted(
        collected.groups() if by == "kind" else {*collected.groups(), *(code for code, value in of_groups.items() if value)}
    ):
        name = _kind_name(statistic, code, language) if by == "kind" else name_of(by, code, tree, language)
        rows.append(collected.group(code, name, whole if by == "kind" else of_groups[code]))
    total = collected.group(ALL, tree.display_name(question.area) if question.area else label(ALL, ALL, language), whole)
    return Answer(rows if by else [], total)


async def sums(
    snapshot: Snapshot, place: str, names: Sequence[str], days: tuple[date, date], known_at: date, area: str | None, *, valued: bool = False
) -> Sequence[Record]:
    """As `sql.tallies`, of an area (None: of everything). Until something becomes known they are kept for the next question."""
    key = ("tallies", snapshot.version, place, tuple(names), days, known_at, area, valued)
    found: Sequence[Record] | None = snapshot.lists.get(key)
    if found is None:
        parks = None if area is None else snapshot.areas.at(days[1], known_at).under(area)
        found = await sql.tallies(snapshot.conn, snapshot.generation, place, names, days, known_at, parks, valued=valued)
        snapshot.lists.keep(key, found)
    return found


def _parts(statistic: Statistic, since: date) -> list[tuple[list[Name], date]]:
    """(names, first effective day): what happened in the window, and what is the state of the day."""
    events = [name for name in statistic.names if name in EVENTS]
    states = [name for name in statistic.names if name not in EVENTS]
    return [(names, first) for names, first in ((events, since), (states, BEGINNING)) if names]


def _kind_name(statistic: Statistic, code: str, language: str) -> str:
    if code == UNKNOWN or statistic.kinds is None:
        return label(UNKNOWN, code, language)
    named = statistic.kinds.label(code)
    return named.en if language == "en" else named.zh


class _Collected:
    """Sums of tallies by group and in total."""

    def __init__(self, by: str | None, as_of: date) -> None:
        self._by, self._today = by, as_of.toordinal()
        self._tallies: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._waits: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)

    def add(self, group: str, name: str, code: str, value: int, count: int) -> None:
        """Add a row; `group`: its place."""
        groups = [] if self._by is None else [code or UNKNOWN] if self._by == "kind" else [group]
        if name in BY_UNIT:
            groups = groups if (code != "") == (self._by == "kind") else []
            groups += [ALL] if code == "" else []
        else:
            groups.append(ALL)
        for one in groups:
            self._tallies[one][name] += count
            if name in (Name.CASE_CLOSED, Name.CASE_OPEN):
                self._waits[one, name][value if name == Name.CASE_CLOSED else self._today - EPOCH - value] += count

    def groups(self) -> set[str]:
        """The groups with tallies."""
        return {code for code, tallies in self._tallies.items() if code != ALL and any(tallies.values())}

    def group(self, code: str, name: str, figures: Vector) -> Group:
        """One of them, or the total."""
        closed, waiting = (self._waits[code, one] for one in (str(Name.CASE_CLOSED), str(Name.CASE_OPEN)))
        return Group(code, name, self._tallies.get(code, {}), figures, _positive(closed), _positive(waiting))


def _positive(counts: Mapping[int, int]) -> dict[int, int]:
    return {days: count for days, count in counts.items() if count}
