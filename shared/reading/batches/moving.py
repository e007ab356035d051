"""Second step: the positions of shards and the heads of their streams are written before anything is applied.

One statement, MOVE, moves the shards and writes the heads of a few events. Further ones follow where there is more to write: SEE_FIRST of many new
streams, COPY and SEE of the heads of columns, FOUND_AGAIN of a topic that was lost. Whoever is no longer the owner learns it from the first,
and its events do no harm: all steps commit together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from struct import Struct
from typing import NamedTuple, TypeAlias
from uuid import UUID

import numpy as np

from shared.process import db
from shared.process.db import Connection
from shared.reading.batches.planning import Planned
from shared.reading.heads import POSTGRES_EPOCH, HeadsElsewhere
from shared.reading.store import columns_of
from shared.sequencing.columnar.heads import NewHeads
from shared.sequencing.columnar.layouts import Longs
from shared.sequencing.plan import BatchPlan
from shared.sequencing.records import Stream
from shared.sequencing.shard import Shard
from shared.sequencing.streams import Head

MOVE = """
WITH moved AS (
    UPDATE shards AS s SET next = w.next, newest = w.newest, version = s.version + 1, updated_at = parkunion_now()
    FROM unnest($2::int[], $3::bigint[], $4::jsonb[], $5::jsonb[]) AS w(shard, version, next, newest)
    WHERE s.generation = $1 AND s.shard = w.shard AND s.version = w.version
    RETURNING s.shard
), saw AS (
    INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
    SELECT $1, w.* FROM unnest(
        $6::text::int[], $7::text::text[], $8::text::text[], $9::text::bigint[], $10::text::uuid[], $11::text::timestamptz[]
    ) AS w(shard, source, subject, sequence, event_id, time) WHERE w.shard IN (SELECT shard FROM moved)
    ON CONFLICT (generation, shard, source, subject) DO UPDATE
        SET sequence = excluded.sequence, event_id = excluded.event_id, time = excluded.time
)
SELECT shard FROM moved
"""
"""One message for positions and heads: an event that comes alone is paid for in round trips."""
SEE_FIRST = """
INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
SELECT $1, * FROM unnest($2::text::int[], $3::text::text[], $4::text::text[], $5::text::bigint[], $6::text::uuid[], $7::text::timestamptz[])
"""
LEAST_FIRST = 300
"""New streams from which a statement of their own pays: to look for a row that conflicts, and to log that there is none, costs as much as the row."""
SEE = """
INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
SELECT $1, $2, $3, w.subject, w.sequence, w.event_id, timestamptz 'epoch' + w.micros * interval '1 microsecond'
FROM unnest($4::text::text[], $5::text::bigint[], $6::text::uuid[], $7::text::bigint[]) AS w(subject, sequence, event_id, micros)
ON CONFLICT (generation, shard, source, subject) DO UPDATE
    SET sequence = excluded.sequence, event_id = excluded.event_id, time = excluded.time
"""
"""A multiple of an interval is computed as a double, which is exact up to 2^53 microseconds: the year 2255."""
FOUND_AGAIN = "UPDATE shards SET topic_ids = topic_ids || $3 WHERE generation = $1 AND shard = $2"
COLUMNS = ("generation", "shard", "source", "subject", "sequence", "event_id", "time")
_SHARD, _LENGTH = Struct(">hiiii").pack, Struct(">i").pack
_REST = np.dtype(
    [("eight", ">i4"), ("sequence", ">i8"), ("sixteen", ">i4"), ("event_id", "u1", 16), ("also_eight", ">i4"), ("time", ">i8")]
)
"""The last three fields of a row in COPY's binary format, each after its length."""
_SeenRow: TypeAlias = tuple[int, str, str, int, UUID, datetime]


class ShardFencedError(Exception):
    """Another instance has moved the shard: the state in memory is stale."""


class Move(NamedTuple):
    """The position that a shard gets, the greatest times read, and the new heads of the streams of which something was applied.

    `first`: streams of which the same transaction has found no head. Whoever wrote one since would have moved the shard, too, so it is
    no longer at its version and nothing is written.
    """

    shard: Shard
    next: Mapping[str, int]
    newest: Mapping[str, datetime]
    heads: Mapping[Stream, Head]
    first: Set[Stream] = frozenset()


