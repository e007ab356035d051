"""Which events of a batch are applied, and which are dropped, held or parked: pure, and the reason for invariant I2.

Per stream, `last` being the last sequence applied: at most `last` is a duplicate, or a *fork* if it is another event; the one that follows
is applied; anything later waits. Behind an event that is unreadable, refused or a fork everything later of its stream waits.

An `event-withdrawn` is recognised when it arrives, also behind a held stream: the sequences that it names are *gone*. Those that wait are
let go, those that still arrive are dropped, and what follows the last one applied is the next sequence that is not gone. The withdrawal
itself takes its own place in the sequence. One that names what was applied is refused when its turn comes.

An event that was recorded on a day that its source had closed before it came is *late*: the figures of that day are final, so it waits for
ever (its source can withdraw it and say it anew). Whether it is late depends on its own topic alone, so it is so in every fold (I3, I4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from shared.contracts.streams import DayClosed, EventWithdrawn
from shared.reading.records import NO_STREAM, Received, Stream

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
    """An accepted `event-withdrawn`: the sequences `first` to `last`, both included, are absent for good."""

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


def withdrawal_of(record: Received) -> EventWithdrawn | None:
    """What a record withdraws; None if it is no withdrawal."""
    data = record.event.data if record.event is not None else None
    return data if isinstance(data, EventWithdrawn) else None


class _Rules(NamedTuple):
    refused: Mapping[At, str]
    limit: int
    forgets: bool
    day_of: Callable[[datetime], date] | None


def sort_out(
    streams: StreamsOfShard,
    records: Iterable[Received],
    kept: Mapping[Stream, Mapping[int, Received]],
    refused: Mapping[At, str],
    limit: int,
    *,
    forgets: bool = False,
    day_of: Callable[[datetime], date] | None = None,
) -> Sorted:
    """Deal with `records` in order until `limit` events are to be applied.

    `kept` are the waiting events, as read again, of the streams that are ready or occur in `records`; `refused` are records that a rule has
    refused before, with the reason. `forgets`: what is applied can be taken out again, so no withdrawal is refused for it.
    `day_of` tells the known day of an instant; without it nothing is late.
    """
    rules = _Rules(refused, limit, forgets, day_of)
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
        accept(streams, record, plan, forgets=rules.forgets)
        _try_or_wait(streams, record, rules, plan)


def _try_or_wait(streams: StreamsOfShard, record: Received, rules: _Rules, plan: Sorted) -> None:
    stream, late = record.stream, _is_late(streams, record, rules)
    if record.sequence == streams.following(stream) and stream not in streams.blocked:
        _try(streams, record, rules, plan, late=late)
        if stream not in streams.blocked and streams.following(stream) in streams.waiting.get(stream, {}):
            streams.ready[stream] = None
    else:
        kind = LATE if late else "early" if record.event is not None else "unreadable"
        _wait(streams, record, kind, rules)
        _park(plan, record, kind, TOO_LATE if late else record.error)


def _is_late(streams: StreamsOfShard, record: Received, rules: _Rules) -> bool:
    """Whether a record that arrives was recorded on a day that may be final already.

    It is not if an event of the same stream and day came before the day was closed and waits for this one: then the day is still open.
    Withdrawals and closed days change no figure and are never late.
    """
    closed = streams.closings.get(record.topic)
    if closed is None or rules.day_of is None or record.time is None:
        return False
    if record.event is not None and isinstance(record.event.data, DayClosed | EventWithdrawn):
        return False
    known = rules.day_of(record.time)
    if known > closed:
        return False
    return not any(one.known == known and one.kind != LATE for one in streams.waiting.get(record.stream, {}).values())


def accept(streams: StreamsOfShard, record: Received, plan: Sorted, *, forgets: bool = False) -> None:
    """If the record is a withdrawal of what was never applied, let go what it names, and the stream with it.

    One that names another withdrawal that was accepted is not: what that one named may be gone already.
    """
    said, stream = withdrawal_of(record), record.stream
    if said is None or record.event is None or not 0 < said.first <= said.last < record.sequence:
        return
    head, gone = streams.heads[stream], streams.gone.get(stream, {})
    if (head is not None and said.first <= head.sequence and not forgets) or any(said.first <= one <= said.last for one in gone):
        return
    following = streams.following(stream)
    withdrawal = streams.gone.setdefault(stream, {})[record.sequence] = Withdrawal(said.first, said.last, record.event.id)
    plan.accepted[stream, record.sequence] = withdrawal
    waiting = streams.waiting.get(stream, {})
    for sequence in [sequence for sequence in waiting if sequence in withdrawal]:
        at = waiting.pop(sequence).at
        plan.park.pop(at, None)
        plan.released.append(at)
        plan.withdrawn += 1
    if not waiting:
        streams.waiting.pop(stream, None)
        streams.ready.pop(stream, None)
    if following in withdrawal and stream not in streams.forked:
        streams.blocked.discard(stream)
        if stream in plan.blocking:
            plan.blocking.remove(stream)
        if streams.following(stream) in waiting:
            streams.ready[stream] = None


def _duplicate_or_fork(streams: StreamsOfShard, record: Received, fork: bool, plan: Sorted) -> None:
    if not fork:
        plan.duplicates += 1
        return
    if record.stream not in streams.blocked:
        plan.blocking.append(record.stream)
    streams.blocked.add(record.stream)
    streams.forked.add(record.stream)
    streams.ready.pop(record.stream, None)
    _park(plan, record, "fork", "another event has this sequence, or a later one was recorded before it")


TOO_LATE = "recorded on a day that its source had closed: the figures of that day are final"


def _try(streams: StreamsOfShard, record: Received, rules: _Rules, plan: Sorted, *, late: bool) -> None:
    """Apply the next event of a stream, or park it and what follows."""
    if rules.forgets and record.sequence not in streams.gone.get(record.stream, {}):
        accept(streams, record, plan, forgets=True)
    reason = TOO_LATE if late else _refusal(streams, record) or rules.refused.get((record.topic, record.offset))
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


def _refusal(streams: StreamsOfShard, record: Received) -> str | None:
    """Why a withdrawal whose turn has come is refused: all that it could name was applied before it."""
    said = withdrawal_of(record)
    if said is None or record.sequence in streams.gone.get(record.stream, {}):
        return None
    if not 0 < said.first <= said.last < record.sequence:
        return f"the withdrawal names {said.first} to {said.last}, which is no range of sequences before its own"
    return f"the withdrawal names {said.first} to {said.last}, and one of them was applied: what has counted is corrected, not withdrawn"


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
