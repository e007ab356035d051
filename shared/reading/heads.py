"""What a reader has applied of streams, looked up: their heads, in the table `seen` (shared/sql/reading.sql) or among the events that `apply` keeps
(`HeadsElsewhere`). `batches/moving.py` writes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter

import numpy as np

from shared.process import db
from shared.process.db import Connection
from shared.sequencing.columnar.columns import micros_of
from shared.sequencing.columnar.heads import AppliedBound, HeadColumns, kind_of
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
LAST_ELSEWHERE = """
SELECT sequence, event_id, time FROM {events} e WHERE e.shard = $2 AND e.source = w.source AND e.subject = w.subject ORDER BY e.sequence DESC LIMIT 1
"""
ADOPTED = f"""
WITH stored AS ({HEADS}), adopted AS (
    INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
    SELECT $1, $2, w.source, w.subject, k.sequence, k.event_id, k.time FROM (
        SELECT * FROM unnest($3::text::text[], $4::text::text[]) AS u(source, subject)
        WHERE NOT EXISTS (SELECT FROM stored s WHERE s.source = u.source AND s.subject = u.subject)
    ) AS w CROSS JOIN LATERAL ({LAST_ELSEWHERE}) AS k
    ON CONFLICT (generation, shard, source, subject) DO UPDATE SET sequence = seen.sequence RETURNING source, subject, sequence, event_id, time
)
SELECT * FROM stored UNION ALL SELECT * FROM adopted
"""
"""As HEADS. A stream that is read as objects gets its row, so that whoever asks for what was applied of a stream that stands still need look into
`seen` alone. A row that conflicts was written by a process that took the shard over or gave it up meanwhile; it counts."""
ALL_AS_BYTES = f"""
SELECT string_agg(int4send(w.place::int) || int8send(h.sequence) || timestamptz_send(h.time) || uuid_send(h.event_id), ''::bytea)
FROM (SELECT $3::text AS source, subject, place FROM unnest($4::text::text[]) WITH ORDINALITY AS u(subject, place)) AS w CROSS JOIN LATERAL (
    SELECT sequence, event_id, time FROM seen
    WHERE generation = $1 AND shard = $2 AND seen.source = w.source AND seen.subject = w.subject
    UNION ALL (SELECT * FROM ({LAST_ELSEWHERE}) AS k) LIMIT 1
) AS h
"""
"""As HEADS_AS_BYTES. The events are looked into only where there is no row: PostgreSQL reads branches in their order, and LIMIT ends with the first row."""
BOUNDS = "SELECT kind, subject FROM {bounds} WHERE shard = $1 AND kind = ANY ($2::text[])"
RAISE_BOUNDS = """
INSERT INTO {bounds} AS b (shard, kind, subject) SELECT $1, * FROM unnest($2::text[], $3::text[])
ON CONFLICT (shard, kind) DO UPDATE SET subject = greatest(b.subject, excluded.subject)
"""
_HEAD = np.dtype([("place", ">i4"), ("sequence", ">i8"), ("time", ">i8"), ("event_id", "u1", 16)])
POSTGRES_EPOCH = micros_of(datetime(2000, 1, 1, tzinfo=UTC))
"""PostgreSQL's binary instants count from here, in microseconds."""


@dataclass(slots=True)
class HeadsElsewhere:
    """Where `apply` keeps the events that it takes as columns: then the head of a stream that came in one batch, and as columns alone, needs no row of `seen`.

    `events`: a relation (shard, source, subject, sequence, event_id, time) that has at least the last event of each such stream. `bounds`: a table
    (shard, kind, subject) of the greatest subject of each kind that was left out of `seen`. A migration may bring them while a reader runs; until
    they are there, every stream has its row. Once in `seen`, a stream stays there.
    """

    events: str
    bounds: str
    _made: bool = field(default=False, init=False)

    async def if_made(self, conn: Connection) -> HeadsElsewhere | None:
        """These, once a migration has made them."""
        self._made = self._made or await conn.fetchval("SELECT to_regclass($1) IS NOT NULL", self.bounds)
        return self if self._made else None

    async def raise_bounds(self, conn: Connection, shard: int, subjects: Sequence[str]) -> None:
        """Raise the bounds to these subjects, which ascend: streams of theirs are left out of `seen`."""
        greatest = {kind_of(subject): subject for subject in subjects}
        await conn.execute(RAISE_BOUNDS.format(bounds=self.bounds), shard, list(greatest), list(greatest.values()))


async def heads(
    conn: Connection, generation: int, shard: int, wanted: Collection[Stream], elsewhere: HeadsElsewhere | None = None
) -> dict[Stream, Head | None]:
    """The head of each of these streams; None: nothing of it was applied yet. Those that are found `elsewhere` get rows of `seen`."""
    found: dict[Stream, Head | None] = dict.fromkeys(wanted)
    if wanted:
        statement = HEADS if elsewhere is None else ADOPTED.format(events=elsewhere.events)
        rows = await conn.fetch(statement, generation, shard, *map(db.text_array, zip(*wanted, strict=True)))
        found.update({(row["source"], row["subject"]): Head(row["sequence"], row["event_id"], row["time"]) for row in rows})
    return found


async def applied_bound(
    conn: Connection, generation: int, shard: int, kinds: Collection[str], elsewhere: HeadsElsewhere | None = None
) -> AppliedBound:
    """A bound of the subjects of these kinds of which an event was applied in a shard."""
    rows = await conn.fetch(GREATEST, generation, shard, list(kinds))
    if elsewhere is not None:
        rows += await conn.fetch(BOUNDS.format(bounds=elsewhere.bounds), shard, list(kinds))
    return AppliedBound({row["kind"]: row["subject"] for row in sorted(rows, key=itemgetter("subject"))})


async def head_columns(
    conn: Connection,
    generation: int,
    shard: int,
    source: str,
    subjects: Sequence[str],
    bound: AppliedBound,
    elsewhere: HeadsElsewhere | None = None,
) -> HeadColumns:
    """The heads of streams of one source, without an object for each; they are looked for only where `bound` says that an event may have been applied."""
    wanted = bound.among(subjects)
    texts = db.text_array([subjects[place] for place in wanted])
    statement = HEADS_AS_BYTES if elsewhere is None else ALL_AS_BYTES.format(events=elsewhere.events)
    found = await conn.fetchval(statement, generation, shard, source, texts) if wanted else None
    rows = np.frombuffer(found or b"", _HEAD)
    sequence, recorded = np.zeros(len(subjects), np.int64), np.zeros(len(subjects), np.int64)
    event_id = np.zeros((len(subjects), 16), np.uint8)
    places = np.array(wanted, np.int64)[rows["place"] - 1]
    sequence[places], recorded[places], event_id[places] = rows["sequence"], rows["time"] + POSTGRES_EPOCH, rows["event_id"]
    return HeadColumns(source, subjects, sequence, event_id, recorded)