async def move_on(
    conn: Connection, generation: int, plans: Sequence[Planned], elsewhere: HeadsElsewhere | None = None
) -> list[Mapping[str, int]]:
    """Move all shards, and so lock them; returns their new positions. With `elsewhere`, new streams that come as columns get no row of `seen`.

    Raises ShardFencedError if another instance has moved a shard.
    """
    moves = [
        Move(shard, {**shard.next, **plan.next}, newest(shard, plan), shard.streams.heads(plan.changed), first)
        for shard, plan, first in plans
    ]
    moved = await move(conn, generation, moves)
    for shard, *_ in plans:
        if shard.number not in moved:
            raise ShardFencedError(f"shard {shard.number} is no longer at version {shard.version}")
    for shard, plan, _ in plans:
        for heads in plan.heads:
            await _see(conn, generation, shard.number, heads, elsewhere)
    for shard, plan, _ in plans:
        if found := found_again(shard, plan):
            await conn.execute(FOUND_AGAIN, generation, shard.number, {topic: shard.topic_ids[topic] for topic in found})
    return [one.next for one in moves]


async def move(conn: Connection, generation: int, moves: Sequence[Move]) -> set[int]:
    """Move those shards that are still at their version, with what was seen of their streams; returns them. Others had another owner since."""
    shards = columns_of((one.shard.number, one.shard.version, dict(one.next), dict(one.newest)) for one in moves)
    apart = sum(len(one.first) for one in moves) >= LEAST_FIRST
    first, seen = list[_SeenRow](), list[_SeenRow]()
    for one in moves:
        for stream, head in one.heads.items():
            (first if apart and stream in one.first else seen).append((one.shard.number, *stream, *head))
    moved = {row["shard"] for row in await conn.fetch(MOVE, generation, *shards, *_seen_texts(seen))}
    if found := [row for row in first if row[0] in moved]:
        await conn.execute(SEE_FIRST, generation, *_seen_texts(found))
    return moved


def _seen_texts(rows: Iterable[_SeenRow]) -> tuple[str, ...]:
    """Rows of `seen` as the texts of six arrays; in their order, since neighbours in an index are then written together."""
    ordered = sorted(rows)
    numbers, sources, subjects, *heads = zip(*ordered, strict=True) if ordered else ((),) * 6
    return (db.array(numbers), db.text_array(sources), db.text_array(subjects), *map(db.array, heads))


async def _see(conn: Connection, generation: int, shard: int, heads: NewHeads, elsewhere: HeadsElsewhere | None) -> None:
    """Write the new heads of streams of a shard that the same transaction has moved, those that had none by COPY. With `elsewhere`, those that had none and
    come as columns alone are left out.

    Raises UniqueViolationError if one that is copied had a head: nothing but an error of the program brings that about. Of one that is left out, the
    keys of what `apply` keeps refuse its first event, which is there already.
    """
    first, others = heads.by_subject()
    if elsewhere is not None:
        as_columns = heads.as_columns[first]
        if left_out := [heads.subjects[row] for row in first[as_columns].tolist()]:
            await elsewhere.raise_bounds(conn, shard, left_out)
        first = first[~as_columns]
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
    rest["sequence"], rest["event_id"], rest["time"] = heads.sequence[rows], heads.event_id[rows], heads.recorded[rows] - POSTGRES_EPOCH
    source, size, data = heads.source.encode(), _REST.itemsize, rest.tobytes()
    begin = _SHARD(len(COLUMNS), 4, generation, 4, shard) + _LENGTH(len(source)) + source
    for at, row in enumerate(rows.tolist()):
        subject = heads.subjects[row].encode()
        yield begin + _LENGTH(len(subject)) + subject + data[at * size : (at + 1) * size]


def newest(shard: Shard, plan: BatchPlan) -> dict[str, datetime]:
    """{topic: greatest time read} after the batch."""
    newest = dict(shard.newest)
    for topic, when in plan.newest.items():
        newest[topic] = max(when, newest.get(topic, when))
    return newest


def found_again(shard: Shard, plan: BatchPlan) -> set[str]:
    """Lost topics of which the log holds again, after the batch, all that was read before: the latest time ever read is reached."""
    return {topic for topic in shard.lost & plan.newest.keys() if plan.newest[topic] >= shard.newest[topic]}
