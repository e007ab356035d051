"""Every statement on the tables `enterprises` and `enterprise_search`. Each serves all lines of a batch at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.registry.enterprises.enterprise import Enterprise, enterprise_subject
from services.registry.enterprises.rules import wrong_checks
from services.registry.naming import characters, name_key, searchable, sought
from shared.problems.errors import warnings
from shared.process.db import Connection, Record
from shared.writing.table import ConcurrentChange

WINDOW = 5000
FIRST = UUID(int=0)

CODES = """
SELECT credit_code AS code, id FROM enterprises WHERE credit_code = ANY($1::text[])
UNION ALL SELECT registration_number, id FROM enterprises WHERE registration_number = ANY($1::text[])
"""
NAMESAKES = """
SELECT e.park, e.name_key, e.id FROM enterprises AS e
JOIN unnest($1::text[], $2::text[]) AS n(park, name_key) ON e.park = n.park AND e.name_key = n.name_key
"""
PUT_ENTERPRISES = """
WITH put AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[],
        $10::int[], $11::date[], $12::text[], $13::text[])
        AS e(id, name, name_key, credit_code, park, industry, ownership, settled_on, closed_on, workers, workers_on, size, registration_number)
)
INSERT INTO enterprises
    (id, name, name_key, credit_code, park, industry, ownership, settled_on, closed_on, workers, workers_on, size, registration_number)
SELECT * FROM put ORDER BY credit_code, id
ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, credit_code = excluded.credit_code,
    park = excluded.park, industry = excluded.industry, ownership = excluded.ownership, settled_on = excluded.settled_on,
    closed_on = excluded.closed_on, workers = excluded.workers, workers_on = excluded.workers_on, size = excluded.size,
    registration_number = excluded.registration_number
"""
PUT_SEARCH = """
INSERT INTO enterprise_search AS s (id, park, text, characters)
SELECT id, park, text, string_to_array(characters, E'\\n') FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
    AS e(id, park, text, characters) ORDER BY id
ON CONFLICT (id) DO UPDATE SET park = excluded.park, text = excluded.text, characters = excluded.characters
"""
ROWS = """
SELECT e.id, e.name, e.credit_code, e.registration_number, e.park, a.parent AS district, e.industry, e.ownership, e.size, e.workers, e.workers_on, e.settled_on,
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


async def codes(conn: Connection, wanted: Collection[str]) -> dict[str, UUID]:
    """{credit code or registration number: enterprise}, of those that are taken."""
    return {row["code"]: row["id"] for row in await conn.fetch(CODES, list(wanted))} if wanted else {}


async def namesakes(conn: Connection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], frozenset[UUID]]:
    """{(park, name key): enterprises}"""
    found: dict[tuple[str, str], set[UUID]] = {}
    for row in await conn.fetch(NAMESAKES, [park for park, _ in names], [key for _, key in names]) if names else ():
        found.setdefault((row["park"], row["name_key"]), set()).add(row["id"])
    return {name: frozenset(ids) for name, ids in found.items()}


async def put_enterprises(conn: Connection, changed: Sequence[Enterprise]) -> None:
    """Write enterprises, new or changed. Raises ConcurrentChange if another command took a code."""
    try:
        await conn.execute(PUT_ENTERPRISES, *_columns(changed))
    except asyncpg.UniqueViolationError as error:
        raise ConcurrentChange("another command registered the same code") from error


async def free_codes(conn: Connection, ids: Collection[UUID]) -> None:
    """Clear the codes of enterprises about to be written: `put_enterprises` checks row by row, and another one may get the code."""
    await conn.execute("UPDATE enterprises SET credit_code = NULL, registration_number = NULL WHERE id = ANY($1::uuid[])", list(ids))


async def put_search(conn: Connection, changed: Sequence[Enterprise]) -> None:
    """Write what searches find enterprises by."""
    texts = [searchable(" ".join([e.name, *e.codes()])) for e in changed]
    await conn.execute(
        PUT_SEARCH, [e.id for e in changed], [e.park for e in changed], texts, ["\n".join(characters(text)) for text in texts]
    )


async def drop_enterprises(conn: Connection, ids: Collection[UUID]) -> None:
    """Delete enterprises whose registration was withdrawn."""
    await conn.execute("DELETE FROM enterprises WHERE id = ANY($1::uuid[])", list(ids))
    await conn.execute("DELETE FROM enterprise_search WHERE id = ANY($1::uuid[])", list(ids))


async def page(conn: Connection, q: str, area: str | None, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Enterprises by id (so by age): those whose name or code holds `q`, in a park that lies in `area`, behind `after`."""
    ids = [row["id"] for row in await _matching(conn, searchable(q), area, after or FIRST, limit)]
    return [_answer(row) for row in await conn.fetch(ROWS, ids)] if ids else []


async def _matching(conn: Connection, part: str, area: str | None, after: UUID, limit: int) -> Sequence[Record]:
    if not part:
        return await conn.fetch(ALL, after, area, limit)
    near = await conn.fetch(NEXT, after, area, limit, part)
    return near if len(near) == limit else await conn.fetch(ANYWHERE, after, area, limit, part, sought(part))


def _answer(row: Record) -> dict[str, Any]:
    findings = warnings(wrong_checks(row["credit_code"], row["registration_number"]))
    return {**row, "id": str(row["id"]), "subject": enterprise_subject(row["id"]), "findings": findings}


async def park_of(conn: Connection, enterprise_id: UUID) -> str | None:
    """The enterprise's park; None if it is unknown. For grants; needs a transaction with all areas."""
    park: str | None = await conn.fetchval("SELECT park FROM enterprises WHERE id = $1", enterprise_id)
    return park


def _columns(changed: Sequence[Enterprise]) -> Iterable[Sequence[object]]:
    return (
        [e.id for e in changed],
        [e.name for e in changed],
        [name_key(e.name) for e in changed],
        [e.credit_code for e in changed],
        [e.park for e in changed],
        [e.industry for e in changed],
        [e.ownership for e in changed],
        [e.settled_on for e in changed],
        [e.closed_on for e in changed],
        [e.workers for e in changed],
        [e.workers_on for e in changed],
        [e.size for e in changed],
        [e.registration_number for e in changed],
    )
