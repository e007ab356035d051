"""SQL of audits: what the fan-out knew, and what it wrote."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.subscriptions.proof.applied import Batch, ShardDay
from services.subscriptions.proof.entitled import Earlier
from services.subscriptions.proof.known_then import AreaVersion, GrantVersion, SubscriptionRow, Versions
from shared.process.db import Connection
from shared.sequencing.records import RecordKey

GENERATION = 1
OWN_PREFIX = "parkunion.subscription-"

AREAS = "SELECT code, revision, parent, present FROM area_versions"
GRANTS = "SELECT grant_id, revision, kind = 'revoked', areas, types, fields, not_before, not_after FROM grant_versions"
SUBSCRIPTIONS = "SELECT id, grant_id, types, filter, opened_revision, ended_revision FROM subscriptions"
BATCHES = "SELECT id, shard, at, revision, next, released FROM batches WHERE at >= $1 AND at < $2 ORDER BY shard, id"
BEFORE = "SELECT DISTINCT ON (shard) shard, next FROM batches WHERE at < $1 ORDER BY shard, id DESC"
RELEASED = "SELECT unnest(released) AS event_id, at < $1 AS before FROM batches WHERE released <> '{}'"
REFUSED = "SELECT shard, topic, \"offset\", coalesce(error, kind) FROM held WHERE generation = $1 AND kind = 'refused'"
HELD = """
SELECT source, subject, min(sequence) AS sequence, count(*) AS events, string_agg(DISTINCT kind, ',' ORDER BY kind) AS kinds
FROM held WHERE generation = $1 GROUP BY source, subject ORDER BY source, subject
"""
WAITING = "SELECT shard, holder, event_id, since FROM waiting ORDER BY shard, id"
NUMBERED = """
SELECT d.subscription, d.number, d.batch, d.day, d.assigned_at, d.corrects, c.event_id, c.source, c.subject, c.sequence, c.type, c.fact_type,
    c.places, c.hash, d.hash AS sent_hash
FROM deliveries AS d JOIN contents AS c ON c.id = d.content WHERE d.day = $1 ORDER BY d.subscription, d.number
"""
OF_BATCHES = "SELECT count(*) FROM deliveries WHERE batch = ANY($1::bigint[]) AND day <> $2"
EARLIER = """
SELECT d.subscription, d.number, c.event_id, c.fact_type, c.places, d.batch, c.source, c.subject, c.sequence
FROM contents AS c JOIN deliveries AS d ON d.content = c.id WHERE d.day < $1 AND (
    c.event_id = ANY($2::uuid[])
    OR EXISTS (SELECT FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[]) AS w(source, subject, first, last)
        WHERE c.source = w.source AND c.subject = w.subject AND c.sequence BETWEEN w.first AND w.last)
) ORDER BY d.subscription, d.number
"""
NEIGHBOURS = """
SELECT q.subscription, q.next_number,
    (SELECT d.number FROM deliveries AS d WHERE d.subscription = q.subscription AND d.day < $1 ORDER BY d.day DESC, d.number DESC LIMIT 1) AS before,
    (SELECT d.number FROM deliveries AS d WHERE d.subscription = q.subscription AND d.day > $1 ORDER BY d.day, d.number LIMIT 1) AS behind
FROM queues AS q ORDER BY q.subscription
"""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A row of `deliveries` with its content. `batch` None: the service's own, such as heartbeats. `sent_hash`: that of what was sent, if the
    grant was narrowed after the content was stored."""

    subscription: UUID
    number: int
    batch: int | None
    day: date
    assigned_at: datetime
    corrects: tuple[int, ...]
    event_id: UUID
    source: str
    subject: str
    sequence: int
    type: str
    fact_type: str
    places: frozenset[str]
    hash: bytes
    sent_hash: bytes | None

    @property
    def own(self) -> bool:
        """Whether it is no event of a topic, but one that the service itself numbers."""
        return self.batch is None and self.fact_type.startswith(OWN_PREFIX)


