"""The stream of a subscription: every number once in order, resumed behind the last one, and only what is granted at the moment of each push."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.subscriptions.receiving import stream
from tests.conformance import Document
from tests.conftest import NewDatabase
from tests.dummy_service.reading import until
from tests.integration.subscriptions.rows import FOUNDED, Rows
from tests.integration.subscriptions.server import SubscriptionsServer, server_of
from tests.patience import PATIENCE, at_best

PATH = "/v1/subscriptions/{}/stream"
WITHHELD = "parkunion.delivery-withheld.v1"


class Follower:
    """One open stream."""

    def __init__(self, answer: httpx.Response, document: Document) -> None:
        self._lines = answer.aiter_lines()
        self._document = document
        self._path = answer.request.url.path

    async def event(self) -> tuple[str, int | None, dict[str, Any]]:
        """The next event: (name, id, data), as the document describes it."""
        name, key, data = "message", None, ""
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                field, _, value = line.partition(": ")
                match field:
                    case "event":
                        name = value
                    case "id":
                        key = int(value)
                    case "data":
                        data = value
                    case "" if data:
                        self._document.require_event(self._path, name, json.loads(data))
                        return name, key, json.loads(data)
        raise EOFError

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The data of the next events, whose ids are their numbers."""
        found = []
        for _ in range(count):
            _, key, data = await self.event()
            assert key == data["deliverynumber"]
            found.append(data)
        return found


@asynccontextmanager
async def following(
    server: SubscriptionsServer, subscription: UUID, last: int | str | None = None, client: str = "bureau", **claims: Any
) -> AsyncIterator[Follower]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with server.client(client, **claims) as http, http.stream("GET", PATH.format(subscription), headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Follower(answer, server.document())


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[SubscriptionsServer]:
    async with server_of(await database("subscriptions")) as made:
        yield made


@pytest.fixture
def rows(server: SubscriptionsServer) -> Rows:
    return server.rows


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [event["deliverynumber"] for event in events]


async def states(rows: Rows, subscription: UUID) -> list[str]:
    return [
        row["state"] for row in await rows.pool.fetch("SELECT state FROM deliveries WHERE subscription = $1 ORDER BY number", subscription)
    ]


async def test_a_stream_sends_what_is_there_and_then_each_as_it_comes(server: SubscriptionsServer, rows: Rows) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, stream.BATCH + 3)
    async with following(server, subscription) as follower:
        assert numbers(await follower.events(stream.BATCH + 3)) == list(range(1, stream.BATCH + 4))
        for number in range(stream.BATCH + 4, stream.BATCH + 9):
            await rows.events(subscription)
            assert numbers(await follower.events(1)) == [number]
    assert await states(rows, subscription) == ["queued"] * (stream.BATCH + 8), "sending proves nothing"


async def test_events_are_the_same_by_stream_and_by_pull(server: SubscriptionsServer, rows: Rows) -> None:
    grant = await rows.grant()
    for kind in ("pull", "webhook"):
        subscription = await rows.subscription(grant, kind, status="active" if kind == "pull" else "disabled")
        await rows.events(subscription, 3)
        await rows.remove_content(subscription, 2, gone="erasure")
        async with following(server, subscription) as follower, server.client() as http:
            pushed = await follower.events(3)
            pulled = (await http.get(f"/v1/subscriptions/{subscription}/events")).json()["items"]
        assert [{**one, "watermark": 0} for one in pushed] == [{**one, "watermark": 0} for one in pulled]


async def test_a_new_event_arrives_within_200_ms_of_its_commit(server: SubscriptionsServer, rows: Rows) -> None:
    subscription = await rows.subscription(await rows.grant())
    async with following(server, subscription) as follower:

        async def attempt() -> float:
            await rows.deliver(subscription, await rows.content())
            committed = time.monotonic()
            await follower.events(1)
            return time.monotonic() - committed

        await at_best(attempt, 0.2)


async def test_no_number_is_left_out_or_sent_twice_while_many_write(server: SubscriptionsServer, rows: Rows) -> None:
    subscription, other = await rows.subscription(await rows.grant()), await rows.subscription(await rows.grant())
    contents = [await rows.content() for _ in range(4)]

    async def write(content: int) -> None:
        for _ in range(30):
            await rows.deliver(subscription, content, content)
            await rows.deliver(other, content)

    async def read(last: int) -> None:
        async with following(server, subscription, last) as follower:
            assert numbers(await follower.events(240)) == list(range(last + 1, last + 241))

    await asyncio.gather(read(0), read(0), read(0), *map(write, contents))
    assert set(await states(rows, subscription)) == {"queued"}


async def test_a_client_resumes_behind_its_last_number_and_so_confirms_it(server: SubscriptionsServer, rows: Rows) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, 5)
    async with following(server, subscription) as follower:
        await follower.events(2)
    async with following(server, subscription, 2) as follower:
        assert numbers(await follower.events(3)) == [3, 4, 5]
        assert await states(rows, subscription) == ["delivered", "delivered", "queued", "queued", "queued"]
    async with following(server, subscription, 5) as follower:
        await rows.events(subscription)
        assert numbers(await follower.events(1)) == [6]


