"""What became of attempts, written for many of them in one transaction.

A lane's row is locked first; whether it has something more pending is read by a later statement (0001_subscriptions.sql). An outcome whose
lease is over is written as well, but leaves the lane to the worker that has it now. No queue is locked here: the next claim sets its `due_at`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.subscriptions.delivering.claims import Lane
from shared.process import faults
from shared.process.db import Connection, array, bytes_array, text_array

DELIVERED = "delivered"
PARKED = "parked"
WITHHELD = "withheld"

LOCK = """
SELECT l.subscription, l.subject FROM unnest($1::text::uuid[], $2::text::text[], $3::text::timestamptz[]) AS o(subscription, subject, leased_until)
JOIN lanes AS l ON l.subscription = o.subscription AND l.subject = o.subject AND l.leased_by = $4 AND l.leased_until = o.leased_until
ORDER BY l.subscription, l.subject FOR UPDATE OF l
"""
NOTE = """
WITH noted AS (
    INSERT INTO attempts (subscription, number, at, duration_ms, status, error, answer)
    SELECT subscription, number, at, duration_ms, status, error, answer FROM unnest(
        $1::text::uuid[], $2::text::bigint[], $3::text::timestamptz[], $4::text::int[], $5::text::int[], $6::text::text[], $7::text::text[]
    ) AS o(subscription, number, at, duration_ms, status, error, answer)
)
UPDATE deliveries AS d SET
    attempts = d.attempts + 1,
    state = CASE WHEN o.state IS NULL OR d.state = 'delivered' THEN d.state ELSE o.state END,
    hash = CASE WHEN o.hash = '' OR d.state = 'delivered' THEN d.hash ELSE o.hash END,
    error = CASE WHEN o.state IS NULL OR d.state = 'delivered' THEN d.error ELSE o.reason END,
    settled_at = CASE WHEN o.state IS NULL OR d.state = 'delivered' THEN d.settled_at ELSE $11 END,
    pending = d.pending AND o.state IS NULL
FROM unnest($1::text::uuid[], $2::text::bigint[], $8::text::text[], $9::text::text[], $10::text::bytea[]) AS o(subscription, number, state, reason, hash)
WHERE d.subscription = o.subscription AND d.number = o.number
"""
END_LANES = """
DELETE FROM lanes AS l USING unnest($1::text::uuid[], $2::text::text[]) AS o(subscription, subject)
WHERE l.subscription = o.subscription AND l.subject = o.subject
AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.subscription = o.subscription AND d.subject = o.subject AND d.pending)
"""
ADVANCE_LANES = """
UPDATE lanes AS l SET attempts = o.attempts, due_at = coalesce(o.due_at, parkunion_now()), leased_until = '-infinity', leased_by = NULL
FROM unnest($1::text::uuid[], $2::text::text[], $3::text::int[], $4::text::timestamptz[]) AS o(subscription, subject, attempts, due_at)
WHERE l.subscription = o.subscription AND l.subject = o.subject
"""
"""`due_at` NULL: at once, by the database's clock. A process's idea of the time may be some milliseconds ahead of it; a lane that is due only then
is not found by the claim that follows, and would wait for the next look at the queues.
"""
SUCCEEDED = """
UPDATE subscriptions SET failing_since = NULL, last_success_at = $2::timestamptz
WHERE id = ANY($1::text::uuid[]) AND (failing_since IS NOT NULL OR last_success_at IS NULL OR last_success_at < $2::timestamptz - interval '1 second')
"""
FAILED = """
UPDATE subscriptions AS s SET failing_since = CASE WHEN s.last_success_at >= f.at THEN s.failing_since ELSE coalesce(s.failing_since, f.at) END,
    last_error = f.error, last_error_at = f.at
