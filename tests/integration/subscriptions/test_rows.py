from __future__ import annotations

from services.subscriptions.matching.current import load
from services.subscriptions.matching.outgoing import Content, shown_data
from shared.process import db
from tests.conftest import NewDatabase
from tests.integration.subscriptions.rows import CLOCK, FOUNDED, Rows


async def test_rows_are_what_the_service_reads(database: NewDatabase) -> None:
    pool = await db.create_pool((await database("subscriptions")).app_dsn, application_name="subscriptions.tests")
    try:
        rows = Rows(pool)
        await rows.areas()
        grant = await rows.grant()
        webhook, pull = await rows.subscription(grant, "webhook"), await rows.subscription(grant)
        assert await rows.events(webhook, 2) == [1, 2]
        assert await rows.events(webhook) == [3]
        assert await rows.events(pull) == [1]
        assert await pool.fetchval("SELECT count(*) FROM lanes WHERE subscription = $1", webhook) == 3
        assert await pool.fetchval("SELECT next_number FROM queues WHERE subscription = $1", webhook) == 4
        stored = await pool.fetchrow("SELECT * FROM contents LIMIT 1")
        assert stored is not None
        columns = ("event_id", "source", "subject", "type", "fact_type", "time", "occurredon", "places", "data")
        content = Content(*(stored[name] for name in columns))
        async with db.transaction(pool) as conn:
            now = await CLOCK.now(conn)
            before = await load(conn)
        assert shown_data(content, before.subscriptions[pull].terms, now)
        await rows.narrow(grant, fields={FOUNDED: ["kind"]}, types=[FOUNDED])
        async with db.transaction(pool) as conn:
            assert shown_data(content, (await load(conn)).subscriptions[pull].terms, now) == {"kind": "enterprise_union"}
        await rows.revoke(grant)
        async with db.transaction(pool) as conn:
            assert shown_data(content, (await load(conn)).subscriptions[pull].terms, now) is None
        await rows.remove_content(pull, 1)
        assert await pool.fetchval("SELECT count(*) FROM contents WHERE gone = 'retention'") == 1
    finally:
        pool.terminate()
