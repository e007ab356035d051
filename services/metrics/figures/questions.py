"""Coverage as of a business day and as known at a day, read in one snapshot with the version vector of the change feed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from services.metrics.figures import rollups, sql
from services.metrics.figures.finality import Finality
from services.metrics.figures.freshness import StaleReason
from services.metrics.figures.kept import KeptClosed, KeptLists, KeptSteps
from services.metrics.figures.labels import label
from services.metrics.figures.rollups import Increments
from services.metrics.figures.scope import counts_of
from services.metrics.figures.tree import UNKNOWN, AreaVersions, AreaVersionsCache, Tree
from services.metrics.measures import INDEX, PUBLISHED, RATES, Vector, unpacked
from shared.http.auth import Areas, current_client
from shared.http.limits import Turns
from shared.process.clock import Clock
from shared.process.db import Connection, Pool

ALL = "all"
PATIENCE = 10.0
"""Seconds that a question waits for its turn, and for a connection."""
ANSWER_WITHIN = 5.0
"""Seconds in which the database opens a snapshot; a question that is not answered then is refused (503)."""
SILENT_ANSWER_WITHIN = 1.0
"""The same while the database is known not to answer."""
BY = ("district", "park", "industry", "size", "ownership")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One REPEATABLE READ transaction on the serving generation. `versions` = {shard: version} of the change feed."""

    conn: Connection
    generation: int
    fold_version: int
    versions: Mapping[int, int]
    asked_at: datetime
    today: date
    areas: AreaVersions
    finality: Finality
    lists: KeptLists
    steps: KeptSteps
    closed: KeptClosed
    setting: str = ""
    granted: Container[str] = frozenset()
    """The codes of the areas of the caller, and of all within them, by the latest tree; `setting`: its areas for row-level security."""

    @property
    def version(self) -> str:
        """The version vector, from which a stream can resume."""
        return version_vector(self.generation, self.versions)


def version_vector(generation: int, versions: Mapping[int, int]) -> str:
    """`<generation>:<version of shard 0>.<version of shard 1>…`."""
    shards = range(max(versions, default=-1) + 1)
    return f"{generation}:{'.'.join(str(versions.get(shard, 0)) for shard in shards)}"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate as numerator and denominator; `rate` is unrounded, None with the reason NO_BASE when `d` is 0."""

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
    """The figures of one group; `code` is `all` for the total."""

    code: str
    name: str
    figures: Vector

    @property
    def measures(self) -> dict[str, int]:
        """{measure: count}."""
        return counts_of(self.figures)

    @property
    def rates(self) -> dict[str, Rate]:
        """{name: rate} of all RATES."""
        counts = unpacked(self.figures)
        return {name: Rate(counts[INDEX[n]], counts[INDEX[d]]) for name, (n, d) in RATES.items()}


@dataclass(frozen=True, slots=True)
class CoverageResult:
    """`rows` by code without empty ones, none without `by`; `total` of the area."""

    as_of: date
    known_at: date
    area: str | None
    by: str | None
    rows: Sequence[Row]
    total: Row

    def figures(self, group: str | None) -> Vector:
        """The figures of one group; None: the total."""
        if self.by is None or group is None:
            return self.total.figures
        return sum(row.figures for row in self.rows if row.code == group)


class Snapshots:
    """Opens snapshots from one pool. `shards`: how many a generation has; `stale_reason()`: why the data is stale, None while it is fresh."""

    def __init__(self, pool: Pool, clock: Clock, shards: int = 0, stale_reason: Callable[[], StaleReason | None] = lambda: None) -> None:
        self._pool = pool
        self._clock = clock
        self._shards = shards
        self._stale_reason = stale_reason
        self._trees = AreaVersionsCache()
        self._turns = Turns(max(1, pool.get_max_size() // 2), PATIENCE)
        self._lists = KeptLists()
        self._steps = KeptSteps()
        self._closed = KeptClosed()

    @asynccontextmanager
    async def snapshot(self, areas: Areas | None = None) -> AsyncIterator[Snapshot]:
        """A snapshot of the serving generation. `areas`: those whose names row-level security shows; None: none.

        Raises an error of OUTAGES, soon while the database is known not to answer.
        """
        patience = SILENT_ANSWER_WITHIN if self._stale_reason() is StaleReason.DATABASE_UNREACHABLE else ANSWER_WITHIN
        async with self._turns.turn(current_client.get()), self._pool.acquire(timeout=patience) as conn:
            transaction = conn.transaction(isolation="repeatable_read", readonly=True)
            try:
                async with asyncio.timeout(patience):
                    await transaction.start()
                    opened = await self._opened(conn, areas)
            except BaseException:
                # Ending the transaction would wait for a server that may be frozen.
                conn.terminate()
                raise
            try:
                yield opened
            finally:
                await transaction.rollback()

    async def _opened(self, conn: Connection, areas: Areas | None) -> Snapshot:
        setting = areas.setting() if areas else ""
        row = await sql.serving(conn, self._shards, setting)
        versions = {int(shard): version for shard, version in row["versions"].items()}
        today = self._clock.day_of(row["asked_at"])
        known = await self._trees.load(conn, row["id"])
        # From the same snapshot as the held events, which are deleted as soon as a topic is found recreated.
        reason = self._stale_reason() or (StaleReason.LOG_INCOMPLETE if row["log_incomplete"] else None)
        finality = Finality(row["closed_day"], row["oldest_held"], reason)
        granted = known.granted(areas) if areas else frozenset()
        return Snapshot(
            conn,
            row["id"],
            row["fold_version"],
            versions,
            row["asked_at"],
            today,
            known,
            finality,
            self._lists,
            self._steps,
            self._closed,
            setting,
            granted,
        )


async def coverage(
    snapshot: Snapshot, *, area: str | None = None, by: str | None = None, as_of: date, known_at: date, language: str = "zh"
) -> CoverageResult:
    """The figures of an area (None: of everything), grouped by one of BY. The caller's grant must have been checked."""
    tree = snapshot.areas.at(as_of, known_at)
    parks = None if area is None else tree.under(area)
    found = await rollups.by_key(snapshot.conn, snapshot.generation, snapshot.closed, key_of(by), as_of, known_at, parks)
    sums: defaultdict[str, Vector] = defaultdict(int)
    for key, value in found.items():
        sums[tree.district(key) if by == "district" else key or UNKNOWN] += value
    rows = [Row(code, name_of(by, code, tree, language), value) for code, value in sorted(sums.items()) if not empty(value)] if by else []
    total = Row(ALL, tree.display_name(area) if area else label(ALL, ALL, language), sum(found.values()))
    return CoverageResult(as_of, known_at, area, by, rows, total)


