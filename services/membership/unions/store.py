"""Unions and coverage in the database: every statement, beside the row types.

Each statement serves all lines of a batch. Loads for decisions come after the locks. Lists and single unions run under row-level security.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias
from uuid import UUID

from services.membership.world import CoverageFact, Dissolution, Union, UnionId, World
from shared.contracts.membership import UnionKind
from shared.directory.known import EnterpriseId
from shared.process.db import Connection, Record

Columns: TypeAlias = "Record | tuple[Any, ...]"
"""A row, or the same columns as an element of an array of rows."""

UNION_COLUMNS = "id, kind, seat_area, founded_on, name, parent_union_id, dissolved_on, dissolved_rank, dissolved_reason, dissolved_note_id, dissolved_event_id"
UNIONS = f"SELECT {UNION_COLUMNS} FROM unions WHERE id = ANY($1::uuid[])"
PUT_UNIONS = """
INSERT INTO unions (id, kind, seat_area, founded_on, name, parent_union_id, dissolved_on, dissolved_rank, dissolved_reason,
    dissolved_note_id, dissolved_event_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::text[], $6::uuid[], $7::date[], $8::bigint[], $9::text[],
    $10::uuid[], $11::uuid[])
ON CONFLICT (id) DO UPDATE SET seat_area = excluded.seat_area, founded_on = excluded.founded_on, name = excluded.name,
    dissolved_on = excluded.dissolved_on, dissolved_rank = excluded.dissolved_rank, dissolved_reason = excluded.dissolved_reason,
    dissolved_note_id = excluded.dissolved_note_id, dissolved_event_id = excluded.dissolved_event_id
"""
COVERAGE_COLUMNS = "enterprise_id, union_id, kind, rank, occurred_on, started, reason, note_id, event_id"
COVERAGE_OF_ENTERPRISES = f"SELECT {COVERAGE_COLUMNS} FROM coverage_facts WHERE enterprise_id = ANY($1::uuid[]) ORDER BY occurred_on, rank"
COVERAGE_OF_UNIONS = f"SELECT {COVERAGE_COLUMNS} FROM coverage_facts WHERE union_id = ANY($1::uuid[]) ORDER BY occurred_on, rank"
PUT_COVERAGE = """
INSERT INTO coverage_facts (enterprise_id, rank, union_id, kind, started, occurred_on, reason, note_id, event_id)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::boolean[], $6::date[], $7::text[], $8::uuid[], $9::uuid[])
ON CONFLICT (enterprise_id, rank) DO UPDATE
    SET occurred_on = excluded.occurred_on, reason = excluded.reason, note_id = excluded.note_id, event_id = excluded.event_id
"""
DROP_COVERAGE = "DELETE FROM coverage_facts WHERE (enterprise_id, rank) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))"
LISTED = "u.id, u.kind, u.name, u.parent_union_id, u.seat_area, u.founded_on, u.dissolved_on, s.sequence"
LIST = f"""
WITH RECURSIVE inside AS (
    SELECT code FROM areas WHERE code = $2
    UNION
    SELECT a.code FROM areas AS a JOIN inside AS i ON a.parent = i.code
)
SELECT {LISTED} FROM unions AS u JOIN streams AS s ON s.subject = 'union/' || u.id
WHERE ($1::text IS NULL OR strpos(lower(u.name), lower($1)) > 0)
    AND ($2::text IS NULL OR u.seat_area IN (SELECT code FROM inside))
    AND ($3::uuid IS NULL OR u.id > $3)
