"""Which events of a batch are applied, and which are dropped, held or parked: pure, and the reason for invariant I2.

Per stream, `last` being the last sequence applied: at most `last` is a duplicate, or a *fork* if it is another event; `last + 1` is applied;
anything later waits. Behind an event that is unreadable, refused or a fork everything later of its stream waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from shared.reading.records import NO_STREAM, Received, Stream

At: TypeAlias = tuple[str, int]
"""(topic, offset): the place of a record in its shard."""

PARKING = frozenset(("unreadable", "refused", "fork"))


class Head(NamedTuple):
    """The last event applied of a stream."""

    sequence: int
    event_id: UUID
    time: datetime


class Waiting(NamedTuple):
    """A held event that comes after the last one applied."""

    event_id: UUID | None
    at: At
    kind: str


class Parked(NamedTuple):
    """An event to be written to `held`."""

    record: Received
    kind: str
    error: str | None


@dataclass(slots=True)
class StreamsOfShard:
    """What the sorting knows of a shard. It is changed by `sort_out` and thrown away if the transaction does not commit.

    `heads`: None = the stream is known to be new; a stream not in it must be looked up first. `ready`: streams of which a waiting event may
    be applied now. `blocked`: streams behind a parked event.
    """

    heads: dict[Stream, Head | None] = field(default_factory=dict)
    waiting: dict[Stream, dict[int, Waiting]] = field(default_factory=dict)
    blocked: set[Stream] = field(default_factory=set)
    ready: dict[Stream, None] = field(default_factory=dict)


@dataclass(slots=True)
class Sorted:
    """What becomes of a batch. Per topic: `taken` = how many records of the log are dealt with, `next` = the offset after the last of them,
    `newest` = the greatest time among them. `blocking` = streams that are newly parked.
    """

    apply: list[Received] = field(default_factory=list)
    park: dict[At, Parked] = field(default_factory=dict)
    released: list[At] = field(default_factory=list)
    changed: dict[Stream, None] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    next: dict[str, int] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    blocking: list[Stream] = field(default_factory=list)
    duplicates: int = 0


def sort_out(
    streams: StreamsOfShard,
    records: Iterable[Received],
    kept: Mapping[Stream, Mapping[int, Received]],
    refused: Mapping[At, str],
    limit: int,
) -> Sorted:
    """Deal with `records` in order until `limit` events are to be applied.

    `kept` are the waiting events, as read again, of the streams that are ready or occur in `records`; `refused` are records that a rule has
    refused before, with the reason.
    """
    plan = Sorted()
    for stream in list(streams.ready):
        _release(streams, stream, kept, refused, plan, limit)
    for record in records:
        if len(plan.apply) >= limit:
            break
        _count(record, plan)
        _place(streams, record, refused, plan)
        if record.stream in streams.ready:
            _release(streams, record.stream, kept, refused, plan, limit)
    return plan


def _count(record: Received, plan: Sorted) -> None:
    topic = record.topic
    plan.taken[topic] = plan.taken.get(topic, 0) + 1
    plan.next[topic] = record.offset + 1
    if record.time is not None and (topic not in plan.newest or plan.newest[topic] < record.time):
        plan.newest[topic] = record.time


def _place(streams: StreamsOfShard, record: Received, refused: Mapping[At, str], plan: Sorted) -> None:
    stream, sequence = record.stream, record.sequence
    if stream == NO_STREAM:
        _park(plan, record, "unreadable", record.error)
        plan.blocking.append(("", f"{record.topic}/{record.partition}/{record.offset}"))
        return
    head = streams.heads[stream]
    last = head.sequence if head else 0
    waiting = streams.waiting.get(stream)
    if head is not None and sequence <= last:
        same_place = sequence == last and record.event_id != head.event_id
        told_later = sequence < last and record.time is not None and record.time > head.time
        _duplicate_or_fork(streams, record, same_place or told_later, plan)
    elif waiting and sequence in waiting:
        _duplicate_or_fork(streams, record, record.event_id is None or waiting[sequence].event_id != record.event_id, plan)
    elif sequence == last + 1 and stream not in streams.blocked:
        _try(streams, record, refused, plan)
        if waiting and stream not in streams.blocked and sequence + 1 in waiting:
            streams.ready[stream] = None
    else:
        kind = "early" if record.event is not None else "unreadable"
        _wait(streams, record, kind)
        _park(plan, record, kind, record.error)


def _duplicate_or_fork(streams: StreamsOfShard, record: Received, fork: bool, plan: Sorted) -> None:
    if not fork:
        plan.duplicates += 1
        return
    if record.stream not in streams.blocked:
        plan.blocking.append(record.stream)
    streams.blocked.add(record.stream)
    streams.ready.pop(record.stream, None)
    _park(plan, record, "fork", "another event has this sequence, or a later one was recorded before it")


def _try(streams: StreamsOfShard, record: Received, refused: Mapping[At, str], plan: Sorted) -> None:
    """Apply the next event of a stream, or park it and what follows."""
    reason = refused.get((record.topic, record.offset))
    if record.event is None or reason is not None:
        kind = "unreadable" if record.event is None else "refused"
        _wait(streams, record, kind)
        streams.blocked.add(record.stream)
        _park(plan, record, kind, reason or record.error)
        if record.held not in PARKING:
            plan.blocking.append(record.stream)
        return
    plan.apply.append(record)
    streams.heads[record.stream] = Head(record.event.sequence, record.event.id, record.event.time)
    plan.changed[record.stream] = None
    at = (record.topic, record.offset)
    if plan.park.pop(at, None) is None and record.held:
        plan.released.append(at)


def _park(plan: Sorted, record: Received, kind: str, error: str | None) -> None:
    plan.park[record.topic, record.offset] = Parked(record, kind, error)


def _wait(streams: StreamsOfShard, record: Received, kind: str) -> None:
    at = (record.topic, record.offset)
    streams.waiting.setdefault(record.stream, {})[record.sequence] = Waiting(record.event_id, at, kind)


def _release(
    streams: StreamsOfShard,
    stream: Stream,
    kept: Mapping[Stream, Mapping[int, Received]],
    refused: Mapping[At, str],
    plan: Sorted,
    limit: int,
) -> None:
    """Apply the waiting events of a stream as far as they follow; it stays ready if `limit` stops it."""
    waiting = streams.waiting[stream]
    while len(plan.apply) < limit:
        head = streams.heads[stream]
        following = (head.sequence if head else 0) + 1
        if stream in streams.blocked or following not in waiting:
            del streams.ready[stream]
            if not waiting:
                del streams.waiting[stream]
            return
        at = waiting.pop(following).at
        # It may have come in this very batch, and not be in the table yet.
        record = plan.park[at].record if at in plan.park else kept[stream][following]
        _try(streams, record, refused, plan)
