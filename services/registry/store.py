"""The state that commands decide on: every SQL statement that loads or writes it, beside the form of its rows.

Each statement serves all lines of a batch at once. Loads for decisions come after the locks of `loading`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import asyncpg

from services.registry.domain.evolve import folded
from services.registry.domain.naming import characters, name_key, searchable
from services.registry.domain.state import Area, Enterprise, History
from shared.contracts.registry import AreaKind
from shared.process.db import Connection

TREE = 0x74726565

AREA_COLUMNS = "code, name, kind, parent, level, valid_from, path"
AREAS = f"SELECT {AREA_COLUMNS} FROM areas WHERE code = ANY($1::text[])"
BELOW = f"SELECT {AREA_COLUMNS} FROM areas WHERE path && $1::text[]"
PUT_AREAS = """
INSERT INTO areas (code, name, kind, parent, level, valid_from, path, search)
SELECT code, name, kind, parent, level, valid_from, string_to_array(path, ','), search
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::date[], $7::text[], $8::text[])
    AS a(code, name, kind, parent, level, valid_from, path, search) ORDER BY code
ON CONFLICT (code) DO UPDATE SET name = excluded.name, parent = excluded.parent, level = excluded.level, valid_from = excluded.valid_from,
    path = excluded.path, search = excluded.search
"""
IN_USE = """
SELECT code FROM unnest($1::text[]) AS a(code)
WHERE EXISTS (SELECT FROM journal WHERE data->>'park' = code OR data->'replacement'->'data'->>'park' = code)
"""
SUBJECTS_OF = "SELECT event_id, subject FROM journal WHERE event_id = ANY($1::uuid[])"
HISTORIES = """
SELECT subject, type, data, occurred_on, event_id FROM journal WHERE subject = ANY($1::text[]) ORDER BY subject, sequence
"""
NAMESAKES = """
SELECT e.park, e.name_key, e.id FROM enterprises AS e
JOIN unnest($1::text[], $2::text[]) AS n(park, name_key) ON e.park = n.park AND e.name_key = n.name_key
"""
PUT_ENTERPRISES = """
WITH put AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[],
        $10::int[], $11::date[], $12::text[])
        AS e(id, name, name_key, credit_code, park, industry, ownership, settled_on, closed_on, workers, workers_on, size)
)
INSERT INTO enterprises (id, name, name_key, credit_code, park, industry, ownership, settled_on, closed_on, workers, workers_on, size)
SELECT * FROM put ORDER BY credit_code, id
ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, credit_code = excluded.credit_code,
    park = excluded.park, industry = excluded.industry, ownership = excluded.ownership, settled_on = excluded.settled_on,
    closed_on = excluded.closed_on, workers = excluded.workers, workers_on = excluded.workers_on, size = excluded.size
"""
PUT_SEARCH = """
INSERT INTO enterprise_search AS s (id, park, text, characters)
SELECT id, park, text, string_to_array(characters, E'\\n') FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
    AS e(id, park, text, characters) ORDER BY id
