"""Idempotency keys: a command sent twice is carried out once (docs/design/ENGINE.md, Writing 1).

A command writes the key's row first; a concurrent repeat waits for it. Only successes are kept, without their bodies, for 30 days. Keys are
stored as keyed hashes, since callers make them of names and numbers. The caller checks grants again before a repeat is answered.

Releases up to 0.2 stored keys as they were sent. Their rows answer until they are hashed (`hash_plain`) or forgotten. While a process of such
a release takes commands, each key is stored in both forms (`Keys.also_plain`), so that it finds what this release has done.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from shared.problems.errors import Notice
from shared.process.db import Connection

HASHED = "hmac "
"""Begins every hashed key. No key that a caller sends has a blank."""
PURPOSE = b"parkunion idempotency key\0"
ATTEMPTS = 5
MOST_KNOWN = 4000
"""Hashes that are remembered: each key of a batch is claimed and kept."""

CLAIM = """
INSERT INTO idempotency AS i (client, key, fingerprint)
SELECT $1, key, fingerprint FROM unnest($2::text[], $3::bytea[], $4::text[]) WITH ORDINALITY AS e(key, fingerprint, plain, n)
WHERE NOT EXISTS (
    SELECT FROM idempotency AS o
    WHERE o.client = $1 AND o.key = e.plain AND o.created_at >= parkunion_now() - interval '30 days'
)
ORDER BY n
ON CONFLICT (client, key) DO UPDATE SET fingerprint = excluded.fingerprint, result = NULL, created_at = excluded.created_at
    WHERE i.created_at < excluded.created_at - interval '30 days'
