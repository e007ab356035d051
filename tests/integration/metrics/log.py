"""Metrics with a log in memory: the projectors of every generation as a process runs them, audits and rebuilds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from services.metrics.generations import auditing, lifecycle
from services.metrics.generations.auditing import Report
from services.metrics.generations.readers import GenerationReaders
from services.metrics.generations.rebuilding import rebuild
from services.metrics.generations.shards import EventLog
from services.metrics.settings import Settings
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message, partition_of
from shared.contracts import Envelope, encode
from shared.process import db
from tests.conftest import Database
from tests.integration.client import settings_of
from tests.integration.metrics.service import CLOCK
from tests.patience import PATIENCE

PARTITIONS = 3
DEADLINE = PATIENCE


@dataclass
class Log:
    """`tell(events)` publishes; `feeding()` runs the projectors; `audit()` and `rebuild()` as an operator does."""

    database: Database
    owner: asyncpg.Connection[asyncpg.Record]
    broker: MemoryBroker = field(default_factory=lambda: MemoryBroker(seed=5))

    def __post_init__(self) -> None:
        self.settings: Settings = settings_of(Settings, self.database, partitions=PARTITIONS, fold_batch=40)
        for topic in self.settings.topics:
            self.broker.create(topic, PARTITIONS)

    def publish_events(self, events: Iterable[Envelope]) -> None:
        for event in events:
            topic = next(topic for topic in self.settings.topics if event.source.rpartition("/")[2] in topic)
            self.publish(topic, event.partitionkey, encode(event))

    def publish(self, topic: str, key: str, value: bytes) -> None:
        self.broker.write(topic, [Message(partition_of(key, PARTITIONS), key.encode(), value)])

    @asynccontextmanager
    async def projecting(self) -> AsyncIterator[GenerationReaders]:
        stop, work = asyncio.Event(), GenerationReaders(self.settings, lambda: self.broker)
        task = asyncio.create_task(work.run(stop))
        try:
            yield work
        finally:
            stop.set()
            await task

    async def behind(self, generation: int) -> int:
        rows = await self.owner.fetch("SELECT shard, next FROM shards WHERE generation = $1", generation)
        at = {row["shard"]: row["next"] for row in rows}
        ends = await self.broker.extents(self.settings.topics)
        return sum(extent.end - at.get(shard, {}).get(topic, 0) for (topic, shard), extent in ends.items())

    async def read(self, *wanted: int) -> None:
        """Wait until generations have read all there is."""
        async with asyncio.timeout(DEADLINE):
            while any([await self.behind(generation) for generation in wanted or (1,)]):
                await asyncio.sleep(0.02)

    async def fold(self) -> None:
        """Have the projectors of every generation read all there is, and end."""
        async with self.projecting():
            await self.read(*(await lifecycle.active(self.owner)))

    async def source(self) -> EventLog:
        return await auditing.open_log(self.broker, self.settings.topics, PARTITIONS, CLOCK)

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        return await db.connect(self.database.owner_dsn, application_name="metrics.operator")

    async def audit(self) -> tuple[int, Report]:
        conn = await self.connect()
        try:
            return await auditing.audit(conn, self.owner, await self.source())
        finally:
            await conn.close()

    async def rebuild(self, *, as_it_is: bool = False) -> tuple[int, int, Report]:
        conn = await self.connect()
        try:
            return await rebuild(conn, self.owner, await self.source(), as_it_is=as_it_is)
        finally:
            await conn.close()

    async def ledger(self, generation: int) -> dict[tuple[Any, ...], tuple[int, ...]]:
        """{(codes of the cell, effective day, known day): measures}, zeros left out."""
        columns = [row[0] for row in await self.owner.fetch(MEASURES)]
        sums = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in columns)
        rows = await self.owner.fetch(
            f"SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, {sums} FROM "
            f"(TABLE g{generation}.ledger UNION ALL TABLE g{generation}.ledger_open) l JOIN g{generation}.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6"
        )
        return {tuple(row)[:6]: tuple(row)[6:] for row in rows if any(tuple(row)[6:])}


MEASURES = """
SELECT attname FROM pg_attribute WHERE attrelid = 'g1.ledger'::regclass AND attnum > 4 AND NOT attisdropped ORDER BY attnum
"""


@asynccontextmanager
async def log_in(database: Database) -> AsyncIterator[Log]:
    owner = await db.connect(database.owner_dsn, application_name="metrics.tests")
    try:
        yield Log(database, owner)
    finally:
        await owner.close()
