"""The statements by which a reader reads and writes the heads of streams, the table `seen` (shared/sql/reading.sql)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from struct import Struct

import numpy as np

from shared.process import db
from shared.process.db import Connection
from shared.sequencing.columnar.columns import micros_of
from shared.sequencing.columnar.heads import HeadColumns, NewHeads
from shared.sequencing.columnar.layouts import Longs
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
_HEAD = np.dtype([("place", ">i4"), ("sequence", ">i8"), ("time", ">i8"), ("event_id", "u1", 16)])
_POSTGRES_EPOCH = micros_of(datetime(2000, 1, 1, tzinfo=UTC))
SEE = """
INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
SELECT $1, $2, $3, w.subject, w.sequence, w.event_id, timestamptz 'epoch' + w.micros * interval '1 microsecond'
FROM unnest($4::text::text[], $5::text::bigint[], $6::text::uuid[], $7::text::bigint[]) AS w(subject, sequence, event_id, micros)
ON CONFLICT (generation, shard, source, subject) DO UPDATE
    SET sequence = excluded.sequence, event_id = excluded.event_id, time = excluded.time
"""
"""A multiple of an interval is computed as a double, which is exact up to 2^53 microseconds: the year 2255."""
COLUMNS = ("generation", "shard", "source", "subject", "sequence", "event_id", "time")
_SHARD, _LENGTH = Struct(">hiiii").pack, Struct(">i").pack
_REST = np.dtype(
    [("eight", ">i4"), ("sequence", ">i8"), ("sixteen", ">i4"), ("event_id", "u1", 16), ("also_eight", ">i4"), ("time", ">i8")]
)
"""The last three fields of a row in COPY's binary format, each after its length."""


async def heads(conn: Connection, generation: int, shard: int, wanted: Collection[Stream]) -> dict[Stream, Head | None]:
    """The head of each of these streams; None: nothing of it was applied yet."""
    found: dict[Stream, Head | None] = dict.fromkeys(wanted)
    if wanted:
        rows = await conn.fetch(HEADS, generation, shard, *map(db.text_array, zip(*wanted, strict=True)))
        found.update({(row["source"], row["subject"]): Head(row["sequence"], row["event_id"], row["time"]) for row in rows})
    return found


async def head_columns(conn: Connection, generation: int, shard: int, source: str, subjects: Sequence[str]) -> HeadColumns:
    """The heads of streams of one source, without an object for each."""
    found = await conn.fetchval(HEADS_AS_BYTES, generation, shard, source, db.text_array(subjects))
    rows = np.frombuffer(found or b"", _HEAD)
    sequence, recorded = np.zeros(len(subjects), np.int64), np.zeros(len(subjects), np.int64)
    event_id = np.zeros((len(subjects), 16), np.uint8)
    places = rows["place"] - 1
    sequence[places], recorded[places], event_id[places] = rows["sequence"], rows["time"] + _POSTGRES_EPOCH, rows["event_id"]
    return HeadColumns(source, subjects, sequence, event_id, recorded)


async def see(conn: Connection, generation: int, shard: int, heads: NewHeads) -> None:
    """Write the new heads of streams of a shard that the same transaction has moved, those that had none by COPY.

    Raises UniqueViolationError if one of these had a head: nothing but an error of the program brings that about.
    """
    first, others = heads.by_subject()
    if len(first):
        await db.copy_parts(conn, "public", "seen", COLUMNS, _rows(generation, shard, heads, first))
    if len(others):
        ids = heads.event_id[others].tobytes().hex()
        await conn.execute(
            SEE, generation, shard, heads.source, db.text_array([heads.subjects[row] for row in others.tolist()]),
            db.array(heads.sequence[others].tolist()), f"{{{','.join([ids[at : at + 32] for at in range(0, len(ids), 32)])}}}",
            db.array(heads.recorded[others].tolist()),
        )  # fmt: skip


def _rows(generation: int, shard: int, heads: NewHeads, rows: Longs) -> Iterator[bytes]:
    """Some heads as COPY reads them."""
    rest = np.empty(len(rows), _REST)
    rest["eight"] = rest["also_eight"] = 8
    rest["sixteen"] = 16
    rest["sequence"], rest["event_id"], rest["time"] = heads.sequence[rows], heads.event_id[rows], heads.recorded[rows] - _POSTGRES_EPOCH
    source, size, data = heads.source.encode(), _REST.itemsize, rest.tobytes()
    begin = _SHARD(len(COLUMNS), 4, generation, 4, shard) + _LENGTH(len(source)) + source
    for at, row in enumerate(rows.tolist()):
        subject = heads.subjects[row].encode()
        yield begin + _LENGTH(len(subject)) + subject + data[at * size : (at + 1) * size]
