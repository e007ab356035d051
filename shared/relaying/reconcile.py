"""Compares a service's whole log with its journal by (subject, sequence, event id), and queues missing events again.

Both are read side by side, and most events meet their record in memory (`matching.py`). What does not is put into temporary tables of the
service's database and compared there, so that memory does not grow with the log. Nothing is locked, no transaction is long, and relay and
commands go on: what seems missing is looked up once more in what was published meanwhile.
The relay publishes missing events at the end of the log, and readers, which hold what came after them, apply them in sequence.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias

import asyncpg

from shared.broker.protocol import Broker, Extent, Topic, partition_for
from shared.process import db
from shared.relaying import store
from shared.relaying.comparison import Comparison, Forked, LostTail, Missing, Unknown
from shared.relaying.log_entries import LogEntry, log_entry
from shared.relaying.matching import KEY, Matching
from shared.relaying.recovery import Source
from shared.relaying.store import Marks

SESSION = {"statement_timeout": "0", "transaction_timeout": "0", "work_mem": "128MB"}
PATIENCE = 3600.0
"""Seconds that a statement may take."""
QUEUE = 5000
PAGE = 20_000
"""Events of the journal that are read at a time."""
AHEAD = 40_000
"""So many events of the journal are in memory before their records are read, if possible."""
WINDOW = 200_000
"""Events and records without a counterpart in memory, at most; they take about 50 MB."""

TABLES = """
CREATE TEMP TABLE found_log (partition int NOT NULL, "offset" bigint NOT NULL, subject text COLLATE "C", sequence bigint, event_id uuid);
CREATE TEMP TABLE found_missing (
    id bigint NOT NULL, subject text COLLATE "C" NOT NULL, sequence bigint NOT NULL, event_id uuid NOT NULL, partition_key text NOT NULL
);
CREATE TEMP TABLE found_strange (
    partition int NOT NULL, "offset" bigint NOT NULL, subject text, sequence bigint, event_id uuid, journal_id bigint, journal_event_id uuid
);
"""
NEXT_PAGE = f"""
SELECT array_agg({KEY}) AS keys, max(id) AS last FROM (SELECT id, subject, sequence, event_id FROM journal WHERE id > $1 ORDER BY id LIMIT $2) AS j
"""
UNMATCHED = """
INSERT INTO found_missing
SELECT j.id, j.subject, j.sequence, j.event_id, j.partition_key FROM unnest($1::uuid[]) AS u(event_id) JOIN journal AS j USING (event_id)
"""
DUPLICATES = """
SELECT count(*) - count(DISTINCT l.event_id) FILTER (WHERE there.event_id IS NULL OR waited.event_id IS NOT NULL)
FROM found_log AS l
LEFT JOIN journal AS there ON there.event_id = l.event_id
LEFT JOIN (SELECT DISTINCT event_id FROM found_missing) AS waited ON waited.event_id = l.event_id
WHERE l.event_id IS NOT NULL
"""
"""Of the records that did not meet their event. One whose event is not among those that did not meet theirs is a second one."""
NOT_PUBLISHED_YET = "DELETE FROM found_missing AS m USING outbox AS o WHERE o.id = m.id"
ARE_THERE = """
DELETE FROM found_missing AS m USING found_log AS l
WHERE l.event_id = m.event_id AND l.subject = m.subject AND l.sequence = m.sequence
"""
STRANGE = """
INSERT INTO found_strange
SELECT l.partition, l."offset", l.subject, l.sequence, l.event_id, there.id, there.event_id
FROM (
    SELECT * FROM found_log AS f
    WHERE NOT EXISTS (SELECT FROM journal AS j WHERE j.event_id = f.event_id AND j.subject = f.subject AND j.sequence = f.sequence)
) AS l
LEFT JOIN journal AS there ON there.subject = l.subject AND there.sequence = l.sequence
"""
NOT_ONLY_MISSING = "DELETE FROM found_missing AS m USING found_strange AS s WHERE s.journal_id = m.id"
COUNTS = """
SELECT (SELECT count(*) FROM outbox) AS outbox,
    (SELECT count(*) FROM found_missing) AS missing, (SELECT count(*) FROM found_strange WHERE journal_id IS NULL) AS unknown,
    (SELECT count(*) FROM found_strange WHERE journal_id IS NOT NULL) AS forked
