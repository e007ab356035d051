"""Puts a log where the product keeps it: into the topics, and into the journals as if the relays had published them."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import date
from itertools import islice

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from bench.generator.records import TOPICS, ZONE, Record
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import STRUCTURED, Extent, Place
from shared.process.clock import Clock

CHUNK = 20_000
"""Records that are published and copied together."""
BATCH_BYTES = 200_000
MOST_UNACKNOWLEDGED = 8
"""Batches of a partition."""
COLUMNS = (
    *("id", "subject", "sequence", "event_id", "type", "recorded_at", "occurred_on"),
    *("actor", "origin", "cause_id", "traceparent", "partition_key", "data"),
)
STREAMS = """
INSERT INTO streams (subject, kind, id, sequence, recorded_at)
SELECT subject, split_part(subject, '/', 1), split_part(subject, '/', 2), max(sequence), max(recorded_at) FROM journal
WHERE id > $1 GROUP BY subject ORDER BY subject
"""
LAST_ID = "SELECT coalesce(max(id), 0) FROM journal"
DRAW_AFTER = "SELECT setval(pg_get_serial_sequence('journal', 'id'), (SELECT max(id) FROM journal))"
CLOSED = "UPDATE days_closed SET day = $1, opens = $2, said = $1"
CLOCK = Clock(ZONE)
MARK = """
INSERT INTO relay_marks (partition, "offset", journal_id, topic_id) SELECT unnest($1::int[]), unnest($2::bigint[]), unnest($3::bigint[]), $4
ON CONFLICT (partition) DO UPDATE SET "offset" = excluded."offset", journal_id = excluded.journal_id, topic_id = excluded.topic_id
"""

Last = dict[Place, int]
"""{place: journal id of its last record}"""


async def fill(bootstrap: str, dsns: Sequence[str], log: Iterable[Record], closed: date | None = None) -> dict[Place, Extent]:
    """Publish a log and write the journals of the databases `dsns` (in the order of TOPICS). Returns the extents of the topics.

    `closed`: the last day that the log closes, if it closes days.
    Nothing else may write meanwhile. Without `dsns` it only publishes; then a relay that looks stops, since it does not know the events.
    """
    producer = _Batches(bootstrap)
    journals = [_Journal(await asyncpg.connect(dsn)) for dsn in dsns]
    last: Last = {}
    await producer.start()
    try:
        for journal in journals:
            await journal.begin()
        for chunk in _chunks(log):
            for record in chunk:
                last[TOPICS[record.topic], record.partition] = record.journal_id
            parts = [[record for record in chunk if record.topic == topic] for topic in range(len(TOPICS))]
            await asyncio.gather(producer.add(chunk), *(journal.add(part) for journal, part in zip(journals, parts, strict=False)))
        await producer.flush()
    finally:
        await producer.stop()
    broker = KafkaBroker(bootstrap)
    try:
        extents, topics = await broker.extents(TOPICS), await broker.describe(TOPICS)
    finally:
        await broker.close()
    for topic, journal in zip(TOPICS, journals, strict=False):
        await journal.end(
            topics[topic].id, {place: (extents[place].end - 1, number) for place, number in last.items() if place[0] == topic}, closed
        )
    return extents


def _chunks(log: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(log)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


class _Batches:
    """Publishes with acks=all, each partition in order, in batches that aiokafka sends as they are."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES)
        self._open: dict[tuple[int, int], BatchBuilder] = {}
        self._sent: defaultdict[tuple[int, int], deque[asyncio.Future[object]]] = defaultdict(deque)
        self._headers = list(STRUCTURED)

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def add(self, records: Iterable[Record]) -> None:
        """Publish records; waits only if too many batches are unacknowledged."""
        for topic, partition, key, value, _, _ in records:
            place = topic, partition
            batch = self._open.get(place)
            if batch is None or batch.append(timestamp=None, key=key, value=value, headers=self._headers) is None:
                if batch is not None:
                    await self._send(place)
                batch = self._open[place] = self._producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=self._headers)

    async def flush(self) -> None:
        """Publish all, and wait until all is acknowledged."""
        for place in list(self._open):
            await self._send(place)
        await asyncio.gather(*(answer for sent in self._sent.values() for answer in sent))

    async def _send(self, place: tuple[int, int]) -> None:
        batch, sent = self._open.pop(place), self._sent[place]
        batch.close()
        sent.append(await self._producer.send_batch(batch, TOPICS[place[0]], partition=place[1]))
        while len(sent) > MOST_UNACKNOWLEDGED:
            await sent.popleft()


class _Journal:
    """Writes the journal of one service."""

    def __init__(self, conn: asyncpg.Connection[asyncpg.Record]) -> None:
        self._conn = conn
        self._before = 0
        self._copied = 0

    async def begin(self) -> None:
        self._before = await self._conn.fetchval(LAST_ID)

    async def add(self, records: Sequence[Record]) -> None:
        """Append events; second publications are left out."""
        rows = []
        for record in records:
            if record.journal_id > self._copied:
                self._copied = record.journal_id
                rows.append(f"{self._before + record.journal_id}\t{record.row}")

        async def text() -> AsyncIterator[bytes]:
            yield "".join(rows).encode()

        if rows:
            await self._conn.copy_to_table("journal", source=text(), columns=list(COLUMNS))

    async def end(self, topic_id: str, last: dict[Place, tuple[int, int]], closed: date | None) -> None:
        """Write streams, marks and the closed day; `last` = {place: (offset, number of the journal's row) of its last record}."""
        if closed is not None:
            await self._conn.execute(CLOSED, closed, CLOCK.opens_after(closed))
        await self._conn.execute(STREAMS, self._before)
        await self._conn.execute(DRAW_AFTER)
        partitions, offsets, numbers = zip(
            *((place[1], offset, self._before + number) for place, (offset, number) in last.items()), strict=True
        )
        await self._conn.execute(MARK, list(partitions), list(offsets), list(numbers), topic_id)
        await self._conn.execute("ANALYZE journal, streams")
        await self._conn.close()
