"""Which events come too late: recorded on a day that is final already (docs/adr/0012). Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from shared.contracts.streams import DayClosed, EventWithdrawn
from shared.sequencing.records import Received
from shared.sequencing.streams import LATE, StreamsOfShard
from shared.sequencing.withdrawals import takes_back

DayOf = Callable[[datetime], date]


def is_late(streams: StreamsOfShard, record: Received, day_of: DayOf | None) -> bool:
    """Whether a record that arrives was recorded on a day that may be final already.

    It is not if an event of the same stream and day came before the day was closed and waits for this one: then the day is still open.
    Closed days change no figure and are never late, nor are withdrawals of what never counted. Asked before a withdrawal lets anything go.
    """
    closed = streams.closings.get(record.topic)
    if closed is None or day_of is None or record.time is None:
        return False
    data = record.event.data if record.event is not None else None
    if isinstance(data, DayClosed) or (isinstance(data, EventWithdrawn) and not takes_back(streams, record)):
        return False
    known = day_of(record.time)
    if known > closed:
        return False
    return not any(one.known == known and one.kind != LATE for one in streams.waiting.get(record.stream, {}).values())
