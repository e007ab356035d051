"""A reader in a process of its own, which freezes itself (SIGSTOP) or dies (SIGKILL) inside its n-th transaction."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from shared.broker.kafka import KafkaBroker
from shared.process.db import Connection, create_pool
from shared.reading.reader import Reader
from shared.sequencing.records import ShardBatch
from tests.dummy_service.reading import write_effects


async def main(dsn: str, bootstrap: str, topic: str, partitions: int, batches: int, end: str) -> None:
    left = batches

    async def apply(conn: Connection, batch: ShardBatch) -> None:
        nonlocal left
        await write_effects(conn, batch)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.Signals[end])

    pool = await create_pool(dsn, application_name="dummy.slow")
    await Reader(pool, KafkaBroker(bootstrap), name="dummy", topics=[topic], partitions=partitions, apply=apply, batch=7).run(
        asyncio.Event()
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6]))
