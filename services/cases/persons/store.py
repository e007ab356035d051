"""Every statement on persons and on which entries name them, with the types of their rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.persons.sealing import Sealed
from shared.process.db import Connection

LOCK = """
SELECT p.id, p.sealed, p.key_version, p.hash FROM persons AS p
WHERE (p.hash, p.hash_version) IN (SELECT * FROM unnest($1::bytea[], $2::smallint[])) ORDER BY p.id FOR NO KEY UPDATE
"""
ADD = """
INSERT INTO persons (id, sealed, key_version, hash, hash_version)
SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::smallint[], $4::bytea[], $5::smallint[]) ON CONFLICT DO NOTHING RETURNING id
"""
CHANGE = """
UPDATE persons AS p SET sealed = n.sealed, key_version = n.key_version, hash = n.hash, hash_version = n.hash_version
FROM unnest($1::uuid[], $2::bytea[], $3::smallint[], $4::bytea[], $5::smallint[]) AS n(id, sealed, key_version, hash, hash_version)
WHERE p.id = n.id RETURNING p.id
"""
LINK = """
INSERT INTO entry_persons (entry_id, role, person_id) SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[])
ON CONFLICT (entry_id, role) DO UPDATE SET person_id = excluded.person_id
"""
OF_ENTRIES = "SELECT DISTINCT person_id FROM entry_persons WHERE entry_id = ANY($1::uuid[])"
LOCK_ROWS = "SELECT id FROM persons WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"
UNLINK = "DELETE FROM entry_persons WHERE entry_id = ANY($1::uuid[])"
DROP_UNNAMED = """
DELETE FROM persons AS p WHERE p.id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM entry_persons AS x WHERE x.person_id = p.id)
"""
ENTRIES_OF = "SELECT person_id, entry_id FROM entry_persons WHERE person_id = ANY($1::uuid[]) ORDER BY entry_id"
OF_ENTRY = """
SELECT x.role, p.id, p.sealed, p.key_version FROM entry_persons AS x JOIN persons AS p ON p.id = x.person_id
WHERE x.entry_id = $1 ORDER BY x.role
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A person's row as it is written."""

    id: UUID
    sealed: Sealed = field(repr=False)
    hash: bytes | None = field(repr=False)
    hash_version: int | None


@dataclass(frozen=True, slots=True)
class Link:
    """An entry names a person in a role."""

    entry_id: UUID
    role: str
    person_id: UUID


async def lock(conn: Connection, hashes: Collection[tuple[int, bytes]]) -> dict[bytes, tuple[UUID, Sealed]]:
    """{hash: (id, what is sealed)} of the persons with these (key version, hash), held until the transaction ends."""
    versions, digests = [version for version, _ in hashes], [digest for _, digest in hashes]
    rows = await conn.fetch(LOCK, digests, versions)
    return {row["hash"]: (row["id"], Sealed(row["sealed"], row["key_version"])) for row in rows}


async def add(conn: Connection, rows: Sequence[Row]) -> int:
    """Write persons who are met for the first time; how many. One whom another transaction wrote meanwhile is left out."""
    return len(await conn.fetch(ADD, *_columns(rows))) if rows else 0


async def change(conn: Connection, rows: Sequence[Row]) -> None:
    """Write what is known now of persons that have a row."""
    if rows:
        await conn.execute(CHANGE, *_columns(rows))


def _columns(rows: Sequence[Row]) -> list[list[object]]:
    return [
        [row.id for row in rows],
        [row.sealed.blob for row in rows],
        [row.sealed.key_version for row in rows],
        [row.hash for row in rows],
        [row.hash_version for row in rows],
    ]


async def link(conn: Connection, links: Sequence[Link]) -> None:
    """These entries name these persons."""
    if links:
        await conn.execute(LINK, [one.entry_id for one in links], [one.role for one in links], [one.person_id for one in links])


async def unlink(conn: Connection, entries: Collection[UUID]) -> None:
    """These entries name nobody; whom no other entry names is not kept."""
    if not entries:
        return
    persons = [row["person_id"] for row in await conn.fetch(OF_ENTRIES, list(entries))]
    # Locked before it is asked who still names them: whoever held a row may have linked it.
    await conn.execute(LOCK_ROWS, persons)
    await conn.execute(UNLINK, list(entries))
    await conn.execute(DROP_UNNAMED, persons)


async def entries_of(conn: Connection, persons: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """{person: the entries that name them}"""
    found: dict[UUID, list[UUID]] = {}
    for row in await conn.fetch(ENTRIES_OF, list(persons)):
        found.setdefault(row["person_id"], []).append(row["entry_id"])
    return found


async def of_entry(conn: Connection, entry_id: UUID) -> list[tuple[str, UUID, Sealed]]:
    """(role, id, what is sealed) of the persons that an entry names."""
    return [(row["role"], row["id"], Sealed(row["sealed"], row["key_version"])) for row in await conn.fetch(OF_ENTRY, entry_id)]
