"""What the federation's pages read: grants, what left the house, notices and accesses.

`within`: the grants that the caller may see; None: all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from shared.process.db import Connection

GRANTS = """
SELECT g.id, g.client, g.purpose, g.legal_basis, g.given_by, g.given_at, v.kind, v.areas, v.types, v.fields, v.not_before, v.not_after,
    v.reason, v.changed_by, v.changed_at, (SELECT count(*) FROM subscriptions AS s WHERE s.grant_id = g.id) AS subscriptions
FROM grants AS g JOIN LATERAL (
    SELECT * FROM grant_versions AS v WHERE v.grant_id = g.id ORDER BY v.revision DESC LIMIT 1
) AS v ON true
"""
OF_ALL = (
    f"{GRANTS} WHERE (g.client, g.id) > ($1::text, $2::uuid) AND ($4::uuid[] IS NULL OR g.id = ANY($4)) ORDER BY g.client, g.id LIMIT $3"
)
OF_CLIENT = f"{GRANTS} WHERE g.client = $1 AND g.id > $2 ORDER BY g.id LIMIT $3"
ONE = f"{GRANTS} WHERE g.id = $1"
VERSIONS = """
SELECT kind, areas, types, fields, not_before, not_after, reason, changed_by, changed_at FROM grant_versions
WHERE grant_id = $1 ORDER BY revision
"""
SENT = """
SELECT s.client, s.grant_id, g.purpose, g.legal_basis, s.id AS subscription, s.kind, d.total, d.waiting, d.parked, d.withheld, d.last_at
FROM subscriptions AS s JOIN grants AS g ON g.id = s.grant_id CROSS JOIN LATERAL (
    SELECT count(*) AS total, max(d.assigned_at) AS last_at, count(*) FILTER (WHERE d.state = 'queued') AS waiting,
        count(*) FILTER (WHERE d.state = 'parked') AS parked, count(*) FILTER (WHERE d.state = 'withheld') AS withheld
    FROM deliveries AS d WHERE d.subscription = s.id AND d.day BETWEEN $1 AND $2
) AS d
WHERE ($3::text IS NULL OR s.client = $3) AND ($5::uuid[] IS NULL OR s.grant_id = ANY($5)) AND d.total > 0 ORDER BY s.client, s.grant_id, s.id LIMIT $4
"""
BY_TYPE = """
SELECT s.grant_id, g.purpose, g.legal_basis, c.type, count(*) AS numbers, count(*) FILTER (WHERE d.state = 'delivered') AS delivered
FROM subscriptions AS s JOIN grants AS g ON g.id = s.grant_id
JOIN deliveries AS d ON d.subscription = s.id AND d.day BETWEEN $1 AND $2 JOIN contents AS c ON c.id = d.content
WHERE s.client = $3 AND ($4::uuid[] IS NULL OR s.grant_id = ANY($4)) GROUP BY 1, 2, 3, 4 ORDER BY 1, 4
"""
NOTICES = """
SELECT n.id, n.at, n.type, n.subscription, n.data, s.client FROM notices AS n LEFT JOIN subscriptions AS s ON s.id = n.subscription
WHERE (n.at, n.id) < ($1, $2) AND ($4::uuid[] IS NULL OR s.grant_id = ANY($4)) ORDER BY n.at DESC, n.id DESC LIMIT $3
"""
ACCESSES = """
SELECT a.id, a.at, a.client, a.what, a.subscription, a.first, a.last, a.purpose FROM accesses AS a LEFT JOIN subscriptions AS s ON s.id = a.subscription
WHERE a.at >= $1 AND (a.at, a.id) < ($2::timestamptz, $3::bigint) AND ($4::text IS NULL OR a.client = $4)
    AND ($6::uuid[] IS NULL OR s.grant_id = ANY($6)) ORDER BY a.at DESC, a.id DESC LIMIT $5
