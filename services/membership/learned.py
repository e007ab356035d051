"""What membership knows of the registry: areas and enterprises, in its own tables, and whether something may still be on its way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from shared.broker.protocol import partition_of
from shared.contracts.ids import uuid7_time
from shared.contracts.registry import AreaRegistered
from shared.process.db import Connection

LONGEST_TRANSACTION = timedelta(seconds=60)
"""An id is drawn at most so long before its event is recorded: transactions end within 60 s (docs/design/ENGINE.md)."""

PUT_AREAS = """
INSERT INTO areas (code, parent, kind, name, valid_from)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::date[])
ON CONFLICT (code) DO UPDATE
    SET parent = excluded.parent, kind = excluded.kind, name = excluded.name, valid_from = excluded.valid_from
"""
PUT_FACTS = """
INSERT INTO enterprise_facts (enterprise_id, rank, fact, occurred_on, park, event_id)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::date[], $5::text[], $6::uuid[])
ON CONFLICT (enterprise_id, rank) DO UPDATE
    SET occurred_on = excluded.occurred_on, park = excluded.park, event_id = excluded.event_id
"""
DROP_FACTS = "DELETE FROM enterprise_facts WHERE (enterprise_id, rank) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))"
WITHDRAW_FACTS = """
DELETE FROM enterprise_facts AS f USING unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS w(enterprise_id, first, last)
WHERE f.enterprise_id = w.enterprise_id AND f.rank BETWEEN w.first AND w.last
"""
REFRESH = """
INSERT INTO enterprises (id, park, settled_on, closed_on, closing)
SELECT enterprise_id,
    (array_agg(park ORDER BY occurred_on DESC, rank DESC) FILTER (WHERE park IS NOT NULL))[1],
    min(occurred_on) FILTER (WHERE fact = 'settled'),
    min(occurred_on) FILTER (WHERE fact = 'closed'),
    (array_agg(event_id ORDER BY occurred_on, rank) FILTER (WHERE fact = 'closed'))[1]
FROM enterprise_facts WHERE enterprise_id = ANY($1::uuid[])
GROUP BY enterprise_id HAVING bool_or(fact = 'settled')
ON CONFLICT (id) DO UPDATE
    SET park = excluded.park, settled_on = excluded.settled_on, closed_on = excluded.closed_on, closing = excluded.closing
"""
FORGET = """
DELETE FROM enterprises AS e WHERE id = ANY($1::uuid[])
    AND NOT EXISTS (SELECT FROM enterprise_facts AS f WHERE f.enterprise_id = e.id AND f.fact = 'settled')
"""
KNOWN = "SELECT id FROM enterprises WHERE id = ANY($1::uuid[])"
PATHS = """
WITH RECURSIVE up AS (
    SELECT code AS start, code, parent, 1 AS depth FROM areas WHERE code = ANY($1::text[])
    UNION ALL
    SELECT up.start, a.code, a.parent, up.depth + 1 FROM up JOIN areas AS a ON a.code = up.parent WHERE up.depth < 32
)
SELECT start, array_agg(code ORDER BY depth) AS path FROM up GROUP BY start
"""
NEWEST = """
SELECT shard, (newest->>$1)::timestamptz AS newest, (SELECT shift FROM clock_shift) AS shift
FROM shards WHERE generation = 1 AND shard = ANY($2::int[])
"""
BEHIND = """
SELECT count(*) < $2 OR bool_or(coalesce((ends->>$1)::bigint, 1) > coalesce((next->>$1)::bigint, 0)) OR NOT bool_or(newest ? $1)
    OR bool_or(current_at < parkunion_now() - interval '5 s')
