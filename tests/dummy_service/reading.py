"""The dummy service's reader, which stores every event in `effects`, and events for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared import contracts
from shared.broker.protocol import Broker, Message, partition_of
from shared.contracts.ids import uuid7
from shared.contracts.registry import HeadcountReported
from shared.process.db import Connection, Pool
from shared.reading.reader import Reader
from shared.sequencing.parked_reasons import DomainError
from shared.sequencing.records import ShardBatch
from tests.patience import PATIENCE

SOURCE = "/services/dummy"
START = datetime(2026, 1, 1, tzinfo=UTC)
POISON = 13_13_13
"""A number of workers that `write_effects` refuses."""


def fact(subject: str, sequence: int, *, source: str = SOURCE, workers: int | None = None, at: float | None = None) -> contracts.Envelope:
    """A headcount report, recorded `at` seconds after START (as many as its sequence by default)."""
    return contracts.Envelope(
        id=uuid7(),
        source=source,
        subject=subject,
        partitionkey=subject.split("/", 1)[1],
        sequence=sequence,
        type="parkunion.headcount-reported.v1",
        time=START + timedelta(seconds=sequence if at is None else at),
        occurredon=date(2026, 1, 1),
        actor="tester",
        origin="api",
        data=HeadcountReported(workers=sequence if workers is None else workers),
    )


def message(event: contracts.Envelope, partitions: int) -> Message:
    """The event as a record of its partition."""
    return Message(partition_of(event.partitionkey, partitions), event.partitionkey.encode(), contracts.encode(event))


def messages(events: Iterable[contracts.Envelope], partitions: int) -> list[Message]:
    return [message(event, partitions) for event in events]


async def write_effects(conn: Connection, batch: ShardBatch) -> None:
    """Store the events in `effects`; DomainError if one is poisoned."""
    rows = [event for event in batch.events if isinstance(event.data, HeadcountReported)]
    if any(isinstance(event.data, HeadcountReported) and event.data.workers == POISON for event in rows):
        raise DomainError("poisoned")
    await conn.execute(
        "INSERT INTO effects (shard, version, source, subject, sequence, event_id, workers) "
        "SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::uuid[], $7::int[])",
        batch.shard,
        batch.version,
        [event.source for event in rows],
        [event.subject for event in rows],
        [event.sequence for event in rows],
        [event.id for event in rows],
        [getattr(event.data, "workers", 0) for event in rows],
    )


async def effects(pool: Pool) -> dict[tuple[str, str], list[int]]:
    """{(source, subject): sequences in the order in which they took effect}"""
    found: dict[tuple[str, str], list[int]] = {}
    for row in await pool.fetch("SELECT source, subject, sequence FROM effects ORDER BY n"):
        found.setdefault((row["source"], row["subject"]), []).append(row["sequence"])
    return found


async def held_kinds(pool: Pool) -> dict[tuple[str, int], str]:
    """{(subject, sequence): kind} of held events."""
    return {(row["subject"], row["sequence"]): row["kind"] for row in await pool.fetch("SELECT * FROM held")}


async def until(condition: Callable[[], Awaitable[Any]], timeout: float = PATIENCE) -> Any:
    """Poll until the condition is truthy, and return its value."""
    deadline = time.monotonic() + timeout
    while not (answer := await condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)
    return answer


def new_reader(pool: Pool, broker: Broker, topics: list[str], partitions: int, **options: Any) -> Reader:
    """What `write_effects` locks is of one shard, so shards may share a transaction."""
    return Reader(
        pool, broker, name="dummy", topics=topics, partitions=partitions, **{"apply": write_effects, "joins": lambda _: True, **options}
    )


@asynccontextmanager
async def running(*readers: Any) -> AsyncIterator[None]:
    """Run readers (or relays) inside the block; stop them after it."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(reader.run(stop)) for reader in readers]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)


async def drained(pool: Pool, broker: Broker, topics: list[str]) -> bool:
    """Whether every record of the topics was read."""
    extents = await broker.extents(topics)
    rows = {row["shard"]: row["next"] for row in await pool.fetch("SELECT shard, next FROM shards")}
    return all(rows.get(shard, {}).get(topic, 0) >= extent.end for (topic, shard), extent in extents.items())