"""
MISSING = "SELECT * FROM found_missing ORDER BY id LIMIT $1"
MISSING_AFTER = "SELECT id, subject, partition_key FROM found_missing WHERE id > $1 ORDER BY id LIMIT $2"
STRANGERS = 'SELECT * FROM found_strange WHERE (journal_id IS NOT NULL) = $1 ORDER BY partition, "offset" LIMIT $2'


class TopicReplacedError(Exception):
    """The topic was deleted or created again during the comparison. Compare again."""


Progress: TypeAlias = Callable[[int, int], None]
"""Called with (records read, records in all)."""


async def reconcile(
    dsn: str, broker: Broker, source: Source, *, progress: Progress, most: int | None = None, window: int = WINDOW
) -> Comparison:
    """Compare, and queue missing events again. Lists at most `most` events of each kind; `dsn` is the service's own role; `window`: see WINDOW.

    Raises TopicReplacedError, BrokerUnavailableError, OffsetLostError, or an error of db.OUTAGES.
    """
    async with _session(dsn, source) as conn:
        await conn.execute(TABLES)
        state, marks = await store.state(conn), await store.marks(conn)
        topic = (await broker.describe([source.topic])).get(source.topic)
        extents = await _extents(broker, source, topic)
        # The journal is read after that: whatever the log holds is in it.
        matching = await _match(conn, broker, source, extents, progress, window)
        await conn.execute("ANALYZE found_log, found_missing")
        duplicates = matching.duplicates + await conn.fetchval(DUPLICATES)
        await conn.execute(ARE_THERE)
        await conn.execute(NOT_PUBLISHED_YET)
        if await conn.fetchval("SELECT EXISTS (SELECT FROM found_missing)"):
            # Published since we asked for the extents, and deleted from the outbox: it is in the log now.
            now = await _extents(broker, source, topic)
            await _load(conn, broker, source, {number: Extent(extents[number].end, now[number].end) for number in now})
            await conn.execute(ARE_THERE)
        await conn.execute(STRANGE)
        await conn.execute(NOT_ONLY_MISSING)
        if (await broker.describe([source.topic])).get(source.topic) != topic:
            raise TopicReplacedError(source.topic)
        anew = _made_anew(topic, marks)
        mended = 0 if anew or state.republishing or topic is None else await _queue_missing(conn, topic.partitions)
        read = matching.events, matching.records, duplicates
        return await _comparison(conn, source, extents, marks, state, anew, mended, most, read)


@asynccontextmanager
async def _session(dsn: str, source: Source) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    conn = await db.connect(dsn, application_name=f"reconcile {source.topic}"[:63], settings=SESSION, command_timeout=PATIENCE)
    try:
        yield conn
    finally:
        conn.terminate()


async def _extents(broker: Broker, source: Source, topic: Topic | None) -> dict[int, Extent]:
    return {} if topic is None else {partition: extent for (_, partition), extent in (await broker.extents([source.topic])).items()}


async def _match(
    conn: asyncpg.Connection[asyncpg.Record],
    broker: Broker,
    source: Source,
    extents: Mapping[int, Extent],
    progress: Progress,
    window: int,
) -> Matching:
    """Read the whole journal and these extents of the log; what finds no counterpart is in `found_log` and `found_missing` then.

    The next page of the journal is read while records of the log are matched.
    """
    matching, last, size = Matching(source.name), 0, min(PAGE, window)
    total = sum(extent.end - extent.begin for extent in extents.values())
    page: asyncio.Task[asyncpg.Record | None] | None = asyncio.ensure_future(conn.fetchrow(NEXT_PAGE, last, size))

    async def turn() -> None:
        """Add the page that is being read, and begin to read the next one unless it was the last."""
        nonlocal page, last
        assert page is not None
        found = await page
        assert found is not None
        page = None
        if found["keys"]:
            matching.add_events(found["keys"])
            last = found["last"]
            if matching.waiting > window:
                await _put_aside(conn, matching)
            page = asyncio.ensure_future(conn.fetchrow(NEXT_PAGE, last, size))

    try:
        async with aclosing(broker.read({(source.topic, number): extent for number, extent in extents.items()})) as batches:
            async for records in batches:
                while page is not None and matching.ahead < min(AHEAD, window):
                    await turn()
                matching.add_records(records)
                progress(matching.records, total)
                if matching.waiting > window and page is not None:
                    await turn()
                if matching.waiting > window and page is None:
                    await _put_aside(conn, matching)
        while page is not None:
            await turn()
        await _put_aside(conn, matching)
        return matching
    finally:
        if page is not None:
            page.cancel()


async def _put_aside(conn: asyncpg.Connection[asyncpg.Record], matching: Matching) -> None:
    """Write what waits into the temporary tables."""
    found = matching.take()
    await _copy(conn, found.entries)
    await conn.execute(UNMATCHED, found.event_ids)


async def _copy(conn: asyncpg.Connection[asyncpg.Record], entries: Sequence[LogEntry]) -> None:
    await conn.copy_records_to_table("found_log", records=entries)


async def _load(conn: asyncpg.Connection[asyncpg.Record], broker: Broker, source: Source, extents: Mapping[int, Extent]) -> None:
    async with aclosing(broker.read({(source.topic, number): extent for number, extent in extents.items()})) as batches:
        async for records in batches:
            await _copy(conn, [log_entry(record, source.name) for record in records])


def _made_anew(topic: Topic | None, marks: Marks) -> bool:
    return any(mark.topic_id is not None and (topic is None or mark.topic_id != topic.id) for mark in marks.values())


async def _queue_missing(conn: asyncpg.Connection[asyncpg.Record], partitions: int) -> int:
    """Queue the missing events; how many."""
    after, count = 0, 0
    while rows := await conn.fetch(MISSING_AFTER, after, QUEUE):
        after = rows[-1]["id"]
        count += await store.queue(conn, ((row["id"], row["subject"], row["partition_key"]) for row in rows), partitions)
    return count


async def _comparison(
    conn: asyncpg.Connection[asyncpg.Record],
    source: Source,
    extents: Mapping[int, Extent],
    marks: Marks,
    state: store.State,
    anew: bool,
    mended: int,
    most: int | None,
    read: tuple[int, int, int],
) -> Comparison:
    """`read` = events of the journal, records of the log, duplicates among them."""
    counts = await conn.fetchrow(COUNTS)
    assert counts is not None
    return Comparison(
        topic=source.topic,
        journal=read[0],
        log=read[1],
        duplicates=read[2],
        outbox=counts["outbox"],
        missing=[
            Missing(
                row["subject"],
                row["sequence"],
                row["event_id"],
                partition_for(row["subject"], row["partition_key"], source.partitions),
                row["id"],
            )
            for row in await conn.fetch(MISSING, most)
        ],
        unknown=[
            Unknown(row["subject"], row["sequence"], row["event_id"], row["partition"], row["offset"])
            for row in await conn.fetch(STRANGERS, False, most)
        ],
        forked=[Forked(*(row[name] for name in Forked.__struct_fields__)) for row in await conn.fetch(STRANGERS, True, most)],
        lost_tail=[
            LostTail(number, mark.offset, extents[number].end)
            for number, mark in sorted(marks.items())
            if not anew and number in extents and extents[number].end <= mark.offset
        ],
        made_anew=anew,
        unfinished=state.republishing,
        stopped=state.stopped,
        mended=mended,
        counts={kind: counts[kind] for kind in ("missing", "unknown", "forked")},
    )