ORDER BY u.id LIMIT $4
"""
ONE = f"SELECT {LISTED} FROM unions AS u JOIN streams AS s ON s.subject = 'union/' || u.id WHERE u.id = $1"
COVERED = "SELECT enterprise_id, started, occurred_on FROM coverage_facts WHERE union_id = $1 ORDER BY enterprise_id, occurred_on, rank"
SEAT = "SELECT seat_area FROM unions WHERE id = $1"


async def unions(conn: Connection, ids: Collection[UUID]) -> dict[UUID, Union]:
    """These unions, as far as they exist."""
    return {row["id"]: union(row) for row in await conn.fetch(UNIONS, list(ids))} if ids else {}


def union(columns: Columns) -> Union:
    """The union of a row of UNION_COLUMNS."""
    union_id, kind, seat_area, founded_on, name, parent, on, rank, reason, note_id, event_id = columns
    end = None if on is None else Dissolution(on, rank, reason, note_id, event_id)
    return Union(UnionId(union_id), UnionKind(kind), seat_area, founded_on, name, parent, end)


async def coverage(conn: Connection, enterprise_ids: Collection[UUID], union_ids: Collection[UUID]) -> dict[UUID, list[CoverageFact]]:
    """{enterprise: facts in order}: all of these enterprises, and of any enterprise those of these unions."""
    found: dict[UUID, list[CoverageFact]] = {enterprise_id: [] for enterprise_id in enterprise_ids}
    for row in await conn.fetch(COVERAGE_OF_ENTERPRISES, list(enterprise_ids)) if enterprise_ids else []:
        found[row["enterprise_id"]].append(coverage_fact(row))
    for fact in await coverage_of_unions(conn, union_ids):
        if fact.enterprise_id not in enterprise_ids:
            found.setdefault(fact.enterprise_id, []).append(fact)
    return found


async def coverage_of_unions(conn: Connection, ids: Collection[UUID]) -> list[CoverageFact]:
    """What these unions cover or covered, in order."""
    return [coverage_fact(row) for row in await conn.fetch(COVERAGE_OF_UNIONS, list(ids))] if ids else []


def coverage_fact(columns: Columns) -> CoverageFact:
    """The fact of a row of COVERAGE_COLUMNS."""
    enterprise_id, union_id, kind, *others = columns
    return CoverageFact(EnterpriseId(enterprise_id), UnionId(union_id), UnionKind(kind), *others)


async def put_unions(conn: Connection, changed: Sequence[Union]) -> None:
    """Write unions, new or not."""
    ends = [union.dissolved for union in changed]
    await conn.execute(
        PUT_UNIONS,
        [u.id for u in changed],
        [u.kind.value for u in changed],
        [u.seat_area for u in changed],
        [u.founded_on for u in changed],
        [u.name for u in changed],
        [u.parent_union_id for u in changed],
        [e.on if e else None for e in ends],
        [e.rank if e else None for e in ends],
        [e.reason if e else None for e in ends],
        [e.note_id if e else None for e in ends],
        [e.event_id if e else None for e in ends],
    )


async def drop_unions(conn: Connection, ids: Collection[UUID]) -> None:
    """Forget unions whose founding was withdrawn."""
    await conn.execute("DELETE FROM unions WHERE id = ANY($1::uuid[])", list(ids))


async def put_coverage(conn: Connection, facts: Sequence[CoverageFact]) -> None:
    """Write coverage facts, new or corrected."""
    await conn.execute(
        PUT_COVERAGE,
        [f.enterprise_id for f in facts],
        [f.rank for f in facts],
        [f.union_id for f in facts],
        [f.kind.value for f in facts],
        [f.started for f in facts],
        [f.on for f in facts],
        [f.reason for f in facts],
        [f.note_id for f in facts],
        [f.event_id for f in facts],
    )


async def drop_coverage(conn: Connection, places: Collection[tuple[UUID, int]]) -> None:
    """Forget coverage facts that were withdrawn, by (enterprise, rank)."""
    await conn.execute(DROP_COVERAGE, [place[0] for place in places], [place[1] for place in places])


async def write(conn: Connection, world: World, events: Mapping[tuple[str, int], UUID]) -> None:
    """Write the unions and coverage facts that changed; `events` = {(stream, rank): event that states the fact now}."""
    await _write_unions(conn, world, events)
    await _write_coverage(conn, world, events)
    world.touched_unions, world.touched_coverage = set(), set()


async def _write_unions(conn: Connection, world: World, events: Mapping[tuple[str, int], UUID]) -> None:
    changed = []
    for union_id in world.touched_unions & world.unions.keys():
        union = world.unions[union_id]
        if union.dissolved is not None and (event_id := events.get((f"union/{union_id}", union.dissolved.rank))):
            union = world.unions[union_id] = replace(union, dissolved=replace(union.dissolved, event_id=event_id))
        changed.append(union)
    if changed:
        await put_unions(conn, changed)
    if gone := {union for union in world.touched_unions if union not in world.unions}:
        await drop_unions(conn, gone)


async def _write_coverage(conn: Connection, world: World, events: Mapping[tuple[str, int], UUID]) -> None:
    changed, gone = [], set(world.touched_coverage)
    for enterprise_id in {enterprise_id for enterprise_id, _ in world.touched_coverage}:
        facts = world.coverage[enterprise_id] = list(world.coverage[enterprise_id])
        for n, fact in enumerate(facts):
            if (enterprise_id, fact.rank) in world.touched_coverage:
                facts[n] = replace(fact, event_id=events[f"enterprise/{enterprise_id}", fact.rank])
                changed.append(facts[n])
                gone.discard((enterprise_id, fact.rank))
    if changed:
        await put_coverage(conn, changed)
    if gone:
        await drop_coverage(conn, gone)


async def listed(conn: Connection, q: str | None, area: str | None, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Unions by id (so by age): those whose name holds `q`, whose seat lies in `area`, behind `after`."""
    return [_answer(row) for row in await conn.fetch(LIST, q, area, after, limit)]


async def one(conn: Connection, union_id: UUID) -> dict[str, Any] | None:
    """One union with the enterprises that it covers or covered, with dates."""
    row = await conn.fetchrow(ONE, union_id)
    if row is None:
        return None
    return {**_answer(row), "enterprises": _periods(await conn.fetch(COVERED, union_id))}


def _answer(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "name": row["name"],
        "parent_union_id": str(row["parent_union_id"]) if row["parent_union_id"] else None,
        "seat_area": row["seat_area"],
        "approved_on": row["founded_on"].isoformat(),
        "dissolved_on": row["dissolved_on"].isoformat() if row["dissolved_on"] else None,
        "subject": f"union/{row['id']}",
        "sequence": row["sequence"],
    }


def _periods(rows: Sequence[Record]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in rows:
        if row["started"]:
            found.append({"enterprise_id": str(row["enterprise_id"]), "started_on": row["occurred_on"].isoformat(), "ended_on": None})
        else:
            found[-1]["ended_on"] = row["occurred_on"].isoformat()
    return found


async def seat_of(conn: Connection, union_id: UUID) -> str | None:
    """The union's seat; None if there is no such union. Read with all areas: grants are checked against it."""
    seat: str | None = await conn.fetchval(SEAT, union_id)
    return seat
