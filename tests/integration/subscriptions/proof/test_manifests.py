"""Manifests by the API, verified as a receiver does (invariant I6: a manifest shows no content, and nobody's but one's own)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.subscriptions.app import api
from services.subscriptions.matching.current import load
from services.subscriptions.matching.outgoing import Content, event_of, numbered, shown_data, withheld
from services.subscriptions.settings import Settings
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined
from shared.contracts.registry import HeadcountReported
from shared.manifests.verifying import verify
from tests.conftest import NewDatabase
from tests.integration.client import Client, settings_of
from tests.integration.subscriptions.house import CLOCK, House, house_of

USE, GRANT = frozenset({"subscriptions:use"}), frozenset({"subscriptions:grant"})
CONTENTS = """
SELECT d.number, d.day, d.assigned_at, d.state, c.event_id, c.source, c.subject, c.type, c.fact_type, c.time, c.occurredon, c.places, c.data
FROM deliveries AS d JOIN contents AS c ON c.id = d.content WHERE d.subscription = $1 ORDER BY d.number
"""


class Receiver:
    """Asks for manifests, and receives what it would be sent."""

    def __init__(self, house: House, client: Client) -> None:
        self.house = house
        self.client = client

    async def today(self) -> date:
        async with self.house.pool.acquire() as conn:
            return await CLOCK.today(conn)

    async def manifest(self, subscription: UUID, day: date | None = None) -> dict[str, Any]:
        status, answer = await self.client.get(f"/v1/subscriptions/{subscription}/manifests/{day or await self.today()}")
        assert status == 200, answer
        return answer

    async def jwks(self) -> dict[str, Any]:
        return (await self.client.get("/.well-known/jwks.json"))[1]

    async def findings(self, answer: Any, received: Sequence[dict[str, Any]]) -> list[tuple[str, int | None]]:
        return [(one.code, one.number) for one in verify(answer, received, await self.jwks())]

    async def send(self, subscription: UUID, *numbers: int) -> list[dict[str, Any]]:
        """These numbers as they would leave now, and are settled so; as JSON that a receiver reads."""
        async with self.house.pool.acquire() as conn:
            terms = (await load(conn)).subscriptions[subscription].terms
            now = await CLOCK.now(conn)
            sent = []
            for row in await conn.fetch(CONTENTS, subscription):
                if row["number"] in numbers:
                    content = Content(*list(row)[4:])
                    data = shown_data(content, terms, now)
                    event = event_of(content, data) if data is not None else withheld(subscription, [row["number"]], now, row["day"])
                    sent.append(msgspec.json.decode(msgspec.json.encode(numbered(event, row["number"], 0))))
                    await self.settle(subscription, "delivered" if data is not None else "withheld", row["number"])
            return sent

    async def settle(self, subscription: UUID, state: str, *numbers: int) -> None:
        await self.house.pool.execute(
            "UPDATE deliveries SET state = $3, pending = false WHERE subscription = $1 AND number = ANY($2::bigint[])",
            *(subscription, list(numbers), state),
        )


@pytest.fixture
async def receiver(database: NewDatabase) -> AsyncIterator[Receiver]:
    own = await database("subscriptions")
    async with house_of(own) as house:
        house.city()
        await house.fan()
        app = api(settings_of(Settings, own))
        async with app.router.lifespan_context(app), Client.of(app, *USE) as client:
            client.be(client="bureau")
            yield Receiver(house, client)


def join(house: House, subject: str, times: int = 1) -> None:
    for _ in range(times):
        data = MemberJoined(membership_id=uuid7(), enterprise_id=UUID(subject.partition("/")[2]), union_id=uuid7())
        house.append(subject, data, "2024-03-01")


async def subscribed(receiver: Receiver, events: int = 3, kind: str = "webhook") -> UUID:
    """A subscription with so many numbers."""
    house = receiver.house
    subscription = await house.subscribe(await house.grant(["D1"], ["member-joined"]), kind=kind)
    join(house, house.enterprise("P1"), events)
    await house.fan()
    return subscription


async def test_what_was_sent_agrees_with_the_manifest_and_what_is_missing_or_altered_is_found(receiver: Receiver) -> None:
    subscription = await subscribed(receiver)
    sent = await receiver.send(subscription, 1, 2, 3)
    manifest = await receiver.manifest(subscription)
    assert (manifest["count"], manifest["first"], manifest["last"], manifest["client"]) == (3, 1, 3, "bureau")
    assert await receiver.findings(manifest, sent) == []
    assert await receiver.findings(manifest, [sent[0], sent[2]]) == [("missing", 2)]
    altered = {**sent[1], "data": {**sent[1]["data"], "union_id": str(uuid7())}}
    assert await receiver.findings(manifest, [sent[0], altered, sent[2]]) == [("altered", 2)]
    assert await receiver.findings({**manifest, "count": 2, "entries": manifest["entries"][:2]}, sent[:2]) != []


@pytest.mark.invariant("I6")
async def test_a_manifest_holds_ids_and_hashes_alone(receiver: Receiver) -> None:
    subscription = await subscribed(receiver, kind="pull")
    await receiver.send(subscription, 1)
    manifest = await receiver.manifest(subscription)
    assert manifest.keys() == {
        *(
            "version",
            "subscription",
            "client",
            "day",
            "made_at",
            "count",
            "first",
            "last",
            "chain",
            "again",
            "previous",
            "complete",
            "entries",
            "jws",
        )
    }
    assert all(entry.keys() == {"number", "event_id", "hash", "state", "corrects", "again"} for entry in manifest["entries"])
    text = msgspec.json.encode({name: value for name, value in manifest.items() if name != "jws"}).decode()
    events = {str(event.id) for event in receiver.house.events}
    named = set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", text))
    assert named == {str(subscription), *(str(entry["event_id"]) for entry in manifest["entries"])}
    assert named - {str(subscription)} <= events, "no id of a person, an enterprise or a union"


@pytest.mark.invariant("I6")
async def test_a_withheld_number_and_one_that_may_not_be_shown_any_more_are_there_without_id_and_hash(receiver: Receiver) -> None:
    house = receiver.house
    grant = await house.grant(["D1"], ["member-joined"])
    subscription = await house.subscribe(grant, kind="webhook")
    join(house, house.enterprise("P1"), 4)
    await house.fan()
    sent = await receiver.send(subscription, 1)
    assert all(entry["hash"] for entry in (await receiver.manifest(subscription))["entries"])
    await house.revoke(grant)
    sent += await receiver.send(subscription, 2)
    await receiver.settle(subscription, "parked", 3)
    manifest = await receiver.manifest(subscription)
    shown = [(entry["state"], entry["event_id"] is not None, entry["hash"] is not None) for entry in manifest["entries"]]
    assert shown == [("delivered", True, True), ("withheld", False, False), ("parked", False, False), ("queued", False, False)]
    assert await receiver.findings(manifest, sent) == [("missing", 3)]
    # A receiver that reads anew gets a withheld event in place of what it once got.
    assert [entry["again"] for entry in manifest["entries"]] == ["withheld", None, None, None]
    anew = [{**sent[0], "id": "1.withheld", "type": "parkunion.delivery-withheld.v1", "data": {"numbers": [1]}}, *sent[1:]]
    assert await receiver.findings(manifest, anew) == [("missing", 3)]


async def test_what_was_erased_is_accounted_for_and_what_retention_took_is_not(receiver: Receiver) -> None:
    subscription = await subscribed(receiver)
    sent = await receiver.send(subscription, 1, 2, 3)
    pool = receiver.house.pool
    for number, why in ((1, "erasure"), (2, "retention")):
        await pool.execute(
            "UPDATE contents SET data = NULL, gone = $3 WHERE id = (SELECT content FROM deliveries WHERE subscription = $1 AND number = $2)",
            *(subscription, number, why),
        )
    manifest = await receiver.manifest(subscription)
    assert [entry["again"] for entry in manifest["entries"]] == ["withheld", None, None]
    assert await receiver.findings(manifest, sent) == []
    gone = [{**one, "type": "parkunion.delivery-withheld.v1", "data": {"numbers": [one["deliverynumber"]]}} for one in sent[:2]]
    assert await receiver.findings(manifest, [*gone, sent[2]]) == [("missing", 2)]


async def test_what_a_narrowed_grant_shows_is_what_the_manifest_is_made_of(receiver: Receiver) -> None:
    house = receiver.house
    grant = await house.grant(["D1"], ["member-joined"])
    subscription = await house.subscribe(grant, kind="pull")
    join(house, house.enterprise("P1"))
    await house.fan()
    fields = {"parkunion.member-joined.v1": ["enterprise_id"]}
    async with house.pool.acquire() as conn, conn.transaction():
        revision = await conn.fetchval("UPDATE revision SET number = number + 1 RETURNING number")
        await conn.execute(
            "INSERT INTO grant_versions (grant_id, revision, kind, areas, types, fields, changed_by, changed_at) "
            "SELECT grant_id, $2, 'narrowed', areas, types, $3, 'federation', parkunion_now() FROM grant_versions WHERE grant_id = $1",
            *(grant, revision, fields),
        )
    manifest = await receiver.manifest(subscription)
    [event] = await receiver.send(subscription, 1)
    assert event["data"].keys() == {"enterprise_id"}
    assert await receiver.findings(manifest, [event]) == [], "as it is queued: what would be sent now"


async def test_days_are_linked_and_complete_when_they_are_over_and_settled(receiver: Receiver) -> None:
    subscription, today = await subscribed(receiver), await receiver.today()
    await receiver.house.pool.execute(
        "UPDATE deliveries SET day = $2 WHERE subscription = $1 AND number < 3", subscription, today - timedelta(5)
    )
    earlier = await receiver.manifest(subscription, today - timedelta(5))
    assert (earlier["previous"], earlier["complete"], earlier["count"]) == (None, False, 2)
    await receiver.send(subscription, 1)
    await receiver.settle(subscription, "parked", 2)
    earlier = await receiver.manifest(subscription, today - timedelta(5))
    assert earlier["complete"]
    later = await receiver.manifest(subscription)
    assert later["previous"] == {"day": earlier["day"], "last": 2, "chain": earlier["chain"]}
    assert (later["first"], later["complete"]) == (3, False)
    between = await receiver.manifest(subscription, today - timedelta(2))
    assert (between["count"], between["first"], between["previous"], between["complete"]) == (0, None, later["previous"], True)
    assert await receiver.findings(between, []) == []


async def test_the_key_set_verifies_also_where_no_webhook_was_ever_signed(receiver: Receiver) -> None:
    subscription = await receiver.house.subscribe(await receiver.house.grant(["D1"], ["member-joined"]))
    assert await receiver.jwks() == {"keys": []}
    manifest = await receiver.manifest(subscription)
    assert await receiver.findings(manifest, []) == []
    assert len((await receiver.jwks())["keys"]) == 1
    await receiver.manifest(subscription)
    assert len((await receiver.jwks())["keys"]) == 1


@pytest.mark.invariant("I6")
async def test_a_manifest_is_its_clients_and_the_federations(receiver: Receiver) -> None:
    subscription, today, client = await subscribed(receiver), await receiver.today(), receiver.client
    path = f"/v1/subscriptions/{subscription}/manifests/{today}"
    client.be(client="another", scopes=USE)
    theirs = await client.get(path)
    unknown = await client.get(f"/v1/subscriptions/{uuid7()}/manifests/{today}")
    assert theirs == unknown, "another's is as if it did not exist"
    assert theirs[0] == 404
    client.be(client="bureau", scopes=frozenset({"subscriptions:read"}))
    assert (await client.get(path))[0] == 403
    client.be(client="federation", scopes=GRANT)
    assert (await client.get(path))[0] == 200
    rows = await receiver.house.pool.fetch("SELECT client, what, subscription, first, last, purpose FROM accesses")
    assert [tuple(row) for row in rows] == [("federation", "manifest", subscription, 1, 3, "检查")]


@pytest.mark.parametrize("day", ["2026-02-30", "yesterday", "20260701", "0001-01-01"])
async def test_a_day_that_is_none_is_a_problem(receiver: Receiver, day: str) -> None:
    status, answer = await receiver.client.get(f"/v1/subscriptions/{uuid7()}/manifests/{day}")
    assert (status, answer["errors"][0]["field"]) == (422, "day")


async def test_headcounts_cannot_be_guessed_from_what_was_never_sent(receiver: Receiver) -> None:
    """A hash of a short content tells the content to whoever tries all of them."""
    house = receiver.house
    grant = await house.grant(["D1"], ["headcount-reported"], not_after=datetime(2999, 1, 1, tzinfo=UTC))
    subscription = await house.subscribe(grant)
    house.append(house.enterprise("P1"), HeadcountReported(workers=7), "2024-03-01")
    await house.fan()
    await house.revoke(grant)
    [entry] = (await receiver.manifest(subscription))["entries"]
    assert entry == {"number": 1, "event_id": None, "hash": None, "state": "queued", "corrects": None, "again": None}
