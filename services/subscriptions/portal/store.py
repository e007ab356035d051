"""What the portal reads about subscriptions and their deliveries, in the caller's connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.process.db import Connection, array

STATES = ("queued", "delivered", "parked", "withheld")
FIRST_ID = UUID(int=0)

SUBSCRIPTIONS = """
SELECT s.id, s.grant_id, s.client, s.types, s.filter, s.kind, s.url, s.signature, s.status, s.status_reason, s.status_at, s.failing_since,
    s.last_success_at, s.last_error, s.last_error_at, s.created_at, g.purpose, g.legal_basis, q.next_number - 1 AS assigned_to,
    (SELECT v.areas FROM grant_versions AS v WHERE v.grant_id = s.grant_id ORDER BY v.revision DESC LIMIT 1) AS granted_areas,
    coalesce(w.number, q.next_number) - 1 AS delivered_to, w.assigned_at AS waiting_since,
    (SELECT count(*) FROM deliveries AS d WHERE d.subscription = s.id AND d.state = 'queued') AS waiting,
    (SELECT count(*) FROM deliveries AS d WHERE d.subscription = s.id AND d.state = 'parked') AS parked
FROM subscriptions AS s JOIN grants AS g ON g.id = s.grant_id JOIN queues AS q ON q.subscription = s.id
LEFT JOIN LATERAL (
    SELECT d.number, d.assigned_at FROM deliveries AS d WHERE d.subscription = s.id AND d.state = 'queued' ORDER BY d.number LIMIT 1
) AS w ON true
"""
OF_CLIENT = f"{SUBSCRIPTIONS} WHERE s.client = $1 AND s.id > $2 ORDER BY s.id LIMIT $3"
OF_ALL = f"{SUBSCRIPTIONS} WHERE s.id > $1 AND ($3::uuid[] IS NULL OR s.grant_id = ANY($3)) ORDER BY s.id LIMIT $2"
OF_GRANT = f"{SUBSCRIPTIONS} WHERE s.grant_id = $1 ORDER BY s.id LIMIT $2"
ONE = f"{SUBSCRIPTIONS} WHERE s.id = $1"
DAYS = """
SELECT subscription, day, NULL AS state, count(*) AS count FROM deliveries WHERE subscription = ANY($1::text::uuid[]) AND day >= $2 GROUP BY 1, 2
UNION ALL SELECT subscription, day, 'queued', count(*) FROM deliveries
WHERE subscription = ANY($1::text::uuid[]) AND day >= $2 AND state = 'queued' GROUP BY 1, 2
UNION ALL SELECT subscription, day, 'parked', count(*) FROM deliveries
WHERE subscription = ANY($1::text::uuid[]) AND day >= $2 AND state = 'parked' GROUP BY 1, 2
UNION ALL SELECT subscription, day, 'withheld', count(*) FROM deliveries
WHERE subscription = ANY($1::text::uuid[]) AND day >= $2 AND state = 'withheld' GROUP BY 1, 2
"""
"""All numbers of a day by its index alone, and the few that are not delivered by theirs."""
DELIVERIES = """
SELECT d.number, d.state, d.pending, d.day, d.assigned_at, d.settled_at, d.attempts, d.error, d.corrects, d.subject, c.event_id, c.type,
    c.fact_type, c.places, c.occurredon, c.time, c.gone, c.source
FROM deliveries AS d JOIN contents AS c ON c.id = d.content WHERE d.subscription = $1 AND d.number < $2
"""
NEWEST = " ORDER BY d.number DESC LIMIT $3"
OF_DAY = " AND d.day = $4::date"
OF_SUBJECT = " AND d.content = ANY(ARRAY(SELECT id FROM contents WHERE subject = $5::text))"
ATTEMPTS = "SELECT at, duration_ms, status, error, answer FROM attempts WHERE subscription = $1 AND number = $2 ORDER BY id DESC LIMIT $3"
LANE = """
SELECT l.due_at, l.leased_until, (
    SELECT min(d.number) FROM deliveries AS d WHERE d.subscription = $1 AND d.subject = $2 AND d.pending
) AS head
FROM lanes AS l WHERE l.subscription = $1 AND l.subject = $2
"""
KEYS = """
SELECT k.kid, k.version, u.since, u.until FROM subscription_keys AS u JOIN signing_keys AS k ON k.kid = u.kid
WHERE u.subscription = $1 ORDER BY u.since DESC LIMIT $2
"""
CHANGES = "SELECT at, status, reason, changed_by FROM subscription_changes WHERE subscription = $1 ORDER BY id DESC LIMIT $2"
PROBES = """
SELECT kind, asked_at, done_at, succeeded, status, error, answer, duration_ms FROM probes WHERE subscription = $1
ORDER BY asked_at DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription with its grant's purpose, and how far it is: `waiting` numbers have not been delivered, the oldest since `waiting_since`."""

    id: UUID
    grant_id: UUID
    client: str
    types: Sequence[str] | None
    filter: Mapping[str, Any]
    kind: str
    url: str | None
    signature: str | None
    status: str
    status_reason: str | None
    status_at: datetime
    failing_since: datetime | None
    last_success_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    created_at: datetime
    purpose: str
    legal_basis: str
    granted_areas: Sequence[str]
    assigned_to: int
    delivered_to: int
    waiting_since: datetime | None
    waiting: int
    parked: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One number. `gone`: its content was removed; `error`: why it was parked or withheld."""

    number: int
    state: str
    pending: bool
    day: date
    assigned_at: datetime
    settled_at: datetime | None
    attempts: int
    error: str | None
    corrects: Sequence[int] | None
    subject: str
    event_id: UUID
    type: str
    fact_type: str
    places: Sequence[str]
    occurredon: date
    time: datetime
    gone: str | None
    source: str

    @property
    def reason(self) -> str | None:
        """Why it was parked or withheld, as a code."""
        if self.state == "withheld" and self.error is None:
            return "ERASED" if self.gone == "erasure" else "NOT_GRANTED"
        return self.error


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. `error` None: it succeeded."""

    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Lane:
    """What is pending of a subject: `head` is the number to be sent next, not before `due_at`."""

    due_at: datetime
    leased_until: datetime
    head: int | None


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key. `until` None: it has no end."""

    kid: str
    version: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """A state of a subscription since `at`."""

    at: datetime
    status: str
    reason: str | None
    changed_by: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A verification or a test of the endpoint; `done_at` None: it has not been sent yet."""

    kind: str
    asked_at: datetime
    done_at: datetime | None
    succeeded: bool | None
    status: int | None
    error: str | None
    answer: str | None
    duration_ms: int | None


