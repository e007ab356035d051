"""The audit of a day agrees with the fan-out, and finds every row that is changed (invariant I6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import date, timedelta
from uuid import UUID

import pytest

from services.subscriptions.matching.current import load
from services.subscriptions.matching.outgoing import Content, event_of, shown_data
from services.subscriptions.proof.applied import LogRewritten
from services.subscriptions.proof.auditing import audit
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined, UnionFounded, UnionKind
from shared.contracts.registry import EnterpriseMoved, HeadcountReported
from shared.manifests.chain import event_hash
from shared.process import db
from tests.conftest import Database, NewDatabase
from tests.integration.subscriptions.house import CLOCK, House, house_of
from tests.integration.subscriptions.proof.audited import audited, found, log_of

KINDS = ["enterprise-registered", "enterprise-moved", "headcount-reported", "member-joined", "union-founded", "area-registered"]


@pytest.fixture
async def own(database: NewDatabase) -> Database:
    return await database("subscriptions")


@pytest.fixture
async def house(own: Database) -> AsyncIterator[House]:
    async with house_of(own) as house:
        house.city()
        await house.fan()
        yield house


def join(house: House, subject: str, on: str = "2024-03-01") -> None:
    data = MemberJoined(membership_id=uuid7(), enterprise_id=UUID(subject.partition("/")[2]), union_id=uuid7())
    house.append(subject, data, on)


async def change(own: Database, statement: str) -> None:
    conn = await db.connect(own.owner_dsn, application_name="subscriptions.tests")
    await conn.execute(statement)
    await conn.close()


async def busy(house: House) -> UUID:
    """Everything that the fan-out does, over several transactions; returns a subscription that gets much of it."""
    grant = await house.grant(["D1"], KINDS)
    first = await house.subscribe(grant, kind="webhook")
    await house.subscribe(await house.grant(["P3"], KINDS), client="south")
    await house.subscribe(await house.grant(["*"], KINDS, client="all"), ["member-joined"], areas=["D2"])
    await house.subscribe(await house.grant(["C"], KINDS, client="large"), min_workers=50)
    subject = house.enterprise("P1", industry="C3911")
    headcount = house.append(subject, HeadcountReported(workers=70), "2024-02-01")
    join(house, subject)
    await house.fan()
    house.append(subject, EnterpriseMoved(park="P3", district="D2"), "2024-04-01")
    join(house, subject, "2024-04-02")
    house.correct(headcount, "2024-02-02", workers=40)
    await house.fan()
    union = uuid7()
    founded = UnionFounded(union_id=union, kind=UnionKind.ENTERPRISE_UNION, seat_area="P9", name="某工会")
    house.append(f"union/{union}", founded, "2024-05-01")
    await house.fan()
    house.area("P9", "D1")
    await house.fan()
    await house.release()
    lost = house.append(subject, HeadcountReported(workers=9), "2024-02-05")
    await house.fan()
    house.withdraw(lost)
    await house.revoke(grant)
    join(house, subject)
    await house.fan()
    return first


@pytest.mark.invariant("I6")
async def test_what_the_fan_out_assigned_is_what_was_entitled(house: House) -> None:
    await busy(house)
    report = await audited(house)
    assert found(report) == []
    assert (report.held, report.waiting) == ([], [])
    assert report.deliveries == report.expected > 12
    assert report.events == len(house.events)


ACTS = {
    "missing": "DELETE FROM deliveries WHERE subscription = $1 AND number = 2",
    "hash": "UPDATE contents SET hash = '\\x00' WHERE id = (SELECT content FROM deliveries WHERE subscription = $1 AND number = 2)",
    "places": "UPDATE contents SET places = '{P3}' WHERE id = (SELECT content FROM deliveries WHERE subscription = $1 AND number = 2)",
    "fact_type": "UPDATE contents SET fact_type = 'x' WHERE id = (SELECT content FROM deliveries WHERE subscription = $1 AND number = 2)",
    "surplus": "INSERT INTO deliveries (subscription, number, content, subject, batch, day, assigned_at, pending) "
    "SELECT s.id, 100, d.content, d.subject, d.batch, d.day, d.assigned_at, false FROM deliveries AS d, subscriptions AS s "
    "WHERE d.subscription = $1 AND d.number = 2 AND s.client = 'south'",
    "without_batch": "UPDATE deliveries SET batch = NULL WHERE subscription = $1 AND number = 2",
    "twice": "UPDATE deliveries AS d SET content = o.content FROM deliveries AS o "
    "WHERE d.subscription = $1 AND d.number = 3 AND o.subscription = $1 AND o.number = 2",
    "renumbered": "UPDATE deliveries SET number = 200 WHERE subscription = $1 AND number = 2",
    "swapped": "UPDATE deliveries AS d SET content = o.content FROM deliveries AS o WHERE d.subscription = $1 AND o.subscription = $1 "
    "AND (d.number, o.number) IN ((1, 2), (2, 1))",
    "corrects": "UPDATE deliveries SET corrects = '{1}' WHERE subscription = $1 AND corrects IS NOT NULL",
    "not_corrects": "UPDATE deliveries SET corrects = NULL WHERE subscription = $1",
    "day": "UPDATE deliveries SET day = day + 1 WHERE subscription = $1 AND number = 2",
    "revision": "UPDATE batches SET revision = 1",
    "grant_after_all": "UPDATE grant_versions SET kind = 'narrowed' WHERE kind = 'revoked' AND $1::uuid IS NOT NULL",
    "grant_before": "UPDATE grant_versions SET areas = '{D2}' WHERE grant_id = (SELECT grant_id FROM subscriptions WHERE id = $1)",
    "fields": 'UPDATE grant_versions SET fields = fields || \'{"parkunion.member-joined.v1": ["enterprise_id"]}\' '
    "WHERE grant_id = (SELECT grant_id FROM subscriptions WHERE id = $1)",
    "tree": "UPDATE area_versions SET parent = 'D2' WHERE code = 'P1'",
    "filter": "UPDATE subscriptions SET filter = '{\"min_workers\": 1000}' WHERE id = $1",
    "types": "UPDATE subscriptions SET types = '{parkunion.member-joined.v1}' WHERE id = $1",
    "ended": "UPDATE subscriptions SET ended_revision = opened_revision + 1 WHERE id = $1",
    "queue": "UPDATE queues SET next_number = next_number + 1 WHERE subscription = $1",
    "sent": "UPDATE deliveries SET hash = '\\x01' WHERE subscription = $1 AND number = 2",
    "not_waited": "UPDATE batches SET released = '{}'",
}
EXPECTED = {
    "missing": {"missing", "numbering"},
    "hash": {"content"},
    "places": {"content"},
    "fact_type": {"content"},
    "surplus": {"surplus", "numbering"},
    "without_batch": {"surplus", "missing"},
    "twice": {"twice", "missing"},
    "renumbered": {"numbering", "order"},
    "swapped": {"order"},
    "corrects": {"corrects"},
    "not_corrects": {"corrects"},
    "queue": {"numbering"},
    "sent": {"sent"},
    "not_waited": {"decided_early"},
}


@pytest.mark.invariant("I6")
async def test_one_row_that_is_changed_is_found(own: Database, house: House) -> None:
    """Each change is made in a transaction that is audited and rolled back."""
    subscription = await busy(house)
    broker = log_of(house)
    conn = await db.connect(own.owner_dsn, application_name="subscriptions.tests")
    kinds: dict[str, set[str]] = {}
    for act, statement in ACTS.items():
        tampering = conn.transaction()
        await tampering.start()
        changed = await conn.execute(statement.replace("$1", f"'{subscription}'::uuid"))
        assert int(changed.split()[-1]) > 0, act
        kinds[act] = {one["kind"] for one in (await audit(conn, broker, CLOCK, await CLOCK.today(conn))).different}
        await tampering.rollback()
    await conn.close()
    assert [act for act in ACTS if not kinds[act]] == [], "these changes are not found"
    assert {act: kinds[act] for act in EXPECTED if not kinds[act] >= EXPECTED[act]} == {}


async def test_an_event_that_nobody_was_given_is_found(house: House) -> None:
    """The log holds an event that the fan-out has read past without applying it."""
    subscription = await house.subscribe(await house.grant(["D1"], ["member-joined"]))
    subject = house.enterprise("P1")
    await house.fan()
    join(house, subject)
    await house.fan()
    assert found(await audited(house)) == []
    await house.pool.execute("DELETE FROM deliveries WHERE subscription = $1", subscription)
    await house.pool.execute("UPDATE queues SET next_number = 1 WHERE subscription = $1", subscription)
    report = await audited(house)
    assert [(one["kind"], one["subscription"], one["event_id"]) for one in report.different] == [
        ("missing", subscription, house.events[-1].id)
    ]


async def test_what_was_sent_after_a_grant_was_narrowed_is_what_it_showed_then(own: Database, house: House) -> None:
    grant = await house.grant(["D1"], ["member-joined", "headcount-reported"], {"headcount-reported": ["workers", "size"]})
    subscription = await house.subscribe(grant, kind="webhook")
    subject = house.enterprise("P1")
    house.correct(house.append(subject, HeadcountReported(workers=7, size="small"), "2024-02-01"), "2024-02-01", workers=8)
    await house.fan()
    narrowed = "{fields,parkunion.headcount-reported.v1}"
    await change(
        own,
        "INSERT INTO grant_versions SELECT grant_id, 1000, 'narrowed', areas, types, jsonb_set(jsonb_build_object('fields', fields), "
        f"'{narrowed}', '[\"workers\"]') -> 'fields', not_before, not_after, reason, changed_by, changed_at FROM grant_versions "
        f"WHERE grant_id = '{grant}'",
    )
    async with house.pool.acquire() as conn:
        terms, now = (await load(conn, 1000)).subscriptions[subscription].terms, await CLOCK.now(conn)
        for row in await conn.fetch("SELECT d.number, c.* FROM deliveries AS d JOIN contents AS c ON c.id = d.content"):
            content = Content(*(row[one.name] for one in fields(Content)))
            data = shown_data(content, terms, now)
            assert data is not None and "size" not in str(data)  # noqa: PT018 - of one thing
            sent = event_hash(event_of(content, data))
            assert sent != row["hash"]
            await conn.execute("UPDATE deliveries SET hash = $2 WHERE number = $1", row["number"], sent)
    assert found(await audited(house)) == []


async def test_what_waits_is_told_and_is_no_difference(house: House) -> None:
    await house.subscribe(await house.grant(["*"], ["member-joined"]))
    join(house, f"enterprise/{uuid7()}")
    await house.fan()
    report = await audited(house)
    assert (found(report), len(report.waiting)) == ([], 1)


async def test_a_day_before_is_audited_by_what_was_known_then(own: Database, house: House) -> None:
    await busy(house)
    day = (await audited(house)).day
    for table, column in (("batches", "at"), ("deliveries", "assigned_at")):
        await change(
            own, f"UPDATE {table} SET {column} = {column} - interval '3 days'" + (", day = day - 3" if table == "deliveries" else "")
        )
    subject = house.events[-1].subject
    join(house, subject, "2024-04-05")
    house.correct(next(event for event in house.events if isinstance(event.data, MemberJoined)), None)
    await house.fan()
    then, now, between = [await audited(house, day - timedelta(days=n)) for n in (3, 0, 1)]
    assert (found(then), found(now), found(between)) == ([], [], [])
    assert then.deliveries > 12
    assert 0 < now.deliveries < 8
    assert (between.events, between.deliveries) == (0, 0)


async def test_second_publications_and_gaps_are_what_they_were_to_the_reader(own: Database, house: House) -> None:
    """The log holds an event twice; the positions of the fan-out are those behind both."""
    await busy(house)
    broker = log_of(house)
    for log in broker.logs.values():
        [records] = log.partitions
        copies = [*records[:1], *records]
        log.partitions[0] = [type(one)(one.topic, 0, at, one.key, one.value) for at, one in enumerate(copies)]
    await change(
        own,
        "UPDATE batches SET next = (SELECT jsonb_object_agg(key, value::bigint + 1) FROM jsonb_each_text(next)) WHERE next <> '{}'",
    )
    assert found(await audited(house, broker=broker)) == []


async def test_a_log_that_is_not_the_one_that_was_read_is_refused(own: Database, house: House) -> None:
    await busy(house)
    broker = log_of(house)
    broker.logs["parkunion.registry.v1"].partitions[0].pop()
    with pytest.raises(LogRewritten, match=r"parkunion\.registry\.v1/0"):
        await audited(house, broker=broker)
    await change(own, "UPDATE batches SET next = '{\"parkunion.registry.v1\": 1}' WHERE id = (SELECT max(id) FROM batches)")
    with pytest.raises(LogRewritten):
        await audited(house)


async def test_a_day_without_anything_is_equal(house: House) -> None:
    report = await audited(house, date(2001, 1, 1))
    assert (report.differences, report.deliveries, report.events) == (0, 0, 0)
