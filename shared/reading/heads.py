"""What a reader has applied of streams, looked up: their heads, in the table `seen` (shared/sql/reading.sql). `batches/moving.py` writes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import numpy as np

from shared.process import db
from shared.process.db import Connection
from shared.sequencing.columnar.columns import micros_of
from shared.sequencing.columnar.heads import AppliedBound, HeadColumns
from shared.sequencing.records import Stream
from shared.sequencing.streams import Head

HEADS = """
SELECT source, subject, sequence, event_id, time FROM unnest($3::text::text[], $4::text::text[]) AS w(source, subject) CROSS JOIN LATERAL (
    SELECT sequence, event_id, time FROM seen
    WHERE generation = $1 AND shard = $2 AND seen.source = w.source AND seen.subject = w.subject OFFSET 0
) AS s
"""
HEADS_AS_BYTES = """
SELECT string_agg(int4send(w.place::int) || int8send(s.sequence) || timestamptz_send(s.time) || uuid_send(s.event_id), ''::bytea)
FROM unnest($4::text::text[]) WITH ORDINALITY AS w(subject, place) CROSS JOIN LATERAL (
    SELECT sequence, event_id, time FROM seen
    WHERE generation = $1 AND shard = $2 AND seen.source = $3 AND seen.subject = w.subject OFFSET 0
) AS s
"""
GREATEST = """
WITH RECURSIVE sources AS (
    SELECT min(source) AS source FROM seen WHERE generation = $1 AND shard = $2
    UNION ALL SELECT (SELECT min(n.source) FROM seen n WHERE n.generation = $1 AND n.shard = $2 AND n.source > s.source) FROM sources s
    WHERE s.source IS NOT NULL
)
SELECT k.kind, max(g.subject COLLATE "C") AS subject FROM unnest($3::text[]) AS k(kind), sources s CROSS JOIN LATERAL (
    SELECT subject FROM seen WHERE generation = $1 AND shard = $2 AND seen.source = s.source AND seen.subject >= k.kind AND seen.subject < k.kind || '0'
    ORDER BY seen.subject DESC LIMIT 1
) AS g GROUP BY 1
"""
"""'0' follows on '/'; a subject may be nothing but its kind. One look into the index for each source and kind."""
_HEAD = np.dtype([("place", ">i4"), ("sequence", ">i8"), ("time", ">i8"), ("event_id", "u1", 16)])
POSTGRES_EPOCH = micros_of(datetime(2000, 1, 1, tzinfo=UTC))
"""PostgreSQL's binary instants count from here, in microseconds."""


async def heads(conn: Connection, generation: int, shard: int, wanted: Collection[Stream]) -> dict[Stream, Head | None]:
    """The head of each of these streams; None: nothing of it was applied yet."""
    found: dict[Stream, Head | None] = dict.fromkeys(wanted)
    if wanted:
        rows = await conn.fetch(HEADS, generation, shard, *map(db.text_array, zip(*wanted, strict=True)))
        found.update({(row["source"], row["subject"]): Head(row["sequence"], row["event_id"], row["time"]) for row in rows})
    return found


async def applied_bound(conn: Connection, generation: int, shard: int, kinds: Collection[str]) -> AppliedBound:
    """A bound of the subjects of these kinds of which an event was applied in a shard."""
    rows = await conn.fetch(GREATEST, generation, shard, list(kinds))
    return AppliedBound({row["kind"]: row["subject"] for row in rows})


async def head_columns(
    conn: Connection, generation: int, shard: int, source: str, subjects: Sequence[str], bound: AppliedBound
) -> HeadColumns:
    """The heads of streams of one source, without an object for each; they are looked for only where `bound` says that an event may have been applied."""
    wanted = bound.among(subjects)
    texts = db.text_array([subjects[place] for place in wanted])
    found = await conn.fetchval(HEADS_AS_BYTES, generation, shard, source, texts) if wanted else None
    rows = np.frombuffer(found or b"", _HEAD)
    sequence, recorded = np.zeros(len(subjects), np.int64), np.zeros(len(subjects), np.int64)
    event_id = np.zeros((len(subjects), 16), np.uint8)
    places = np.array(wanted, np.int64)[rows["place"] - 1]
    sequence[places], recorded[places], event_id[places] = rows["sequence"], rows["time"] + POSTGRES_EPOCH, rows["event_id"]
    return HeadColumns(source, subjects, sequence, event_id, recorded)
