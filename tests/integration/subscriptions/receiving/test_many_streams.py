"""Two thousand streams on one process: each client gets its events, and all wait on one connection to the database."""

from __future__ import annotations

import asyncio
import resource
import time
from uuid import UUID

import asyncpg
import pytest

from tests.integration.subscriptions.receiving.test_stream import PATH
from tests.integration.subscriptions.receiving.test_stream import rows as rows
from tests.integration.subscriptions.receiving.test_stream import server as server
from tests.integration.subscriptions.rows import Rows
from tests.integration.subscriptions.server import SubscriptionsServer
from tests.patience import PATIENCE


def clients_at_most() -> int:
    """2,000, or as many as this process may open files for: both sides of every connection are here.

    The server has raised the limit as far as the system allows (`shared/process/web/server.py`).
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2_000 if files == resource.RLIM_INFINITY else min(2_000, (files - 300) // 2)


@pytest.mark.slow
async def test_two_thousand_clients_on_one_process(server: SubscriptionsServer, rows: Rows) -> None:
    """Each has a subscription of its own, and gets each of its events; all of them wait on one connection to the database."""
    clients = clients_at_most()
    grant = await rows.grant()
    subscriptions = [await rows.subscription(grant) for _ in range(clients)]
    token = server.token(lasts=3_600)
    host, _, port = server.url.removeprefix("http://").partition(":")
    before, began = memory(), time.monotonic()

    async def open_stream(subscription: UUID) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, int(port), limit=16_384)
        writer.write(f"GET {PATH.format(subscription)} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200"), await reader.read(2_000)
            while b"retry:" not in await reader.readline():
                pass
        return reader, writer

    streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for start in range(0, clients, 100):
        streams += await asyncio.gather(*map(open_stream, subscriptions[start : start + 100]))
    assert len(streams) == clients >= 300
    opened = time.monotonic() - began
    listening = await rows.pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'subscriptions.%'"
    )
    assert listening <= 13
    content = await rows.content()
    for round_number in (1, 2):
        await number_for_all(rows.pool, content)
        committed = time.monotonic()

        async def next_number(reader: asyncio.StreamReader) -> int:
            async with asyncio.timeout(PATIENCE):
                while not (line := await reader.readline()).startswith(b"id: "):
                    assert line, "the stream has ended"
            return int(line[4:])

        found = await asyncio.gather(*(next_number(reader) for reader, _ in streams))
        assert found == [round_number] * clients
        print(f"{clients} clients: event {round_number} at all of them after {time.monotonic() - committed:.2f} s")
    grown = (memory() - before) / 2**20
    print(f"{clients} clients: opened in {opened:.1f} s, {grown:.0f} MiB for both sides of the connections")
    assert grown < 400
    for _, writer in streams:
        writer.close()


async def number_for_all(pool: asyncpg.Pool[asyncpg.Record], content: int) -> None:
    """One content for every subscription, in one transaction."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "INSERT INTO deliveries (subscription, number, content, subject, day, assigned_at, pending) "
            "SELECT q.subscription, q.next_number, c.id, c.subject, current_date, parkunion_now(), false FROM queues AS q, contents AS c "
            "WHERE c.id = $1",
            content,
        )
        await conn.execute("UPDATE queues SET next_number = next_number + 1")
        await conn.execute("SELECT pg_notify('deliveries', '')")


def memory() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
