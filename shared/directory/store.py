"""Every SQL statement on the tables of shared/sql/directory.sql, with the types of their rows."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias
from uuid import UUID

from shared.contracts.registry import AreaRegistered
from shared.directory.known import Enterprise
from shared.directory.visibility import EveryArea, Sight, stays
from shared.http.auth import Areas
from shared.process.db import Connection

FactKind: TypeAlias = Literal["settled", "moved", "closed"]
Rank: TypeAlias = "tuple[UUID, int]"
"""(enterprise, rank of the fact in its stream)"""

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
DROP_ENTERPRISES = """
DELETE FROM enterprises AS e WHERE id = ANY($1::uuid[])
    AND NOT EXISTS (SELECT FROM enterprise_facts AS f WHERE f.enterprise_id = e.id AND f.fact = 'settled')
"""
GRANTED = """
WITH RECURSIVE granted AS (
    SELECT code COLLATE "C" AS code FROM unnest($1::text[]) AS own(code)
    UNION SELECT a.code FROM areas AS a JOIN granted AS g ON a.parent = g.code
)
SELECT code FROM granted
"""
ENTERPRISE_COLUMNS = "id, park, settled_on, closed_on, closing"
ENTERPRISES = f"SELECT {ENTERPRISE_COLUMNS} FROM enterprises WHERE id = ANY($1::uuid[])"
PLACED = """
SELECT enterprise_id, occurred_on, park FROM enterprise_facts WHERE enterprise_id = ANY($1::uuid[]) AND park IS NOT NULL
ORDER BY enterprise_id, occurred_on, rank
"""
PATHS = """
WITH RECURSIVE up AS (
    SELECT code AS start, code, parent, 1 AS depth FROM areas WHERE code = ANY($1::text[])
    UNION ALL
    SELECT up.start, a.code, a.parent, up.depth + 1 FROM up JOIN areas AS a ON a.code = up.parent WHERE up.depth < 32
)
SELECT start, array_agg(code ORDER BY depth) AS path FROM up GROUP BY start
"""


@dataclass(frozen=True, slots=True)
class EnterpriseFact:
    """A standing fact of the registry about an enterprise. `park` is None for a closure; `event_id` is the last event that states it."""

    fact: FactKind
    on: date
    park: str | None
    event_id: UUID


async def put_areas(conn: Connection, areas: Mapping[str, tuple[AreaRegistered, date] | None]) -> None:
    """Write areas by code, each with the date from which it exists; None: withdrawn."""
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


async def put_facts(conn: Connection, facts: Mapping[Rank, EnterpriseFact | None], withdrawn: Sequence[tuple[UUID, int, int]] = ()) -> None:
    """Write facts, None: corrected to nothing; then bring the table `enterprises` up to them.

    `withdrawn` = (enterprise, first, last): ranks whose facts, if there are any, are deleted first.
    """
    if withdrawn:
        await conn.execute(WITHDRAW_FACTS, *map(list, zip(*withdrawn, strict=True)))
    if gone := [rank for rank, fact in facts.items() if fact is None]:
        await conn.execute(DROP_FACTS, [enterprise for enterprise, _ in gone], [rank for _, rank in gone])
    if standing := [(rank, fact) for rank, fact in facts.items() if fact is not None]:
        await conn.execute(
            PUT_FACTS,
            [enterprise for (enterprise, _), _ in standing],
            [rank for (_, rank), _ in standing],
            [fact.fact for _, fact in standing],
            [fact.on for _, fact in standing],
            [fact.park for _, fact in standing],
            [fact.event_id for _, fact in standing],
        )
    touched = sorted({enterprise for enterprise, _ in facts} | {enterprise for enterprise, _, _ in withdrawn})
    await conn.execute(REFRESH, touched)
    if gone or withdrawn:
        await conn.execute(DROP_ENTERPRISES, touched)


async def enterprises(conn: Connection, ids: Collection[UUID]) -> dict[UUID, Enterprise]:
    """These enterprises, as far as they are known."""
    return {row["id"]: Enterprise(*row) for row in await conn.fetch(ENTERPRISES, list(ids))} if ids else {}


async def placed(conn: Connection, ids: Collection[UUID]) -> dict[UUID, list[tuple[date, str]]]:
    """{enterprise: (from this day on, park), in order}, by the facts that hold."""
    found: dict[UUID, list[tuple[date, str]]] = {}
    for row in await conn.fetch(PLACED, list(ids)) if ids else ():
        found.setdefault(row["enterprise_id"], []).append((row["occurred_on"], row["park"]))
    return found


async def granted(conn: Connection, areas: Areas) -> Container[str]:
    """The codes of the granted areas and of all within them."""
    return EveryArea() if areas.everything else await inside(conn, areas.codes)


async def inside(conn: Connection, codes: Collection[str]) -> frozenset[str]:
    """The codes of these areas and of all within them."""
    return frozenset(row["code"] for row in await conn.fetch(GRANTED, list(codes)))


async def sights(conn: Connection, areas: Areas, ids: Collection[UUID]) -> dict[UUID, Sight]:
    """{enterprise: what is seen of it from these areas}. Read with all areas."""
    inside, places = await granted(conn, areas), await placed(conn, ids)
    return {key: Sight(stays((day, rank, park) for rank, (day, park) in enumerate(places.get(key, ()))), inside) for key in ids}


async def paths(conn: Connection, codes: Iterable[str]) -> dict[str, list[str]]:
    """{code: the code itself and its ancestors, inside out} of the areas that are known."""
    wanted = sorted(set(codes))
    return {row["start"]: row["path"] for row in await conn.fetch(PATHS, wanted)} if wanted else {}


async def area_path(conn: Connection, code: str) -> list[str] | None:
    """The path of one area; None if it is unknown."""
    return (await paths(conn, [code])).get(code)