DayCounts = Mapping[UUID, Mapping[date, Mapping[str, int]]]
"""{subscription: {day: {state: numbers}}}"""


async def subscriptions_of(conn: Connection, client: str, after: UUID, most: int) -> list[Subscription]:
    """A client's subscriptions behind an id."""
    return [Subscription(**dict(row)) for row in await conn.fetch(OF_CLIENT, client, after, most)]


async def subscriptions(conn: Connection, within: Collection[UUID] | None, after: UUID, most: int) -> list[Subscription]:
    """Those of all clients, under some grants or (None) all."""
    return [Subscription(**dict(row)) for row in await conn.fetch(OF_ALL, after, most, None if within is None else list(within))]


async def of_grant(conn: Connection, grant: UUID, most: int) -> list[Subscription]:
    """Those under a grant."""
    return [Subscription(**dict(row)) for row in await conn.fetch(OF_GRANT, grant, most)]


async def subscription(conn: Connection, key: UUID) -> Subscription | None:
    """One of them; None: there is none of this id."""
    row = await conn.fetchrow(ONE, key)
    return None if row is None else Subscription(**dict(row))


async def day_counts(conn: Connection, keys: Sequence[UUID], since: date) -> DayCounts:
    """How many numbers were assigned on each day from `since` on, by what became of them."""
    found: dict[UUID, dict[date, dict[str, int]]] = {}
    totals: dict[tuple[UUID, date], int] = {}
    for row in await conn.fetch(DAYS, array(keys), since):
        counts = found.setdefault(row["subscription"], {}).setdefault(row["day"], dict.fromkeys(STATES, 0))
        if row["state"] is None:
            totals[row["subscription"], row["day"]] = row["count"]
        else:
            counts[row["state"]] = row["count"]
    for (key, day), total in totals.items():
        counts = found[key][day]
        counts["delivered"] = total - counts["queued"] - counts["parked"] - counts["withheld"]
    return found


async def deliveries(
    conn: Connection, key: UUID, before: int, most: int, *, state: str | None = None, day: date | None = None, subject: str | None = None
) -> list[DeliveryRow]:
    """Numbers below `before`, the newest first. `state`: one of STATES."""
    # The state is written out: a parameter would keep the partial indexes from being used.
    assert state is None or state in STATES
    chosen = f" AND d.state = '{state}'" if state else ""
    on_day, of_subject = OF_DAY if day else " AND $4::date IS NULL", OF_SUBJECT if subject else " AND $5::text IS NULL"
    rows = await conn.fetch(f"{DELIVERIES}{chosen}{on_day}{of_subject}{NEWEST}", key, before, most, day, subject)
    return [DeliveryRow(**dict(row)) for row in rows]


async def attempts(conn: Connection, key: UUID, number: int, most: int) -> list[Attempt]:
    """The attempts of a number, the newest first."""
    return [Attempt(**dict(row)) for row in await conn.fetch(ATTEMPTS, key, number, most)]


async def lane(conn: Connection, key: UUID, subject: str) -> Lane | None:
    """What is pending of a subject; None: nothing."""
    row = await conn.fetchrow(LANE, key, subject)
    return None if row is None else Lane(**dict(row))


async def keys_of(conn: Connection, key: UUID, most: int) -> list[Key]:
    """The keys with which deliveries are or were signed, the newest first."""
    return [Key(**dict(row)) for row in await conn.fetch(KEYS, key, most)]


async def changes(conn: Connection, key: UUID, most: int) -> list[Change]:
    """The states of a subscription, the newest first."""
    return [Change(**dict(row)) for row in await conn.fetch(CHANGES, key, most)]


async def probes(conn: Connection, key: UUID, most: int) -> list[Probe]:
    """The last verifications and tests, the newest first."""
    return [Probe(**dict(row)) for row in await conn.fetch(PROBES, key, most)]
