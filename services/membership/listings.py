"""What is read without deciding anything: lists and single resources, under the caller's areas by row-level security."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from shared.process.db import Connection, Record

UNION_COLUMNS = "u.id, u.kind, u.name, u.parent_union_id, u.seat_area, u.founded_on, u.dissolved_on, s.sequence"
UNIONS = f"""
WITH RECURSIVE inside AS (
    SELECT code FROM areas WHERE code = $2
    UNION
    SELECT a.code FROM areas AS a JOIN inside AS i ON a.parent = i.code
)
SELECT {UNION_COLUMNS} FROM unions AS u JOIN streams AS s ON s.subject = 'union/' || u.id
WHERE ($1::text IS NULL OR strpos(lower(u.name), lower($1)) > 0)
    AND ($2::text IS NULL OR u.seat_area IN (SELECT code FROM inside))
    AND ($3::uuid IS NULL OR u.id > $3)
ORDER BY u.id LIMIT $4
"""
UNION = f"SELECT {UNION_COLUMNS} FROM unions AS u JOIN streams AS s ON s.subject = 'union/' || u.id WHERE u.id = $1"
COVERED = "SELECT enterprise_id, started, occurred_on FROM coverage_facts WHERE union_id = $1 ORDER BY enterprise_id, occurred_on, rank"
MEMBER = "SELECT id, enterprise_id, union_id, joined_on, left_on FROM memberships WHERE id = $1 AND joined_on IS NOT NULL"
PARK = "SELECT park FROM enterprises WHERE id = $1"
SEAT = "SELECT seat_area FROM unions WHERE id = $1"
PARK_OF_MEMBER = "SELECT e.park FROM memberships AS m JOIN enterprises AS e ON e.id = m.enterprise_id WHERE m.id = $1"


async def unions(conn: Connection, q: str | None, area: str | None, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Unions by id (so by age): those whose name holds `q`, whose seat lies in `area`, behind `after`."""
    return [_union(row) for row in await conn.fetch(UNIONS, q, area, after, limit)]


async def union(conn: Connection, union_id: UUID) -> dict[str, Any] | None:
    """One union with the enterprises that it covers or covered, with dates."""
    row = await conn.fetchrow(UNION, union_id)
    if row is None:
        return None
    return {**_union(row), "enterprises": _periods(await conn.fetch(COVERED, union_id))}


def _union(row: Record) -> dict[str, Any]:
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


async def member(conn: Connection, member_id: UUID) -> dict[str, Any] | None:
    """One membership, of a person who is not named."""
    row = await conn.fetchrow(MEMBER, member_id)
    if row is None:
        return None
    return {
        "id": str(row["id"]),
        "union_id": str(row["union_id"]),
        "enterprise_id": str(row["enterprise_id"]),
        "joined_on": row["joined_on"].isoformat(),
        "left_on": row["left_on"].isoformat() if row["left_on"] else None,
        "subject": f"enterprise/{row['enterprise_id']}",
    }


def etag_of(found: Mapping[str, Any]) -> str:
    """The ETag of a union or a membership: it changes with anything that is said of it."""
    return f'"{hashlib.sha256(msgspec.json.encode(found, order="deterministic")).hexdigest()[:32]}"'


async def etags(conn: Connection, union_ids: Collection[UUID], member_ids: Collection[UUID]) -> dict[UUID, str]:
    """{union or membership: its ETag}, of those that exist."""
    found = {union_id: await union(conn, union_id) for union_id in union_ids}
    found |= {member_id: await member(conn, member_id) for member_id in member_ids}
    return {key: etag_of(content) for key, content in found.items() if content is not None}


async def area_of(conn: Connection, kind: str, key: UUID) -> str | None:
    """Where a union (its seat), an enterprise (its park) or a member (the enterprise's park) is; None if it does not exist.

    Read with all areas: it is what grants are checked against.
    """
    statement = {"union": SEAT, "enterprise": PARK, "member": PARK_OF_MEMBER}[kind]
    found: str | None = await conn.fetchval(statement, key)
    return found
