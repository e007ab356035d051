"""Idempotency keys: a command sent twice is carried out once (docs/design/ENGINE.md, Writing 1).

A command writes the key's row first; a concurrent repeat waits for it. Only successes are kept, without their bodies, for 30 days. The
caller checks scopes again before a repeat is answered.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from shared.process.db import Connection

CLAIM = """
INSERT INTO idempotency AS i (client, key, fingerprint)
SELECT $1, key, fingerprint FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS e(key, fingerprint, n) ORDER BY n
ON CONFLICT (client, key) DO UPDATE SET fingerprint = excluded.fingerprint, result = NULL, created_at = excluded.created_at
    WHERE i.created_at < excluded.created_at - interval '30 days'
RETURNING key
"""
RECORD = """
INSERT INTO idempotency (client, key, fingerprint, result)
SELECT $1, key, '', result FROM unnest($2::text[], $3::jsonb[]) AS r(key, result)
ON CONFLICT (client, key) DO UPDATE SET result = excluded.result
"""
FORGET = """
DELETE FROM idempotency WHERE (client, key) IN (
    SELECT client, key FROM idempotency WHERE created_at < parkunion_now() - interval '30 days' LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command answered: the resource, its stream, the sequence of its last event, the events, and codes of warnings."""

    id: str
    subject: str
    sequence: int
    event_ids: list[UUID]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for another command before (422)."""


def fingerprint(key: bytes, method: str, path: str, body: Any) -> bytes:
    """HMAC-SHA256 of the request under a secret key; `body` is plain JSON values, the order of whose fields does not matter."""
    canonical = msgspec.json.encode([method, path, body], order="deterministic")
    return hmac.new(key, canonical, hashlib.sha256).digest()


async def claim(conn: Connection, client: str, entries: Sequence[tuple[str, bytes]]) -> dict[str, Result | Mismatch | None]:
    """Claim the keys of `(key, fingerprint)` for this transaction, before any other lock.

    Per key: None = to be carried out by this transaction, Result = carried out before, Mismatch = used for another command. Within one call the first entry of a key counts,
    and a key whose entries differ is a Mismatch. Waits for a transaction that does the same key now.
    """
    wanted: dict[str, bytes] = {}
    answer: dict[str, Result | Mismatch | None] = {}
    for key, print_ in entries:
        if not hmac.compare_digest(wanted.setdefault(key, print_), print_):
            answer[key] = Mismatch()
    keys = sorted(wanted.keys() - answer.keys())
    ours = {row["key"] for row in await conn.fetch(CLAIM, client, keys, [wanted[key] for key in keys])} if keys else set()
    answer.update(dict.fromkeys(ours))
    if done := [key for key in keys if key not in ours]:
        rows = await conn.fetch(
            "SELECT key, fingerprint, result FROM idempotency WHERE client = $1 AND key = ANY($2::text[])", client, done
        )
        for row in rows:
            same = hmac.compare_digest(row["fingerprint"], wanted[row["key"]])
            answer[row["key"]] = _result(row["result"]) if same else Mismatch()
    return answer


async def record(conn: Connection, client: str, results: Mapping[str, Result]) -> None:
    """Keep what claimed keys answered. (Claimed, so their rows exist: the insertion is a way to find each by its key, whatever the plan.)"""
    if results:
        await conn.execute(RECORD, client, list(results), [msgspec.to_builtins(result) for result in results.values()])


async def release(conn: Connection, client: str, keys: Iterable[str]) -> None:
    """Give back claimed keys whose command was refused: it may be sent again, corrected, under the same key."""
    if wanted := list(keys):
        await conn.execute("DELETE FROM idempotency WHERE client = $1 AND key = ANY($2::text[]) AND result IS NULL", client, wanted)


async def forget(conn: Connection, limit: int = 1000) -> int:
    """Delete results older than 30 days, `limit` at most; how many were deleted."""
    status: str = await conn.execute(FORGET, limit)
    return int(status.split()[-1])


def _result(stored: Any) -> Result | None:
    return None if stored is None else msgspec.convert(stored, Result)


async def results(conn: Connection, client: str, given: Sequence[str]) -> dict[str, Result]:
    """{key: what it answered} of those of a client's keys that are known, without claiming them."""
    rows = await conn.fetch("SELECT key, result FROM idempotency WHERE client = $1 AND key = ANY($2::text[])", client, given)
    return {row["key"]: found for row in rows if (found := _result(row["result"])) is not None}
