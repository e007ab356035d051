"""The change feed: what each batch of a shard changed, announced by NOTIFY and kept for a while for streams that resume.

Channel `metrics_feed`, payload `<generation> <shard> <version>`; row (shard, version) of `g<generation>.change_feed`. The figures of a snapshot
with version vector v, plus the deltas of the rows of every shard with versions above v[shard], are the figures now. `cells` is empty where only
names, areas or facts that are not counted changed; `uncounted` says whether there are any of those. The projector calls `publish`, the hub `batches_above`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import msgspec

from services.metrics.measures import Vector, packed, unpacked
from services.metrics.tables.rows import Cell, Rows
from shared.process.db import Connection, Record

CHANNEL = "metrics_feed"
KEPT = 2000
"""Versions kept per shard; a stream that is further behind is sent everything again."""
MOST_ROWS = 2000
"""Rows that a follower reads at once; with more it loads everything again."""

PUBLISH = """
WITH published AS (
    INSERT INTO g{g}.change_feed (shard, version, cells, deltas, oldest, traceparents, uncounted) VALUES ($1, $2, $3, $4, $5, $6, $10)
), forgotten AS (
    DELETE FROM g{g}.change_feed WHERE shard = $1 AND version <= $9
)
SELECT pg_notify($7, $8)
"""
SINCE = """
SELECT f.shard, f.version, f.cells, f.deltas, f.at, f.oldest, f.traceparents, f.uncounted
FROM g{g}.change_feed f JOIN unnest($1::int[], $2::bigint[]) AS v(shard, version) ON f.shard = v.shard AND f.version > v.version
ORDER BY f.at, f.shard, f.version LIMIT $3
"""
ABOVE = f"""
WITH head AS (
    SELECT parkunion_now() AS asked_at,
        (SELECT id FROM generations WHERE status = 'serving') AS serving,
        (SELECT jsonb_build_array(count(*), count(known_until)) FROM g{{g}}.areas_facts) AS signature,
        (SELECT max(n.value::timestamptz) FROM shards, jsonb_each_text(newest) n WHERE generation = $1) AS newest,
        EXISTS (
            SELECT FROM unnest($2::int[], $3::bigint[]) AS v(shard, version)
            WHERE (SELECT max(f.version) FROM g{{g}}.change_feed f WHERE f.shard = v.shard) - {KEPT} > v.version
        ) AS lost
)
SELECT head.*, f.* FROM head LEFT JOIN (
    SELECT f.shard, f.version, f.cells, f.deltas, f.at, f.oldest, f.traceparents, f.uncounted
    FROM shards s JOIN g{{g}}.change_feed f ON f.shard = s.shard
    AND f.version > coalesce((SELECT v.version FROM unnest($2::int[], $3::bigint[]) AS v(shard, version) WHERE v.shard = s.shard), 0)
    WHERE s.generation = $1 ORDER BY f.shard, f.version LIMIT {MOST_ROWS}
) f ON true
"""
LAST = "SELECT shard, max(version) AS last FROM g{g}.change_feed GROUP BY shard"

_encode = msgspec.msgpack.Encoder().encode


@lru_cache(maxsize=4096)
def _encoded(value: Vector) -> msgspec.Raw:
    """Most rows of a batch are the same few vectors."""
    return msgspec.Raw(_encode(unpacked(value)))


_decode = msgspec.msgpack.Decoder(list[tuple[int, int, list[int]]]).decode


@dataclass(frozen=True, slots=True)
class Changed:
    """One batch: `deltas` = {(cell id, effective day as ordinal): vector}, over all known days; `uncounted`: it holds facts that change no figure."""

    shard: int
    version: int
    cells: Sequence[int]
    deltas: Mapping[tuple[int, int], Vector]
    at: datetime
    oldest: datetime
    traceparents: Sequence[str]
    uncounted: bool = False


class TooOld(Exception):
    """The tables cannot be brought up to date from the feed and must be loaded again."""


@dataclass(frozen=True, slots=True)
class NewBatches:
    """What one read of the feed returned."""

    asked_at: datetime
    newest: datetime | None
    signature: tuple[int, int]
    changes: Sequence[Changed]


def summed(rows: Rows, ids: Mapping[Cell, int]) -> dict[tuple[int, int], Vector]:
    """Ledger rows without their known days, by cell id; zeros left out."""
    sums: dict[tuple[int, int], Vector] = {}
    for (cell, effective, _), value in rows.figures.items():
        if value:
            key = (ids[cell], effective)
            sums[key] = sums.get(key, 0) + value
    for (cell, _, each), counts in rows.members.items():
        number = ids[cell]
        for effective, net in counts.items():
            if net:
                key = (number, effective)
                sums[key] = sums.get(key, 0) + net * each
    return {key: value for key, value in sums.items() if value}


async def publish(
    conn: Connection,
    generation: int,
    shard: int,
    version: int,
    deltas: Mapping[tuple[int, int], Vector],
    oldest: datetime,
    traces: Sequence[str],
    uncounted: bool = False,
) -> None:
    """Write one row; the listeners of CHANNEL are notified when the transaction commits."""
    written = _encode([(cell, effective, _encoded(value)) for (cell, effective), value in deltas.items()])
    cells = sorted({cell for cell, _ in deltas})
    payload = f"{generation} {shard} {version}"
    await conn.fetchval(
        PUBLISH.format(g=generation), shard, version, cells, written, oldest, list(traces), CHANNEL, payload, version - KEPT, uncounted
    )


async def since(conn: Connection, generation: int, versions: Mapping[int, int], limit: int = 1000) -> list[Changed] | None:
    """What changed after a version vector, oldest first. None: some of it is no longer kept, so the caller must read everything again.

    Shards that are not in `versions` are left out; pass 0 for a shard without a row.
    """
    last = {row["shard"]: row["last"] for row in await conn.fetch(LAST.format(g=generation))}
    if any(last.get(shard, 0) - KEPT > version for shard, version in versions.items()):
        return None
    rows = await conn.fetch(SINCE.format(g=generation), list(versions), list(versions.values()), limit)
    return [changed(row) for row in rows]


async def batches_above(conn: Connection, generation: int, versions: Mapping[int, int]) -> NewBatches:
    """What the feed holds above `versions` of the serving generation, in one snapshot.

    Raises TooOld if another generation serves by now, or the feed no longer reaches back, or it holds MOST_ROWS or more.
    """
    rows = await conn.fetch(ABOVE.format(g=generation), generation, list(versions), list(versions.values()))
    head = rows[0]
    if head["serving"] != generation or head["lost"] or len(rows) >= MOST_ROWS:
        raise TooOld
    stated, ended = head["signature"]
    return NewBatches(head["asked_at"], head["newest"], (stated, ended), [changed(row) for row in rows if row["version"] is not None])


def changed(row: Record) -> Changed:
    """A row of the change feed."""
    deltas = {(cell, effective): packed(values) for cell, effective, values in _decode(row["deltas"])}
    return Changed(row["shard"], row["version"], row["cells"], deltas, row["at"], row["oldest"], row["traceparents"], row["uncounted"])
