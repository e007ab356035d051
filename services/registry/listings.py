"""What is read without deciding anything: lists and single resources, under the caller's areas by row-level security."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.registry import store
from services.registry.domain.naming import searchable, sought
from services.registry.domain.state import Area, History, enterprise_of, enterprise_subject
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered, HeadcountReported
from shared.process.db import Connection, Record

WINDOW = 5000
FIRST = UUID(int=0)

ROWS = """
SELECT e.id, e.name, e.credit_code, e.park, a.parent AS district, e.industry, e.ownership, e.size, e.workers, e.workers_on, e.settled_on,
    e.closed_on, s.sequence
FROM enterprises AS e JOIN areas AS a ON a.code = e.park JOIN streams AS s ON s.subject = 'enterprise/' || e.id
WHERE e.id = ANY ($1::uuid[]) ORDER BY e.id
"""
IN_AREA = "($2::text IS NULL OR park IN (SELECT code FROM areas WHERE $2 = ANY (path)))"
ALL = f"SELECT id FROM enterprises WHERE id > $1 AND {IN_AREA} ORDER BY id LIMIT $3"
# A part of many names is found among the next few thousand; looking it up among all would sort them all.
NEXT = f"""
SELECT id FROM (SELECT id, text, park FROM enterprise_search WHERE id > $1 ORDER BY id LIMIT {WINDOW}) AS w
WHERE strpos(text, $4) > 0 AND {IN_AREA} ORDER BY id LIMIT $3
"""
# A part of few names is found by its pairs of characters, whatever the planner thinks of the limit.
ANYWHERE = f"""
WITH found AS MATERIALIZED (SELECT id, park FROM enterprise_search WHERE characters @> $5::text[] AND strpos(text, $4) > 0)
SELECT id FROM found WHERE id > $1 AND {IN_AREA} ORDER BY id LIMIT $3
"""
AREA_COLUMNS = f"{store.AREA_COLUMNS}, (SELECT sequence FROM streams WHERE subject = 'area/' || code)"
AREAS = f"""
SELECT {AREA_COLUMNS} FROM areas
WHERE code > $1 AND ($2::text IS NULL OR parent = $2 OR ($2 = '' AND parent IS NULL)) AND ($3 = '' OR strpos(search, $3) > 0)
ORDER BY code LIMIT $4
"""
AREA = f"SELECT {AREA_COLUMNS} FROM areas WHERE code = $1"


async def enterprises(conn: Connection, q: str, area: str | None, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Enterprises by id (so by age): those whose name or credit code holds `q`, in a park that lies in `area`, behind `after`."""
    ids = [row["id"] for row in await _matching(conn, searchable(q), area, after or FIRST, limit)]
    return [_enterprise(row) for row in await conn.fetch(ROWS, ids)] if ids else []


async def _matching(conn: Connection, part: str, area: str | None, after: UUID, limit: int) -> Sequence[Record]:
    if not part:
        return await conn.fetch(ALL, after, area, limit)
    near = await conn.fetch(NEXT, after, area, limit, part)
    return near if len(near) == limit else await conn.fetch(ANYWHERE, after, area, limit, part, sought(part))


def _enterprise(row: Record) -> dict[str, Any]:
    return {**row, "id": str(row["id"]), "subject": enterprise_subject(row["id"])}


async def enterprise(conn: Connection, enterprise_id: UUID) -> dict[str, Any] | None:
    """One enterprise as it is now, with the dates of its history; None if it does not exist or was withdrawn."""
    subject = enterprise_subject(enterprise_id)
    history = (await store.histories(conn, [subject])).get(subject, History(subject))
    found = enterprise_of(history)
    if found is None:
        return None
    return {
        "id": str(found.id),
        "name": found.name,
        "credit_code": found.credit_code,
        "park": found.park,
        "district": found.district,
        "industry": found.industry,
        "ownership": found.ownership,
        "revenue": None if found.revenue_fen is None else found.revenue_fen / 100,
        "size": found.size,
        "size_rule": found.size_rule,
        "workers": found.workers,
        "workers_on": found.workers_on,
        "settled_on": found.settled_on,
        "closed_on": found.closed_on,
        "closed_reason": found.closed_reason,
        "placements": _placements(history),
        "headcounts": [{"on": fact.on, "workers": data.workers} for fact, data in history.holding(HeadcountReported)],
        "subject": subject,
        "sequence": history.sequence,
    }


def _placements(history: History) -> list[dict[str, Any]]:
    settled = [(fact, data.park, data.district) for fact, data in history.holding(EnterpriseRegistered)]
    moved = [(fact, data.park, data.district) for fact, data in history.holding(EnterpriseMoved)]
    in_order = sorted([*settled, *moved], key=lambda entry: entry[0].place())
    return [{"park": park, "district": district, "from": fact.on} for fact, park, district in in_order]


async def areas(conn: Connection, parent: str | None, q: str, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Areas by code: those directly in `parent` ('' for the roots), whose name or code holds `q`, behind `after`."""
    return [_area(row) for row in await conn.fetch(AREAS, after or "", parent, searchable(q), limit)]


async def area(conn: Connection, code: str) -> dict[str, Any] | None:
    """One area."""
    row = await conn.fetchrow(AREA, code)
    return None if row is None else _area(row)


def _area(row: Record) -> dict[str, Any]:
    found: Area = store.area_of(row)
    return {
        "code": found.code,
        "name": found.name,
        "kind": found.kind.value,
        "parent": found.parent,
        "level": found.level,
        "valid_from": found.valid_from,
        "path": list(found.path),
        "subject": f"area/{found.code}",
        "sequence": row["sequence"],
    }


async def park_of(conn: Connection, enterprise_id: UUID) -> str | None:
    """Where an enterprise is now; None if it is not known. Asked with all areas: grants are checked against it."""
    park: str | None = await conn.fetchval("SELECT park FROM enterprises WHERE id = $1", enterprise_id)
    return park