def empty(value: Vector) -> bool:
    """Whether every published count is 0."""
    return not value or not any(unpacked(value)[: len(PUBLISHED)])


def name_of(by: str | None, code: str, tree: Tree, language: str) -> str:
    """The displayed name of a group."""
    if code == UNKNOWN:
        return label(UNKNOWN, UNKNOWN, language)
    return tree.display_name(code) if by in ("district", "park") else label(by or ALL, code, language)


def key_of(by: str | None) -> str:
    """The key of `sql.KEYS` whose figures the groups of one of BY sum."""
    return "park" if by is None or by == "district" else by


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a trend: {measure: count} of `sql.TREND` as of `day`."""

    day: date
    measures: Mapping[str, int]

    def rate(self, name: str) -> Rate:
        """One of RATES."""
        n, d = RATES[name]
        return Rate(self.measures[n], self.measures[d])


async def series(snapshot: Snapshot, *, parks: Collection[str], days: Sequence[date], known_at: date) -> dict[str, list[Point]]:
    """{park: its points as of each of `days` (ascending)} as known at one day, in one statement; parks without facts are left out."""
    found = await rollups.series(snapshot.conn, snapshot.generation, snapshot.closed, days, known_at, parks)
    increments = sorted((park, steps) for park, steps in found.items() if park is not None and steps.any())
    return {park: _points(days, steps) for park, steps in increments}


def _points(days: Sequence[date], steps: Increments) -> list[Point]:
    sums = np.cumsum(steps, axis=0).tolist()
    return [Point(day, dict(zip(sql.TREND, row, strict=True))) for day, row in zip(days, sums, strict=True)]


def month_ends(until: date, months: int) -> list[date]:
    """The ends of the `months` - 1 months before that of `until`, and `until` itself, ascending."""
    first = until.replace(day=1)
    ends = [until]
    for _ in range(months - 1):
        last = first - timedelta(days=1)
        ends.append(last)
        first = last.replace(day=1)
    return ends[::-1]
