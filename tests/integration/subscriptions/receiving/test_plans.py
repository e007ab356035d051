"""Reading costs the same however many numbers a subscription has had."""

from __future__ import annotations

import json

import pytest

from services.subscriptions.receiving import store
from shared.contracts.ids import uuid7
from shared.process import db
from shared.process.db import Pool
from tests.conftest import NewDatabase
from tests.integration.subscriptions.rows import Rows

NUMBERS = 50_000
FILL = """
INSERT INTO contents (event_id, source, subject, sequence, type, fact_type, time, occurredon, places, data, hash, stored_at, gone)
SELECT gen_random_uuid(), '/s', 'union/u', n, 't', 't', parkunion_now(), '2026-06-30', '{P1}', CASE WHEN n > $2 THEN '{}'::bytea END, '', parkunion_now(),
    CASE WHEN n <= $2 THEN 'retention' END
FROM generate_series(1, $1) AS n
"""
NUMBER = """
INSERT INTO deliveries (subscription, number, content, subject, day, assigned_at, state, pending)
SELECT $1, row_number() OVER (ORDER BY id), id, subject, '2026-07-01', parkunion_now(), CASE WHEN sequence <= $2 THEN 'delivered' ELSE 'queued' END, false
FROM contents
"""


async def pages_read(pool: Pool, statement: str, *values: object) -> int:
    """Pages of 8 KiB that a statement touches."""
    async with pool.acquire() as conn:
        plan = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values)
    top = json.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


async def test_statements_touch_few_pages_of_a_long_history(database: NewDatabase) -> None:
    made = await database("subscriptions")
    pool = await db.create_pool(made.app_dsn, application_name="subscriptions.tests", by_key=True)
    try:
        rows = Rows(pool)
        await rows.areas()
        subscription = await rows.subscription(await rows.grant())
        await pool.execute(FILL, NUMBERS, NUMBERS // 2)
        await pool.execute(NUMBER, subscription, NUMBERS - 10)
        await pool.execute("UPDATE queues SET next_number = $1", NUMBERS + 1)
        one = db.array([subscription])
        assert await pages_read(pool, store.POSITIONS, one) < 50
        assert await pages_read(pool, store.NEWER, one, db.array([NUMBERS - 5])) < 50
        assert await pages_read(pool, store.AFTER, one, db.array([NUMBERS - 5]), db.array([100])) < 100
        assert await pages_read(pool, store.NEXT_HELD, subscription, 1) < 400
        async with pool.acquire() as conn:
            assert await store.next_held(conn, subscription, 1) == NUMBERS // 2 + 1
            assert await store.next_held(conn, subscription, NUMBERS) == NUMBERS
            places = await store.positions(conn, [subscription])
        assert places[subscription] == store.Position(NUMBERS, NUMBERS - 10)
    finally:
        pool.terminate()


@pytest.mark.parametrize("gone", range(6))
async def test_the_first_number_that_is_held_is_found(database: NewDatabase, gone: int) -> None:
    pool = await db.create_pool((await database("subscriptions")).app_dsn, application_name="subscriptions.tests", by_key=True)
    try:
        rows = Rows(pool)
        await rows.areas()
        subscription = await rows.subscription(await rows.grant())
        async with pool.acquire() as conn:
            assert await store.next_held(conn, subscription, 1) == 1, "none was assigned"
            await rows.events(subscription, 5)
            await rows.remove_content(subscription, *range(1, gone + 1))
            assert await store.next_held(conn, subscription, 1) == gone + 1
            assert await store.next_held(conn, subscription, 5) == (6 if gone == 5 else 5)
            assert await store.positions(conn, [uuid7()]) == {}
    finally:
        pool.terminate()
