"""A delivery process in a test, on a real database, with endpoints on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import web
from multidict import CIMultiDictProxy

from services.subscriptions.delivering.running import deliver
from services.subscriptions.matching.outgoing import Content, hash_of
from services.subscriptions.settings import Settings
from services.subscriptions.signing import store as signing
from services.subscriptions.signing.sealing import Sealing
from shared.contracts.ids import uuid7
from shared.process.pause import beside
from tests.conftest import Database, NewDatabase
from tests.integration.subscriptions.house import TYPE, House, house_of
from tests.patience import PATIENCE

KIND = "enterprise-registered"
KEYS = {1: b"k" * 32}
LOOPBACK = [ip_network("127.0.0.0/8")]


@dataclass(frozen=True, slots=True)
class Got:
    """One request at the endpoint."""

    path: str
    headers: CIMultiDictProxy[str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def number(self) -> int:
        return int(self.event["deliverynumber"])


def delivery_settings(dsn: str, **changed: Any) -> Settings:
    """The settings of a delivery process."""
    values: dict[str, Any] = {
        "dsn": dsn, "kafka": "127.0.0.1:1", "issuer": "x", "jwks_url": "x", "fingerprint_key": "00" * 16, "cursor_key": "00" * 16,
        "encryption_keys": f"1:{KEYS[1].hex()}", "allow_networks": "127.0.0.0/8",
    }  # fmt: skip
    return Settings(**{**values, **changed})


Answering = Callable[[web.Request, Got], Awaitable[web.StreamResponse]]


async def fine(_request: web.Request, got: Got) -> web.StreamResponse:
    """200, with the challenge if there is one."""
    challenge = got.event["data"].get("challenge")
    return web.json_response({"challenge": challenge} if challenge else {})


@dataclass(slots=True)
class Endpoint:
    """An HTTP server. `answers` = {path: how it answers}; others by `fine`."""

    port: int
    got: list[Got] = field(default_factory=list)
    answers: dict[str, Answering] = field(default_factory=dict)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str = "/hook") -> list[Got]:
        return [one for one in self.got if one.path == path]

    def numbers(self, path: str = "/hook") -> list[int]:
        return [one.number for one in self.at(path)]


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    """An HTTP server on a free port."""
    made = Endpoint(0)

    async def handle(request: web.Request) -> web.StreamResponse:
        got = Got(request.path, request.headers, await request.read(), asyncio.get_running_loop().time())
        made.got.append(got)
        return await made.answers.get(request.path, fine)(request, got)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], Awaitable[object] | object], patience: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(patience):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.02)


class Sending:
    """A house whose subscriptions have endpoints. `running()` runs the delivery process."""

    def __init__(self, house: House, database: Database, endpoint: Endpoint) -> None:
        self.house = house
        self.pool = house.pool
        self.database = database
        self.endpoint = endpoint
        self.sealing = Sealing(KEYS)
        self.grant = UUID(int=0)

    async def prepare(self) -> None:
        """An area and a grant of it."""
        self.house.area("P1", None)
        await self.house.fan()
        self.grant = await self.house.grant(["P1"], [KIND])

    @asynccontextmanager
    async def running(self, **changed: Any) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with beside(deliver(delivery_settings(self.database.app_dsn, **changed), stop)):
            yield

    async def subscribe(self, path: str = "/hook", version: str = "v1a", status: str = "active", url: str | None = None) -> UUID:
        key = await self.house.subscribe(self.grant, kind="webhook")
        async with self.pool.acquire() as conn, conn.transaction():
            now = await conn.fetchval("SELECT parkunion_now()")
            await conn.execute(
                "UPDATE subscriptions SET url = $2, signature = $3, status = $4 WHERE id = $1",
                key,
                url or self.endpoint.url(path),
                version,
                status,
            )
            self.told = dict(await signing.new_signing(conn, self.sealing, key, version, now))
        return key

    async def queue(self, subscription: UUID, count: int = 1, subjects: int | None = None, first: int = 1) -> None:
        """Events of so many enterprises, one after the other, as the fan-out queues them; `first`: the number of the first."""
        subjects = subjects or count
        async with self.pool.acquire() as conn, conn.transaction():
            now = await conn.fetchval("SELECT parkunion_now()")
            await conn.execute("SELECT FROM queues WHERE subscription = $1 FOR UPDATE", subscription)
            for at in range(count):
                subject = f"enterprise/{UUID(int=at % subjects + 1)}"
                data = json.dumps({"enterprise_id": subject[11:], "park": "P1", "district": "C"}).encode()
                content = Content(
                    uuid7(), "/services/registry", subject, TYPE.format(KIND), TYPE.format(KIND), datetime(2026, 1, 1, tzinfo=UTC),
                    date(2026, 1, 1), ("P1",), data,
                )  # fmt: skip
                key = await conn.fetchval(
                    "INSERT INTO contents (event_id, source, subject, sequence, type, fact_type, time, occurredon, places, data, hash, stored_at) "
                    "VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
                    content.event_id, content.source, subject, at + 1, content.type, content.time, content.occurredon, ["P1"], data,
                    hash_of(content, json.loads(data)), now,
                )  # fmt: skip
                await conn.execute(
                    "INSERT INTO deliveries (subscription, number, content, subject, day, assigned_at, pending) VALUES ($1, $2, $3, $4, $5, $6, true)",
                    *(subscription, first + at, key, subject, now.date(), now),
                )
                await conn.execute(
                    "INSERT INTO lanes (subscription, subject, due_at) VALUES ($1, $2, $3) ON CONFLICT (subscription, subject) "
                    "DO UPDATE SET subject = excluded.subject",
                    *(subscription, subject, now),
                )
            await conn.execute(
                "UPDATE queues SET next_number = $2, due_at = least(due_at, $3) WHERE subscription = $1", subscription, first + count, now
            )
            await conn.execute("SELECT pg_notify('deliveries', '')")

    async def states(self, subscription: UUID) -> list[str]:
        rows = await self.pool.fetch("SELECT state FROM deliveries WHERE subscription = $1 ORDER BY number", subscription)
        return [row["state"] for row in rows]

    async def settled(self, subscription: UUID, patience: float = PATIENCE) -> list[str]:
        """Wait until nothing is pending; returns the states."""
        await until(lambda: self._nothing_pending(subscription), patience)
        return await self.states(subscription)

    async def _nothing_pending(self, subscription: UUID) -> bool:
        return bool(await self.pool.fetchval("SELECT NOT EXISTS (SELECT FROM lanes WHERE subscription = $1)", subscription))

    async def attempts(self, subscription: UUID, number: int = 1) -> list[asyncpg.Record]:
        return list(
            await self.pool.fetch("SELECT * FROM attempts WHERE subscription = $1 AND number = $2 ORDER BY id", subscription, number)
        )

    async def turn(self, by: timedelta) -> None:
        """Turn the platform's clock on."""
        owner = await asyncpg.connect(self.database.owner_dsn)
        await owner.execute("UPDATE clock_shift SET shift = shift + $1", by)
        await owner.close()


@pytest.fixture(name="sending")
async def sending_of_a_test(database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sending]:
    made = await database("subscriptions")
    async with house_of(made) as house, endpoint() as server:
        sending = Sending(house, made, server)
        await sending.prepare()
        yield sending


def subsequences(got: Iterator[Got] | list[Got]) -> dict[str, list[int]]:
    """{subject: numbers in the order in which they came}."""
    found: dict[str, list[int]] = {}
    for one in got:
        found.setdefault(one.event["subject"], []).append(one.number)
    return found
