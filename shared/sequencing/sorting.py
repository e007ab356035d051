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

from collections.abc import Iterable, Mapping

from shared.contracts.streams import DayClosed
from shared.sequencing.closed_days import DayOf, is_late
from shared.sequencing.parked_reasons import coded
from shared.sequencing.plan import LATE, PARKED_KINDS, BatchPlan
from shared.sequencing.records import NO_STREAM, Received, RecordKey, Stream
from shared.sequencing.streams import Head, ShardStreams, StreamState, WaitingEvent
from shared.sequencing.withdrawals import apply_if_withdrawal, withdrawal_refusal

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
    """Sort `records` in order until `limit` events are to be applied.

    `kept` = {stream: {sequence: waiting event, as read again}} of the streams that are ready or occur in `records`; `refused` = {a
    record that a rule has refused before: the reason}. Without `day_of` nothing is late.
    """
    return _Sorter(streams, kept, refused, limit, day_of).sort(records)


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
        ready, plan, dealt_with = self.streams.ready, self.plan, list[Received]()
        for stream in list(ready):
            self._release(stream)
        for record in records:
            if len(plan.apply) >= self.limit:
                break
            dealt_with.append(record)
            if record.ordinary and self._follows(record):
                continue
            self._place(record)
            if record.stream in ready:
                self._release(record.stream)
        plan.take(dealt_with)
        return plan

    def _follows(self, record: Received) -> bool:
        """Apply a record if it is the next of a stream of which nothing is held, withdrawn, refused or late: what most are."""
        stream, sequence = record.stream, record.sequence
        state = self.streams.states[stream]
        head = state.head
        if sequence != (1 if head is None else head.sequence + 1) or state.waiting or state.blocked or state.withdrawn:
            return False
        if record.held is not None or (self.refused and record.key in self.refused):
            return False
        closed = self.streams.closings.get(record.topic)
        if closed is not None and is_late(state, record, closed, self.day_of):
            return False
        assert record.event_id is not None, "an ordinary record can be decoded"
        assert record.time is not None, "an ordinary record can be decoded"
        self.plan.apply.append(record)
        self.plan.changed[stream] = None
        state.head = Head(sequence, record.event_id, record.time)
        return True

    def _place(self, record: Received) -> None:
        if record.stream == NO_STREAM:
            self.plan.hold(record, "unreadable", record.error)
            self.plan.blocking.append(("", f"{record.topic}/{record.partition}/{record.offset}"))
            return
        state, sequence = self.streams.states[record.stream], record.sequence
        head = state.head
        if head is not None and sequence <= head.sequence:
            other_event = sequence == head.sequence and record.event_id != head.event_id
            recorded_later = sequence < head.sequence and record.time is not None and record.time > head.time
            self._drop_or_fork(state, record, fork=other_event or recorded_later)
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
            kind = LATE if late else "early" if record.wire is not None else "unreadable"
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
        if record.event_id is None or record.time is None or record.wire is None or reason is not None:
            kind = LATE if late else "unreadable" if record.wire is None else "refused"
            self._wait(state, record, kind, reason or record.error)
            state.blocked = True
            if record.held not in PARKED_KINDS and not late:
                plan.blocking.append(record.stream)
            return
        if not record.ordinary and (event := record.event) is not None and isinstance(event.data, DayClosed):
            closings, day = self.streams.closings, event.data.day
            closings[record.topic] = max(day, closings.get(record.topic, day))
        plan.apply.append(record)
        plan.changed[record.stream] = None
        state.head = Head(record.sequence, record.event_id, record.time)
        state.withdrawn.pop(record.sequence, None)
        if plan.park.pop(key, None) is None and record.held:
            plan.released.append(key)

    def _wait(self, state: StreamState, record: Received, kind: str, error: str | None) -> None:
        known = self.day_of(record.time) if self.day_of is not None and record.time is not None else None
        state.waiting[record.sequence] = WaitingEvent(record.event_id, record.key, kind, known)
        self.plan.hold(record, kind, error)

    def _release(self, stream: Stream) -> None:
        """Apply the waiting events of a stream as far as they follow; it stays ready if `limit` stops it."""
        state, plan = self.streams.states[stream], self.plan
        while len(plan.apply) < self.limit:
            sequence = state.next
            if state.blocked or sequence not in state.waiting:
                del self.streams.ready[stream]
                return
            one = state.waiting.pop(sequence)
            # It may have come in this batch, and not be in the table yet.
            record = plan.park[one.key].record if one.key in plan.park else self.kept[stream][sequence]
            self._apply_or_park(state, record, late=one.kind == LATE)
