"""Every SQL statement of answered requests."""

from __future__ import annotations

from dataclasses import dataclass

from services.subscriptions.signing.sealing import Sealed
from shared.process.db import Connection

KEPT = """
SELECT fingerprint, status, sealed, key_version FROM requests
WHERE client = $1 AND key = $2 AND at >= parkunion_now() - interval '30 days'
"""
KEEP = """
INSERT INTO requests AS r (client, key, fingerprint, status, sealed, key_version, at) VALUES ($1, $2, $3, $4, $5, $6, parkunion_now())
ON CONFLICT (client, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status, sealed = excluded.sealed,
    key_version = excluded.key_version, at = excluded.at
    WHERE r.at < excluded.at - interval '30 days'
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a key answered."""

    fingerprint: bytes
    status: int
    sealed: Sealed


async def kept(conn: Connection, client: str, key: bytes) -> Kept | None:
    """What a client's key answered within 30 days; None: nothing."""
    row = await conn.fetchrow(KEPT, client, key)
    return None if row is None else Kept(row["fingerprint"], row["status"], Sealed(row["sealed"], row["key_version"]))


async def keep(conn: Connection, client: str, key: bytes, answer: Kept) -> bool:
    """Keep an answer; false: another transaction has used the key meanwhile. Waits for one that does it now."""
    blob, version = answer.sealed
    status: str = await conn.execute(KEEP, client, key, answer.fingerprint, answer.status, blob, version)
    return status.endswith(" 1")
