"""What places cost: a subject, a park and the next park are found by an index, however many stays there are, and whenever the plan was made."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.metrics.figures.statistics import sql
from services.metrics.figures.stores import set_store
from services.metrics.generations.closed import stepping
from services.metrics.tables import store
from shared.process.db import BY_KEY
from tests.conftest import Database
from tests.integration.metrics.live.test_feed_plans import rows_read
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

PARKS, OF_EACH = 20, 1000
SEED = f"""
INSERT INTO g1.stays (subject, since, until, park, shard)
SELECT 'enterprise/' || lpad((n * {PARKS} + p)::text, 8, '0'), '-infinity', 'infinity', 'P' || lpad(p::text, 3, '0'), n % 12
FROM generate_series(1, {OF_EACH}) AS n, generate_series(1, {PARKS}) AS p;
INSERT INTO g1.placement_rows (park, subject, shard) SELECT 'P900', 'enterprise/' || lpad(n::text, 8, '0'), 0 FROM generate_series(30, 40) AS n;
"""
ONE = f"enterprise/{PARKS + 3:08}"


@pytest.fixture
async def owner(metrics: Metrics, metrics_database: Database) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    conn = await asyncpg.connect(metrics_database.owner_dsn)
    yield conn
    await conn.close()


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
async def filled(request: pytest.FixtureRequest, owner: asyncpg.Connection[asyncpg.Record]) -> asyncpg.Connection[asyncpg.Record]:
    await owner.execute(SEED)
    await owner.execute("ANALYZE g1.stays, g1.placement_rows")
    await owner.execute(f"SET plan_cache_mode = {request.param}")
    return owner


async def read(owner: asyncpg.Connection[asyncpg.Record], statement: str, *args: object) -> float:
    """How many stays a statement reads; the other table is small here, and may be read as a whole."""
    (explained,) = await owner.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.format(g=1)}", *args)
    return sum(rows_read(json.loads(explained[0])[0]["Plan"], "stays"))


async def test_every_park_is_found_by_one_stay(filled: asyncpg.Connection[asyncpg.Record]) -> None:
    assert [row["park"] for row in await filled.fetch(stepping.PARKS.format(g=1))] == [
        f"P{number:03}" for number in (*range(1, PARKS + 1), 900)
    ]
    assert await read(filled, stepping.PARKS) <= PARKS + 2


async def test_the_subjects_of_a_park_are_read_alone(filled: asyncpg.Connection[asyncpg.Record]) -> None:
    assert await read(filled, stepping.EVERY, "P003") == OF_EACH
    assert await read(filled, set_store.PLACED_IN, ["P003", "P900"]) == OF_EACH
    kept = [f"P{number:03}" for number in range(2, PARKS + 1)]
    assert await read(filled, set_store.NOT_PLACED_IN, kept) <= OF_EACH + PARKS + 2


async def test_a_subject_is_looked_for_in_parks_by_its_key(filled: asyncpg.Connection[asyncpg.Record]) -> None:
    """Those that are left by other conditions, however many parks are asked for: no join reads all places of a large area."""
    parks = [f"P{number:03}" for number in range(1, PARKS + 1)]
    for scope in (set_store.EVER_IN, sql.EVER_IN.replace("$6", "$1")):
        statement = f"SELECT s.subject FROM g1.states s WHERE findings IS NULL {scope}"
        await filled.execute(
            "INSERT INTO g1.states (shard, subject, state) SELECT shard, subject, '' FROM g1.stays LIMIT 100 ON CONFLICT DO NOTHING"
        )
        await filled.execute("ANALYZE g1.states")
        assert len(await filled.fetch(statement.format(g=1), parks)) == 100
        assert await read(filled, statement, parks) <= 2 * 100


async def test_what_a_projector_does_costs_the_same_whenever_its_plans_were_made(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    """The plans are made on empty tables and kept: a place that is added and a move cost a look at the stays of their subject."""
    for name, value in BY_KEY.items():
        await owner.execute(f"SET {name} = '{value}'")
    add = await owner.prepare(store.KEEP_PLACEMENTS.format(g=1))
    move = await owner.prepare("SELECT g1.keep_stays($1)")
    explained = await owner.prepare(f"EXPLAIN (ANALYZE, FORMAT JSON) {store.KEEP_PLACEMENTS.format(g=1)}")
    for statement in (add, explained):
        await statement.fetch(0, '{"P1"}', '{"union/first"}')
    await move.fetch(["enterprise/first"])
    await owner.execute("ALTER TABLE g1.stays SET (autovacuum_enabled = false)")
    await owner.execute(SEED)
    places = ("{P003,P004,P900}", f'{{"{ONE}","{ONE}","union/new"}}')
    (plan,) = await explained.fetch(3, *places)
    assert sum(rows_read(json.loads(plan[0])[0]["Plan"], "stays")) <= 3
    kept = [tuple(row) for row in await owner.fetch("SELECT park, subject FROM g1.placement_rows WHERE shard = 3 ORDER BY 1")]
    assert kept == [("P004", ONE), ("P900", "union/new")]
    scanned = """
    SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_stat_xact_user_tables WHERE relname IN ('stays', 'placement_rows')
    """
    async with owner.transaction():
        await move.fetch([ONE])
        assert await owner.fetchval(scanned) <= 30
