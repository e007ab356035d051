"""Persons' rows: found by keyed hash, written encrypted, locked while something is decided about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec

from shared.persons.sealing import Sealed
from shared.process.db import Connection, array, bytes_array, text_array

LOCK = "SELECT no FROM persons WHERE no = ANY($1::text::bigint[]) ORDER BY no FOR NO KEY UPDATE"
REHASH = """
UPDATE persons AS p SET hash = n.hash, number_hash = n.number_hash, hash_version = $4
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS n(no, hash, number_hash) WHERE p.no = n.no
"""
ADD = """
INSERT INTO persons (id, document_kind, hash, hash_version, document, key_version, number_hash)
SELECT id, kind, hash, $6, document, $7, number_hash
FROM unnest($1::text::uuid[], $2::text::text[], $3::text::bytea[], $4::text::bytea[], $5::text::bytea[])
    AS n(id, kind, hash, document, number_hash)
ON CONFLICT DO NOTHING
RETURNING no, number_hash
"""
KINDS_WITHOUT_NUMBER = """
WITH RECURSIVE kinds AS (
    (SELECT document_kind AS kind FROM persons WHERE number_hash IS NULL ORDER BY document_kind LIMIT 1)
    UNION ALL
    SELECT (SELECT document_kind FROM persons WHERE number_hash IS NULL AND document_kind > kinds.kind ORDER BY document_kind LIMIT 1)
    FROM kinds WHERE kinds.kind IS NOT NULL
)
SELECT kind FROM kinds WHERE kind IS NOT NULL
"""
BY_HASH = """
SELECT p.hash_version, p.hash, p.no FROM unnest($1::smallint[], $2::bytea[]) AS w(hash_version, hash)
JOIN persons AS p ON p.hash = w.hash AND p.hash_version = w.hash_version
"""
ROWS_OF = """
SELECT p.no, ARRAY(SELECT o.no FROM persons AS o WHERE o.number_hash = p.number_hash AND o.no <> p.no ORDER BY copy) AS others
FROM persons AS p WHERE p.no = ANY($1::bigint[]) ORDER BY p.no
"""
BY_NUMBER = "SELECT no FROM persons WHERE number_hash = ANY($1::bytea[]) ORDER BY number_hash, copy"
DOCUMENTS = "SELECT id, document_kind, document, key_version FROM persons WHERE no = ANY($1::bigint[]) ORDER BY no"
DOCUMENT = """
SELECT p.id, p.document_kind, p.document, p.key_version FROM persons AS p JOIN memberships AS m ON m.person_no = p.no WHERE m.id = $1
"""


class NewPerson(msgspec.Struct, frozen=True):
    """A person met for the first time; `document` is sealed for `id`."""

    id: UUID
    kind: str
    hash: bytes
    number_hash: bytes
    document: Sealed


async def lock(conn: Connection, persons: Collection[int]) -> set[int]:
    """Hold these persons until the transaction ends, so that what is decided about their memberships stays true; those who are there."""
    return {row["no"] for row in await conn.fetch(LOCK, array(persons))} if persons else set()


async def add(conn: Connection, new: Sequence[NewPerson], hash_version: int) -> dict[bytes, int]:
    """{hash of the number: person} of the rows written; a person whom another transaction wrote meanwhile is missing in it."""
    if not new:
        return {}
    rows = await conn.fetch(
        ADD,
        array([person.id for person in new]),
        text_array([person.kind for person in new]),
        bytes_array([person.hash for person in new]),
        bytes_array([person.document.blob for person in new]),
        bytes_array([person.number_hash for person in new]),
        hash_version,
        new[0].document.key_version,
    )
    return {row["number_hash"]: row["no"] for row in rows}


async def rehash(conn: Connection, persons: Sequence[tuple[int, bytes, bytes]], hash_version: int) -> None:
    """Bring persons that an older key found under the newest one: (number, hash with the kind, hash of the number)."""
    if persons:
        await conn.execute(REHASH, *(list(column) for column in zip(*persons, strict=True)), hash_version)


async def kinds_without_number(conn: Connection) -> list[str]:
    """The kinds of document in rows of earlier releases that are not yet brought under their numbers."""
    return [row["kind"] for row in await conn.fetch(KINDS_WITHOUT_NUMBER)]


async def by_hash(conn: Connection, hashes: Sequence[tuple[int, bytes]]) -> dict[tuple[int, bytes], int]:
    """{(key version, hash with the kind): person}, as earlier releases looked for them."""
    if not hashes:
        return {}
    rows = await conn.fetch(BY_HASH, [version for version, _ in hashes], [digest for _, digest in hashes])
    return {(row["hash_version"], row["hash"]): row["no"] for row in rows}


async def rows_of(conn: Connection, persons: Collection[int]) -> list[list[int]]:
    """Each of these persons' rows that exist, in order, with the other rows of the same number behind it."""
    return [[row["no"], *row["others"]] for row in await conn.fetch(ROWS_OF, list(persons))] if persons else []


async def by_number(conn: Connection, hashes: Collection[bytes]) -> list[int]:
    """The persons whose number has one of these hashes."""
    return [row["no"] for row in await conn.fetch(BY_NUMBER, list(hashes))]


async def documents(conn: Connection, persons: Collection[int]) -> list[tuple[UUID, str, Sealed]]:
    """(person's id, document kind, sealed number) of these persons' rows that exist, in order."""
    rows = await conn.fetch(DOCUMENTS, list(persons))
    return [(row["id"], row["document_kind"], Sealed(row["document"], row["key_version"])) for row in rows]


async def document_of(conn: Connection, membership_id: UUID) -> tuple[UUID, str, Sealed] | None:
    """(person's id, document kind, sealed number) behind a membership; None once the person was erased."""
    row = await conn.fetchrow(DOCUMENT, membership_id)
    return None if row is None else (row["id"], row["document_kind"], Sealed(row["document"], row["key_version"]))
