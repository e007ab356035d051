"""Which events of a batch are applied, and which are dropped, held or parked: pure, and the reason for invariant I2.

Per stream, `last` being the last sequence applied: at most `last` is a duplicate, or a *fork* if it is another event; the one that follows
is applied; anything later waits. Behind an event that is unreadable, refused or a fork everything later of its stream waits.

An `event-withdrawn` is recognised when it arrives, also behind a held stream: what it names and was not applied is *gone* (`withdrawals`).
What follows the last one applied is then the next sequence that is not gone. The withdrawal itself takes its own place in the sequence.

An event that was recorded on a day that its source had closed before it came is *late* (`lateness`): the figures of that day are final, so
it waits for ever. Whether it is late depends on its own topic alone, so it is so in every fold (I3, I4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shared.contracts.streams import DayClosed
from shared.sequencing.lateness import DayOf, is_late
from shared.sequencing.parked_reasons import coded
from shared.sequencing.records import NO_STREAM, Received, Stream
from shared.sequencing.streams import LATE, PARKING, At, Head, Parked, Sorted, StreamsOfShard, Waiting
from shared.sequencing.withdrawals import accept, refusal


class _Rules(NamedTuple):
    refused: Mapping[At, str]
    limit: int
    day_of: DayOf | None


def sort_out(
    streams: StreamsOfShard,
    records: Iterable[Received],
    kept: Mapping[Stream, Mapping[int, Received]],
    refused: Mapping[At, str],
    limit: int,
    *,
    day_of: DayOf | None = None,
) -> Sorted:
    """Deal with `records` in order until `limit` events are to be applied.

    `kept` are the waiting events, as read again, of the streams that are ready or occur in `records`; `refused` are records that a rule has
    refused before, with the reason. `day_of` tells the known day of an instant; without it nothing is late.
    """
    rules = _Rules(refused, limit, day_of)
    plan = Sorted(released=streams.leftover, accepted=streams.accepted)
    streams.leftover, streams.accepted = [], {}
    for stream in list(streams.ready):
        _release(streams, stream, kept, rules, plan)
    for record in records:
        if len(plan.apply) >= limit:
            break
        _count(record, plan)
        _place(streams, record, rules, plan)
        if record.stream in streams.ready:
            _release(streams, record.stream, kept, rules, plan)
    return plan


def _count(record: Received, plan: Sorted) -> None:
    topic = record.topic
    plan.taken[topic] = plan.taken.get(topic, 0) + 1
    plan.next[topic] = record.offset + 1
    if record.time is not None and (topic not in plan.newest or plan.newest[topic] < record.time):
        plan.newest[topic] = record.time


def _place(streams: StreamsOfShard, record: Received, rules: _Rules, plan: Sorted) -> None:
    stream, sequence = record.stream, record.sequence
    if stream == NO_STREAM:
        _park(plan, record, "unreadable", record.error)
        plan.blocking.append(("", f"{record.topic}/{record.partition}/{record.offset}"))
        return
    head = streams.heads[stream]
    last = head.sequence if head else 0
    waiting = streams.waiting.get(stream, {})
    if head is not None and sequence <= last:
        same_place = sequence == last and record.event_id != head.event_id
        told_later = sequence < last and record.time is not None and record.time > head.time
        _duplicate_or_fork(streams, record, same_place or told_later, plan)
    elif streams.withdrawn(stream, sequence):
        plan.withdrawn += 1
    elif sequence in waiting:
        _duplicate_or_fork(streams, record, record.event_id is None or waiting[sequence].event_id != record.event_id, plan)
    else:
        late = is_late(streams, record, rules.day_of)
        accept(streams, record, plan)
        _try_or_wait(streams, record, rules, plan, late=late)


def _try_or_wait(streams: StreamsOfShard, record: Received, rules: _Rules, plan: Sorted, *, late: bool) -> None:
    stream = record.stream
    if record.sequence == streams.following(stream) and stream not in streams.blocked:
        _try(streams, record, rules, plan, late=late)
        if stream not in streams.blocked and streams.following(stream) in streams.waiting.get(stream, {}):
            streams.ready[stream] = None
    else:
        kind = LATE if late else "early" if record.event is not None else "unreadable"
        _wait(streams, record, kind, rules)
        _park(plan, record, kind, TOO_LATE if late else record.error)


def _duplicate_or_fork(streams: StreamsOfShard, record: Received, fork: bool, plan: Sorted) -> None:
    if not fork:
        plan.duplicates += 1
        return
    if record.stream not in streams.blocked:
        plan.blocking.append(record.stream)
    streams.blocked.add(record.stream)
    streams.forked.add(record.stream)
    streams.ready.pop(record.stream, None)
    _park(plan, record, "fork", FORK)


FORK = coded("FORK")
TOO_LATE = coded("DAY_CLOSED")


def _try(streams: StreamsOfShard, record: Received, rules: _Rules, plan: Sorted, *, late: bool) -> None:
    """Apply the next event of a stream, or park it and what follows."""
    reason = TOO_LATE if late else refusal(record) or rules.refused.get((record.topic, record.offset))
    if record.event is None or reason is not None:
        kind = LATE if late else "unreadable" if record.event is None else "refused"
        _wait(streams, record, kind, rules)
        streams.blocked.add(record.stream)
        _park(plan, record, kind, reason or record.error)
        if record.held not in PARKING and not late:
            plan.blocking.append(record.stream)
        return
    if isinstance(record.event.data, DayClosed):
        day = record.event.data.day
        streams.closings[record.topic] = max(day, streams.closings.get(record.topic, day))
    plan.apply.append(record)
    streams.heads[record.stream] = Head(record.event.sequence, record.event.id, record.event.time)
    plan.changed[record.stream] = None
    if gone := streams.gone.get(record.stream):
        gone.pop(record.sequence, None)
        if not gone:
            del streams.gone[record.stream]
    at = (record.topic, record.offset)
    if plan.park.pop(at, None) is None and record.held:
        plan.released.append(at)


def _park(plan: Sorted, record: Received, kind: str, error: str | None) -> None:
    plan.park[record.topic, record.offset] = Parked(record, kind, error)


def _wait(streams: StreamsOfShard, record: Received, kind: str, rules: _Rules) -> None:
    at = (record.topic, record.offset)
    known = rules.day_of(record.time) if rules.day_of is not None and record.time is not None else None
    streams.waiting.setdefault(record.stream, {})[record.sequence] = Waiting(record.event_id, at, kind, known)


def _release(
    streams: StreamsOfShard,
    stream: Stream,
    kept: Mapping[Stream, Mapping[int, Received]],
    rules: _Rules,
    plan: Sorted,
) -> None:
    """Apply the waiting events of a stream as far as they follow; it stays ready if `limit` stops it."""
    waiting = streams.waiting[stream]
    while len(plan.apply) < rules.limit:
        following = streams.following(stream)
        if stream in streams.blocked or following not in waiting:
            del streams.ready[stream]
            if not waiting:
                del streams.waiting[stream]
            return
        one = waiting.pop(following)
        # It may have come in this very batch, and not be in the table yet.
        record = plan.park[one.at].record if one.at in plan.park else kept[stream][following]
        _try(streams, record, rules, plan, late=one.kind == LATE)
