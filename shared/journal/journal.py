"""The journal, append-only: every event of a service; and the outbox, from which the relay publishes them.

Rules and their reasons: docs/design/ENGINE.md, Writing 2 to 6. A command locks its streams first, then loads and decides, and appends once,
all in one transaction. The relay publishes each row as `cloud_event` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from shared import contracts
from shared.contracts.ids import uuid7
from shared.contracts.services import SERVICES, lock_order
from shared.process import faults
from shared.process.db import Connection, Record, array, text_array

_encode = msgspec.json.Encoder().encode
FARTHEST_AHEAD = timedelta(minutes=1)
ENVELOPE_BYTES = 1024
LAST_IN_ORDER = 3
LOCK_ORDER = {kind: min(place, LAST_IN_ORDER) for place, kind in enumerate(lock_order(SERVICES.values()), 1)}
"""{kind of stream: its place in the order in which streams are locked}, as the column `streams.place` has it (shared/sql/journal.sql)."""


class ClockAheadError(Exception):
    """The last event of a stream, or the last closed day, is more than a minute ahead of the database's clock. Try again later (503)."""


class EventTooLargeError(Exception):
    """The event would be larger than 256 KiB."""


class StreamNotLockedError(Exception):
    """An event was appended to a stream that this transaction has not locked: a programming error."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who causes an event: `id` is an opaque user or client, `origin` `api`, `import:<id>` or `event:<id>`, `traceparent` W3C's."""

    id: str
    origin: str
    traceparent: str | None = None


class Draft(msgspec.Struct, frozen=True):
    """An event to append to the stream `subject` (`<kind>/<id>`); its Kafka key is the id.

    `partition` is given only for an event that does not go where its key hashes to. `event_id` None: `append` gives one.
    `traceparent` None: the actor's.
    """

    subject: str
    data: contracts.Event
    occurred_on: date
    cause_id: UUID | None = None
    partition: int | None = None
    event_id: UUID | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class StreamHead:
    """The last event of a stream: its `sequence` (0: there is none) and when it was recorded (None: there is none)."""

    sequence: int
    recorded_at: datetime | None


class Appended(msgspec.Struct, frozen=True):
    """The journal's row of a draft."""

    journal_id: int
    event_id: UUID
    subject: str
    sequence: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row of the journal; `data` is the event's data as plain JSON values."""

    id: int
    subject: str
    sequence: int
    event_id: UUID
    type: str
    recorded_at: datetime
    occurred_on: date
    actor: str
    origin: str
    cause_id: UUID | None
    traceparent: str | None
    partition_key: str
    data: dict[str, Any]


COLUMNS = ", ".join(JournalRow.__slots__)

