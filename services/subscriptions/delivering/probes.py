"""Requests that have no number: the verification of an endpoint, and tests that a bureau asks for. One request each, never repeated by itself.

A worker that is killed between sending and noting leaves the probe open; it is sent again when its lease is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.subscriptions.delivering.disabling import BY, CHANGED
from services.subscriptions.delivering.messages import request_headers
from services.subscriptions.delivering.outcomes import text_of
from services.subscriptions.egress.sending import Answer, Sender
from services.subscriptions.matching.current import next_revision
from services.subscriptions.matching.outgoing import SOURCE, TEST, VERIFICATION
from services.subscriptions.signing.ring import OpenedKeys
from shared.process.clock import Clock
from shared.process.db import Connection

LEASE = timedelta(seconds=30)
WRONG_ANSWER = "WRONG_ANSWER"
"""The endpoint did not answer 200 with `{"challenge": …}`, the one that was sent."""
NOT_VERIFIED = "NOT_VERIFIED"
"""A test of an endpoint that is not verified, or of a subscription that has ended: nothing was sent."""

TAKE = """
UPDATE probes AS p SET leased_until = clock_timestamp() + $2 FROM (
    SELECT id FROM probes WHERE done_at IS NULL AND leased_until <= clock_timestamp() ORDER BY asked_at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS t, subscriptions AS s WHERE p.id = t.id AND s.id = p.subscription
RETURNING p.id, p.subscription, p.kind, p.challenge, p.asked_at, s.status, s.url,
    ARRAY(SELECT kid FROM subscription_keys AS k WHERE k.subscription = s.id AND (k.until IS NULL OR k.until > parkunion_now()) ORDER BY since DESC) AS kids
"""
DONE = """
UPDATE probes SET done_at = $2, succeeded = $3, status = $4, error = $5, answer = $6, duration_ms = $7 WHERE id = $1 AND done_at IS NULL
RETURNING id
"""
FAILED = "UPDATE subscriptions SET last_error = $2, last_error_at = $3 WHERE id = $1 AND status = 'verifying'"
VERIFIED = """
UPDATE subscriptions SET status = 'active', status_reason = NULL, status_at = $2, last_success_at = $2, failing_since = NULL
WHERE id = $1 AND status = 'verifying' RETURNING id
"""
BEGIN = "UPDATE queues SET due_at = $2 WHERE subscription = $1"
NOTIFY = "SELECT pg_notify('deliveries', '')"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Probe:
    """One row of `probes`, with its subscription's channel."""

    id: UUID
    subscription: UUID
    kind: str
    challenge: str | None
    asked_at: datetime
    status: str
    url: str | None
    kids: list[str]


async def take(conn: Connection, most: int) -> list[Probe]:
    """Probes that nobody has, the oldest first."""
    return [Probe(*row) for row in await conn.fetch(TAKE, most, LEASE)]


def event_of_probe(probe: Probe, clock: Clock) -> dict[str, Any]:
    """The CloudEvent of a probe."""
    return {
        "specversion": "1.0",
        "id": str(probe.id),
        "source": SOURCE,
        "type": VERIFICATION if probe.kind == "verification" else TEST,
        "subject": f"subscription/{probe.subscription}",
        "time": probe.asked_at,
        "occurredon": clock.day_of(probe.asked_at).isoformat(),
        "datacontenttype": "application/json",
        "data": {"challenge": probe.challenge} if probe.kind == "verification" else {},
    }


async def send(probe: Probe, sender: Sender, keys: OpenedKeys, clock: Clock) -> Answer:
    """Send one. A test is sent to verified endpoints only: before, nothing but the verification is."""
    if probe.url is None or probe.status == "ended" or (probe.kind == "test" and probe.status == "verifying"):
        return Answer(None, NOT_VERIFIED, b"", 0.0)
    body = _encode(event_of_probe(probe, clock))
    headers = request_headers(keys.of(probe.kids), probe.subscription, str(probe.id), body)
    return await sender.send(probe.url, headers, body)


def fault_of(probe: Probe, answer: Answer) -> str | None:
    """Why a probe failed, as a code; None: it succeeded."""
    if answer.status is None:
        return answer.error
    if probe.kind == "verification":
        if answer.status != 200:
            return f"STATUS_{answer.status}"
        return None if probe.challenge is not None and _challenge(answer.body) == probe.challenge else WRONG_ANSWER
    return None if 200 <= answer.status < 300 else f"STATUS_{answer.status}"


def _challenge(body: bytes) -> object:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):  # the last one: nested too deeply to be read
        return None
    return found.get("challenge") if isinstance(found, dict) else None


async def note(conn: Connection, probe: Probe, answer: Answer, now: datetime) -> bool:
    """Write what came of a probe in the open transaction; returns whether the subscription became active by it.

    A verification that succeeds makes the subscription active, and what has been queued for it is due.
    """
    error = fault_of(probe, answer)
    if probe.kind == "verification" and error is None:
        await next_revision(conn)
    done = await conn.fetchval(DONE, probe.id, now, error is None, answer.status, error, text_of(answer.body), round(answer.seconds * 1000))
    if done is None or probe.kind != "verification":
        return False
    if error is not None:
        await conn.execute(FAILED, probe.subscription, error, now)
        return False
    if await conn.fetchval(VERIFIED, probe.subscription, now) is None:
        return False
    await conn.execute(CHANGED, probe.subscription, now, "active", None, BY)
    await conn.execute(BEGIN, probe.subscription, now)
    await conn.execute(NOTIFY)
    return True
