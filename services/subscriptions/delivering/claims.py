"""What is to be sent now: a worker takes queues, of each some lanes, and of each lane its first pending number.

A queue's row is locked first; its lanes, and the heads of the lanes, are read by later statements, which see everything that was committed
before the locks were held. Leases go by the wall clock: a test that turns the platform's clock must not take attempts away from a worker.
A lane that a killed worker had is due again when its lease ends, and its queue's `due_at` is never later than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from services.subscriptions.matching.outgoing import Content
from shared.process.db import Connection, array, text_array

LEASE = timedelta(seconds=30)
"""Longer than a delivery waits in the process, its attempt, and its settling take together."""

TAKE_QUEUES = """
SELECT subscription, parkunion_now() AS now FROM queues
WHERE due_at <= parkunion_now() AND subscription <> ALL($1::text::uuid[]) AND ($2 OR subscription = ANY($3::text::uuid[]))
ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
"""
TAKE_NAMED = "SELECT subscription FROM queues WHERE subscription = ANY($1::text::uuid[]) FOR UPDATE SKIP LOCKED"
ANY_DUE = """
SELECT EXISTS (
    SELECT FROM queues AS q JOIN subscriptions AS s ON s.id = q.subscription
    WHERE q.due_at <= parkunion_now() AND s.status = 'active' AND q.subscription <> ALL($1::text::uuid[])
)
"""
LEASE_LANES = """
WITH picked AS (
    SELECT l.subscription, l.subject FROM unnest($1::text::uuid[], $2::text::int[]) AS w(subscription, most)
    JOIN subscriptions AS s ON s.id = w.subscription AND s.status = 'active'
    CROSS JOIN LATERAL (
        SELECT l.subscription, l.subject FROM lanes AS l
        WHERE l.subscription = w.subscription AND l.due_at <= $3 AND l.leased_until <= clock_timestamp()
        ORDER BY l.due_at LIMIT w.most FOR UPDATE SKIP LOCKED
    ) AS l
)
UPDATE lanes AS l SET leased_until = clock_timestamp() + $4, leased_by = $5 FROM picked AS p
WHERE l.subscription = p.subscription AND l.subject = p.subject
RETURNING l.subscription, l.subject, l.attempts, l.leased_until
"""
SET_DUE = """
UPDATE queues AS q SET due_at = n.due_at FROM (
    SELECT w.subscription, CASE WHEN s.status <> 'active' THEN 'infinity' ELSE greatest(w.not_before, coalesce(
        (SELECT l.due_at FROM lanes AS l WHERE l.subscription = w.subscription AND l.due_at <= $3 AND l.leased_until <= clock_timestamp()
            ORDER BY l.due_at LIMIT 1),
        least(
            (SELECT $3 + (min(l.leased_until) - clock_timestamp()) FROM lanes AS l WHERE l.subscription = w.subscription AND l.due_at <= $3),
            (SELECT l.due_at FROM lanes AS l WHERE l.subscription = w.subscription AND l.due_at > $3 ORDER BY l.due_at LIMIT 1)
        ),
        'infinity'
    )) END AS due_at
    FROM unnest($1::text::uuid[], $2::text::timestamptz[]) AS w(subscription, not_before) JOIN subscriptions AS s ON s.id = w.subscription
) AS n WHERE q.subscription = n.subscription AND q.due_at <> n.due_at
"""
"""If a lane is due that nobody has, at once; else when the first lease of those that are due ends, or the next lane is due."""
HEADS = """
SELECT w.n, d.number, d.assigned_at, d.day, d.corrects,
    c.event_id, c.source, c.subject, c.type, c.fact_type, c.time, c.occurredon, c.places, c.data
