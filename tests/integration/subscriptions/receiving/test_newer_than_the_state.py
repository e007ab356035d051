"""What is newer than the state of grants that a process keeps for a second is shown, not withheld: what is withheld stays so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from services.subscriptions.matching.current import CurrentCache
from services.subscriptions.receiving.reading import Ask, pages_of
from tests.conftest import NewDatabase
from tests.integration.subscriptions.house import CLOCK, House, house_of

LONG = 3600.0


@pytest.fixture
async def house(database: NewDatabase) -> AsyncIterator[House]:
    async with house_of(await database("subscriptions")) as house:
        yield house


async def test_an_area_of_a_moment_ago_is_not_withheld(house: House) -> None:
    subscription = await house.subscribe(await house.grant(["*"], ["area-registered"]))
    cache = CurrentCache(house.pool, newest=LONG)
    before = await cache.get()
    house.area("C", None)
    await house.fan()
    assert await cache.get() is before
    async with house.pool.acquire() as conn, conn.transaction():
        (page,) = await pages_of(conn, [Ask(subscription, "bureau", "检查", "pull", 0, 10, 1 << 20)], before, CLOCK)
    assert [json.loads(body)["type"] for _, body in page.events] == ["parkunion.area-registered.v1"]
    assert await house.pool.fetchval("SELECT count(*) FROM deliveries WHERE state = 'withheld'") == 0
    assert "C" in (await cache.get(latest=True)).tree.parents
