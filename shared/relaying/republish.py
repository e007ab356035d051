"""Republishing: writes a topic again from its journal, when the log is lost or holds another history than the journal.

Takes the relay's lock from its holder, deletes and creates the topic, and publishes the whole journal in the order of its ids. Until the marks
are set at the end, `relay_state.republishing` is true: a crash in between stops the relay, and a second run begins again. Commands go on
meanwhile; the relay publishes their events afterwards. Readers begin at the new topic's beginning and drop known events by sequence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

import asyncpg

from shared.broker.protocol import Broker, Message, Producer
from shared.process import db, faults
from shared.relaying import store
from shared.relaying.messages import COLUMNS, messages
from shared.relaying.recovery import Source
from shared.relaying.store import Mark, Marks

BATCH = 5000
QUEUED_WITHIN = 0.2
"""Seconds after which our request certainly waits in the lock's queue, so that no try-lock can succeed before it."""
PATIENCE = 600.0
"""Seconds that one statement may take, counting the journal for example."""
NAME = "republish "
SESSION = {
    **db.BY_KEY,
    "statement_timeout": "0",
    "transaction_timeout": "0",
    # Longer than one batch takes: a frozen republish loses its session, and the lock with it.
    "idle_in_transaction_session_timeout": "60s",
}
LOCK = "SELECT pg_advisory_lock(hashtextextended($1, 0))"
HOLDERS = """
SELECT a.pid, a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid), hashtextextended($1, 0) AS k
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()
    AND (l.classid::bigint << 32) | l.objid::bigint = k
"""
END_HOLDER = "SELECT pg_terminate_backend($1)"
WHOLE = f"SELECT {COLUMNS}, NULL::int AS partition FROM journal AS j ORDER BY j.id"

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (events published, events in all)."""


class AlreadyRepublishingError(Exception):
    """The topic is being republished by another process."""


async def republish(dsn: str, broker: Broker, source: Source, progress: Progress) -> int:
    """Write the topic again, with as many partitions as it has; returns how many events. `dsn` is the service's own role.

    Raises AlreadyRepublishingError, BrokerUnavailableError, or an error of db.OUTAGES: then it must be run again.
    """
    conn = await db.connect(dsn, application_name=f"{NAME}{source.topic}"[:63], settings=SESSION, command_timeout=PATIENCE)
    producer = broker.producer()
    try:
        await _take_lock(conn, dsn, source.topic)
        await store.set_republishing(conn, True)
        found = (await broker.describe([source.topic])).get(source.topic)
        partitions = found.partitions if found else source.partitions
        await broker.delete_topic(source.topic)
        await broker.create_topic(source.topic, partitions)
        topic_id = (await broker.describe([source.topic]))[source.topic].id
        count, queued, marks = await _publish(conn, producer, Source(source.name, source.topic, partitions), topic_id, progress)
        async with conn.transaction():
            await conn.execute(store.DELETE_MARKS)
            await store.delete_sent(conn, queued, marks)
            await store.set_republishing(conn, False)
            await store.set_publishing(conn)
        return count
    finally:
        await producer.close()
        conn.terminate()


async def _take_lock(conn: asyncpg.Connection[asyncpg.Record], dsn: str, topic: str) -> None:
    """Queue for the relay's lock, then end the session that holds it."""
    name = store.LOCK + topic
    ending = await db.connect(dsn, application_name=f"{NAME}ends the relay")
    waiting = asyncio.ensure_future(conn.execute(LOCK, name))
    try:
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=QUEUED_WITHIN)
            if waiting.done():
                break
            for row in await ending.fetch(HOLDERS, name):
                if row["application_name"].startswith(NAME):
                    raise AlreadyRepublishingError(topic)
                await ending.execute(END_HOLDER, row["pid"])
        await waiting
    finally:
        waiting.cancel()
        await ending.close()


async def _publish(
    conn: asyncpg.Connection[asyncpg.Record], producer: Producer, source: Source, topic_id: str, progress: Progress
) -> tuple[int, list[int], Marks]:
    """Publish one snapshot of the journal: (how many events, the ids that the outbox held, the marks).

    The database reads a batch while the one before it is encoded and the one before that is acknowledged.
    """
    count = 0
    marks: Marks = {}
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        total = await conn.fetchval("SELECT count(*) FROM journal")
        queued = [row["id"] for row in await conn.fetch("SELECT id FROM outbox")]
        cursor = await conn.cursor(WHOLE)
        progress(0, total)
        sending: asyncio.Task[Marks] | None = None
        reading = asyncio.ensure_future(cursor.fetch(BATCH))
        try:
            while True:
                if rows := await reading:
                    reading = asyncio.ensure_future(cursor.fetch(BATCH))
                batch = messages(rows, source.name, source.partitions)
                if sending is not None:
                    marks.update(await sending)
                    faults.reached("republish.half")
                    progress(count, total)
                if not batch:
                    return count, queued, marks
                sending = asyncio.ensure_future(_send(producer, source.topic, batch, rows, topic_id))
                count += len(batch)
        finally:
            unfinished = [task for task in (reading, sending) if task is not None]
            for task in unfinished:
                task.cancel()
            # The transaction cannot end while a statement is under way.
            await asyncio.gather(*unfinished, return_exceptions=True)


async def _send(producer: Producer, topic: str, batch: Sequence[Message], rows: Sequence[asyncpg.Record], topic_id: str) -> Marks:
    """Publish a batch; returns the marks of its partitions. Where the broker returns no offset, the relay reads from the mark before it."""
    offsets = await producer.publish(topic, batch)
    last = {message.partition: row["id"] for message, row in zip(batch, rows, strict=True)}
    return {number: Mark(offset, last[number], topic_id) for number, offset in offsets.items() if offset >= 0}
