"""Run every service's migrations and create the topics, in one process: `python -m deploy.local.supervising.prepare`, by the supervisor.

Started before the servers answer, so that its imports overlap with their start; it waits for both.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
from aiokafka.errors import KafkaError

from deploy.local.child import StartError
from deploy.local.servers.kafka import create_topics
from deploy.local.supervising.processes import PARTITIONS, TOPICS
from shared.process.migrate import migrate

WAIT_TIMEOUT = 60.0
"""Seconds until the servers must answer."""
NOT_YET = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


async def retry(attempt: Callable[[], Awaitable[None]], errors: tuple[type[Exception], ...]) -> None:
    """Repeat `attempt` while it raises one of `errors`, which is raised after WAIT_TIMEOUT seconds."""
    deadline = time.monotonic() + WAIT_TIMEOUT
    while True:
        try:
            return await attempt()
        except errors:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.05)


async def prepare_database(service: str, dsn: str) -> None:
    """Wait until the database accepts this role, then migrate."""

    async def connect() -> None:
        await (await asyncpg.connect(dsn)).close()

    await retry(connect, NOT_YET)
    await migrate(dsn, service)


async def prepare_topics(bootstrap: str) -> None:
    """Wait until the broker accepts connections and answers, then create the topics."""
    host, _, port = bootstrap.rpartition(":")

    async def connect() -> None:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()

    await retry(connect, (OSError,))
    await retry(lambda: create_topics(bootstrap, TOPICS, PARTITIONS), (KafkaError,))


EXPECTED = (StartError, OSError, asyncpg.PostgresError, KafkaError)
"""Errors of a server that is not there or refuses: one line for the user."""


async def prepare(dsns: Mapping[str, str], bootstrap: str) -> None:
    async with asyncio.TaskGroup() as group:
        for service, dsn in dsns.items():
            group.create_task(prepare_database(service, dsn))
        group.create_task(prepare_topics(bootstrap))


def main() -> None:
    job = json.loads(os.environ["PARKUNION_PREPARE"])
    try:
        asyncio.run(prepare(job["migrations"], job["kafka"]))
    except ExceptionGroup as group:
        if not all(isinstance(error, EXPECTED) for error in group.exceptions):
            raise
        sys.exit(" | ".join(f"{type(error).__name__}: {error}" for error in group.exceptions))


if __name__ == "__main__":
    main()