CREATE_STREAMS = """
INSERT INTO streams (subject, kind, id)
SELECT subject, split_part(subject, '/', 1), substr(subject, strpos(subject, '/') + 1) FROM unnest($1::text[]) WITH ORDINALITY AS s(subject, n)
WHERE NOT EXISTS (SELECT FROM streams WHERE streams.subject = s.subject)
ORDER BY n
ON CONFLICT DO NOTHING
"""
LOCK_STREAMS = """
SELECT subject, sequence, recorded_at FROM streams WHERE subject = ANY($1::text[]) ORDER BY place, id FOR UPDATE
"""
LOCK_IF_ALL_EXIST = """
SELECT subject, sequence, recorded_at FROM streams
WHERE subject = ANY($1::text[]) AND (SELECT count(*) FROM streams WHERE subject = ANY($1::text[])) = cardinality($1::text[])
ORDER BY place, id FOR UPDATE
"""
APPEND = """
WITH draft AS MATERIALIZED (
    SELECT subject, count(*) AS events, array_agg(event_id ORDER BY n) AS event_ids, array_agg(type ORDER BY n) AS types,
        array_agg(occurred_on ORDER BY n) AS days, array_agg(cause_id ORDER BY n) AS causes, array_agg(data ORDER BY n) AS contents{collected}
    FROM unnest(
        $1::text::text[], $2::text::uuid[], $3::text::text[], $4::text::date[], $5::text::uuid[], $6::text::jsonb[]
    ) WITH ORDINALITY AS d(subject, event_id, type, occurred_on, cause_id, data, n)
    GROUP BY subject
), moment AS MATERIALIZED (
    SELECT parkunion_now() AS at, opens,
        {woken} AS woken
    FROM days_closed WHERE one
), raised AS (
    UPDATE streams SET sequence = streams.sequence + d.events, recorded_at = greatest(streams.recorded_at, moment.at, moment.opens)
    FROM draft AS d, moment
    WHERE streams.subject = d.subject
    RETURNING streams.subject, streams.id, streams.sequence - d.events AS before, streams.recorded_at,
        d.event_ids, d.types, d.days, d.causes, d.contents{carried}
), written AS (
    INSERT INTO journal (subject, sequence, event_id, type, recorded_at, occurred_on, actor, origin, cause_id, traceparent, partition_key, data)
    SELECT r.subject, r.before + d.n AS sequence, d.event_id, d.type, r.recorded_at, d.occurred_on, $7, $8, d.cause_id, {trace}, r.id, d.data
    FROM raised AS r CROSS JOIN LATERAL unnest(r.event_ids, r.types, r.days, r.causes, r.contents{opened}) WITH ORDINALITY
        AS d(event_id, type, occurred_on, cause_id, data{named}, n)
    ORDER BY subject, sequence
    RETURNING id, subject, sequence, event_id, recorded_at
), queued AS (
    {queued}
)
SELECT w.id, w.event_id, w.subject, w.sequence, w.recorded_at, w.recorded_at - moment.at AS ahead FROM written AS w, moment
"""
"""The drafts of a stream travel as one row: joined by subject, a thousand drafts of a thousand streams would be a million comparisons, since
the sessions of commands have no hash joins (db.BY_KEY)."""
QUEUED = "INSERT INTO outbox (id) SELECT id FROM written ORDER BY id"
QUEUED_WITH_PARTITION = """
    INSERT INTO outbox (id, partition)
    SELECT w.id, p.partition FROM written AS w JOIN unnest($2::text::uuid[], $10::int[]) AS p(event_id, partition) USING (event_id) ORDER BY w.id
"""
"""For the few events with a given partition: the join is expensive in an import of thousands."""
QUEUED_CHANNEL = "outbox"
ASLEEP = "hashtextextended('relay asleep', 0)"
"""Key of the advisory lock that a relay holds while it sleeps (shared/relaying/pacing.py)."""
WOKEN = f"CASE WHEN NOT pg_try_advisory_xact_lock_shared({ASLEEP}) THEN pg_notify('{QUEUED_CHANNEL}', '') END"
"""A relay that sleeps is notified with the commit; one that is awake cannot fall asleep before it."""
ONE_TRACE = {"woken": WOKEN, "collected": "", "carried": "", "trace": "$9", "opened": "", "named": ""}
OWN_TRACES = {
    "woken": WOKEN,
    "collected": ", array_agg(($9::text::text[])[n] ORDER BY n) AS traces",
    "carried": ", d.traces",
    "trace": "d.traceparent",
    "opened": ", r.traces",
    "named": ", traceparent",
}
"""For single commands that are carried out together: each has its own trace."""
APPEND_HASHED = APPEND.format(queued=QUEUED, **ONE_TRACE)
APPEND_WITH_PARTITION = APPEND.format(queued=QUEUED_WITH_PARTITION, **ONE_TRACE)
APPEND_WITH_TRACES = APPEND.format(queued=QUEUED, **OWN_TRACES)


def _in_order(subjects: Iterable[str]) -> list[str]:
    """Distinct, in the order in which every transaction locks: unions, enterprises, others, each by id."""

    def place(subject: str) -> tuple[int, str]:
        kind, _, key = subject.partition("/")
        return LOCK_ORDER.get(kind, LAST_IN_ORDER), key

    return sorted(set(subjects), key=place)


async def lock(conn: Connection, subjects: Iterable[str]) -> dict[str, StreamHead]:
    """Lock streams, new ones included, until the transaction ends. Load what the decision needs after this."""
    wanted = _in_order(subjects)
    heads = await lock_if_all_exist(conn, wanted)
    if len(heads) < len(wanted):
        # New streams are created before any is locked: in the other order two transactions can deadlock.
        await conn.execute(CREATE_STREAMS, wanted)
        heads = _heads(await conn.fetch(LOCK_STREAMS, wanted))
        faults.reached("command.locked")
    return heads


