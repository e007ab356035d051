"""Idempotency keys: a command sent twice is carried out once (docs/design/ENGINE.md, Writing 1).

A command looks its key up first and writes the row last; the later of two that do the same at once begins again and finds it (KeyTakenError).
Only successes are kept, without their bodies, for 30 days. Keys are stored as keyed hashes, since callers make them of names and numbers. The
caller checks grants again before a repeat is answered.

Releases up to 0.2 stored keys as they were sent. Their rows answer until they are hashed (`hash_plain`) or forgotten. While a process of such
a release takes commands, each key is stored in both forms (`Keys.also_plain`), so that it finds what this release has done.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from shared.journal.keyed import keyed
from shared.problems.errors import Notice
from shared.process.db import Connection, Record, bytes_array, json_array, text_array

HASHED = "hmac "
"""Begins every hashed key. No key that a caller sends has a blank."""
PURPOSE = b"parkunion idempotency key\0"
_canonical = msgspec.json.Encoder(order="deterministic").encode
MOST_KNOWN = 4000
"""Hashes that are remembered: each key of a batch is looked up and kept."""

KEPT = """
SELECT key, fingerprint, result FROM idempotency
WHERE client = $1 AND key = ANY($2::text::text[]) AND created_at >= (SELECT parkunion_now()) - interval '30 days'
"""
LOOK_UP = f"{KEPT} ORDER BY key FOR UPDATE"
RECORD = """
INSERT INTO idempotency AS i (client, key, fingerprint, result)
SELECT $1, key, fingerprint, result FROM unnest($2::text::text[], $3::text::bytea[], $4::text::jsonb[]) WITH ORDINALITY
    AS r(key, fingerprint, result, n)
ORDER BY n
ON CONFLICT (client, key) DO UPDATE SET fingerprint = excluded.fingerprint, result = excluded.result, created_at = excluded.created_at
    WHERE i.result IS NULL OR i.created_at < excluded.created_at - interval '30 days' OR i.key = ANY($5::text::text[])
