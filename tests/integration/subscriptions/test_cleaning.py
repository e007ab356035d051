"""What subscriptions removes while it runs, and what becomes of numbers whose content goes."""

from __future__ import annotations

import asyncio

import asyncpg

from services.subscriptions.cleaning import trims
from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionFounded, UnionKind
from shared.process.cleaning import Cleaner
from tests.conftest import NewDatabase
from tests.integration.subscriptions.house import house_of

DAYS = 30


async def test_contents_go_after_so_many_days_and_their_hashes_stay(database: NewDatabase) -> None:
    made = await database("subscriptions")
    owner = await asyncpg.connect(made.owner_dsn)
    async with house_of(made) as house:
        house.city()
        grant = await house.grant(["C"], ["union-founded"])
        pull, read, sent = await house.subscribe(grant), await house.subscribe(grant), await house.subscribe(grant, kind="webhook")
        union = uuid7()
        house.append(f"union/{union}", UnionFounded(union_id=union, kind=UnionKind.JOINT_UNION, seat_area="P1"), "2024-02-01")
        await house.fan()
        await house.pool.execute("UPDATE deliveries SET state = 'delivered' WHERE subscription = $1", read)
        cleaner, stop = Cleaner(made.app_dsn, "subscriptions", trims(DAYS)), asyncio.Event()
        async with house.pool.acquire() as conn:
            assert (await cleaner.clean(conn, stop))["contents"] == 0
            await owner.execute("UPDATE clock_shift SET shift = shift + interval '31 days'")
            assert (await cleaner.clean(conn, stop))["contents"] == 1
        content = await house.pool.fetchrow("SELECT data, gone, length(hash) AS length FROM contents")
        assert content is not None
        assert tuple(content) == (None, "retention", 32)
        states = {row["subscription"]: (row["state"], row["error"]) for row in await house.pool.fetch("SELECT * FROM deliveries")}
        # What a worker will still take up is told to the receiver; what nobody fetched is given up, so that the watermark goes on.
        assert states == {pull: ("parked", "RETENTION"), read: ("delivered", None), sent: ("queued", None)}
    await owner.close()
