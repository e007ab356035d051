"""Every statement on the table `areas`, and the lock of the tree."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Any

from services.registry.areas.area import Area, area_subject
from services.registry.naming import searchable
from shared.contracts.registry import AreaKind
from shared.directory.visibility import EveryArea
from shared.http.auth import Areas
from shared.process.db import Connection, Record

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
READ_COLUMNS = f"{AREA_COLUMNS}, (SELECT sequence FROM streams WHERE subject = 'area/' || code)"
LIST = f"""
SELECT {READ_COLUMNS} FROM areas
WHERE code > $1 AND ($2::text IS NULL OR parent = $2 OR ($2 = '' AND parent IS NULL)) AND ($3 = '' OR strpos(search, $3) > 0)
ORDER BY code LIMIT $4
"""
ONE = f"SELECT {READ_COLUMNS} FROM areas WHERE code = $1"


async def lock_tree(conn: Connection, *, change: bool) -> None:
    """Keep areas where they are until the transaction ends; with `change`, exclude all others that rely on that.

    A command that names an area takes this before the locks of streams, so that no area moves or ends under it.
    """
    await conn.execute(f"SELECT pg_advisory_xact_lock{'' if change else '_shared'}($1)", TREE)


async def areas(conn: Connection, codes: Collection[str]) -> dict[str, Area]:
    """These areas, as far as they exist."""
    return {row["code"]: _area(row) for row in await conn.fetch(AREAS, list(codes))} if codes else {}


async def below(conn: Connection, codes: Collection[str]) -> dict[str, Area]:
    """All that lies in these areas, themselves included."""
    return {row["code"]: _area(row) for row in await conn.fetch(BELOW, list(codes))} if codes else {}


async def in_use(conn: Connection, codes: Collection[str]) -> set[str]:
    """Those areas that the journal names as an enterprise's park, then or now."""
    return {row["code"] for row in await conn.fetch(IN_USE, list(codes))} if codes else set()


async def area_path(conn: Connection, code: str) -> list[str] | None:
    """The area and all that it lies in, inside out; None if it is unknown. For grants; needs a transaction with all areas."""
    path: list[str] | None = await conn.fetchval("SELECT path FROM areas WHERE code = $1", code)
    return path


async def paths(conn: Connection, codes: Collection[str]) -> dict[str, Sequence[str]]:
    """{area: itself and all that it lies in}, of those that exist."""
    return {code: area.path for code, area in (await areas(conn, codes)).items()}


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
    """Delete areas whose registration was withdrawn."""
    await conn.execute("DELETE FROM areas WHERE code = ANY($1::text[])", list(codes))


async def page(conn: Connection, parent: str | None, q: str, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Areas by code: those directly in `parent` ('' for the roots), whose name or code holds `q`, behind `after`."""
    return [_answer(row) for row in await conn.fetch(LIST, after or "", parent, searchable(q), limit)]


async def granted(conn: Connection, granted_areas: Areas) -> Container[str]:
    """The codes of the granted areas and of all within them. Read with all areas."""
    if granted_areas.everything:
        return EveryArea()
    rows = await conn.fetch("SELECT code FROM areas WHERE path && $1::text[]", list(granted_areas.codes))
    return granted_areas.codes.union(row["code"] for row in rows)


async def one(conn: Connection, code: str) -> dict[str, Any] | None:
    """One area as an answer; None if it is unknown."""
    row = await conn.fetchrow(ONE, code)
    return None if row is None else _answer(row)


def _area(row: Record) -> Area:
    return Area(row["code"], row["name"], AreaKind(row["kind"]), row["parent"], row["level"], row["valid_from"], tuple(row["path"]))


def _answer(row: Record) -> dict[str, Any]:
    found = _area(row)
    return {
        "code": found.code,
        "name": found.name,
        "kind": found.kind.value,
        "parent": found.parent,
        "level": found.level,
        "valid_from": found.valid_from,
        "path": list(found.path),
        "subject": area_subject(found.code),
        "sequence": row["sequence"],
    }