"""
FORGET = """
DELETE FROM idempotency WHERE (client, key) IN (
    SELECT client, key FROM idempotency WHERE created_at < parkunion_now() - interval '30 days' LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""
PLAIN = f"SELECT client, key FROM idempotency WHERE key NOT LIKE '{HASHED}%' LIMIT $1 FOR UPDATE SKIP LOCKED"
UNPRINT = """
WITH told AS (
    SELECT i.client, i.key FROM unnest($1::timestamptz[]) AS e(recorded_at)
    JOIN idempotency AS i ON i.created_at BETWEEN e.recorded_at - interval '5 minutes' AND e.recorded_at + interval '5 minutes'
    WHERE i.result->'event_ids' ?| $2::text[]
        OR EXISTS (SELECT FROM jsonb_array_elements(i.result->'lines') AS line WHERE line->1->'event_ids' ?| $2::text[])
)
UPDATE idempotency AS i SET fingerprint = '' FROM told WHERE i.client = told.client AND i.key = told.key RETURNING i.client, i.key
"""
"""Requests that recorded these events, in the same transaction, which ends after a minute at the latest."""
HASH = """
WITH hashed AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS h(client, key, hash)), gone AS (
    DELETE FROM idempotency AS i USING hashed AS h WHERE i.client = h.client AND i.key = h.key
    RETURNING i.client, h.hash, i.fingerprint, i.result, i.created_at
)
INSERT INTO idempotency (client, key, fingerprint, result, created_at) SELECT * FROM gone
ON CONFLICT (client, key) DO NOTHING
"""


class Result(msgspec.Struct, frozen=True):
    """What a command answered: the resource, its stream, the sequence of its last event, the events, and codes of warnings.

    `areas`: those for which it needed a grant, `*` every one; a repeat needs them, too. None: kept by a release up to 0.2, which did not
    store them. `notices`: warnings with parameters; such releases do not read them.
    """

    id: str
    subject: str
    sequence: int
    event_ids: list[UUID]
    warnings: list[str] = []
    areas: list[str] | None = None
    notices: list[Notice] = []

    @property
    def warned(self) -> list[str | Notice]:
        """Every warning."""
        return [*self.warnings, *self.notices]


@dataclass(frozen=True, slots=True)
class Lines:
    """What the lines of a batch answered that have no key of their own: (number, result) of those that were carried out."""

    lines: list[tuple[int, Result]]


class KeyTakenError(asyncpg.SerializationError):
    """A concurrent transaction has answered under the same key: this one begins again, and finds what that did."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for another command before (422)."""


Kept: TypeAlias = Result | Lines
"""What a key keeps: of a command, or of a batch."""
Entry: TypeAlias = tuple[str, bytes]
"""(key, fingerprint)"""


@dataclass(frozen=True, slots=True)
class Keys:
    """How keys are stored: hashed with `secret`; with `also_plain` as they are besides, for processes of releases up to 0.2."""

    secret: bytes = field(repr=False)
    also_plain: bool = False
    _known: dict[tuple[str, str], str] = field(default_factory=dict, repr=False, compare=False)

    def hashed(self, client: str, key: str) -> str:
        """HMAC-SHA256 of client and key."""
        if (known := self._known.get((client, key))) is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[client, key] = self._hash(client, key)
        return known

    def _hash(self, client: str, key: str) -> str:
        content = PURPOSE + len(client).to_bytes(4) + client.encode("utf-8", "surrogatepass") + key.encode("utf-8", "surrogatepass")
        return HASHED + base64.urlsafe_b64encode(keyed(self.secret).digest(content)).decode().rstrip("=")

    def stored(self, client: str, key: str) -> list[str]:
        """The keys of the rows of a key."""
        return [self.hashed(client, key), key] if self.also_plain else [self.hashed(client, key)]


def fingerprint(key: bytes, method: str, path: str, body: Any) -> bytes:
    """HMAC-SHA256 of the request under a secret key; `body` is plain JSON values, the order of whose fields does not matter."""
    return keyed(key).digest(_canonical([method, path, body]))


async def look_up(conn: Connection, keys: Keys, client: str, entries: Sequence[Entry]) -> dict[str, Kept | Mismatch | None]:
    """What these keys, each with a fingerprint, answered before. Locks the rows that there are, before any other lock.

    Per key: None = to be carried out by this transaction, Result or Lines = carried out before, Mismatch = used for another command. Within
    one call the first entry of a key counts, and a key whose entries differ is a Mismatch. Waits for a transaction that answers a repeat.
    """
    wanted: dict[str, bytes] = {}
    answer: dict[str, Kept | Mismatch | None] = {}
    for key, print_ in entries:
        if wanted.setdefault(key, print_) != print_:
            answer[key] = Mismatch()
    found = await _rows(conn, LOOK_UP, keys, client, wanted)
    for key, print_ in wanted.items():
        if key not in answer:
            row = found.get(key)
            answer[key] = None if row is None else _kept(row["result"]) if hmac.compare_digest(row["fingerprint"], print_) else Mismatch()
    return answer


async def _rows(conn: Connection, statement: str, keys: Keys, client: str, given: Iterable[str]) -> dict[str, Record]:
    """{key: its row}: the hashed one, else one that an earlier release has written.

    A process of such a release may be asked for the same key: what it has no row of gets one.
    """
    hashed = {key: keys.hashed(client, key) for key in given}
    rows = {row["key"]: row for row in await conn.fetch(statement, client, text_array([*hashed, *hashed.values()]))} if hashed else {}
    if not rows:
        return {}
    if keys.also_plain and (missing := [key for key, name in hashed.items() if name in rows and key not in rows]):
        found = [rows[hashed[key]] for key in missing]
        await _insert(conn, client, missing, [row["fingerprint"] for row in found], [row["result"] for row in found])
    return {key: row for key, name in hashed.items() if (row := rows.get(name) or rows.get(key)) is not None}


async def record(conn: Connection, keys: Keys, client: str, results: Mapping[Entry, Kept], known: Collection[str] = ()) -> None:
    """Keep what keys answered: the last thing that a transaction locks. `known`: those of them whose rows it has looked up.

    Waits for a transaction that does the same key now. Raises KeyTakenError if that did it.
    """
    if results:
        rows = {stored: (print_, kept) for (key, print_), kept in results.items() for stored in keys.stored(client, key)}
        names = sorted(rows)
        prints, answers = [rows[name][0] for name in names], [rows[name][1] for name in names]
        await _insert(conn, client, names, prints, answers, [stored for key in known for stored in keys.stored(client, key)])


async def _insert(
    conn: Connection, client: str, names: Sequence[str], prints: Sequence[bytes], answers: Sequence[Any], known: Sequence[str] = ()
) -> None:
    """Write rows by the keys in them. Raises KeyTakenError if there is one already that is not `known`."""
    status: str = await conn.execute(RECORD, client, text_array(names), bytes_array(prints), json_array(answers), text_array(known))
    if int(status.split()[-1]) != len(names):
        raise KeyTakenError("another transaction has used the same key meanwhile")


async def require_unused(conn: Connection, keys: Keys, client: str, given: Collection[str]) -> None:
    """Nobody has used these keys since they were looked up. Raises KeyTakenError.

    Asked before a command is refused: its twin may be what it was refused for.
    """
    if given and await _rows(conn, KEPT, keys, client, given):
        raise KeyTakenError("another transaction has used the same key meanwhile")


async def forget(conn: Connection, limit: int = 1000) -> int:
    """Delete results older than 30 days, `limit` at most; how many were deleted."""
    status: str = await conn.execute(FORGET, limit)
    return int(status.split()[-1])


async def hash_plain(conn: Connection, limit: int = 1000, *, keys: Keys) -> int:
    """Hash keys that an earlier release has stored as they were sent, `limit` at most; how many. Runs in a transaction of its own.

    A claim of the same key waits, or finds one of the two rows.
    """
    found = [(row["client"], row["key"]) for row in await conn.fetch(PLAIN, limit)]
    await _hash(conn, keys, found)
    return len(found)


async def unprint(conn: Connection, keys: Keys, events: Mapping[UUID, datetime]) -> None:
    """Empty the fingerprints of the requests that recorded these events (id: when): their bodies named a person who is erased.

    A fingerprint is a keyed hash of a body. Without one the same request is refused (IDEMPOTENCY_KEY_REUSED) and not done again, which would
    bring the person back. Keys that are stored as they were sent are hashed.
    """
    rows = await conn.fetch(UNPRINT, list(events.values()), [str(event_id) for event_id in events])
    await _hash(conn, keys, [(row["client"], row["key"]) for row in rows if not row["key"].startswith(HASHED)])


async def _hash(conn: Connection, keys: Keys, found: Sequence[tuple[str, str]]) -> None:
    if found:
        await conn.execute(HASH, [client for client, _ in found], [key for _, key in found], [keys.hashed(*one) for one in found])


def _kept(stored: Any) -> Kept | None:
    if stored is None:
        return None
    return msgspec.convert(stored, Lines) if "lines" in stored else msgspec.convert(stored, Result)


async def results(conn: Connection, keys: Keys, client: str, given: Sequence[str]) -> dict[str, Result]:
    """{key: what it answered} of those of a client's keys that are known, without claiming them."""
    names = {stored: key for key in given for stored in (keys.hashed(client, key), key)}
    rows = await conn.fetch(KEPT, client, text_array(names))
    return {names[row["key"]]: kept for row in rows if isinstance(kept := _kept(row["result"]), Result)}
