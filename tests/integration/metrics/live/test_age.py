"""How old figures are is told truthfully and soon: also while the database or the projector is frozen, whose connections stay."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from tests.conftest import Database, NewDatabase
from tests.integration.metrics.live.test_stream import Follower, following
from tests.integration.metrics.server import MetricsServer, server_of
from tests.patience import PATIENCE


class Line:
    """A TCP line to a database. While it is frozen it accepts connections and carries nothing, as a stopped server does."""

    def __init__(self, dsn: str) -> None:
        self._target = urlsplit(dsn)
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks = set[asyncio.Task[None]]()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """The address through the line."""
        listener = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        user = self._target.netloc.rpartition("@")[0]
        yield self._target._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        self.thaw()
        listener.close()
        for task in self._tasks:
            task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        both = {asyncio.create_task(self._pump(reader, far_writer)), asyncio.create_task(self._pump(far_reader, writer))}
        self._tasks |= both
        await asyncio.wait(both)
        self._tasks -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    def freeze(self) -> None:
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()


@asynccontextmanager
async def broker() -> AsyncIterator[str]:
    """Somebody who answers as a Kafka broker answers the first request."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(64))
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    listener.close()


async def age_with(stream: Follower, reason: str | None) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            name, data, _ = await stream.event()
            if name == "age" and data["reason"] == reason:
                return data


async def test_a_database_that_stands_still_is_told_soon_with_its_true_age(database: NewDatabase) -> None:
    made = await database("metrics")
    line = Line(made.app_dsn)
    async with line.open() as dsn, server_of(made, dsn=dsn) as server, following(server) as stream:
        await server.metrics.close_everywhere(server.metrics.today, shards=12)
        cookie = await logged_in(server)
        await age_with(stream, None)
        line.freeze()
        told = await age_with(stream, "DATABASE_UNREACHABLE")
        assert told["age_ms"] > 2500, "it grows with the clock, not with the answers"
        assert (await age_with(stream, "DATABASE_UNREACHABLE"))["age_ms"] > told["age_ms"] + 1000
        async with asyncio.timeout(PATIENCE), server.client() as http:
            assert (await http.get("/v1/coverage")).status_code == 503
            page = await page_of(server, "/areas/C01", cookie)
        assert page.status_code == 503
        assert "the database does not answer" in page.text
        line.thaw()
        async with asyncio.timeout(PATIENCE):
            while (await age_with(stream, None))["age_ms"] >= 2500:
                pass
        async with server.client() as http:
            assert (await http.get("/v1/coverage")).status_code == 200


async def page_of(server: MetricsServer, address: str, cookie: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url, headers={"Cookie": cookie, "Accept-Language": "en"}, timeout=PATIENCE) as browser:
        return await browser.get(address)


async def logged_in(server: MetricsServer) -> str:
    async with server.client() as http:
        code = (await http.post("/v1/login-codes")).json()["url"].partition("/login")[2]
        answer = await http.get(f"/login{code}")
    cookie: str = answer.headers["set-cookie"].partition(";")[0]
    return cookie


@pytest.fixture
async def metrics_database(database: NewDatabase) -> Database:
    return await database("metrics")


async def test_a_projector_that_stands_still_is_not_catching_up(metrics_database: Database) -> None:
    """It keeps its sessions and its shards, and nobody knows how many events are missing."""
    async with broker() as kafka, server_of(metrics_database, fresh=False, kafka=kafka) as server:
        await server.metrics.close_everywhere(server.metrics.today, shards=12)
        owner = await asyncpg.connect(metrics_database.app_dsn, server_settings={"application_name": "reader-1"})
        await owner.execute("UPDATE shards SET owner = 'reader-1', current_at = parkunion_now() - interval '1 minute'")
        working = asyncio.create_task(_work(owner))
        async with following(server) as stream:
            assert (await age_with(stream, "CATCHING_UP"))["lag_events"] == 0
            cookie = await logged_in(server)
            page = await page_of(server, "/age", cookie)
            assert "Catching up, figures of" in page.text
            assert "Catching up: 0" not in page.text
            working.cancel()
            told = await age_with(stream, "PROJECTOR_STOPPED")
            assert told["age_ms"] > 60_000
        await owner.close()


async def _work(conn: asyncpg.Connection[asyncpg.Record]) -> None:
    while True:
        await conn.execute("SELECT 1")
        await asyncio.sleep(0.2)
