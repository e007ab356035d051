"""What waits in a shard, as its rows tell it: pure, so that a restart between any two batches can be tried."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import NamedTuple

from shared.sequencing.records import Received, Stream
from shared.sequencing.streams import LATE, At, Head, Sorted, StreamsOfShard, Waiting, Withdrawal
from shared.sequencing.withdrawals import accept, refusal


class HeldRow(NamedTuple):
    """One row of `held`. `withdraws`: the record, if it may be a withdrawal."""

    stream: Stream
    waiting: Waiting
    sequence: int
    withdraws: Received | None = None


class GoneRow(NamedTuple):
    """One row of `withdrawn` whose withdrawal was not applied yet; `own`: of this generation."""

    stream: Stream
    sequence: int
    withdrawal: Withdrawal
    own: bool = True


def restored(
    heads: Mapping[Stream, Head | None],
    held: Collection[HeldRow],
    gone: Iterable[GoneRow],
    tried: Collection[At],
    closed: date | None = None,
) -> StreamsOfShard:
    """The streams of a shard; parked heads that are not among `tried` become ready. `closed` = the shard's closed day."""
    streams = StreamsOfShard(heads=dict(heads))
    for known in gone:
        head = streams.heads[known.stream]
        # What another generation has accepted holds here as well, unless it was applied before that was known.
        if known.own or head is None or known.withdrawal.first > head.sequence:
            streams.gone.setdefault(known.stream, {})[known.sequence] = known.withdrawal
    for row in held:
        head = streams.heads[row.stream]
        if row.waiting.kind == "fork":
            streams.blocked.add(row.stream)
            streams.forked.add(row.stream)
        elif streams.withdrawn(row.stream, row.sequence):
            streams.leftover.append(row.waiting.at)
        elif head is None or row.sequence > head.sequence:
            late = row.withdraws is not None and _came_late(row.withdraws, row.waiting, closed)
            streams.waiting.setdefault(row.stream, {})[row.sequence] = row.waiting._replace(kind=LATE) if late else row.waiting
    _accept_late(streams, held)
    for stream, sequences in streams.waiting.items():
        first = sequences.get(streams.following(stream))
        if first is None or stream in streams.blocked:
            continue
        if first.at in tried:
            streams.blocked.add(stream)
        else:
            streams.ready[stream] = None
    return streams


def _came_late(withdraws: Received, waiting: Waiting, closed: date | None) -> bool:
    """Whether a release up to 0.2, to which no withdrawal was late, refused one that came after its day was final, which is final still."""
    if closed is None or waiting.known is None or waiting.kind != "refused" or refusal(withdraws) is not None:
        return False
    return waiting.known <= closed


def _accept_late(streams: StreamsOfShard, held: Iterable[HeldRow]) -> None:
    """An older release may have held withdrawals without knowing what they are."""
    late = Sorted()
    for row in held:
        if row.withdraws is not None and row.sequence in streams.waiting.get(row.stream, {}):
            accept(streams, row.withdraws, late)
    streams.leftover += late.released
    streams.accepted = late.accepted
    streams.ready.clear()