@dataclass(frozen=True, slots=True)
class Range:
    """Sequences of a stream, both ends included."""

    source: str
    subject: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The numbers around a day: the next of the subscription, the last before the day and the first behind it (None: there is none)."""

    next_number: int
    before: int | None
    behind: int | None


async def versions(conn: Connection) -> Versions:
    """Every version of areas and grants, and the subscriptions."""
    areas = [AreaVersion(*row) for row in await conn.fetch(AREAS)]
    grants = [
        GrantVersion(row[0], row[1], row[2], frozenset(row[3]), frozenset(row[4]), row[5], row[6], row[7])
        for row in await conn.fetch(GRANTS)
    ]
    subscriptions = [
        SubscriptionRow(row[0], row[1], None if row[2] is None else frozenset(row[2]), row[3] or {}, row[4], row[5])
        for row in await conn.fetch(SUBSCRIPTIONS)
    ]
    return Versions(areas, grants, subscriptions)


async def days(conn: Connection, begins: datetime, ends: datetime) -> list[ShardDay]:
    """The transactions from one instant to before another, by shard; only shards that have some."""
    found: dict[int, list[Batch]] = {}
    for row in await conn.fetch(BATCHES, begins, ends):
        one = Batch(row["id"], row["shard"], row["at"], row["revision"], row["next"], frozenset(row["released"]))
        found.setdefault(one.shard, []).append(one)
    before = {row["shard"]: row["next"] for row in await conn.fetch(BEFORE, begins)}
    return [ShardDay(shard, before.get(shard, {}), own) for shard, own in found.items()]


async def released(conn: Connection, begins: datetime) -> tuple[set[UUID], set[UUID]]:
    """(events that waited and were decided before an instant, those that were decided after it)"""
    rows = await conn.fetch(RELEASED, begins)
    return {row["event_id"] for row in rows if row["before"]}, {row["event_id"] for row in rows if not row["before"]}


async def refused(conn: Connection) -> dict[int, dict[RecordKey, str]]:
    """{shard: {(topic, offset): why}} of the records that the reader refuses."""
    found: dict[int, dict[RecordKey, str]] = {}
    for shard, topic, offset, error in await conn.fetch(REFUSED, GENERATION):
        found.setdefault(shard, {})[topic, offset] = error
    return found


async def held(conn: Connection) -> list[dict[str, Any]]:
    """The streams that stand still at the reader."""
    return [dict(row) for row in await conn.fetch(HELD, GENERATION)]


async def waiting(conn: Connection) -> list[dict[str, Any]]:
    """The events whose place is not known yet, and those behind them."""
    return [dict(row) for row in await conn.fetch(WAITING)]


async def numbered(conn: Connection, day: date) -> list[Delivered]:
    """Every number of a day, by subscription and number."""
    return [
        Delivered(
            row["subscription"], row["number"], row["batch"], row["day"], row["assigned_at"], tuple(row["corrects"] or ()), row["event_id"],
            row["source"], row["subject"], row["sequence"], row["type"], row["fact_type"], frozenset(row["places"]), row["hash"],
            row["sent_hash"],
        )
        for row in await conn.fetch(NUMBERED, day)
    ]  # fmt: skip


async def of_another_day(conn: Connection, ids: Collection[int], day: date) -> int:
    """How many numbers of these transactions have another day."""
    return int(await conn.fetchval(OF_BATCHES, list(ids), day))


async def earlier(conn: Connection, day: date, events: Collection[UUID], ranges: Collection[Range]) -> list[tuple[Earlier, str, str, int]]:
    """The deliveries before a day of these events and of those in these ranges; with source, subject and sequence, by number."""
    if not events and not ranges:
        return []
    columns = ([one.source for one in ranges], [one.subject for one in ranges], [one.first for one in ranges], [one.last for one in ranges])
    return [
        (Earlier(row[0], row[1], row[2], row[3], frozenset(row[4])), row["source"], row["subject"], row["sequence"])
        for row in await conn.fetch(EARLIER, day, list(events), *columns)
    ]


async def neighbours(conn: Connection, day: date) -> Mapping[UUID, Neighbours]:
    """{subscription: the numbers around a day}"""
    return {row[0]: Neighbours(*list(row)[1:]) for row in await conn.fetch(NEIGHBOURS, day)}
