"""The streams of a shard, restored from its rows. Pure, so that tests can restart between any two batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import NamedTuple

from shared.sequencing.plan import LATE, BatchPlan
from shared.sequencing.records import Received, RecordKey, Stream
from shared.sequencing.streams import Head, ShardStreams, WaitingEvent, WithdrawnRange
from shared.sequencing.withdrawals import apply_if_withdrawal, withdrawal_refusal


class HeldRow(NamedTuple):
    """One row of `held`. `withdrawal`: the record, if it may be one."""

    stream: Stream
    waiting: WaitingEvent
    sequence: int
    withdrawal: Received | None = None


class WithdrawnRow(NamedTuple):
    """One row of `withdrawn` whose withdrawal was not applied yet; `own`: of this generation."""

    stream: Stream
    sequence: int
    dropped: WithdrawnRange
    own: bool = True


def restore_streams(
    heads: Mapping[Stream, Head | None],
    held: Collection[HeldRow],
    withdrawn: Iterable[WithdrawnRow],
    tried: Collection[RecordKey],
    closed: date | None = None,
) -> ShardStreams:
    """The streams as the last commit left them; parked events that are not among `tried` become ready. `closed` = the shard's closed day."""
    streams = ShardStreams()
    streams.add(heads)
    for known in withdrawn:
        state = streams.states[known.stream]
        # What another generation has accepted holds here as well, unless it was applied before that was known.
        if known.own or known.dropped.first > state.last:
            state.withdrawn[known.sequence] = known.dropped
    for row in held:
        state = streams.states[row.stream]
        if row.waiting.kind == "fork":
            state.blocked = state.forked = True
        elif state.range_of(row.sequence):
            streams.dropped.append(row.waiting.key)
        elif row.sequence > state.last:
            late = row.withdrawal is not None and _came_late(row.withdrawal, row.waiting, closed)
            state.waiting[row.sequence] = row.waiting._replace(kind=LATE) if late else row.waiting
    _accept_missed(streams, held)
    for stream in dict.fromkeys(row.stream for row in held):
        state = streams.states[stream]
        if not state.next_waits:
            continue
        if state.waiting[state.next].key in tried:
            state.blocked = True
        else:
            streams.ready[stream] = None
    return streams


def _came_late(withdrawal: Received, waiting: WaitingEvent, closed: date | None) -> bool:
    """Whether a release up to 0.2, which knew no late withdrawals, refused one that came after its day was final and still is."""
    if closed is None or waiting.known is None or waiting.kind != "refused" or withdrawal_refusal(withdrawal) is not None:
        return False
    return waiting.known <= closed


def _accept_missed(streams: ShardStreams, held: Iterable[HeldRow]) -> None:
    """Accept withdrawals that an older release has held without knowing the type."""
    plan = BatchPlan()
    for row in held:
        if row.withdrawal is not None and row.sequence in streams.states[row.stream].waiting:
            apply_if_withdrawal(streams, row.withdrawal, plan)
    streams.dropped += plan.released
    streams.accepted = plan.accepted
    streams.ready.clear()