RETURNING key
"""
KEPT = "SELECT key, fingerprint, result FROM idempotency WHERE client = $1 AND key = ANY($2::text[])"
RECORD = """
INSERT INTO idempotency (client, key, fingerprint, result)
SELECT $1, key, fingerprint, result FROM unnest($2::text[], $3::bytea[], $4::jsonb[]) AS r(key, fingerprint, result)
ON CONFLICT (client, key) DO UPDATE SET result = excluded.result
"""
RELEASE = "DELETE FROM idempotency WHERE client = $1 AND key = ANY($2::text[]) AND result IS NULL"
FORGET = """
DELETE FROM idempotency WHERE (client, key) IN (
    SELECT client, key FROM idempotency WHERE created_at < parkunion_now() - interval '30 days' LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""
PLAIN = f"SELECT client, key FROM idempotency WHERE key NOT LIKE '{HASHED}%' LIMIT $1 FOR UPDATE SKIP LOCKED"
HASH = """
WITH hashed AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS h(client, key, hash)), gone AS (
    DELETE FROM idempotency AS i USING hashed AS h WHERE i.client = h.client AND i.key = h.key
    RETURNING i.client, h.hash, i.fingerprint, i.result, i.created_at
)
INSERT INTO idempotency (client, key, fingerprint, result, created_at) SELECT * FROM gone
ON CONFLICT (client, key) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command answered: the resource, its stream, the sequence of its last event, the events, and codes of warnings.

    `areas`: those for which it needed a grant, `*` every one; a repeat needs them, too. None: kept by a release up to 0.2, which did not
    store them. `notices`: warnings with parameters; such releases do not read them.
    """

    id: str
    subject: str
    sequence: int
    event_ids: list[UUID]
    warnings: list[str] = field(default_factory=list)
    areas: list[str] | None = None
    notices: list[Notice] = field(default_factory=list)

    @property
    def warned(self) -> list[str | Notice]:
        """Every warning."""
        return [*self.warnings, *self.notices]


@dataclass(frozen=True, slots=True)
class Lines:
    """What the lines of a batch answered that have no key of their own: (number, result) of those that were carried out."""

    lines: list[tuple[int, Result]]


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
        return HASHED + base64.urlsafe_b64encode(hmac.digest(self.secret, content, "sha256")).decode().rstrip("=")

    def stored(self, client: str, key: str) -> list[str]:
        """The keys of the rows of a key that is claimed."""
        return [self.hashed(client, key), key] if self.also_plain else [self.hashed(client, key)]


def fingerprint(key: bytes, method: str, path: str, body: Any) -> bytes:
    """HMAC-SHA256 of the request under a secret key; `body` is plain JSON values, the order of whose fields does not matter."""
    canonical = msgspec.json.encode([method, path, body], order="deterministic")
    return hmac.digest(key, canonical, "sha256")


async def claim(conn: Connection, keys: Keys, client: str, entries: Sequence[Entry]) -> dict[str, Kept | Mismatch | None]:
    """Claim the keys of `(key, fingerprint)` for this transaction, before any other lock.

    Per key: None = to be carried out by this transaction, Result or Lines = carried out before, Mismatch = used for another command. Within
    one call the first entry of a key counts, and a key whose entries differ is a Mismatch. Waits for a transaction that does the same key now.
    """
    wanted: dict[str, bytes] = {}
    answer: dict[str, Kept | Mismatch | None] = {}
    for key, print_ in entries:
        if not hmac.compare_digest(wanted.setdefault(key, print_), print_):
            answer[key] = Mismatch()
    todo = {key: print_ for key, print_ in wanted.items() if key not in answer}
    if keys.also_plain and todo:
        # As those releases do it: of two processes with the same key, one waits here for the other.
        plain = {key: key for key in todo}
        found = await _claim(conn, client, plain, todo, compare=False)
        answer |= {key: kept for key, kept in found.items() if kept is not None}
        todo = {key: print_ for key, print_ in todo.items() if found[key] is None}
    if todo:
        hashed = {keys.hashed(client, key): key for key in todo}
        found = await _claim(conn, client, hashed, todo, compare=not keys.also_plain)
        answer |= found
        if keys.also_plain and (known := {key: kept for key, kept in found.items() if isinstance(kept, Result | Lines)}):
            # Done while no such process ran; the row that was just claimed for them must not stay without an answer.
            rows = [(key, todo[key], kept) for key, kept in known.items()]
            await conn.execute(RECORD, client, *map(list, zip(*rows, strict=True)))
    return answer


async def _claim(
    conn: Connection, client: str, names: Mapping[str, str], wanted: Mapping[str, bytes], *, compare: bool
) -> dict[str, Kept | Mismatch | None]:
    """Claim rows; `names` = {key of the row: key}. `compare`: a row with the plain key, of an earlier release, answers as well."""
    answer: dict[str, Kept | Mismatch | None] = {}
    for _ in range(ATTEMPTS):
        left = sorted(name for name, key in names.items() if key not in answer)
        prints = [wanted[names[name]] for name in left]
        plain = [names[name] if compare else None for name in left]
        ours = {row["key"] for row in await conn.fetch(CLAIM, client, left, prints, plain)}
        answer |= {names[name]: None for name in ours}
        if not (done := [name for name in left if name not in ours]):
            return answer
        kept = {row["key"]: row for row in await conn.fetch(KEPT, client, done + ([names[name] for name in done] if compare else []))}
        for name in done:
            key = names[name]
            if (row := kept.get(name) or kept.get(key)) is not None:
                answer[key] = _kept(row["result"]) if hmac.compare_digest(row["fingerprint"], wanted[key]) else Mismatch()
        if len(answer) == len(names):
            return answer
        # A row was forgotten between the two statements.
    raise AssertionError("rows of claimed keys vanish")


async def record(conn: Connection, keys: Keys, client: str, results: Mapping[Entry, Kept]) -> None:
    """Keep what keys answered, which are claimed, or made by the service itself and have no row yet.

    (The insertion is a way to find each row by its key, whatever the plan.)
    """
    if results:
        rows = [(stored, print_, kept) for (key, print_), kept in results.items() for stored in keys.stored(client, key)]
        await conn.execute(RECORD, client, *map(list, zip(*rows, strict=True)))


async def release(conn: Connection, keys: Keys, client: str, given: Iterable[str]) -> None:
    """Give back claimed keys whose command was refused: it may be sent again, corrected, under the same key."""
    if wanted := [stored for key in given for stored in keys.stored(client, key)]:
        await conn.execute(RELEASE, client, wanted)


async def forget(conn: Connection, limit: int = 1000) -> int:
    """Delete results older than 30 days, `limit` at most; how many were deleted."""
    status: str = await conn.execute(FORGET, limit)
    return int(status.split()[-1])


async def hash_plain(conn: Connection, limit: int = 1000, *, keys: Keys) -> int:
    """Hash keys that an earlier release has stored as they were sent, `limit` at most; how many. Runs in a transaction of its own.

    A claim of the same key waits, or finds one of the two rows.
    """
    found = [(row["client"], row["key"]) for row in await conn.fetch(PLAIN, limit)]
    if found:
        await conn.execute(HASH, [client for client, _ in found], [key for _, key in found], [keys.hashed(*one) for one in found])
    return len(found)


def _kept(stored: Any) -> Kept | None:
    if stored is None:
        return None
    return msgspec.convert(stored, Lines) if "lines" in stored else msgspec.convert(stored, Result)


async def results(conn: Connection, keys: Keys, client: str, given: Sequence[str]) -> dict[str, Result]:
    """{key: what it answered} of those of a client's keys that are known, without claiming them."""
    names = {stored: key for key in given for stored in (keys.hashed(client, key), key)}
    rows = await conn.fetch(KEPT, client, list(names))
    return {names[row["key"]]: kept for row in rows if isinstance(kept := _kept(row["result"]), Result)}
