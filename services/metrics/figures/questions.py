"""Questions about coverage: figures as of a business day, as known at a day, in one snapshot with the version vector of the change feed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.metrics.figures import statements as figures
from services.metrics.figures.finality import Finality
from services.metrics.figures.freshness import Reason
from services.metrics.figures.labels import label
from services.metrics.figures.tree import UNKNOWN, Tree, Trees, Versions
from services.metrics.folding.measures import INDEX, MEASURES, PUBLISHED, RATES, Vector, unpacked
from shared.http.auth import Areas
from shared.process.clock import Clock
from shared.process.db import Connection, Pool

ALL = "all"
BY = ("district", "park", "industry", "size", "ownership")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One REPEATABLE READ transaction: what is read in it belongs together. `versions` = {shard: version} of the change feed."""

    conn: Connection
    generation: int
    fold_version: int
    versions: Mapping[int, int]
    asked_at: datetime
    today: date
    areas: Versions
    finality: Finality

    @property
    def version(self) -> str:
        """`<generation>:<version of shard 0>.<version of shard 1>…`, from which a stream can go on."""
        shards = range(max(self.versions, default=-1) + 1)
        return f"{self.generation}:{'.'.join(str(self.versions.get(shard, 0)) for shard in shards)}"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate with what it rests on; `rate` is unrounded, None with the reason NO_BASE when `d` is 0."""

    n: int
    d: int

    @property
    def rate(self) -> float | None:
        return self.n / self.d if self.d else None

    @property
    def reason(self) -> str | None:
        return None if self.d else "NO_BASE"


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one group (`code` = its code, `all` for the total)."""

    code: str
    name: str
    figures: Vector

    @property
    def measures(self) -> dict[str, int]:
        """{measure: count}, all of them."""
        return dict(zip(MEASURES, unpacked(self.figures), strict=True))

    @property
    def rates(self) -> dict[str, Rate]:
        """{rate: its numerator and denominator}."""
        counts = unpacked(self.figures)
        return {name: Rate(counts[INDEX[n]], counts[INDEX[d]]) for name, (n, d) in RATES.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """`rows` by code with empty ones left out, without `by` none; `total` of the scope."""

    as_of: date
    known_at: date
    area: str | None
    by: str | None
    rows: Sequence[Row]
    total: Row


class Questions:
    """Opens snapshots over one pool. `shards` = how many there must be for a day to be closed; `fresh()` = why the data is not fresh."""

    def __init__(self, pool: Pool, clock: Clock, shards: int = 0, fresh: Callable[[], Reason | None] = lambda: None) -> None:
        self._pool = pool
        self._clock = clock
        self._shards = shards
        self._fresh = fresh
        self._trees = Trees()

    @asynccontextmanager
    async def snapshot(self, areas: Areas | None = None) -> AsyncIterator[Snapshot]:
        """A snapshot of the serving generation. `areas` = whose names row-level security shows; None: nobody's."""
        async with self._pool.acquire(timeout=10) as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            await conn.execute("SELECT set_config('parkunion.areas', $1, true)", areas.setting() if areas else "")
            row = await figures.serving(conn, self._shards)
            versions = {int(shard): version for shard, version in row["versions"].items()}
            today = self._clock.day_of(row["asked_at"])
            known = await self._trees.load(conn, row["id"])
            # Said from the same snapshot as what is held: that is forgotten as soon as a topic is found made anew.
            reason = self._fresh() or (Reason.LOG_INCOMPLETE if row["log_lacks"] else None)
            finality = Finality(row["closed_day"], row["oldest_held"], reason)
            yield Snapshot(conn, row["id"], row["fold_version"], versions, row["asked_at"], today, known, finality)


async def coverage(
    snapshot: Snapshot, *, area: str | None = None, by: str | None = None, as_of: date, known_at: date, language: str = "zh"
) -> Answer:
    """The figures of an area (None: of everything), grouped by one of BY. The area must be one that the caller may ask about."""
    tree = snapshot.areas.at(as_of, known_at)
    parks = None if area is None else tree.under(area)
    found = await figures.by_key(snapshot.conn, snapshot.generation, key_of(by), as_of, known_at, parks)
    sums: defaultdict[str, Vector] = defaultdict(int)
    for key, value in found.items():
        sums[tree.district(key) if by == "district" else key or UNKNOWN] += value
    rows = [Row(code, name_of(by, code, tree, language), value) for code, value in sorted(sums.items()) if not empty(value)] if by else []
    total = Row(ALL, tree.shown(area) if area else label(ALL, ALL, language), sum(found.values()))
    return Answer(as_of, known_at, area, by, rows, total)


def empty(value: Vector) -> bool:
    """Whether every published count is 0."""
    return not value or not any(unpacked(value)[: len(PUBLISHED)])


def name_of(by: str | None, code: str, tree: Tree, language: str) -> str:
    """What pages show for a group's code."""
    if code == UNKNOWN:
        return label(UNKNOWN, UNKNOWN, language)
    return tree.shown(code) if by in ("district", "park") else label(by or ALL, code, language)


def key_of(by: str | None) -> str:
    """The key of `figures.KEYS` from which the groups of one of BY are summed."""
    return "park" if by is None or by == "district" else by


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a trend: {measure: count} of `figures.TREND` as of `day`."""

    day: date
    measures: Mapping[str, int]

    def rate(self, name: str) -> Rate:
        """One of RATES."""
        n, d = RATES[name]
        return Rate(self.measures[n], self.measures[d])


async def series(snapshot: Snapshot, *, parks: Collection[str], days: Sequence[date], known_at: date) -> dict[str, list[Point]]:
    """{park: its points as of each of `days` (ascending), as known at one day}, in one statement for all parks; parks without facts are left out."""
    after = [day + timedelta(days=1) for day in days]
    rows = await figures.series(snapshot.conn, snapshot.generation, days, after, known_at, parks)
    added: defaultdict[str, list[list[int]]] = defaultdict(lambda: [[0] * len(figures.TREND) for _ in days])
    for row in rows:
        added[row["key"]][row["point"]] = [row[name] for name in figures.TREND]
    return {park: _points(days, steps) for park, steps in sorted(added.items())}


def _points(days: Sequence[date], steps: Sequence[Sequence[int]]) -> list[Point]:
    points, sums = [], [0] * len(figures.TREND)
    for day, step in zip(days, steps, strict=True):
        sums = [before + more for before, more in zip(sums, step, strict=True)]
        points.append(Point(day, dict(zip(figures.TREND, sums, strict=True))))
    return points


def month_ends(until: date, months: int) -> list[date]:
    """The last days of the `months` - 1 months before that of `until`, and `until` itself, ascending."""
    first = until.replace(day=1)
    ends = [until]
    for _ in range(months - 1):
        last = first - timedelta(days=1)
        ends.append(last)
        first = last.replace(day=1)
    return ends[::-1]
