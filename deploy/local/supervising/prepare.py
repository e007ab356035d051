"""Run every service's migrations and create the topics, in one process: `python -m deploy.local.supervising.prepare`, by the supervisor.

Started before the servers answer, so that its imports overlap with their start; it waits for both.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping

import asyncpg
from aiokafka.errors import KafkaError

from deploy.local.servers.kafka import create_topics
from deploy.local.supervising.child import StartFailed
from deploy.local.supervising.processes import PARTITIONS, TOPICS
from shared.process.migrate import migrate

PATIENCE = 60.0
"""Seconds that the servers may take to answer."""
NOT_YET = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


async def reachable(dsn: str) -> None:
    """Wait until the database takes this role."""
    for left in range(int(PATIENCE * 20), -1, -1):
        try:
            connection = await asyncpg.connect(dsn)
        except NOT_YET:
            if left == 0:
                raise
            await asyncio.sleep(0.05)
        else:
            await connection.close()
            return


async def listening(bootstrap: str) -> None:
    """Wait until the broker's port takes connections."""
    host, _, port = bootstrap.rpartition(":")
    for left in range(int(PATIENCE * 20), -1, -1):
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            if left == 0:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def migrated(service: str, dsn: str) -> None:
    await reachable(dsn)
    await migrate(dsn, service)


async def topics(bootstrap: str) -> None:
    """A broker that takes connections may still need a moment until it answers."""
    await listening(bootstrap)
    for left in range(int(PATIENCE * 20), -1, -1):
        try:
            await create_topics(bootstrap, TOPICS, PARTITIONS)
        except KafkaError:
            if left == 0:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def prepare(dsns: Mapping[str, str], bootstrap: str) -> None:
    async with asyncio.TaskGroup() as group:
        for service, dsn in dsns.items():
            group.create_task(migrated(service, dsn))
        group.create_task(topics(bootstrap))


def main() -> None:
    wanted = json.loads(os.environ["PARKUNION_PREPARE"])
    try:
        asyncio.run(prepare(wanted["migrations"], wanted["kafka"]))
    except* (StartFailed, OSError, asyncpg.PostgresError, KafkaError) as group:
        sys.exit(" | ".join(f"{type(error).__name__}: {error}" for error in group.exceptions))


if __name__ == "__main__":
    main()
