"""Grants, subscriptions, contents and deliveries put into the tables directly, as the routes and the fan-out would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.subscriptions.matching.catalogue import defaults
from services.subscriptions.matching.current import next_revision
from services.subscriptions.matching.outgoing import Content, hash_of
from shared.contracts.ids import uuid7
from shared.manifests.chain import canonical
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Connection, Pool

CLOCK = Clock(ZoneInfo("Asia/Shanghai"))
FOUNDED = "parkunion.union-founded.v1"
REGISTERED = "parkunion.enterprise-registered.v1"
AREAS: Mapping[str, str | None] = {"ROOT": None, "D1": "ROOT", "D2": "ROOT", "P1": "D1", "P2": "D2"}
"""A root with two divisions, in each a park."""
RECORDED = datetime(2026, 7, 1, 1, 30, tzinfo=UTC)
"""When the events of these contents were recorded."""

VERSION = """
INSERT INTO grant_versions (grant_id, revision, kind, areas, types, fields, not_before, not_after, reason, changed_by, changed_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'federation', parkunion_now()
"""
SUBSCRIPTION = """
INSERT INTO subscriptions (id, grant_id, client, types, filter, kind, url, signature, status, status_at, opened_revision, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, parkunion_now(), $10, parkunion_now())
"""
CONTENT = """
INSERT INTO contents (event_id, source, subject, sequence, type, fact_type, time, occurredon, places, data, hash, stored_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, parkunion_now()) RETURNING id
"""
DELIVERIES = """
INSERT INTO deliveries (subscription, number, content, subject, day, assigned_at, corrects, pending)
SELECT $1, $2 + n - 1, content, c.subject, $4, $5, $6, $7
FROM unnest($3::bigint[]) WITH ORDINALITY AS o(content, n) JOIN contents AS c ON c.id = o.content ORDER BY n
"""
NUMBERS = "UPDATE queues SET next_number = next_number + $2 WHERE subscription = $1 RETURNING next_number - $2"
LANES = """
INSERT INTO lanes (subscription, subject, due_at) SELECT DISTINCT $1::uuid, subject, $3::timestamptz FROM contents WHERE id = ANY($2::bigint[])
ON CONFLICT (subscription, subject) DO NOTHING
"""


def hash_of_received(event: Mapping[str, Any]) -> bytes:
    """As a receiver computes it: SHA-256 of the JSON with sorted names, without what is the subscription's own."""
    own = ("deliverynumber", "watermark", "correctsnumbers")
    rest = {name: value for name, value in event.items() if name not in own}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).digest()


