"""The change feed: what each batch of a shard changed, announced by NOTIFY and kept for a while for streams that resume.

Channel `metrics_feed`, payload `<generation> <shard> <version>`; row (shard, version) of `g<generation>.change_feed`. The figures of a snapshot
with version vector v, plus the deltas of the rows of every shard with versions above v[shard], are the figures now. `cells` is empty where only
names, areas or facts that are not counted changed; `uncounted` says whether there are any of those. The projector calls `publish`, the hub `batches_above`.
`deltas` or `packed` hold the rows (feed_rows.py); earlier versions wrote `members` = [(cell, what one member adds, effective days, net members of each)], too,
as msgpack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import compress

import msgspec

from services.metrics.measures import Vector, packed
from services.metrics.tables.feed_rows import FeedRows, PackedRows, deltas_of
from services.metrics.tables.store import has_column
from shared.process.db import Connection, Record

CHANNEL = "metrics_feed"
KEPT = 2000
"""Versions kept per shard; a stream that is further behind is sent everything again."""
MOST_ROWS = 2000
"""Rows that a follower reads at once; with more it loads everything again."""

PUBLISH = """
WITH published AS (
    INSERT INTO g{g}.change_feed (shard, version, cells, deltas, oldest, traceparents, uncounted{packed}) VALUES ($1, $2, $3, $4, $5, $6, $10{value})
), forgotten AS (
    DELETE FROM g{g}.change_feed WHERE shard = $1 AND version <= $9
)
SELECT pg_notify($7, $8)
"""
SINCE = """
SELECT f.* FROM g{g}.change_feed f JOIN unnest($1::int[], $2::bigint[]) AS v(shard, version) ON f.shard = v.shard AND f.version > v.version
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
    SELECT f.* FROM shards s LEFT JOIN unnest($2::int[], $3::bigint[]) AS v(shard, version) USING (shard) CROSS JOIN LATERAL (
        SELECT * FROM g{{g}}.change_feed f WHERE f.shard = s.shard AND f.version > coalesce(v.version, 0) ORDER BY f.version LIMIT {MOST_ROWS}
    ) f WHERE s.generation = $1 ORDER BY f.shard, f.version LIMIT {MOST_ROWS}
) f ON true
"""
"""Shard by shard, by the key: a join of shards and feed reads all that is kept, tens of thousands of rows, 20 times a second."""
LAST = "SELECT shard, max(version) AS last FROM g{g}.change_feed GROUP BY shard"

_decode_members = msgspec.msgpack.Decoder(list[tuple[int, msgspec.Raw, list[int], list[int]]]).decode
_decode_measures = msgspec.msgpack.Decoder(list[int]).decode


@lru_cache(maxsize=4096)
def _vector(encoded: bytes) -> Vector:
    """The vector of all measures as they are stored. Cached: most rows of a batch are the same few vectors."""
    return packed(_decode_measures(encoded))


@dataclass(frozen=True, slots=True)
class Changed:
    """One batch; `uncounted`: it holds facts that change no figure. `deltas`, `members` and `rows` (of `packed`) as in the table, over all known days,
    with the measures as they are stored; days are ordinals."""

    shard: int
    version: int
    cells: Sequence[int]
    deltas: Sequence[tuple[int, int, msgspec.Raw]]
    members: Sequence[tuple[int, msgspec.Raw, list[int], list[int]]]
    rows: PackedRows | None
    at: datetime
    oldest: datetime
    traceparents: Sequence[str]
    uncounted: bool = False

    def on(self, day: int) -> dict[int, Vector]:
        """{cell: change of its figures on a business day}"""
        found = {} if self.rows is None else self.rows.on(day)
        for cell, effective, values in self.deltas:
            if effective <= day:
                found[cell] = found.get(cell, 0) + _vector(bytes(values))
        for cell, values, days, net in self.members:
            if count := sum(compress(net, map(day.__ge__, days))):
                found[cell] = found.get(cell, 0) + count * _vector(bytes(values))
        return found


class TooOld(Exception):
    """The tables cannot be brought up to date from the feed and must be loaded again."""


@dataclass(frozen=True, slots=True)
class NewBatches:
    """What one read of the feed returned."""

    asked_at: datetime
    newest: datetime | None
    signature: tuple[int, int]
    changes: Sequence[Changed]


async def empty_rows(conn: Connection, generation: int) -> FeedRows:
    """Rows to which those of a batch are added, for what reads the feed of this database."""
    return FeedRows(await has_column(conn, generation, "change_feed", "packed"))


async def publish(
    conn: Connection,
    generation: int,
    shard: int,
    version: int,
    rows: FeedRows,
    oldest: datetime,
    traces: Sequence[str],
    uncounted: bool = False,
) -> None:
    """Write one row; the listeners of CHANNEL are notified when the transaction commits."""
    packed_rows = rows.packed
    is_packed = packed_rows is not None
    statement = PUBLISH.format(g=generation, packed=", packed" if is_packed else "", value=", $11" if is_packed else "")
    more = (packed_rows,) if is_packed else ()
    payload = f"{generation} {shard} {version}"
    await conn.fetchval(
        statement, shard, version, rows.cells, rows.deltas, oldest, list(traces), CHANNEL, payload, version - KEPT, uncounted, *more
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
    members = _decode_members(stored) if (stored := row.get("members")) else []
    rows = PackedRows.of(stored) if (stored := row.get("packed")) else None
    return Changed(
        *(row["shard"], row["version"], row["cells"], deltas_of(row["deltas"]), members, rows),
        *(row["at"], row["oldest"], row["traceparents"], row["uncounted"]),
    )