FROM shards WHERE generation = 1
"""
"""The reader tells once a second that nothing is missing: if it does not, or the log does not answer it, there may be more than it knows."""


@dataclass(frozen=True, slots=True)
class PlaceFact:
    """A registry fact in force about an enterprise: `settled` and `moved` say a park, `closed` none."""

    fact: str
    on: date
    park: str | None
    event_id: UUID


async def remember_areas(conn: Connection, areas: Mapping[str, tuple[AreaRegistered, date] | None]) -> None:
    """Write areas; None: withdrawn."""
    if gone := [code for code, area in areas.items() if area is None]:
        await conn.execute("DELETE FROM areas WHERE code = ANY($1::text[])", gone)
    if known := [area for area in areas.values() if area is not None]:
        await conn.execute(
            PUT_AREAS,
            [area.code for area, _ in known],
            [area.parent for area, _ in known],
            [area.kind.value for area, _ in known],
            [area.name for area, _ in known],
            [valid_from for _, valid_from in known],
        )


async def remember_enterprises(
    conn: Connection, facts: Mapping[tuple[UUID, int], PlaceFact | None], withdrawn: Sequence[tuple[UUID, int, int]] = ()
) -> None:
    """Write facts by (enterprise, rank), None: corrected to nothing; and bring the enterprises up to them.

    `withdrawn` = (enterprise, from, to): facts remembered before that never were.
    """
    if withdrawn:
        await conn.execute(WITHDRAW_FACTS, *map(list, zip(*withdrawn, strict=True)))
    if gone := [place for place, fact in facts.items() if fact is None]:
        await conn.execute(DROP_FACTS, [place[0] for place in gone], [place[1] for place in gone])
    if kept := [(place, fact) for place, fact in facts.items() if fact is not None]:
        await conn.execute(
            PUT_FACTS,
            [place[0] for place, _ in kept],
            [place[1] for place, _ in kept],
            [fact.fact for _, fact in kept],
            [fact.on for _, fact in kept],
            [fact.park for _, fact in kept],
            [fact.event_id for _, fact in kept],
        )
    touched = sorted({enterprise for enterprise, _ in facts} | {enterprise for enterprise, _, _ in withdrawn})
    await conn.execute(REFRESH, touched)
    if gone or withdrawn:
        await conn.execute(FORGET, touched)


async def paths(conn: Connection, codes: Iterable[str]) -> dict[str, list[str]]:
    """{code: itself and its ancestors} of the areas known."""
    wanted = sorted(set(codes))
    return {row["start"]: row["path"] for row in await conn.fetch(PATHS, wanted)} if wanted else {}


async def area_path(conn: Connection, code: str) -> list[str] | None:
    """An area and its ancestors; None if unknown."""
    return (await paths(conn, [code])).get(code)


async def may_follow(conn: Connection, ids: Collection[UUID], topic: str, partitions: int) -> set[UUID]:
    """Of enterprises unknown here, those whose event may still be on its way.

    An id tells when it was drawn. It is missing for good only once its partition was read past the time at which its transaction must
    have ended; ids that tell no time were not made by the registry. What was read after the caller looked was on its way then.
    """
    drawn = {unknown: time for unknown in ids if (time := uuid7_time(unknown)) is not None}
    if not drawn:
        return set()
    shard_of = {unknown: partition_of(str(unknown), partitions) for unknown in drawn}
    rows = await conn.fetch(NEWEST, topic, sorted(set(shard_of.values())))
    newest = {row["shard"]: (row["newest"], row["shift"]) for row in rows}
    found = set()
    for unknown, time in drawn.items():
        read_to, shift = newest.get(shard_of[unknown], (None, timedelta(0)))
        if read_to is None or time + shift + LONGEST_TRANSACTION > read_to:
            found.add(unknown)
    if missing := drawn.keys() - found:
        found |= {row["id"] for row in await conn.fetch(KNOWN, list(missing))}
    return found


async def areas_may_follow(conn: Connection, codes: Collection[str], topic: str, partitions: int) -> bool:
    """Of areas unknown here: whether registry events are still unread or may be, since the log was not heard of for seconds, or none was
    read yet; or whether one of the areas was read after the caller looked."""
    return bool(await conn.fetchval(BEHIND, topic, partitions)) or bool(await paths(conn, codes))