async def lock_if_all_exist(conn: Connection, subjects: Iterable[str]) -> dict[str, StreamHead]:
    """As `lock`, unless one of the streams does not exist: then none is locked, and the result is empty."""
    wanted = _in_order(subjects)
    heads = _heads(await conn.fetch(LOCK_IF_ALL_EXIST, wanted)) if wanted else {}
    faults.reached("command.locked")
    return heads


def _heads(rows: Iterable[Record]) -> dict[str, StreamHead]:
    return {row["subject"]: StreamHead(row["sequence"], row["recorded_at"] if row["sequence"] else None) for row in rows}


async def append(conn: Connection, drafts: Sequence[Draft], actor: Actor) -> list[Appended]:
    """Append events to their streams, which this transaction has locked, and queue them for the relay; returns their rows in order.

    `recorded_at` is the platform's now, never before the stream's last event and never on a closed day (shared/journal/day_closing.py).
    Raises ClockAheadError, EventTooLargeError, StreamNotLockedError; the transaction must then be rolled back.
    """
    if not drafts:
        return []
    ids = [draft.event_id or uuid7() for draft in drafts]
    contents = [_encode(draft.data) for draft in drafts]
    for draft, content in zip(drafts, contents, strict=True):
        if len(content) + ENVELOPE_BYTES > contracts.MAX_EVENT_BYTES:
            raise EventTooLargeError(f"{draft.subject}: more than {contracts.MAX_EVENT_BYTES} bytes")
    partitions = [draft.partition for draft in drafts]
    placed = any(partition is not None for partition in partitions)
    traces = [draft.traceparent or actor.traceparent for draft in drafts]
    several = not placed and any(trace != traces[0] for trace in traces)
    rows = await conn.fetch(
        APPEND_WITH_PARTITION if placed else APPEND_WITH_TRACES if several else APPEND_HASHED,
        text_array([draft.subject for draft in drafts]),
        array(ids),
        text_array([contracts.type_of(draft.data) for draft in drafts]),
        array([draft.occurred_on for draft in drafts]),
        array([draft.cause_id for draft in drafts]),
        text_array([content.decode() for content in contents]),
        actor.id,
        actor.origin,
        text_array(traces) if several else traces[0],
        *([partitions] if placed else ()),
    )
    if len(rows) != len(drafts):
        raise StreamNotLockedError(", ".join(sorted({draft.subject for draft in drafts} - {row["subject"] for row in rows})))
    if (ahead := max(row["ahead"] for row in rows)) > FARTHEST_AHEAD:
        raise ClockAheadError(f"the stream, or the last closed day, is {ahead} ahead of the clock")
    faults.reached("journal.appended")
    written = {row["event_id"]: Appended(row["id"], row["event_id"], row["subject"], row["sequence"], row["recorded_at"]) for row in rows}
    return [written[event_id] for event_id in ids]


async def lock_existing(conn: Connection, subjects: Iterable[str]) -> list[str]:
    """Lock those of the streams that have an event, in the order of `lock`; returns them. Creates no stream."""
    wanted = _in_order(subjects)
    rows = await conn.fetch(LOCK_STREAMS, wanted) if wanted else ()
    return [row["subject"] for row in rows if row["sequence"]]


async def recorded(conn: Connection, subject: str, event_id: UUID) -> bool:
    """Whether the journal has an event of this stream. Waits for a transaction that may be recording it: it holds the stream."""
    await lock(conn, [subject])
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM journal WHERE event_id = $1)", event_id))


async def events_of(conn: Connection, subject: str, after_sequence: int = 0, limit: int = 100) -> list[JournalRow]:
    """The events of one stream after a sequence, oldest first."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM journal WHERE subject = $1 AND sequence > $2 ORDER BY sequence LIMIT $3", subject, after_sequence, limit
    )
    return [JournalRow(*row) for row in rows]


def cloud_event(row: JournalRow, source: str) -> bytes:
    """The event as it is published: CloudEvents 1.0, structured JSON."""
    return contracts.write(
        id=row.event_id,
        source=source,
        type=row.type,
        subject=row.subject,
        partitionkey=row.partition_key,
        sequence=row.sequence,
        time=row.recorded_at,
        occurredon=row.occurred_on,
        actor=row.actor,
        origin=row.origin,
        data=msgspec.json.encode(row.data),
        causeid=row.cause_id,
        traceparent=row.traceparent,
    )
