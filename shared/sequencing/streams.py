"""What a reader knows of the streams of a shard. `sorting` and `withdrawals` change it; a restart restores it (`restoring`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from shared.sequencing.records import RecordKey, Stream


class Head(NamedTuple):
    """The last event applied of a stream."""

    sequence: int
    event_id: UUID
    time: datetime


class WaitingEvent(NamedTuple):
    """A held event after the head. `kind` as in `held.kind`; `known` = the day on which it was recorded, None if it has no readable time."""

    event_id: UUID | None
    key: RecordKey
    kind: str
    known: date | None = None


class WithdrawnRange(NamedTuple):
    """The sequences `first` to `last`, both included, that the withdrawal `event_id` dropped: they were never applied and never will be."""

    first: int
    last: int
    event_id: UUID

    def __contains__(self, sequence: object) -> bool:
        return isinstance(sequence, int) and self.first <= sequence <= self.last


@dataclass(slots=True)
class StreamState:
    """One stream. Example: events 1 to 3 were applied, 4 is withdrawn, 6 has arrived: `last` = 3, `next` = 5, `waiting` = {6: …}.

    `head`: None before the first event is applied. `waiting` = {sequence: event}, all after the head. `blocked`: a parked event keeps `next`
    from being applied; `forked`: that event is a fork, which no withdrawal removes. `withdrawn` = {sequence of an accepted withdrawal that
    was not applied yet: what it dropped}.
    """

    head: Head | None = None
    waiting: dict[int, WaitingEvent] = field(default_factory=dict)
    blocked: bool = False
    forked: bool = False
    withdrawn: dict[int, WithdrawnRange] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The last sequence applied; 0: none."""
        return self.head.sequence if self.head is not None else 0

    @property
    def next(self) -> int:
        """The sequence to apply next: the first after `last` that is not withdrawn."""
        sequence = self.last + 1
        while dropped := self.range_of(sequence):
            sequence = dropped.last + 1
        return sequence

    def range_of(self, sequence: int) -> WithdrawnRange | None:
        """The accepted withdrawal that dropped a sequence."""
        return next((one for one in self.withdrawn.values() if sequence in one), None) if self.withdrawn else None

    @property
    def next_waits(self) -> bool:
        """Whether the next event has arrived and nothing keeps it from being applied."""
        return bool(self.waiting) and not self.blocked and self.next in self.waiting

    @property
    def holds_nothing(self) -> bool:
        """Whether `head`, which can be read again, is all there is to know."""
        return not (self.waiting or self.blocked or self.withdrawn)


@dataclass(slots=True)
class ShardStreams:
    """The streams of a shard. `sort_records` changes it; it is thrown away if the transaction does not commit.

    `states`: a stream that is not in it must be looked up before it is sorted. `ready`: streams whose next event waits, in the order in which
    they became so. `dropped` = held rows of withdrawn events, `accepted` = {(stream, sequence): range} of withdrawals: both were found while
    the state was restored, and the next batch writes them. `closings` = {topic: the last day that its source has closed}.
    """

    states: dict[Stream, StreamState] = field(default_factory=dict)
    ready: dict[Stream, None] = field(default_factory=dict)
    dropped: list[RecordKey] = field(default_factory=list)
    accepted: dict[tuple[Stream, int], WithdrawnRange] = field(default_factory=dict)
    closings: dict[str, date] = field(default_factory=dict)

    def add(self, heads: Mapping[Stream, Head | None]) -> None:
        """Add streams that were looked up; None: no event of the stream was applied yet."""
        for stream, head in heads.items():
            self.states[stream] = StreamState(head)

    def state(self, stream: Stream) -> StreamState:
        """The state of a stream, a new one if it is unknown."""
        state = self.states.get(stream)
        if state is None:
            state = self.states[stream] = StreamState()
        return state

    def heads(self, streams: Iterable[Stream] | None = None) -> dict[Stream, Head]:
        """The heads of these streams, or of all, that have one."""
        wanted = self.states if streams is None else streams
        return {stream: head for stream in wanted if (head := self.states[stream].head) is not None}

    def forget_idle(self) -> None:
        """Drop what can be looked up again."""
        self.states = {stream: state for stream, state in self.states.items() if not state.holds_nothing}
