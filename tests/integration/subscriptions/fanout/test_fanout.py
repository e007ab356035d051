"""The fan-out on PostgreSQL: who gets which numbers of what (invariant I6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.subscriptions.fanout import applying
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined, UnionDissolved, UnionFounded, UnionKind
from shared.contracts.registry import EnterpriseMoved, HeadcountReported
from shared.sequencing.records import ShardBatch, in_runs, received
from tests.conftest import NewDatabase
from tests.integration.subscriptions.house import House, house_of

MOVES = ["enterprise-registered", "enterprise-moved"]


@pytest.fixture
async def house(database: NewDatabase) -> AsyncIterator[House]:
    async with house_of(await database("subscriptions")) as house:
        house.city()
        await house.fan()
        yield house


def joined(_house: House, subject: str) -> MemberJoined:
    return MemberJoined(membership_id=uuid7(), enterprise_id=UUID(subject.partition("/")[2]), union_id=uuid7())


@pytest.mark.invariant("I6")
async def test_only_granted_types_areas_and_fields_are_numbered(house: House) -> None:
    north = await house.subscribe(await house.grant(["D1"], ["member-joined", "enterprise-registered"]))
    south = await house.subscribe(await house.grant(["P3"], ["member-joined"], client="south"))
    here, there = house.enterprise("P1"), house.enterprise("P3")
    for subject in (here, there, here):
        house.append(subject, joined(house, subject), "2024-03-01")
    house.append(here, HeadcountReported(workers=7), "2024-03-01")
    await house.fan()
    got = await house.got(north)
    assert [(one.number, one.type, one.subject) for one in got] == [
        (1, "parkunion.enterprise-registered.v1", here),
        (2, "parkunion.member-joined.v1", here),
        (3, "parkunion.member-joined.v1", here),
    ]
    assert got[0].data.keys() == {"enterprise_id", "park", "district"}
    assert got[1].data.keys() == {"enterprise_id", "union_id"}
    assert [(one.number, one.subject) for one in await house.got(south)] == [(1, there)]


async def test_numbers_go_on_without_gaps_through_batches(house: House) -> None:
    subscription = await house.subscribe(await house.grant(["C"], ["member-joined"]), kind="webhook")
    subject = house.enterprise("P1")
    for _ in range(3):
        house.append(subject, joined(house, subject), "2024-03-01")
        house.append(subject, joined(house, subject), "2024-03-02")
        await house.fan()
    assert [one.number for one in await house.got(subscription)] == [1, 2, 3, 4, 5, 6]
    lanes = await house.pool.fetch("SELECT subject FROM lanes WHERE subscription = $1", subscription)
    assert [row["subject"] for row in lanes] == [subject]
    assert await house.pool.fetchval("SELECT due_at <= parkunion_now() FROM queues WHERE subscription = $1", subscription)


async def test_who_sees_the_same_shares_one_content(house: House) -> None:
    grant = await house.grant(["C"], ["member-joined"])
    for _ in range(3):
        await house.subscribe(grant)
    await house.subscribe(await house.grant(["C"], ["member-joined"], {"member-joined": ["enterprise_id"]}))
    subject = house.enterprise("P1")
    house.append(subject, joined(house, subject), "2024-03-01")
    await house.fan()
    assert await house.pool.fetchval("SELECT count(*) FROM contents") == 2
    assert await house.pool.fetchval("SELECT count(*) FROM deliveries") == 4


async def test_a_fact_goes_to_where_the_enterprise_was_on_its_day(house: House) -> None:
    first = await house.subscribe(await house.grant(["D1"], ["member-joined"]))
    second = await house.subscribe(await house.grant(["D2"], ["member-joined"]))
    subject = house.enterprise("P1")
    house.append(subject, EnterpriseMoved(park="P3", district="D2"), "2024-06-01")
    await house.fan()
    house.append(subject, joined(house, subject), "2024-05-31")
    house.append(subject, joined(house, subject), "2024-06-01")
    await house.fan()
    assert [one.event_id for one in await house.got(first)] == [house.events[-2].id]
    assert [one.event_id for one in await house.got(second)] == [house.events[-1].id]


@pytest.mark.invariant("I6")
async def test_a_move_is_told_to_both_sides_each_its_own(house: House) -> None:
    left = await house.subscribe(await house.grant(["D1"], MOVES))
    came = await house.subscribe(await house.grant(["D2"], MOVES))
    both = await house.subscribe(await house.grant(["C"], MOVES))
    subject = house.enterprise("P1")
    house.append(subject, EnterpriseMoved(park="P3", district="D2"), "2024-06-01")
    await house.fan()
    assert [one.data for one in await house.got(left)][1:] == [{"direction": "left"}]
    assert [one.data for one in await house.got(came)] == [{"park": "P3", "district": "D2", "direction": "came"}]
    assert [one.data for one in await house.got(both)][1:] == [{"park": "P3", "district": "D2", "direction": "within"}]


async def test_what_cannot_be_placed_waits_and_all_behind_it(house: House) -> None:
    subscription = await house.subscribe(await house.grant(["C"], ["member-joined"]))
    subject = house.enterprise("P9")
    registered = house._made.pop()
    early = [house.append(subject, joined(house, subject), "2024-03-01") for _ in range(2)]
    await house.fan()
    assert await house.got(subscription) == []
    house._made.append(registered)
    late = house.append(subject, joined(house, subject), "2024-03-02")
    await house.fan()
    assert await house.got(subscription) == []  # the enterprise is known, its park is not
    house.area("P9", "D2")
    await house.fan()
    assert [one.event_id for one in await house.got(subscription)] == [*(event.id for event in early), late.id]
    assert await house.pool.fetchval("SELECT count(*) FROM waiting") == 0
    released = await house.pool.fetchval("SELECT released FROM batches ORDER BY id DESC LIMIT 1")
    assert [*released] == [*(event.id for event in early), late.id]


async def test_what_waits_is_released_although_nothing_new_comes_to_its_shard(house: House) -> None:
    subscription = await house.subscribe(await house.grant(["C"], ["member-joined"]))
    subject = house.enterprise("P9")
    house.append(subject, joined(house, subject), "2024-03-01")
    await house.fan()
    async with house.pool.acquire() as conn, conn.transaction():
        await conn.execute("UPDATE revision SET number = number + 1")
        await conn.execute("INSERT INTO area_versions SELECT 'P9', number, 'D1', true FROM revision")
    await house.release()
    assert [one.number for one in await house.got(subscription)] == [1]
    batches = await house.pool.fetchval("SELECT count(*) FROM batches")
    await house.release()
    assert await house.pool.fetchval("SELECT count(*) FROM batches") == batches


async def test_unions_are_seen_by_their_seat(house: House) -> None:
    subscription = await house.subscribe(await house.grant(["P1"], ["union-founded", "union-dissolved"]))
    here, there = uuid7(), uuid7()
    for union, seat in ((here, "P1"), (there, "P3")):
        house.append(
            f"union/{union}", UnionFounded(union_id=union, kind=UnionKind.JOINT_UNION, seat_area=seat, name="某工会"), "2024-02-01"
        )
        house.append(f"union/{union}", UnionDissolved(union_id=union, reason="merged"), "2024-05-01")
    await house.fan()
    got = await house.got(subscription)
    assert [(one.type, one.subject) for one in got] == [
        ("parkunion.union-founded.v1", f"union/{here}"),
        ("parkunion.union-dissolved.v1", f"union/{here}"),
    ]
    assert got[0].data == {"union_id": str(here), "kind": "joint_union", "seat_area": "P1"}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.invariant("I6")
async def test_a_correction_goes_to_whoever_got_the_original_and_names_it(house: House, together: bool) -> None:
    north = await house.subscribe(await house.grant(["D1"], MOVES))
    south = await house.subscribe(await house.grant(["D2"], MOVES))
    subject = house.enterprise("P1")
    registered = house.events[-1]
    if not together:
        await house.fan()
        corrected = house.correct(registered, "2024-01-02", park="P3", district="D2")
        await house.fan()
        got = await house.got(north)
        assert [(one.number, one.event_id, one.corrects) for one in got] == [(1, registered.id, None), (2, corrected.id, [1])]
        assert got[1].data["withdrawn"]["data"]["park"] == "P1"
        assert got[1].data["corrects"] == str(registered.id)
        assert "replacement" not in got[1].data
        assert "P3" not in str(got[1].data)
        (new,) = await house.got(south)
        assert new.corrects is None
        assert new.data["replacement"]["data"] == {"enterprise_id": subject.partition("/")[2], "park": "P3", "district": "D2"}
        assert "withdrawn" not in new.data
        assert str(registered.id) not in str(new.data)
    else:
        corrected = house.correct(registered, "2024-01-02", park="P2")
        await house.fan()
        got = await house.got(north)
        assert [(one.number, one.corrects) for one in got] == [(1, None), (2, [1])]
        assert got[1].data["replacement"] == {
            "occurred_on": "2024-01-02",
            "data": {"enterprise_id": subject.partition("/")[2], "park": "P2", "district": "D1"},
        }
        assert await house.got(south) == []


async def test_a_withdrawal_goes_to_whoever_got_what_is_withdrawn(house: House) -> None:
    north = await house.subscribe(await house.grant(["D1"], ["member-joined"]))
    south = await house.subscribe(await house.grant(["D2"], ["member-joined"]))
    subject = house.enterprise("P1")
    events = [house.append(subject, joined(house, subject), "2024-03-01") for _ in range(3)]
    await house.fan()
    house.withdraw(events[0], events[1])
    await house.fan()
    got = await house.got(north)
    assert got[-1].type == "parkunion.event-withdrawn.v1"
    assert got[-1].corrects == [1, 2]
    assert got[-1].data == {"withdraws": [str(events[0].id), str(events[1].id)], "reason": "mistake"}
    assert await house.got(south) == []


async def test_filters_ask_what_was_known_of_the_enterprise_on_the_day(house: House) -> None:
    grant = await house.grant(["C"], ["member-joined"])
    large = await house.subscribe(grant, min_workers=25)
    factories = await house.subscribe(grant, industries=["C"])
    one, other = house.enterprise("P1", industry="C1311"), house.enterprise("P1", industry="I")
    house.append(other, HeadcountReported(workers=30), "2024-02-01")
    for subject in (one, other):
        house.append(subject, joined(house, subject), "2024-01-15")
        house.append(subject, joined(house, subject), "2024-02-15")
    await house.fan()
    assert [(d.subject, d.event_id) for d in await house.got(large)] == [(other, house.events[-1].id)]
    assert {d.subject for d in await house.got(factories)} == {one}
    assert len(await house.got(factories)) == 2


async def test_a_subscription_s_areas_narrow_its_grant(house: House) -> None:
    subscription = await house.subscribe(await house.grant(["C"], MOVES), areas=["P1"])
    subject = house.enterprise("P1")
    house.append(subject, EnterpriseMoved(park="P2", district="D1"), "2024-06-01")
    house.enterprise("P3")
    await house.fan()
    assert [one.data.get("direction") for one in await house.got(subscription)] == [None, "left"]


async def test_grants_hold_between_their_instants_and_until_revoked(house: House) -> None:
    past, future = datetime(2001, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    types = ["member-joined"]
    over = await house.subscribe(await house.grant(["C"], types, not_after=past))
    later = await house.subscribe(await house.grant(["C"], types, not_before=future))
    grant = await house.grant(["C"], types, not_before=past, not_after=future)
    holds = await house.subscribe(grant)
    subject = house.enterprise("P1")
    house.append(subject, joined(house, subject), "2024-03-01")
    await house.fan()
    await house.revoke(grant)
    house.append(subject, joined(house, subject), "2024-03-02")
    await house.fan()
    assert [len(await house.got(one)) for one in (over, later, holds)] == [0, 0, 1]


async def test_a_batch_that_fails_leaves_no_state_behind(house: House) -> None:
    subscription = await house.subscribe(await house.grant(["Q"], ["area-registered"]))

    class Failed(Exception):
        pass

    house.area("Q", None)
    made = list(house._made)

    async def fail() -> None:
        async with house.pool.acquire() as conn, conn.transaction():
            await house.fan_out.apply(conn, ShardBatch(1, 0, 9, in_runs(map(received, made)), {}))
            raise Failed

    with pytest.raises(Failed):
        await fail()
    house.fan_out.on_reset(0)
    assert await house.got(subscription) == []
    await house.fan()
    assert [one.data for one in await house.got(subscription)] == [{"code": "Q", "kind": "division"}]


async def test_odd_characters_of_a_code_are_stored_as_they_are(house: House) -> None:
    odd = 'a\\b"c\td\ne,{x}'
    subscription = await house.subscribe(await house.grant([odd], ["area-registered"]))
    house.area(odd, None)
    await house.fan()
    (got,) = await house.got(subscription)
    assert (got.subject, got.data["code"]) == (f"area/{odd}", odd)
    assert await house.pool.fetchval("SELECT places FROM contents") == [odd]


async def test_what_can_be_placed_is_not_kept_by_what_never_can(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "MOST_WAITING", 3)
    subscription = await house.subscribe(await house.grant(["C"], ["member-joined"]))
    never = [f"enterprise/{uuid7()}" for _ in range(5)]
    later = house.enterprise("P9")
    for subject in (*never, later, *never, later):
        house.append(subject, joined(house, subject), "2024-03-01")
    await house.fan()
    async with house.pool.acquire() as conn, conn.transaction():
        await conn.execute("UPDATE revision SET number = number + 1")
        await conn.execute("INSERT INTO area_versions SELECT 'P9', number, 'D1', true FROM revision")
    await house.release()
    assert [one.subject for one in await house.got(subscription)] == [later, later]
    assert await house.pool.fetchval("SELECT count(*) FROM waiting") == 2 * len(never)
