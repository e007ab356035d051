"""Figures by rollups are those of the ledger alone: whatever is rolled up, as of any day, as known at any day, of any parks."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from datetime import date, timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.metrics.figures.kept import KeptResults
from services.metrics.figures.questions import month_ends
from services.metrics.figures.rolled import rollups, statements
from services.metrics.figures.rolled.basis import rolled_in
from services.metrics.figures.rolled.rollups import Ledger
from services.metrics.figures.stores import figure_store, generation_store
from services.metrics.generations.closed import checking, rolling
from services.metrics.measures import MEASURES
from services.metrics.tables import ledger_store
from shared.process import db
from tests.conftest import Database, NewDatabase

FIRST_KNOWN = date(2023, 11, 20)
KNOWN_DAYS = 500
FIRST_DAY = date(2021, 12, 25)
DAYS = 1400
PARKS = ("P1", "P2", None)
PLACED = ("P1", "P2", "P3")


def cells(parks: Sequence[str | None]) -> list[tuple[str | None, ...]]:
    return [(park, industry, size, None) for park in parks for industry in ("C12", "C13", "D", None) for size in ("small", None)]


KEYS = ("park", "industry", "size", "ownership")


class Tables:
    """A ledger of random rows in two shards, whose days are closed and rolled up bit by bit."""

    def __init__(self, conn: asyncpg.Connection[asyncpg.Record], seed: int) -> None:
        self.conn = conn
        self.random = random.Random(seed)
        self.kept = KeptResults()
        self.asked = list[date]()
        self.cells = cells(self.random.choice((PARKS, PLACED)))

    async def begin(self) -> None:
        await self.conn.execute("TRUNCATE g1.ledger, g1.ledger_rows, g1.ledger_runs, g1.rollups, g1.rolled, g1.cells RESTART IDENTITY")
        await self.conn.execute("DELETE FROM shards")
        await self.conn.executemany("INSERT INTO g1.cells (park, industry, size, ownership) VALUES ($1, $2, $3, $4)", self.cells)
        await self.conn.execute("INSERT INTO shards (generation, shard) VALUES (1, 0), (1, 1)")
        rows = [self._row() for _ in range(self.random.randint(0, 400))]
        marks = ", ".join(f"${n}" for n in range(1, 5 + len(MEASURES)))
        await self.conn.executemany(
            f"INSERT INTO g1.ledger_open (shard, cell, effective_day, known_day, {', '.join(MEASURES)}) VALUES ({marks})", rows
        )

    def _row(self) -> tuple[object, ...]:
        shard, cell = self.random.randrange(2), self.random.randint(1, len(self.cells))
        amounts = [self.random.choice((None, 0, 1, -1, 7)) for _ in MEASURES]
        return shard, cell, self.day(), FIRST_KNOWN + timedelta(days=self.random.randrange(KNOWN_DAYS)), *amounts

    def day(self) -> date:
        """Any day, or one at the edge of a month."""
        found = FIRST_DAY + timedelta(days=self.random.randrange(DAYS))
        return found if self.random.random() < 0.6 else found.replace(day=self.random.choice((1, 15, 16, 28)))

    async def close(self, day: date, shard: int) -> None:
        """Close a day in one shard, as the projector does."""
        await ledger_store.close_days(self.conn, 1, shard, day)
        await self.conn.execute("UPDATE shards SET closed = $2 WHERE shard = $1", shard, day)

    async def compare(self, times: int) -> None:
        for _ in range(times):
            # Of days that were asked about before, something is kept.
            days_asked = self.asked if self.asked and self.random.random() < 0.5 else [self.day()]
            as_of, known_at = self.random.choice(days_asked), FIRST_KNOWN + timedelta(days=self.random.randint(-5, KNOWN_DAYS + 5))
            self.asked.append(as_of)
            ledger = Ledger(self.conn, 1, rolled_in(await generation_store.begun(self.conn, 1)), self.kept)
            parks = self.random.choice((None, ["P1"], ["P1", "P2"], ["P1", "P2", "P3"], ["P9"], []))
            for by in KEYS:
                base = await figure_store.by_key(self.conn, 1, by, as_of, known_at, parks)
                for _ in range(2):
                    found = await rollups.by_key(ledger, by, as_of, known_at, parks)
                    assert {key: value for key, value in found.items() if value} == {key: value for key, value in base.items() if value}
            days = month_ends(as_of, self.random.randint(1, 15))
            if self.random.random() < 0.5:
                days = sorted({self.day() for _ in range(self.random.randint(1, 6))})
            after = [day + timedelta(days=1) for day in days]
            wanted = parks or ["P1", "P2"]
            rows = await figure_store.series(self.conn, 1, days, after, known_at, wanted)
            found_series = await rollups.series(ledger, days, known_at, wanted)
            assert {(park, at, *step.tolist()) for park, steps in found_series.items() for at, step in enumerate(steps) if any(step)} == {
                tuple(row) for row in rows if any(tuple(row)[2:])
            }


@pytest.fixture(name="made")
async def made_database(database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> Database:
    # One park is few and two are many.
    for module in (rollups, statements):
        monkeypatch.setattr(module, "FEW_PARKS", 1)
    monkeypatch.setattr(rollups, "NEAR", timedelta(days=20))
    return await database("metrics")


@pytest.mark.invariant("I4")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    closings=st.lists(st.tuples(st.integers(0, 1), st.integers(0, KNOWN_DAYS)), max_size=5),
    most=st.integers(20, 300),
)
@example(seed=1, closings=[(0, 300), (1, 40), (1, 300)], most=60)
def test_figures_by_rollups_are_those_of_the_ledger(made: Database, seed: int, closings: list[tuple[int, int]], most: int) -> None:
    async def check() -> None:
        conn = await db.connect(made.owner_dsn, application_name="metrics.tests")
        try:
            tables = Tables(conn, seed)
            await tables.begin()
            await tables.compare(2)
            closed = {0: -1, 1: -1}
            for shard, offset in closings:
                closed[shard] = max(closed[shard], offset)
                await tables.close(FIRST_KNOWN + timedelta(days=closed[shard]), shard)
                while tables.random.random() < 0.8 and await rolling.roll(conn, 1, 2, most) is not None:
                    pass
                await tables.compare(3)
            expected = await checking.Expected.of(conn, 1, 2)
            assert await expected.differences(conn) == []
        finally:
            await conn.close()

    asyncio.run(check())


async def test_nothing_is_rolled_up_before_every_shard_has_closed_it(made: Database) -> None:
    conn = await db.connect(made.owner_dsn, application_name="metrics.tests")
    try:
        tables = Tables(conn, 5)
        await tables.begin()
        assert await rolling.roll(conn, 1, 2) is None
        await tables.close(FIRST_KNOWN + timedelta(days=80), 0)
        assert await rolling.roll(conn, 1, 2) is None
        await tables.close(FIRST_KNOWN + timedelta(days=20), 1)
        assert await rolling.roll(conn, 1, 3) is None, "the deployment has three shards"
        assert await rolling.roll(conn, 1, 2, 60) == FIRST_KNOWN + timedelta(days=20)
        assert await rolling.roll(conn, 1, 2) is None
    finally:
        await conn.close()


async def test_the_services_role_may_roll_up(made: Database) -> None:
    owner = await db.connect(made.owner_dsn, application_name="metrics.tests")
    app = await db.connect(made.app_dsn, application_name="metrics.tests")
    try:
        tables = Tables(owner, 6)
        await tables.begin()
        for shard in range(2):
            await tables.close(FIRST_KNOWN + timedelta(days=KNOWN_DAYS), shard)
        while await rolling.roll(app, 1, 2) is not None:
            pass
        assert await owner.fetchval("SELECT count(*) FROM g1.rollups") > 0
    finally:
        await owner.close()
        await app.close()


async def test_days_that_took_too_long_to_roll_up_are_tried_by_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, takes = list[int](), [0.0]

    async def roll(_conn: object, _generation: int, _shards: int, days: int) -> date | None:
        tried.append(days)
        if days > 12:
            raise TimeoutError
        takes[0] += days
        return FIRST_KNOWN

    monkeypatch.setattr(rolling, "roll", roll)
    monkeypatch.setattr("services.metrics.generations.closed.rolling.time.monotonic", lambda: takes[0])
    monkeypatch.setattr(rolling, "FIRST_DAYS", 3)
    roller = rolling.Roller()
    for _ in range(5):
        with contextlib.suppress(TimeoutError):
            await roller(None, 1, 2)  # type: ignore[arg-type]
    assert tried == [3, 6, 6, 6, 6], "three days take three seconds, six take six"
    takes[0], tried[:] = 0.0, []
    monkeypatch.setattr(rolling, "SHORT", 100.0)
    for _ in range(6):
        with contextlib.suppress(TimeoutError):
            await roller(None, 1, 2)  # type: ignore[arg-type]
    assert tried == [6, 12, 24, 12, 24, 12]
