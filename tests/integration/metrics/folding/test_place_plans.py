"""What places cost: a subject, a park and the next park are found by an index, however many first stays there are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from services.metrics.figures.stores import set_store
from services.metrics.generations.closed import stepping
from services.metrics.tables import store
from tests.integration.metrics.live.test_feed_plans import rows_read
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

PARKS, OF_EACH = 20, 1000
SEED = f"""
INSERT INTO g1.stays (subject, since, until, park, shard)
SELECT 'enterprise/' || lpad((n * {PARKS} + p)::text, 8, '0'), '-infinity', 'infinity', 'P' || lpad(p::text, 3, '0'), n % 12
FROM generate_series(1, {OF_EACH}) AS n, generate_series(1, {PARKS}) AS p;
INSERT INTO g1.placement_rows (park, subject, shard) SELECT 'P900', 'enterprise/' || lpad(n::text, 8, '0'), 0 FROM generate_series(30, 40) AS n;
"""


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
async def owner(
    request: pytest.FixtureRequest, metrics: Metrics, metrics_database: Any
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    conn = await asyncpg.connect(metrics_database.owner_dsn)
    await conn.execute(SEED)
    await conn.execute("ANALYZE g1.stays, g1.placement_rows")
    await conn.execute(f"SET plan_cache_mode = {request.param}")
    yield conn
    await conn.close()


async def read(owner: asyncpg.Connection[asyncpg.Record], statement: str, *args: object) -> float:
    """How many stays a statement reads; the other table is small here, and may be read as a whole."""
    (explained,) = await owner.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.format(g=1)}", *args)
    return sum(rows_read(json.loads(explained[0])[0]["Plan"], "stays"))


async def test_every_park_is_found_by_one_stay(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    assert [row["park"] for row in await owner.fetch(stepping.PARKS.format(g=1))] == [
        f"P{number:03}" for number in (*range(1, PARKS + 1), 900)
    ]
    assert await read(owner, stepping.PARKS) <= PARKS + 2


async def test_the_subjects_of_a_park_are_read_alone(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    assert await read(owner, stepping.EVERY, "P003") == OF_EACH
    assert await read(owner, set_store.PLACED_IN, ["P003", "P900"]) == OF_EACH
    kept = [f"P{number:03}" for number in range(2, PARKS + 1)]
    assert await read(owner, set_store.NOT_PLACED_IN, kept) <= OF_EACH + PARKS + 2


async def test_a_place_that_is_added_costs_one_look_at_the_stays_of_its_subject(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    places = [("P003", f"enterprise/{PARKS + 3:08}"), ("P004", f"enterprise/{PARKS + 3:08}"), ("P900", "union/new")]
    parks, subjects = ([*column] for column in zip(*places, strict=True))
    statement = store.KEEP_PLACEMENTS.replace("::text::text[]", "::text[]")
    assert await read(owner, statement, 3, parks, subjects) <= len(places)
    kept = [tuple(row) for row in await owner.fetch("SELECT park, subject FROM g1.placement_rows WHERE shard = 3 ORDER BY 1")]
    assert kept == places[1:]
