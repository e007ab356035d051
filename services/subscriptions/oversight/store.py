"""Every SQL statement on accesses, notices and erasures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.process.db import Connection

ACCESSES = """
SELECT id, at, client, what, subscription, first, last, purpose FROM accesses
WHERE (at, id) > ($1, $2) AND ($3::text IS NULL OR client = $3) AND ($4::uuid IS NULL OR subscription = $4) AND ($5::timestamptz IS NULL OR at < $5)
ORDER BY at, id LIMIT $6
"""
NOTICES = "SELECT id, at, type, subscription, data FROM notices WHERE (at, id) > ($1, $2) ORDER BY at, id LIMIT $3"
PUT_ERASURE = "INSERT INTO erasures (id, erased, reason, asked_by, at, contents) VALUES ($1, $2, $3, $4, $5, 0)"
LOCK_CONTENTS = "LOCK TABLE contents IN SHARE ROW EXCLUSIVE MODE"
ERASE = """
WITH erased AS (
    UPDATE contents SET data = NULL, gone = 'erasure'
    WHERE data IS NOT NULL AND position(convert_to($1, 'UTF8') IN data) > 0 RETURNING id
), sent AS (
    SELECT d.subscription, d.number, d.pending FROM erased AS e JOIN deliveries AS d ON d.content = e.id
), answered AS (
    UPDATE attempts AS a SET answer = NULL FROM sent AS s WHERE a.subscription = s.subscription AND a.number = s.number AND a.answer IS NOT NULL
)
SELECT (SELECT count(*) FROM erased) AS contents, (SELECT count(*) FROM sent) AS deliveries, (SELECT count(*) FROM sent WHERE pending) AS queued
"""
COUNTED = "UPDATE erasures SET contents = $2 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure has removed."""

    contents: int
    deliveries: int
    queued: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accesses are wanted: behind (at, id), of a client, of a subscription, before an instant; None: any."""

    at: datetime
    id: int
    client: str | None = None
    subscription: UUID | None = None
    until: datetime | None = None


async def accesses(conn: Connection, wanted: Wanted, most: int) -> list[dict[str, Any]]:
    """Accesses, the oldest first."""
    rows = await conn.fetch(ACCESSES, wanted.at, wanted.id, wanted.client, wanted.subscription, wanted.until, most)
    return [dict(row) for row in rows]


async def notices(conn: Connection, at: datetime, notice: UUID, most: int) -> list[dict[str, Any]]:
    """Notices behind (at, id), the oldest first."""
    return [dict(row) for row in await conn.fetch(NOTICES, at, notice, most)]


async def put_erasure(conn: Connection, erasure: UUID, erased: UUID, reason: str, by: str, at: datetime) -> None:
    """Contents that are stored after this transaction lose their data if they name the id; those that are being stored are waited for."""
    await conn.execute(PUT_ERASURE, erasure, erased, reason, by, at)
    await conn.execute(LOCK_CONTENTS)


async def erase(conn: Connection, erasure: UUID, erased: UUID) -> Erased:
    """Remove the data of all contents that name the id, and what endpoints answered to them."""
    row = await conn.fetchrow(ERASE, str(erased))
    assert row is not None
    await conn.execute(COUNTED, erasure, row["contents"])
    return Erased(**dict(row))


async def has_erasure(conn: Connection, erasure: UUID) -> bool:
    """Whether an erasure was recorded."""
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM erasures WHERE id = $1)", erasure))
