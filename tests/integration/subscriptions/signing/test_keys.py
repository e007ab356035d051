"""Keys of subscriptions: shared or a secret of its own, rotated with an overlap, published while they are needed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.subscriptions.signing import store
from services.subscriptions.signing.standard_webhooks import Signer, SymmetricKey
from tests.integration.subscriptions.delivering.sending import Sending
from tests.integration.subscriptions.delivering.sending import sending_of_a_test as sending_of_a_test

DAY = timedelta(hours=24)


class Keys:
    """The store's functions, each in a transaction of its own."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending

    async def rotate(self, key: UUID, version: str) -> dict[str, str]:
        async with self._sending.pool.acquire() as conn, conn.transaction():
            return dict(await store.rotate(conn, self._sending.sealing, key, version, await self.now()))

    async def now(self) -> Any:
        return await self._sending.pool.fetchval("SELECT parkunion_now()")

    async def kids(self, key: UUID, later: timedelta = timedelta()) -> list[str]:
        return [str(getattr(one, "kid", one.version)) for one in await self.of(key, later)]

    async def of(self, key: UUID, later: timedelta = timedelta()) -> list[Signer]:
        async with self._sending.pool.acquire() as conn:
            return await store.keys_of(conn, self._sending.sealing, key, await self.now() + later)

    async def published(self, later: timedelta = timedelta()) -> list[str]:
        async with self._sending.pool.acquire() as conn:
            return [one["kid"] for one in await store.public_keys(conn, await self.now() + later)]


@pytest.fixture(name="keys")
def keys_of_a_test(sending: Sending) -> Keys:
    return Keys(sending)


async def test_v1a_keys_are_shared_and_a_rotation_makes_a_new_one_only_if_it_must(sending: Sending, keys: Keys) -> None:
    first = await sending.subscribe()
    old = sending.told["kid"]
    second = await sending.subscribe()
    assert sending.told == {"kid": old}
    new = (await keys.rotate(first, "v1a"))["kid"]
    assert new != old
    assert (await keys.rotate(second, "v1a"))["kid"] == new
    assert await keys.kids(first) == [new, old]
    assert await keys.kids(first, DAY + timedelta(seconds=1)) == [new]
    assert await keys.published() == [new, old]
    assert await keys.published(2 * DAY - timedelta(minutes=1)) == [new, old]
    assert await keys.published(2 * DAY + timedelta(minutes=1)) == [new]


async def test_a_second_rotation_within_a_day_does_not_lengthen_the_first_overlap(sending: Sending, keys: Keys) -> None:
    key = await sending.subscribe(version="v1")
    await keys.rotate(key, "v1")
    await sending.turn(timedelta(hours=12))
    await keys.rotate(key, "v1")
    assert len(await keys.of(key)) == 3
    assert len(await keys.of(key, timedelta(hours=12, minutes=1))) == 2
    assert len(await keys.of(key, timedelta(hours=24, minutes=1))) == 1


async def test_a_v1_secret_is_its_own_and_is_not_kept_in_the_clear(sending: Sending, keys: Keys) -> None:
    key = await sending.subscribe(version="v1")
    told = sending.told["secret"]
    await sending.subscribe(version="v1")
    assert told.startswith("whsec_")
    assert sending.told["secret"] != told
    (signer,) = await keys.of(key)
    assert isinstance(signer, SymmetricKey)
    assert signer.text == told
    rows = await sending.pool.fetch("SELECT kid, public, sealed FROM signing_keys")
    assert not any(signer.secret in row["sealed"] or row["public"] for row in rows)
    assert await keys.published() == []