async def test_a_number_that_leads_nowhere_is_gone(server: SubscriptionsServer, rows: Rows) -> None:
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, 4)
    async with server.client() as http:
        for last in ("5", "-1", "1.5", "x", "9" * 40):
            answer = await http.get(PATH.format(subscription), headers={"Last-Event-ID": last})
            assert (answer.status_code, answer.json()["code"]) == (410, "CURSOR_UNKNOWN"), last
            assert answer.json()["errors"][0]["field"] == "Last-Event-ID"
        await rows.remove_content(subscription, 1, 2)
        answer = await http.get(PATH.format(subscription), headers={"Last-Event-ID": "1"})
        assert (answer.status_code, answer.json()["code"]) == (410, "EVENTS_REMOVED")
        assert answer.json()["manifest"].startswith(f"/v1/subscriptions/{subscription}/manifests/")
        resumed = await http.get(f"/v1/subscriptions/{subscription}/events", params={"after": answer.json()["resume"]})
        assert numbers(resumed.json()["items"]) == [3, 4]
    assert await states(rows, subscription) == ["parked", "parked", "queued", "queued"]


@pytest.mark.invariant("I6")
async def test_a_revoked_grant_shows_nothing_within_seconds_on_an_open_stream(server: SubscriptionsServer, rows: Rows) -> None:
    grant = await rows.grant(areas=("D1", "D2"))
    subscription = await rows.subscription(grant)

    async def shown(follower: Follower, kind: str, place: str) -> None:
        """Within five seconds the events of a place are of this kind."""
        deadline = time.monotonic() + 5
        while True:
            assert time.monotonic() < deadline, "a change of a grant is in force after five seconds"
            await rows.events(subscription, places=(place,), subject=f"union/{place}")
            (event,) = await follower.events(1)
            if event["type"] == kind:
                assert kind == FOUNDED or (event["data"] == {"numbers": [event["deliverynumber"]]} and place not in str(event))
                return

    async with following(server, subscription) as follower:
        await shown(follower, FOUNDED, "P2")
        await rows.narrow(grant, areas=["D1"])
        await shown(follower, WITHHELD, "P2")
        await shown(follower, FOUNDED, "P1")
        await rows.revoke(grant)
        await shown(follower, WITHHELD, "P1")


async def test_the_stream_ends_with_the_token(server: SubscriptionsServer, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.http.tokens.LEEWAY", 0)
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription)
    async with following(server, subscription, lasts=3) as follower:
        assert numbers(await follower.events(1)) == [1]
        assert await follower.event() == ("end", None, {"reason": "TOKEN_EXPIRED"})
        with pytest.raises(EOFError):
            await follower.event()


async def test_a_quiet_stream_has_comments(server: SubscriptionsServer, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEPALIVE", 0.2)
    subscription = await rows.subscription(await rows.grant())
    async with server.client() as http, http.stream("GET", PATH.format(subscription)) as answer, asyncio.timeout(PATIENCE):
        lines = answer.aiter_lines()
        seen = [await anext(lines) for _ in range(6)]
    assert seen == ["retry: 1000", "", ": ", "", ": ", ""]


async def test_a_stream_outlives_a_lost_connection_to_the_database(server: SubscriptionsServer, rows: Rows) -> None:
    subscription = await rows.subscription(await rows.grant())
    async with following(server, subscription) as follower:
        await rows.events(subscription)
        assert numbers(await follower.events(1)) == [1]
        killed = await rows.pool.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name IN ('subscriptions.waker', 'subscriptions.api')"
        )
        assert killed >= 2
        await rows.events(subscription, 2)
        assert numbers(await follower.events(2)) == [2, 3]


async def test_every_page_of_a_stream_is_logged(server: SubscriptionsServer, rows: Rows) -> None:
    subscription = await rows.subscription(await rows.grant(purpose="wage inspection"))
    await rows.events(subscription, 2)
    async with following(server, subscription) as follower:
        await follower.events(2)
        await rows.events(subscription)
        await follower.events(1)
    logged = await rows.pool.fetch("SELECT client, what, subscription, first, last, purpose FROM accesses ORDER BY id")
    always = ("bureau", "stream", subscription)
    assert [tuple(row) for row in logged] == [(*always, *found, "wage inspection") for found in ((None, None), (1, 2), (3, 3))]


async def test_a_client_that_reads_nothing_is_cut(server: SubscriptionsServer, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_WITHIN", 0.5)
    subscription = await rows.subscription(await rows.grant(fields={FOUNDED: ["union_id", "name"]}))
    big = await rows.content({"name": "x" * 100_000})
    await rows.deliver(subscription, *[big] * 400)
    host, _, port = server.url.removeprefix("http://").partition(":")
    _reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    token = server.token()
    writer.write(f"GET {PATH.format(subscription)} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    waker = server.app.state.receiving.waker

    async def is_open() -> bool:
        return bool(waker.open)

    async def is_cut() -> bool:
        return not waker.open

    try:
        await until(is_open)
        await until(is_cut)
        last = await rows.pool.fetchval("SELECT max(last) FROM accesses")
        assert last < 200, "what the client does not take is not read"
    finally:
        writer.close()


async def test_a_client_has_so_many_streams(server: SubscriptionsServer, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.subscriptions.receiving.waking.MOST_WAITING_OF_CLIENT", 2)
    subscription = await rows.subscription(await rows.grant())
    async with following(server, subscription), following(server, subscription), server.client() as http:
        answer = await http.get(PATH.format(subscription))
        assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_STREAMS")