FROM unnest($1::text::uuid[], $2::text::timestamptz[], $3::text::text[]) AS f(subscription, at, error) WHERE s.id = f.subscription
RETURNING s.id, s.failing_since
"""
KEPT_TEXT = 1024


@dataclass(frozen=True, slots=True)
class Made:
    """An attempt that was made. `at`: its beginning by the platform's clock. `error`: a code, or `STATUS_<n>`; None: it succeeded."""

    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    answer: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a lane's head. `attempt` None: none was made, and it does not count.

    `state`: what the delivery is now (DELIVERED, PARKED, WITHHELD), with its `reason`; None: it is tried again at `again_at` (None: at once).
    `hash`: that of what was sent, where it differs from the stored content's; empty: it does not.
    """

    lane: Lane
    attempt: Made | None
    state: str | None = None
    reason: str | None = None
    again_at: datetime | None = None
    hash: bytes = b""
    gone: bool = False


async def settle(conn: Connection, outcomes: Sequence[Outcome], worker: str, now: datetime, *, again: bool = False) -> None:
    """Write outcomes in the open transaction; each is of another lane.

    `again`: it may have happened already, its answer being lost: then the leases have ended, and nothing is written twice.
    """
    lanes = [one.lane for one in outcomes]
    rows = await conn.fetch(LOCK, *_keys(lanes), array([lane.leased_until for lane in lanes]), worker)
    held = {(row[0], row[1]) for row in rows}
    kept = [one for one in outcomes if (one.lane.subscription, one.lane.subject) in held]
    made = [(one, one.attempt) for one in (kept if again else outcomes) if one.attempt is not None]
    if made:
        await conn.execute(
            NOTE,
            array([one.lane.subscription for one, _ in made]),
            array([attempt.number for _, attempt in made]),
            array([attempt.at for _, attempt in made]),
            array([attempt.duration_ms for _, attempt in made]),
            array([attempt.status for _, attempt in made]),
            text_array([attempt.error for _, attempt in made]),
            text_array([text_of(attempt.answer) for _, attempt in made]),
            text_array([one.state for one, _ in made]),
            text_array([one.reason for one, _ in made]),
            bytes_array([one.hash for one, _ in made]),
            now,
        )
    if ended := [one.lane for one in kept if one.state is not None or (one.attempt is None and one.again_at is None)]:
        await conn.execute(END_LANES, *_keys(ended))
    if kept:
        await conn.execute(
            ADVANCE_LANES,
            *_keys([one.lane for one in kept]),
            array([_attempts(one) for one in kept]),
            array([one.again_at for one in kept]),
        )
    faults.reached("deliveries.settled")


def _attempts(one: Outcome) -> int:
    if one.state is not None:
        return 0
    return one.lane.attempts + (one.attempt is not None)


def _keys(lanes: Iterable[Lane]) -> tuple[str, str]:
    lanes = list(lanes)
    return array([lane.subscription for lane in lanes]), text_array([lane.subject for lane in lanes])


def text_of(answer: bytes) -> str:
    """The beginning of an answer as text that the database can keep."""
    return answer.decode(errors="replace").replace("\x00", "\ufffd")[:KEPT_TEXT]


async def note_health(conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> dict[UUID, datetime]:
    """Note of each subscription that it succeeded or failed; returns {subscription: since when it fails} of those that failed.

    Outside the transaction of `settle`, since subscriptions are locked before lanes elsewhere.
    """
    succeeded: set[UUID] = set()
    failed: dict[UUID, Made] = {}
    for one in outcomes:
        if one.attempt is not None and one.attempt.error is not None:
            failed[one.lane.subscription] = one.attempt
        elif one.attempt is not None:
            succeeded.add(one.lane.subscription)
    if succeeded:
        await conn.execute(SUCCEEDED, array(sorted(succeeded)), now)
    keys = sorted(failed)
    if not keys:
        return {}
    errors = text_array([failed[key].error for key in keys])
    rows = await conn.fetch(FAILED, array(keys), array([failed[key].at for key in keys]), errors)
    return {row[0]: row[1] for row in rows if row[1] is not None}
