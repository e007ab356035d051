"""What is withdrawn before its place is known goes to nobody, and holds up nothing behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionDissolved, UnionFounded, UnionKind
from shared.contracts.registry import HeadcountReported
from tests.conftest import NewDatabase
from tests.integration.subscriptions.house import House, house_of
from tests.integration.subscriptions.proof.audited import audited


@pytest.fixture
async def house(database: NewDatabase) -> AsyncIterator[House]:
    async with house_of(await database("subscriptions")) as house:
        house.city()
        await house.fan()
        yield house


async def waiting(house: House) -> int:
    return int(await house.pool.fetchval("SELECT count(*) FROM waiting"))


def founded(seat: str) -> tuple[UUID, UnionFounded]:
    union = uuid7()
    return union, UnionFounded(union_id=union, kind=UnionKind.PARK_UNION, seat_area=seat)


@pytest.mark.parametrize("batches", [1, 2])
async def test_a_union_that_never_was_does_not_wait_for_ever(house: House, batches: int) -> None:
    subscription = await house.subscribe(await house.grant(["*"], ["union-founded", "union-dissolved"]))
    union, founding = founded("P9")
    first = house.append(f"union/{union}", founding, "2024-01-01")
    last = house.append(f"union/{union}", UnionDissolved(union_id=union, reason="closed"), "2024-02-01")
    if batches == 2:
        await house.fan()
        assert await waiting(house) == 2
    house.withdraw(first, last)
    await house.fan()
    assert (await waiting(house), await house.got(subscription)) == (0, [])
    again, founding = founded("P1")
    house.append(f"union/{again}", founding, "2024-01-01")
    await house.fan()
    assert [one.subject for one in await house.got(subscription)] == [f"union/{again}"]
    assert (await audited(house)).different == []


@pytest.mark.invariant("I6")
async def test_who_was_told_of_an_enterprise_is_told_that_it_never_was(house: House) -> None:
    """Its headcount is withdrawn with it in one batch: after that nobody knows where the enterprise is."""
    subscription = await house.subscribe(await house.grant(["D1"], ["enterprise-registered", "headcount-reported"]))
    subject = house.enterprise("P1")
    registered = house.events[-1]
    await house.fan()
    counted = house.append(subject, HeadcountReported(workers=7), "2024-02-01")
    house.withdraw(registered, counted)
    await house.fan()
    got = await house.got(subscription)
    assert [(one.number, one.type) for one in got] == [(1, "parkunion.enterprise-registered.v1"), (2, "parkunion.event-withdrawn.v1")]
    assert (got[1].corrects, got[1].data["withdraws"], await waiting(house)) == ([1], [str(registered.id)], 0)
    assert (await audited(house)).different == []
