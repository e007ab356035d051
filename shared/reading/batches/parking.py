"""Last step but one: what waits is written, refused, early and late events, and what withdrawals let go."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from shared.process.db import Connection
from shared.reading.ownership import ReaderHaltedError
from shared.reading.store import columns_of
from shared.sequencing.closed_days import DayOf
from shared.sequencing.plan import PARKED_KINDS, BatchPlan, ParkedEvent

MOST_PARKED = 20
WITHIN = 60.0
"""Seconds in which at most MOST_PARKED streams may be newly parked."""
ACCEPT = """
INSERT INTO withdrawn (generation, shard, source, subject, sequence, first, last, event_id)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::uuid[]) ON CONFLICT DO NOTHING
"""
PARK = """
INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, event_id, kind, error, event, known_day)
SELECT $1, $2, * FROM unnest(
    $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::uuid[], $9::text[], $10::text[], $11::bytea[], $12::date[]
)
ON CONFLICT (generation, shard, topic, "offset") DO UPDATE SET kind = excluded.kind, error = excluded.error,
    known_day = excluded.known_day, retry_wanted = false, tried_at = parkunion_now()
"""
RELEASE = """
DELETE FROM held USING unnest($3::text[], $4::bigint[]) AS r(topic, "offset")
WHERE held.generation = $1 AND held.shard = $2 AND held.topic = r.topic AND held."offset" = r."offset"
"""


class TooManyParkedError(ReaderHaltedError):
    """More than 20 streams were newly parked within a minute: the program is at fault, not the events."""


class Alarm:
    """Counts the streams that are newly parked."""

    def __init__(self) -> None:
        self._parked_at: deque[float] = deque()

    def require_few(self, plans: Sequence[BatchPlan]) -> None:
        """Raises TooManyParkedError if these plans park too many."""
        now = time.monotonic()
        while self._parked_at and now - self._parked_at[0] > WITHIN:
            self._parked_at.popleft()
        if len(self._parked_at) + sum(len(plan.blocking) for plan in plans) > MOST_PARKED:
            reasons = sorted({one.error or one.kind for plan in plans for one in plan.park.values() if one.kind in PARKED_KINDS})
            raise TooManyParkedError(f"more than {MOST_PARKED} streams were parked within a minute: {'; '.join(reasons[:3])}")

    def committed(self, plan: BatchPlan) -> None:
        """The streams that a plan parks are parked."""
        self._parked_at.extend([time.monotonic()] * len(plan.blocking))


async def write(conn: Connection, generation: int, shard: int, plan: BatchPlan, day_of: DayOf | None = None) -> None:
    """Write what a plan holds back, in at most three statements. Without `day_of` held events have no known day."""
    if plan.accepted:
        accepted = [(*stream, sequence, *dropped) for (stream, sequence), dropped in plan.accepted.items()]
        await conn.execute(ACCEPT, generation, shard, *columns_of(accepted))
    if plan.released:
        await conn.execute(RELEASE, generation, shard, *columns_of(plan.released))
    if plan.park:
        await conn.execute(PARK, generation, shard, *columns_of(held_row(parked, day_of) for parked in plan.park.values()))


def held_row(parked: ParkedEvent, day_of: DayOf | None) -> tuple[object, ...]:
    """A row of `held` from `topic` on, in the order of PARK and of a rebuild's COPY."""
    record = parked.record
    known = day_of(record.time) if day_of is not None and record.time is not None else None
    return (
        *(record.topic, record.offset, *record.stream, record.sequence, record.event_id),
        *(parked.kind, parked.error.replace("\x00", "") if parked.error else None, record.raw, known),
    )
