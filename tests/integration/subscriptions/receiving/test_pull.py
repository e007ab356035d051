"""Pull: every number once in order, cursors that prove receipt and never restart silently, and nothing for others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.subscriptions.receiving.cursors import EventCursors
from shared.contracts.ids import uuid7
from tests.conftest import NewDatabase
from tests.dummy_service.reading import until
from tests.integration.client import REQUIRED
from tests.integration.subscriptions.rows import FOUNDED, Rows, hash_of_received
from tests.integration.subscriptions.server import SubscriptionsServer, server_of
from tests.patience import at_best

WITHHELD = "parkunion.delivery-withheld.v1"
CURSORS = EventCursors(REQUIRED["cursor_key"])


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[SubscriptionsServer]:
    async with server_of(await database("subscriptions")) as made:
        yield made


@pytest.fixture
async def http(server: SubscriptionsServer) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as made:
        yield made


@pytest.fixture
def rows(server: SubscriptionsServer) -> Rows:
    return server.rows


async def events(http: httpx.AsyncClient, subscription: UUID, after: str | None = None, **params: Any) -> dict[str, Any]:
    answer = await http.get(f"/v1/subscriptions/{subscription}/events", params=params | ({"after": after} if after else {}))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def refused(http: httpx.AsyncClient, subscription: UUID, status: int, **params: Any) -> dict[str, Any]:
    answer = await http.get(f"/v1/subscriptions/{subscription}/events", params=params)
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def states(rows: Rows, subscription: UUID) -> list[str]:
    return [
        row["state"] for row in await rows.pool.fetch("SELECT state FROM deliveries WHERE subscription = $1 ORDER BY number", subscription)
    ]


def numbers(page: dict[str, Any]) -> list[int]:
    return [item["deliverynumber"] for item in page["items"]]


async def test_pages_hold_every_number_once_in_order(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    other = await rows.subscription(await rows.grant())
    for _ in range(3):
        await rows.events(subscription, 5)
        await rows.events(other, 2)
    seen, cursor = list[int](), None
    while True:
        page = await events(http, subscription, cursor, limit=4)
        cursor = page["next"]
        if not page["items"]:
            break
        seen += numbers(page)
    assert seen == list(range(1, 16))
    assert page["watermark"] == 15
    again = await events(http, subscription, cursor)
    assert (again["items"], again["next"]) == ([], cursor), "an empty page has a cursor, too"


async def test_a_delivered_event_tells_nothing_of_other_events(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, sequence=4711)
    await rows.deliver(subscription, await rows.content(), corrects=[1])
    first, second = (await events(http, subscription))["items"]
    own = {"specversion", "id", "source", "type", "subject", "time", "occurredon", "datacontenttype", "deliverynumber", "watermark", "data"}
    assert first.keys() == own
    assert "4711" not in str(first)
    assert second.keys() == own | {"correctsnumbers"}
    assert second["correctsnumbers"] == "1"
    assert first["data"].keys() == {"union_id", "kind", "seat_area"}


async def test_the_next_cursor_confirms_what_came_before(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, 3)
    first = await events(http, subscription, limit=2)
    assert first["watermark"] == 0
    assert await states(rows, subscription) == ["queued"] * 3, "reading proves nothing"
    second = await events(http, subscription, first["next"], limit=2)
    assert await states(rows, subscription) == ["delivered", "delivered", "queued"]
    assert second["watermark"] == second["items"][0]["watermark"] == 2
    row = await rows.pool.fetchrow("SELECT confirmed_to, last_success_at FROM subscriptions WHERE id = $1", subscription)
    assert row is not None
    assert row["confirmed_to"] == 2
    assert row["last_success_at"] is not None
    assert numbers(await events(http, subscription)) == [1, 2, 3], "without a cursor from the first that is held"
    assert await states(rows, subscription) == ["delivered", "delivered", "queued"]


@pytest.mark.parametrize("status", ["verifying", "active", "paused", "disabled", "ended"])
async def test_a_webhook_subscription_is_read_in_every_status_and_stays_as_it_is(rows: Rows, http: httpx.AsyncClient, status: str) -> None:
    subscription = await rows.subscription(await rows.grant(), "webhook", status=status)
    await rows.events(subscription, 2)
    page = await events(http, subscription, limit=1)
    assert numbers(page) + numbers(await events(http, subscription, page["next"])) == [1, 2]
    assert await states(rows, subscription) == ["queued", "queued"]
    assert await rows.pool.fetchval("SELECT count(*) FROM lanes") == 2
    refusal = await http.post(f"/v1/subscriptions/{subscription}/acknowledgements", json={"to_number": 1})
    assert (refusal.status_code, refusal.json()["code"]) == (409, "NOT_A_PULL_SUBSCRIPTION")


async def test_an_acknowledgement_confirms_and_never_goes_back(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, 4)
    path = f"/v1/subscriptions/{subscription}/acknowledgements"
    done = await http.post(path, json={"to_number": 3})
    assert (done.status_code, done.json()) == (200, {"confirmed_to": 3, "watermark": 3})
    back = await http.post(path, json={"to_number": 1}, headers={"Idempotency-Key": "a"})
    assert back.json() == {"confirmed_to": 3, "watermark": 3}
    assert await states(rows, subscription) == ["delivered"] * 3 + ["queued"]
    beyond = await http.post(path, json={"to_number": 5})
    assert (beyond.status_code, beyond.json()["code"]) == (422, "NUMBER_NOT_ASSIGNED")
    assert beyond.json()["errors"][0]["field"] == "to_number"
    assert (await http.post(path, json={"to_number": 0})).status_code == 422
    assert await states(rows, subscription) == ["delivered"] * 3 + ["queued"]


async def until_waiting(server: SubscriptionsServer) -> None:
    """A request waits, and has found nothing."""

    async def waits() -> bool:
        return bool(server.app.state.receiving.waker.sleeping)

    await until(waits)


async def test_a_long_poll_is_woken_by_the_commit(server: SubscriptionsServer, rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    page = await events(http, subscription)

    async def attempt() -> float:
        nonlocal page
        content = await rows.content()
        asked = asyncio.create_task(events(http, subscription, page["next"], wait=30))
        await until_waiting(server)
        await rows.deliver(subscription, content)
        committed = time.monotonic()
        page = await asked
        assert len(page["items"]) == 1
        return time.monotonic() - committed

    await at_best(attempt, 0.2)


async def test_a_long_poll_ends_with_an_empty_page(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription, other = await rows.subscription(await rows.grant()), await rows.subscription(await rows.grant())
    await rows.events(subscription)
    page = await events(http, subscription)
    asked = asyncio.create_task(events(http, subscription, page["next"], wait=1))

    async def confirmed() -> bool:
        return await states(rows, subscription) == ["delivered"] and not asked.done()

    await until(confirmed)  # before the wait is over
    await rows.events(other)
    assert await asked == {"items": [], "next": page["next"], "watermark": 1}
    too_long = await refused(http, subscription, 422, wait=61)
    assert too_long["errors"][0]["field"] == "wait"


async def test_a_cursor_that_is_not_ours_is_gone_and_says_how_to_go_on(rows: Rows, http: httpx.AsyncClient) -> None:
    grant = await rows.grant()
    subscription, other = await rows.subscription(grant), await rows.subscription(grant)
    await rows.events(subscription, 3)
    await rows.events(other, 3)
    own = (await events(http, subscription, limit=1))["next"]
    forged = EventCursors(bytes([1] * 32)).encode(subscription, 1)
    for cursor in ("nonsense", forged, own[:-2] + "AA", CURSORS.encode(other, 1), CURSORS.encode(subscription, 4)):
        problem = await refused(http, subscription, 410, after=cursor)
        assert problem["code"] == "CURSOR_UNKNOWN"
        assert problem["errors"][0]["field"] == "after"
        assert problem["errors"][0]["message_zh"]
        assert problem["errors"][0]["message_en"]
        assert numbers(await events(http, subscription, problem["resume"])) == [1, 2, 3]
    assert await states(rows, subscription) == ["queued"] * 3, "nothing was confirmed by any of them"


async def test_what_retention_removed_is_gone_with_its_manifest(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, 9)
    cursor = (await events(http, subscription, limit=2))["next"]
    await rows.remove_content(subscription, *range(1, 7))
    problem = await refused(http, subscription, 410, after=cursor)
    day = await rows.pool.fetchval("SELECT day FROM deliveries WHERE subscription = $1 AND number = 3", subscription)
    assert problem["code"] == "EVENTS_REMOVED"
    assert problem["manifest"] == f"/v1/subscriptions/{subscription}/manifests/{day}"
    assert "number 3" in problem["errors"][0]["message_en"]
    resumed = await events(http, subscription, problem["resume"])
    assert numbers(resumed) == [7, 8, 9]
    assert numbers(await events(http, subscription)) == [7, 8, 9], "without a cursor from the first that is held"
    assert (await states(rows, subscription))[2:6] == ["parked"] * 4, "what nobody has confirmed before it was removed was not received"
    assert resumed["watermark"] == 6
    await rows.remove_content(subscription, 7, 8, 9)
    last = await refused(http, subscription, 410, after=problem["resume"])
    assert (await events(http, subscription, last["resume"]))["items"] == []


async def test_a_page_ends_before_what_was_removed(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, 4)
    await rows.remove_content(subscription, 3)
    page = await events(http, subscription, CURSORS.encode(subscription, 0))
    assert numbers(page) == [1, 2]
    assert (await refused(http, subscription, 410, after=page["next"]))["code"] == "EVENTS_REMOVED"


async def test_what_was_erased_keeps_its_number_without_content(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, 3)
    await rows.remove_content(subscription, 2, gone="erasure")
    page = await events(http, subscription)
    assert numbers(page) == [1, 2, 3]
    assert [item["type"] for item in page["items"]] == [FOUNDED, WITHHELD, FOUNDED]
    assert page["items"][1]["data"] == {"numbers": [2]}
    assert await states(rows, subscription) == ["queued", "withheld", "queued"]
    await events(http, subscription, page["next"])
    assert await states(rows, subscription) == ["delivered", "withheld", "delivered"]


async def withholding(http: httpx.AsyncClient, subscription: UUID, count: int) -> dict[str, Any]:
    """The first page that withholds so many, within the five seconds that a change of a grant may take."""
    deadline = time.monotonic() + 5
    while True:
        page = await events(http, subscription)
        if sum(item["type"] == WITHHELD for item in page["items"]) == count:
            return page
        assert time.monotonic() < deadline


async def test_what_is_no_longer_granted_is_withheld_and_stays_so(rows: Rows, http: httpx.AsyncClient) -> None:
    grant = await rows.grant(areas=("D1", "D2"))
    subscription = await rows.subscription(grant)
    await rows.events(subscription, 1)
    await rows.events(subscription, 1, places=("P2",), subject="union/of-p2")
    page = await events(http, subscription)
    assert [item["type"] for item in page["items"]] == [FOUNDED, FOUNDED]
    await rows.narrow(grant, areas=["D1"])
    narrowed = await withholding(http, subscription, 1)
    assert [item["type"] for item in narrowed["items"]] == [FOUNDED, WITHHELD]
    assert "of-p2" not in str(narrowed)
    assert narrowed["items"][1]["id"] == (await events(http, subscription))["items"][1]["id"]
    await rows.revoke(grant)
    revoked = await withholding(http, subscription, 2)
    assert [item["data"] for item in revoked["items"]] == [{"numbers": [1]}, {"numbers": [2]}]
    assert await states(rows, subscription) == ["withheld", "withheld"]
    assert revoked["watermark"] == 2
    errors = await rows.pool.fetch("SELECT error, settled_at FROM deliveries WHERE subscription = $1", subscription)
    assert {row["error"] for row in errors} == {"NOT_GRANTED"}
    assert all(row["settled_at"] for row in errors)


async def test_fewer_fields_are_shown_and_their_hash_is_kept(rows: Rows, http: httpx.AsyncClient) -> None:
    grant = await rows.grant()
    subscription = await rows.subscription(grant)
    await rows.events(subscription)
    await rows.narrow(grant, fields={FOUNDED: ["kind"]}, types=[FOUNDED])
    item = (await events(http, subscription))["items"][0]
    assert item["data"] == {"kind": "enterprise_union"}
    kept = await rows.pool.fetchval("SELECT hash FROM deliveries WHERE subscription = $1", subscription)
    stored = await rows.pool.fetchval("SELECT hash FROM contents")
    assert kept == hash_of_received(item)
    assert kept != stored


@pytest.mark.invariant("I6")
async def test_another_bureau_sees_no_subscription(server: SubscriptionsServer, rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription)
    cursor = (await events(http, subscription))["next"]
    async with server.client("other") as other:
        assert (await refused(other, subscription, 404, after=cursor))["code"] == "UNKNOWN_SUBSCRIPTION"
        assert (await other.get(f"/v1/subscriptions/{subscription}/stream")).status_code == 404
        told = await other.post(f"/v1/subscriptions/{subscription}/acknowledgements", json={"to_number": 1})
        assert told.status_code == 404
    assert (await refused(http, uuid7(), 404))["code"] == "UNKNOWN_SUBSCRIPTION"
    async with server.client(scope="subscriptions:read") as reader:
        assert (await refused(reader, subscription, 403))["code"] == "SCOPE_MISSING"
    assert await states(rows, subscription) == ["queued"]


async def test_the_federation_reads_within_its_areas_and_confirms_nothing(server: SubscriptionsServer, rows: Rows) -> None:
    subscription = await rows.subscription(await rows.grant(areas=("P1",)))
    await rows.events(subscription, 2)
    async with server.client("federation", "D1", scope="subscriptions:grant") as inside:
        page = await events(inside, subscription, limit=1)
        await events(inside, subscription, page["next"])
        told = await inside.post(f"/v1/subscriptions/{subscription}/acknowledgements", json={"to_number": 1})
        assert told.status_code == 403
    async with server.client("federation", "D2", scope="subscriptions:grant") as outside:
        await refused(outside, subscription, 404)
    assert await states(rows, subscription) == ["queued", "queued"]


async def test_every_access_is_logged_with_its_purpose(rows: Rows, http: httpx.AsyncClient) -> None:
    subscription = await rows.subscription(await rows.grant(purpose="wage inspection"))
    await rows.events(subscription, 3)
    page = await events(http, subscription, limit=2)
    page = await events(http, subscription, page["next"])
    await events(http, subscription, page["next"], wait=1)
    logged = await rows.pool.fetch("SELECT client, what, subscription, first, last, purpose FROM accesses ORDER BY id")
    always = ("bureau", "pull", subscription)
    assert [tuple(row) for row in logged] == [(*always, *found, "wage inspection") for found in ((1, 2), (3, 3), (None, None))]
