"""What is known of the streams of a shard, and what becomes of a batch: the words in which `sorting`, `withdrawals` and `lateness` speak."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from shared.sequencing.records import Received, Stream

At: TypeAlias = tuple[str, int]
"""(topic, offset): the place of a record in its shard."""

LATE = "late"
PARKING = frozenset(("unreadable", "refused", "fork", LATE))


class Head(NamedTuple):
    """The last event applied of a stream."""

    sequence: int
    event_id: UUID
    time: datetime


class Waiting(NamedTuple):
    """A held event that comes after the last one applied; `known` = the day on which it was recorded, None if that cannot be told."""

    event_id: UUID | None
    at: At
    kind: str
    known: date | None = None


class Parked(NamedTuple):
    """An event to be written to `held`."""

    record: Received
    kind: str
    error: str | None


class Withdrawal(NamedTuple):
    """What an `event-withdrawn` lets go: the sequences `first` to `last`, both included, never counted and are absent for good."""

    first: int
    last: int
    event_id: UUID

    def __contains__(self, sequence: object) -> bool:
        return isinstance(sequence, int) and self.first <= sequence <= self.last


@dataclass(slots=True)
class StreamsOfShard:
    """What the sorting knows of a shard. It is changed by `sort_out` and thrown away if the transaction does not commit.

    `heads`: None = the stream is known to be new; a stream not in it must be looked up first. `ready`: streams of which a waiting event may
    be applied now. `blocked`: streams behind a parked event; `forked`: those of them behind a fork. `gone` = {stream: {sequence of an accepted
    withdrawal that was not applied yet: what it names}}; `leftover` = held rows of sequences that are gone, and `accepted` = withdrawals that
    were accepted, both while the streams were loaded and not written yet. `closings` = {topic: the last day that its source has closed}.
    """

    heads: dict[Stream, Head | None] = field(default_factory=dict)
    waiting: dict[Stream, dict[int, Waiting]] = field(default_factory=dict)
    blocked: set[Stream] = field(default_factory=set)
    forked: set[Stream] = field(default_factory=set)
    ready: dict[Stream, None] = field(default_factory=dict)
    gone: dict[Stream, dict[int, Withdrawal]] = field(default_factory=dict)
    leftover: list[At] = field(default_factory=list)
    accepted: dict[tuple[Stream, int], Withdrawal] = field(default_factory=dict)
    closings: dict[str, date] = field(default_factory=dict)

    def following(self, stream: Stream) -> int:
        """The sequence to be applied next."""
        head = self.heads.get(stream)
        following = (head.sequence if head else 0) + 1
        while withdrawal := self.withdrawn(stream, following):
            following = withdrawal.last + 1
        return following

    def withdrawn(self, stream: Stream, sequence: int) -> Withdrawal | None:
        """The accepted withdrawal that names a sequence."""
        return next((one for one in self.gone.get(stream, {}).values() if sequence in one), None)


@dataclass(slots=True)
class Sorted:
    """What becomes of a batch. Per topic: `taken` = how many records of the log are dealt with, `next` = the offset after the last of them,
    `newest` = the greatest time among them. `blocking` = streams that are newly parked. `accepted` = withdrawals by (stream, sequence);
    `withdrawn` = how many records were let go because of one.
    """

    apply: list[Received] = field(default_factory=list)
    park: dict[At, Parked] = field(default_factory=dict)
    released: list[At] = field(default_factory=list)
    changed: dict[Stream, None] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    next: dict[str, int] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    blocking: list[Stream] = field(default_factory=list)
    accepted: dict[tuple[Stream, int], Withdrawal] = field(default_factory=dict)
    duplicates: int = 0
    withdrawn: int = 0
