"""Every statement on `erasures` (shared/sql/erasures.sql): whose data was erased, when, on whose command and why. Nothing of the person."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from shared.process.db import Connection

RECORD = """
INSERT INTO erasures (person_id, erased_at, actor, reason) SELECT person_id, (SELECT parkunion_now()), $2, $3 FROM unnest($1::uuid[]) AS e(person_id)
ON CONFLICT (person_id) DO NOTHING
"""
COLUMNS = "person_id, erased_at, actor, reason"
ONE = f"SELECT {COLUMNS} FROM erasures WHERE person_id = $1"
LISTED = f"SELECT {COLUMNS} FROM erasures WHERE (erased_at, person_id) > ($1, $2) ORDER BY erased_at, person_id LIMIT $3"


class Erasure(msgspec.Struct, frozen=True):
    """One erasure. `actor` is the opaque id of who commanded it, `reason` a code of ERASING (shared/contracts/codes.py)."""

    person_id: UUID
    erased_at: datetime
    actor: str
    reason: str


async def record(conn: Connection, persons: Collection[UUID], actor: str, reason: str) -> None:
    """These persons are erased by this transaction; one who was erased before stays so."""
    await conn.execute(RECORD, list(persons), actor, reason)


async def one(conn: Connection, person_id: UUID) -> Erasure | None:
    """The erasure of a person; None: there was none."""
    row = await conn.fetchrow(ONE, person_id)
    return None if row is None else Erasure(**dict(row))


async def listed(conn: Connection, erased_at: datetime, person_id: UUID, most: int) -> list[Erasure]:
    """Erasures behind (erased_at, person_id), the oldest first."""
    return [Erasure(**dict(row)) for row in await conn.fetch(LISTED, erased_at, person_id, most)]