ON CONFLICT (id) DO UPDATE SET park = excluded.park, text = excluded.text, characters = excluded.characters
"""


class Meanwhile(asyncpg.SerializationError):
    """Another command did in between what this one decided on not being done: the whole command is to be done again."""


async def lock_tree(conn: Connection, *, change: bool) -> None:
    """Areas stay where they are until the transaction ends; with `change`, nobody else relies on that.

    Whoever names an area takes this before the locks of streams, so that no area moves or ends under a command that refers to it.
    """
    await conn.execute(f"SELECT pg_advisory_xact_lock{'' if change else '_shared'}($1)", TREE)


async def subjects_of(conn: Connection, event_ids: Collection[UUID]) -> dict[UUID, str]:
    """{event: its stream}, for those that the journal knows."""
    return {row["event_id"]: row["subject"] for row in await conn.fetch(SUBJECTS_OF, list(event_ids))} if event_ids else {}


async def histories(conn: Connection, subjects: Collection[str]) -> dict[str, History]:
    """Whole streams, folded."""
    rows: dict[str, list[tuple[str, dict[str, object], object, UUID]]] = {}
    for row in await conn.fetch(HISTORIES, list(subjects)) if subjects else ():
        rows.setdefault(row["subject"], []).append((row["type"], row["data"], row["occurred_on"], row["event_id"]))
    return {subject: folded(subject, events) for subject, events in rows.items()}  # type: ignore[arg-type]


def area_of(row: asyncpg.Record) -> Area:
    """An area from its row."""
    return Area(row["code"], row["name"], AreaKind(row["kind"]), row["parent"], row["level"], row["valid_from"], tuple(row["path"]))


async def areas(conn: Connection, codes: Collection[str]) -> dict[str, Area]:
    """These areas, as far as they exist."""
    return {row["code"]: area_of(row) for row in await conn.fetch(AREAS, list(codes))} if codes else {}


async def below(conn: Connection, codes: Collection[str]) -> dict[str, Area]:
    """All that lies in these areas, themselves included."""
    return {row["code"]: area_of(row) for row in await conn.fetch(BELOW, list(codes))} if codes else {}


async def area_path(conn: Connection, code: str) -> list[str] | None:
    """The area and all that it lies in, inside out; None if it is not known. Asked with all areas: grants are checked against it."""
    path: list[str] | None = await conn.fetchval("SELECT path FROM areas WHERE code = $1", code)
    return path


async def in_use(conn: Connection, codes: Collection[str]) -> set[str]:
    """Those areas that the journal names as an enterprise's park, then or now."""
    return {row["code"] for row in await conn.fetch(IN_USE, list(codes))} if codes else set()


async def credit_codes(conn: Connection, codes: Collection[str]) -> dict[str, UUID]:
    """{code: enterprise}, of those that are taken."""
    rows = await conn.fetch("SELECT credit_code, id FROM enterprises WHERE credit_code = ANY($1::text[])", list(codes)) if codes else ()
    return {row["credit_code"]: row["id"] for row in rows}


async def namesakes(conn: Connection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], set[UUID]]:
    """{(park, name key): enterprises}"""
    found: dict[tuple[str, str], set[UUID]] = {}
    for row in await conn.fetch(NAMESAKES, [park for park, _ in names], [key for _, key in names]) if names else ():
        found.setdefault((row["park"], row["name_key"]), set()).add(row["id"])
    return found


async def put_areas(conn: Connection, changed: Sequence[Area]) -> None:
    """Write areas, new or changed."""
    await conn.execute(
        PUT_AREAS,
        [a.code for a in changed],
        [a.name for a in changed],
        [a.kind.value for a in changed],
        [a.parent for a in changed],
        [a.level for a in changed],
        [a.valid_from for a in changed],
        [",".join(a.path) for a in changed],
        [searchable(f"{a.name} {a.code}") for a in changed],
    )


async def drop_areas(conn: Connection, codes: Collection[str]) -> None:
    """Forget areas whose registration was withdrawn."""
    await conn.execute("DELETE FROM areas WHERE code = ANY($1::text[])", list(codes))


async def put_enterprises(conn: Connection, changed: Sequence[Enterprise]) -> None:
    """Write enterprises, new or changed. Raises Meanwhile if another command gave a credit code away."""
    try:
        await conn.execute(PUT_ENTERPRISES, *_columns(changed))
    except asyncpg.UniqueViolationError as error:
        raise Meanwhile("another command registered the same credit code") from error


async def free_codes(conn: Connection, ids: Collection[UUID]) -> None:
    """Give up the credit codes of enterprises about to be written: another one may get them in the same statement, which checks row by row."""
    await conn.execute("UPDATE enterprises SET credit_code = NULL WHERE id = ANY($1::uuid[])", list(ids))


async def put_search(conn: Connection, changed: Sequence[Enterprise]) -> None:
    """Let enterprises be found by their names, codes and parks."""
    texts = [searchable(f"{e.name} {e.credit_code or ''}") for e in changed]
    await conn.execute(
        PUT_SEARCH, [e.id for e in changed], [e.park for e in changed], texts, ["\n".join(characters(text)) for text in texts]
    )


async def drop_enterprises(conn: Connection, ids: Collection[UUID]) -> None:
    """Forget enterprises whose registration was withdrawn."""
    await conn.execute("DELETE FROM enterprises WHERE id = ANY($1::uuid[])", list(ids))
    await conn.execute("DELETE FROM enterprise_search WHERE id = ANY($1::uuid[])", list(ids))


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
    )