class Rows:
    """Each method is one transaction. `pool`: of the service's own role."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def areas(self, tree: Mapping[str, str | None] = AREAS) -> None:
        """The tree of areas."""
        async with db.transaction(self.pool) as conn:
            revision = await next_revision(conn)
            rows = [(code, revision, parent, True) for code, parent in tree.items()]
            await conn.executemany("INSERT INTO area_versions (code, revision, parent, present) VALUES ($1, $2, $3, $4)", rows)

    async def grant(
        self,
        client: str = "bureau",
        areas: Sequence[str] = ("D1",),
        types: Sequence[str] = (FOUNDED, REGISTERED),
        fields: Mapping[str, Sequence[str]] | None = None,
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        purpose: str = "labour inspection",
    ) -> UUID:
        """A grant; `fields` of types that are not named are the defaults."""
        grant = uuid7()
        async with db.transaction(self.pool) as conn:
            revision = await next_revision(conn)
            await conn.execute(
                "INSERT INTO grants (id, client, purpose, legal_basis, given_by, given_at) VALUES ($1, $2, $3, 'Art. 1', 'federation', parkunion_now())",
                *(grant, client, purpose),
            )
            full = {name: list((fields or {}).get(name, defaults()[name])) for name in types}
            await conn.execute(VERSION, grant, revision, "given", list(areas), list(types), full, not_before, not_after, None)
        return grant

    async def narrow(self, grant: UUID, **changes: Any) -> None:
        """Another version of a grant: `areas`, `types`, `fields` ({type: names} in full), `not_before`, `not_after`."""
        await self._change(grant, "narrowed", None, changes)

    async def revoke(self, grant: UUID, reason: str = "over") -> None:
        """The end of a grant."""
        await self._change(grant, "revoked", reason, {})

    async def _change(self, grant: UUID, kind: str, reason: str | None, changes: Mapping[str, Any]) -> None:
        async with db.transaction(self.pool) as conn:
            revision = await next_revision(conn)
            last = await conn.fetchrow("SELECT * FROM grant_versions WHERE grant_id = $1 ORDER BY revision DESC LIMIT 1", grant)
            assert last is not None
            names = ("areas", "types", "fields", "not_before", "not_after")
            await conn.execute(VERSION, grant, revision, kind, *(changes.get(name, last[name]) for name in names), reason)

    async def subscription(
        self,
        grant: UUID,
        kind: str = "pull",
        *,
        status: str = "active",
        types: Sequence[str] | None = None,
        filter: Mapping[str, Any] | None = None,
        url: str = "https://bureau.example/events",
        signature: str = "v1a",
    ) -> UUID:
        """A subscription of the grant's client, with its queue. One of `kind` webhook has no key (`subscription_keys`)."""
        subscription, webhook = uuid7(), kind == "webhook"
        async with db.transaction(self.pool) as conn:
            revision = await next_revision(conn)
            client = await conn.fetchval("SELECT client FROM grants WHERE id = $1", grant)
            channel = (kind, url if webhook else None, signature if webhook else None)
            values = (subscription, grant, client, None if types is None else list(types), dict(filter or {}), *channel, status, revision)
            await conn.execute(SUBSCRIPTION, *values)
            await conn.execute("INSERT INTO queues (subscription) VALUES ($1)", subscription)
        return subscription

    async def content(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        type_name: str = FOUNDED,
        fact_type: str | None = None,
        source: str = "/services/membership",
        subject: str | None = None,
        sequence: int = 1,
        places: Sequence[str] = ("P1",),
        occurred_on: date = date(2026, 6, 30),
    ) -> int:
        """One stored content; without `data` that of a union that was founded in P1. Returns its id."""
        union = uuid7()
        shown = {"union_id": str(union), "kind": "enterprise_union", "seat_area": "P1"} if data is None else dict(data)
        content = Content(
            uuid7(), source, subject or f"union/{union}", type_name, fact_type or type_name, RECORDED, occurred_on, places,
            canonical(shown),
        )  # fmt: skip
        async with db.transaction(self.pool) as conn:
            values = (content.event_id, content.source, content.subject, sequence, content.type, content.fact_type, content.time)
            rest = (content.occurredon, list(content.places), content.data, hash_of(content))
            key: int = await conn.fetchval(CONTENT, *values, *rest)
            return key

    async def deliver(
        self, subscription: UUID, *contents: int, at: datetime | None = None, corrects: Sequence[int] | None = None
    ) -> list[int]:
        """Number contents for a subscription, as one batch of the fan-out does. Returns the numbers.

        `at`: when they were assigned, by default now; `corrects` is that of each.
        """
        async with db.transaction(self.pool) as conn:
            return await self.deliver_in(conn, subscription, *contents, at=at, corrects=corrects)

    async def deliver_in(
        self, conn: Connection, subscription: UUID, *contents: int, at: datetime | None = None, corrects: Sequence[int] | None = None
    ) -> list[int]:
        """As `deliver`, in the transaction of the caller."""
        assigned = at or await CLOCK.now(conn)
        webhook = await conn.fetchval("SELECT kind = 'webhook' FROM subscriptions WHERE id = $1", subscription)
        first: int = await conn.fetchval(NUMBERS, subscription, len(contents))
        corrected = None if corrects is None else list(corrects)
        values = (subscription, first, list(contents), CLOCK.day_of(assigned), assigned, corrected, webhook)
        await conn.execute(DELIVERIES, *values)
        if webhook:
            await conn.execute(LANES, subscription, list(contents), assigned)
            await conn.execute("UPDATE queues SET due_at = least(due_at, $2) WHERE subscription = $1", subscription, assigned)
        await conn.execute("SELECT pg_notify('deliveries', '')")
        return list(range(first, first + len(contents)))

    async def events(self, subscription: UUID, count: int = 1, **content: Any) -> list[int]:
        """So many contents (see `content`), numbered for the subscription in one batch. Returns the numbers."""
        return await self.deliver(subscription, *[await self.content(**content) for _ in range(count)])

    async def remove_content(self, subscription: UUID, *numbers: int, gone: str = "retention") -> None:
        """The content of these numbers is gone, by `retention` or `erasure`."""
        await self.pool.execute(
            "UPDATE contents SET data = NULL, gone = $3 WHERE id IN (SELECT content FROM deliveries WHERE subscription = $1 AND number = ANY($2::bigint[]))",
            *(subscription, list(numbers), gone),
        )
