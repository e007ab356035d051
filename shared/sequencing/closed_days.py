"""Closed days of a shard: which day is closed, and which events come too late for it (docs/adr/0012). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import TypeAlias

from shared.contracts.streams import DayClosed, EventWithdrawn
from shared.sequencing.plan import LATE
from shared.sequencing.records import Received
from shared.sequencing.streams import StreamState
from shared.sequencing.withdrawals import takes_back

DayOf: TypeAlias = Callable[[datetime], date]
"""The business day of an instant: an event's known day, if the instant is its `time`."""

NO_DAY = date.min
"""The known day of a record without a readable time: before every day."""


def closed_day(closings: Mapping[str, date], topics: Iterable[str], oldest_held: date | None) -> date | None:
    """The last day on which nothing more can become known in a shard; None if there is none.

    `closings` = {topic: the last day that its source has closed}, `topics` = all that are read, `oldest_held` = the earliest known day of the
    held events (None: nothing is held). Example: closed until 5 and 7 March, and an event of 4 March is held: 3 March.
    """
    days = [closings.get(topic) for topic in topics]
    if not days or oldest_held == NO_DAY:
        return None
    closed = min(day or NO_DAY for day in days)
    if oldest_held is not None:
        closed = min(closed, oldest_held - timedelta(days=1))
    return None if closed == NO_DAY else closed


def is_late(state: StreamState, record: Received, closed: date | None, day_of: DayOf | None) -> bool:
    """Whether an arriving record was recorded on a day that may be final already. Ask before `apply_if_withdrawal` drops anything.

    `closed` is the last day that the record's source has closed. Not late: a record whose stream holds an event of the same day that arrived
    in time, since that day is still open; a closed day and a withdrawal of events that were never applied, since they change no figure.
    """
    if closed is None or day_of is None or record.time is None:
        return False
    event = None if record.ordinary else record.event
    data = None if event is None else event.data
    if isinstance(data, DayClosed) or (isinstance(data, EventWithdrawn) and not takes_back(state, record)):
        return False
    known = day_of(record.time)
    return known <= closed and not any(one.known == known and one.kind != LATE for one in state.waiting.values())
