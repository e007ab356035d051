"""Persons' rows: found by keyed hash, written encrypted, locked while something is decided about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.membership.members.documents import Sealed
from shared.process.db import Connection

LOCK = "SELECT no FROM persons WHERE no = ANY($1::bigint[]) ORDER BY no FOR NO KEY UPDATE"
REHASH = """
UPDATE persons AS p SET hash = n.hash, hash_version = $3 FROM unnest($1::bigint[], $2::bytea[]) AS n(no, hash) WHERE p.no = n.no
"""
ADD = """
INSERT INTO persons (id, document_kind, hash, hash_version, document, key_version)
SELECT id, kind, hash, $5, document, $6 FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[]) AS n(id, kind, hash, document)
ON CONFLICT (hash, hash_version) DO NOTHING
RETURNING no, hash
"""
DOCUMENT = """
SELECT p.id, p.document_kind, p.document, p.key_version FROM persons AS p JOIN memberships AS m ON m.person_no = p.no WHERE m.id = $1
"""


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person met for the first time; `document` is sealed for `id`."""

    id: UUID
    kind: str
    hash: bytes
    document: Sealed


async def lock(conn: Connection, persons: Collection[int]) -> None:
    """Hold these persons until the transaction ends, so that what is decided about their memberships stays true."""
    if persons:
        await conn.fetch(LOCK, list(persons))


async def add(conn: Connection, new: Sequence[NewPerson], hash_version: int) -> dict[bytes, int]:
    """{hash: number} of the rows written; a person whom another transaction wrote meanwhile is missing in it."""
    if not new:
        return {}
    rows = await conn.fetch(
        ADD,
        [person.id for person in new],
        [person.kind for person in new],
        [person.hash for person in new],
        [person.document.blob for person in new],
        hash_version,
        new[0].document.key_version,
    )
    return {row["hash"]: row["no"] for row in rows}


async def rehash(conn: Connection, persons: Sequence[tuple[int, bytes]], hash_version: int) -> None:
    """Bring persons that an older key found under the newest one."""
    if persons:
        await conn.execute(REHASH, [no for no, _ in persons], [digest for _, digest in persons], hash_version)


async def document_of(conn: Connection, membership_id: UUID) -> tuple[UUID, str, Sealed] | None:
    """(person's id, document kind, sealed number) behind a membership; None once the person was erased."""
    row = await conn.fetchrow(DOCUMENT, membership_id)
    return None if row is None else (row["id"], row["document_kind"], Sealed(row["document"], row["key_version"]))
