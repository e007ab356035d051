"""Which events of a batch are applied, and which are dropped, held or parked. Pure; the reason for invariant I2.

Per stream, `last` being the last sequence applied:
- at most `last`: a duplicate, or a *fork* if it is another event;
- the next one: applied, unless it is unreadable or refused;
- anything later: waits. Behind an unreadable, refused or forked event everything later of its stream waits.

An `event-withdrawn` takes effect when it arrives, also behind a held event (`withdrawals`): what it names and was not applied is dropped.
It is itself applied in its own place. An event recorded on a day that its source had closed before is *late* (`closed_days`): the figures of
that day are final, so it is never applied. Lateness depends on one topic's order alone, so it is the same in every fold (I3, I4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from shared.contracts.streams import DayClosed
from shared.sequencing.closed_days import DayOf, is_late
from shared.sequencing.parked_reasons import coded
from shared.sequencing.plan import LATE, PARKED_KINDS, BatchPlan
from shared.sequencing.records import NO_STREAM, Received, RecordKey, Stream
from shared.sequencing.streams import Head, ShardStreams, StreamState, WaitingEvent
from shared.sequencing.withdrawals import apply_if_withdrawal, withdrawal_refusal

FEW = 50
"""Records between two that change how others are applied; fewer are dealt with one by one."""
FORK = coded("FORK")
TOO_LATE = coded("DAY_CLOSED")


def sort_records(
    streams: ShardStreams,
    records: Iterable[Received],
    kept: Mapping[Stream, Mapping[int, Received]],
    refused: Mapping[RecordKey, str],
    limit: int,
    *,
    day_of: DayOf | None = None,
) -> BatchPlan:
    """Sort `records` in order until `limit` events are to be applied, or a few more: a stream's waiting events go before its next record.

    `kept` = {stream: {sequence: waiting event, as read again}} of the streams that are ready or occur in `records`; `refused` = {a
    record that a rule has refused before: the reason}. Without `day_of` nothing is late.
    """
    return _Sorter(streams, kept, refused, limit, day_of).sort(records)


def _without_copies(records: Iterable[Received], head: Head | None) -> list[Received] | None:
    """The records of a stream that follow on `head`, without copies of earlier ones; None if there is anything else among them."""
    following, newest = list[Received](), head.sequence if head is not None else 0
    for record in records:
        if record.sequence == newest + 1:
            following.append(record)
            newest += 1
        elif record.sequence > newest:
            return None
        else:
            last = following[-1] if following else head
            if (
                last is None
                or last.event_id is None
                or last.time is None
                or is_fork(record.sequence, record.event_id, record.time, Head(newest, last.event_id, last.time))
            ):
                return None
    return following


def is_fork(sequence: int, event_id: UUID | None, time: datetime | None, head: Head) -> bool:
    """Whether what is not after the last event applied, `head`, is another event and no copy, as far as that can be told."""
    if sequence == head.sequence:
        return event_id != head.event_id
    return time is not None and time > head.time


class _Sorter:
    def __init__(
        self,
        streams: ShardStreams,
        kept: Mapping[Stream, Mapping[int, Received]],
        refused: Mapping[RecordKey, str],
        limit: int,
        day_of: DayOf | None,
    ) -> None:
        self.streams = streams
        self.kept = kept
        self.refused = refused
        self.limit = limit
        self.day_of = day_of
        self.plan = BatchPlan(released=streams.dropped, accepted=streams.accepted)
        streams.dropped, streams.accepted = [], {}

    def sort(self, records: Iterable[Received]) -> BatchPlan:
        ready = self.streams.ready
        for stream in list(ready):
            self._release(stream)
        taken, at = list(records), 0
        special = [index for index, record in enumerate(taken) if not record.ordinary]
        for end in (*special, len(taken)):
            while end - at >= FEW and (room := self.limit - self.plan.applied) > 0:
                part = taken[at : min(end, at + room)]
                self._sort_by_stream(part)
                at += len(part)
            while at < min(end + 1, len(taken)) and self.plan.applied < self.limit:
                self.plan.take((taken[at],))
                self._deal_with(taken[at])
                at += 1
        return self.plan

    def _sort_by_stream(self, records: Sequence[Received]) -> None:
        """Sort records whose order matters in their stream alone."""
        streams = defaultdict[Stream, list[Received]](list)
        for record in records:
            streams[record.stream].append(record)
        self.plan.take(records)
        closed = max(self.streams.closings.values(), default=None)
        for stream, same in streams.items():
            if not self._all_follow(stream, same, closed):
                for record in same:
                    self._deal_with(record)

    def _all_follow(self, stream: Stream, records: list[Received], closed: date | None) -> bool:
        """Apply records that follow on the last one of a stream of which nothing is held, withdrawn, refused or late: what most are.

        Second publications among them are dropped. `closed` = the last day that any topic has closed.
        """
        state = self.streams.states[stream]
        if state.waiting or state.blocked or state.withdrawn or self.refused:
            return False
        following, first = records, state.last + 1
        if [record.sequence for record in records] != list(range(first, first + len(records))):
            without = _without_copies(records, state.head)
            if without is None:
                return False
            following = without
        times = [record.time for record in following if record.time is not None]
        if len(times) < len(following) or any(record.held or record.event_id is None for record in following):
            return False
        if times and closed is not None and self.day_of is not None and self.day_of(min(times)) <= closed:
            return False
        self.plan.duplicates += len(records) - len(following)
        if following:
            self.plan.apply_run(following)
            self.plan.changed[stream] = None
            last = following[-1]
            assert last.event_id is not None, "looked at above"
            state.head = Head(last.sequence, last.event_id, times[-1])
        return True

    def _deal_with(self, record: Received) -> None:
        if record.stream in self.streams.ready:
            # The limit stopped its release. Whether this record is late must not depend on the limit.
            self._release(record.stream, limited=False)
        self._place(record)
        if record.stream in self.streams.ready:
            self._release(record.stream)

    def _place(self, record: Received) -> None:
        if record.stream == NO_STREAM:
            self.plan.hold(record, "unreadable", record.error)
            self.plan.blocking.append(("", f"{record.topic}/{record.partition}/{record.offset}"))
            return
        state, sequence = self.streams.states[record.stream], record.sequence
        head = state.head
        if head is not None and sequence <= head.sequence:
            self._drop_or_fork(state, record, fork=is_fork(sequence, record.event_id, record.time, head))
        elif state.range_of(sequence):
            self.plan.withdrawn += 1
        elif (waiting := state.waiting.get(sequence)) is not None:
            self._drop_or_fork(state, record, fork=record.event_id is None or waiting.event_id != record.event_id)
        else:
            late = is_late(state, record, self.streams.closings.get(record.topic), self.day_of)
            apply_if_withdrawal(self.streams, record, self.plan)
            self._apply_or_wait(state, record, late=late)

    def _apply_or_wait(self, state: StreamState, record: Received, *, late: bool) -> None:
        if record.sequence == state.next and not state.blocked:
            self._apply_or_park(state, record, late=late)
            if state.next_waits:
                self.streams.ready[record.stream] = None
        else:
            kind = LATE if late else "early" if record.error is None else "unreadable"
            self._wait(state, record, kind, TOO_LATE if late else record.error)

    def _drop_or_fork(self, state: StreamState, record: Received, *, fork: bool) -> None:
        if not fork:
            self.plan.duplicates += 1
            return
        if not state.blocked:
            self.plan.blocking.append(record.stream)
        state.blocked = state.forked = True
        self.streams.ready.pop(record.stream, None)
        self.plan.hold(record, "fork", FORK)

    def _apply_or_park(self, state: StreamState, record: Received, *, late: bool) -> None:
        """Deal with the next event of a stream: what cannot be applied is parked, and blocks the stream."""
        plan, key = self.plan, record.key
        reason = TOO_LATE if late else withdrawal_refusal(record) or self.refused.get(key)
        if record.event_id is None or record.time is None or record.error is not None or reason is not None:
            kind = LATE if late else "unreadable" if record.error is not None else "refused"
            self._wait(state, record, kind, reason or record.error)
            state.blocked = True
            if record.held not in PARKED_KINDS and not late:
                plan.blocking.append(record.stream)
            return
        if not record.ordinary and (event := record.event) is not None and isinstance(event.data, DayClosed):
            closings, day = self.streams.closings, event.data.day
            closings[record.topic] = max(day, closings.get(record.topic, day))
        plan.apply_one(record)
        plan.changed[record.stream] = None
        state.head = Head(record.sequence, record.event_id, record.time)
        state.withdrawn.pop(record.sequence, None)
        if plan.park.pop(key, None) is None and record.held:
            plan.released.append(key)

    def _wait(self, state: StreamState, record: Received, kind: str, error: str | None) -> None:
        known = self.day_of(record.time) if self.day_of is not None and record.time is not None else None
        state.waiting[record.sequence] = WaitingEvent(record.event_id, record.key, kind, known)
        self.plan.hold(record, kind, error)

    def _release(self, stream: Stream, *, limited: bool = True) -> None:
        """Apply the waiting events of a stream as far as they follow; if `limited`, it stays ready where `limit` stops it."""
        state, plan = self.streams.states[stream], self.plan
        while not limited or plan.applied < self.limit:
            sequence = state.next
            if state.blocked or sequence not in state.waiting:
                del self.streams.ready[stream]
                return
            one = state.waiting.pop(sequence)
            # It may have come in this batch, and not be in the table yet.
            record = plan.park[one.key].record if one.key in plan.park else self.kept[stream][sequence]
            self._apply_or_park(state, record, late=one.kind == LATE)