"""
CLIENTS = "SELECT DISTINCT client FROM grants WHERE $2::uuid[] IS NULL OR id = ANY($2) ORDER BY client LIMIT $1"

Within: TypeAlias = list[UUID] | None


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A grant at its latest version, with the number of its subscriptions."""

    id: UUID
    client: str
    purpose: str
    legal_basis: str
    given_by: str
    given_at: datetime
    kind: str
    areas: Sequence[str]
    types: Sequence[str]
    fields: Mapping[str, Sequence[str]]
    not_before: datetime | None
    not_after: datetime | None
    reason: str | None
    changed_by: str
    changed_at: datetime
    subscriptions: int

    def standing(self, now: datetime) -> str:
        """`revoked`, `over`, `ahead` (not yet begun) or `in_force`."""
        if self.kind == "revoked":
            return "revoked"
        if self.not_after is not None and now >= self.not_after:
            return "over"
        return "ahead" if self.not_before is not None and now < self.not_before else "in_force"


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a grant."""

    kind: str
    areas: Sequence[str]
    types: Sequence[str]
    fields: Mapping[str, Sequence[str]]
    not_before: datetime | None
    not_after: datetime | None
    reason: str | None
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """What a subscription was assigned in some days, and what became of it. `last_at`: when the newest was assigned."""

    client: str
    grant_id: UUID
    purpose: str
    legal_basis: str
    subscription: UUID
    kind: str
    total: int
    waiting: int
    parked: int
    withheld: int
    last_at: datetime

    @property
    def delivered(self) -> int:
        return self.total - self.waiting - self.parked - self.withheld


@dataclass(frozen=True, slots=True)
class SentType:
    """What one bureau was assigned and got of a type under one grant."""

    grant_id: UUID
    purpose: str
    legal_basis: str
    type: str
    numbers: int
    delivered: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What the federation was told."""

    id: UUID
    at: datetime
    type: str
    subscription: UUID | None
    data: Mapping[str, Any]
    client: str | None


@dataclass(frozen=True, slots=True)
class AccessRow:
    """An access by a client, to the numbers `first` to `last`."""

    id: int
    at: datetime
    client: str
    what: str
    subscription: UUID | None
    first: int | None
    last: int | None
    purpose: str | None


async def grants(conn: Connection, within: Within, after: tuple[str, UUID], most: int) -> list[GrantRow]:
    """Grants by client, behind (client, id)."""
    return [GrantRow(**dict(row)) for row in await conn.fetch(OF_ALL, *after, most, within)]


async def grants_of(conn: Connection, client: str, after: UUID, most: int) -> list[GrantRow]:
    """A client's grants."""
    return [GrantRow(**dict(row)) for row in await conn.fetch(OF_CLIENT, client, after, most)]


async def grant(conn: Connection, key: UUID) -> GrantRow | None:
    """One of them; None: there is none of this id."""
    row = await conn.fetchrow(ONE, key)
    return None if row is None else GrantRow(**dict(row))


async def versions(conn: Connection, key: UUID) -> list[Version]:
    """The states of a grant in their order."""
    return [Version(**dict(row)) for row in await conn.fetch(VERSIONS, key)]


async def sent(conn: Connection, within: Within, first: date, last: date, client: str | None, most: int) -> list[Sent]:
    """What subscriptions were assigned from day to day, by client and grant."""
    return [Sent(**dict(row)) for row in await conn.fetch(SENT, first, last, client, most, within)]


async def sent_by_type(conn: Connection, within: Within, first: date, last: date, client: str) -> list[SentType]:
    """The same of one client, by type."""
    return [SentType(**dict(row)) for row in await conn.fetch(BY_TYPE, first, last, client, within)]


async def notices(conn: Connection, within: Within, before: tuple[datetime, UUID], most: int) -> list[Notice]:
    """Notices before (instant, id), the newest first."""
    return [Notice(**dict(row)) for row in await conn.fetch(NOTICES, *before, most, within)]


async def accesses(
    conn: Connection, within: Within, first: datetime, before: tuple[datetime, int], client: str | None, most: int
) -> list[AccessRow]:
    """Accesses from `first` on and before (instant, id), the newest first."""
    return [AccessRow(**dict(row)) for row in await conn.fetch(ACCESSES, first, *before, client, most, within)]


async def clients(conn: Connection, within: Within, most: int) -> list[str]:
    """The clients to which something was granted."""
    return [row["client"] for row in await conn.fetch(CLIENTS, most, within)]