FROM unnest($1::text::uuid[], $2::text::text[]) WITH ORDINALITY AS w(subscription, subject, n)
CROSS JOIN LATERAL (
    SELECT number, content, assigned_at, day, corrects FROM deliveries AS d
    WHERE d.subscription = w.subscription AND d.subject = w.subject AND d.pending ORDER BY number LIMIT 1
) AS d
JOIN contents AS c ON c.id = d.content
"""
CHANNELS = """
SELECT s.id, s.url, coalesce(
    (SELECT number - 1 FROM deliveries AS d WHERE d.subscription = s.id AND d.state = 'queued' ORDER BY number LIMIT 1), q.next_number - 1
) AS watermark,
ARRAY(SELECT kid FROM subscription_keys AS k WHERE k.subscription = s.id AND (k.until IS NULL OR k.until > $2) ORDER BY since DESC) AS kids
FROM subscriptions AS s JOIN queues AS q ON q.subscription = s.id WHERE s.id = ANY($1::text::uuid[])
"""
RELEASE = "UPDATE lanes SET leased_until = '-infinity', leased_by = NULL WHERE leased_by = $1"
ANY_TIME = datetime(1, 1, 1, tzinfo=UTC)
"""No bound, for `set_due`."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that this worker has until `leased_until`. `attempts`: failed ones of its head in this round of the schedule."""

    subscription: UUID
    subject: str
    attempts: int
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a subscription's deliveries go now, and with which keys they are signed, the newest first."""

    url: str
    watermark: int
    kids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Head:
    """A lane's first pending number."""

    lane: Lane
    channel: Channel
    number: int
    assigned_at: datetime
    day: date
    corrects: Sequence[int] | None
    content: Content


async def take_queues(
    conn: Connection, *, full: Sequence[UUID], anybody: bool, known: Sequence[UUID], woken: Sequence[UUID], most: int
) -> tuple[datetime | None, list[UUID]]:
    """Lock queues that may have something due, but those of `full`; of `known` only, unless `anybody`. `woken`: also these, due or not.

    Returns the instant of the platform's clock (None: there was nothing) and the subscriptions, the longest due first.
    """
    rows = await conn.fetch(TAKE_QUEUES, array(full), anybody, array(known), most)
    found = [row["subscription"] for row in rows]
    if woken and (more := set(woken).difference(found)):
        found += [row["subscription"] for row in await conn.fetch(TAKE_NAMED, array(sorted(more)))]
    if rows:
        return rows[0]["now"], found
    return (await conn.fetchval("SELECT parkunion_now()") if found else None), found


async def any_due(conn: Connection, full: Sequence[UUID]) -> bool:
    """Whether an active queue, but those of `full`, may have something due."""
    return bool(await conn.fetchval(ANY_DUE, array(full)))


async def lease_lanes(conn: Connection, limits: Mapping[UUID, int], now: datetime, worker: str) -> list[Lane]:
    """Take due lanes of these subscriptions, at most so many of each, the longest due first. Nothing of one that is not active."""
    rows = await conn.fetch(LEASE_LANES, array(limits), array(limits.values()), now, LEASE, worker)
    return [Lane(*row) for row in rows]


async def set_due(conn: Connection, not_before: Mapping[UUID, datetime], now: datetime) -> None:
    """Set anew when these queues may have something due. `not_before`: no attempt may begin earlier."""
    await conn.execute(SET_DUE, array(not_before), array(not_before.values()), now)


async def heads(conn: Connection, lanes: Sequence[Lane], now: datetime) -> tuple[list[Head], list[Lane]]:
    """What is to be sent of these lanes, and those of which nothing is pending."""
    if not lanes:
        return [], []
    keys = sorted({lane.subscription for lane in lanes})
    channels = {row["id"]: Channel(row["url"], row["watermark"], row["kids"]) for row in await conn.fetch(CHANNELS, array(keys), now)}
    found: list[Head] = []
    left = dict(enumerate(lanes, 1))
    for row in await conn.fetch(HEADS, array([lane.subscription for lane in lanes]), text_array([lane.subject for lane in lanes])):
        lane = left.pop(row[0])
        _, number, assigned_at, day, corrects, *content = row
        found.append(Head(lane, channels[lane.subscription], number, assigned_at, day, corrects, Content(*content)))
    return found, list(left.values())


async def release(conn: Connection, worker: str) -> None:
    """Give back all lanes that a worker of this name has."""
    await conn.execute(RELEASE, worker)
