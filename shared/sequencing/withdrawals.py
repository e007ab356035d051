"""What an `event-withdrawn` lets go, and what it takes back (docs/design/ENGINE.md, Reading 6). Pure.

When it arrives, what it names is divided at the last sequence applied then. What comes after that and was not applied is *gone*: let go
where it waits, dropped where it still comes, absent at every known day. What was applied has counted, so it stays counted on every day before
the withdrawal's own: it is taken back by whoever applies the withdrawal, when its turn comes, as by a correction to nothing.
"""

from __future__ import annotations

from shared.contracts.streams import EventWithdrawn
from shared.sequencing.parked_reasons import coded
from shared.sequencing.records import Received
from shared.sequencing.streams import Sorted, StreamsOfShard, Withdrawal


def withdrawal_of(record: Received) -> EventWithdrawn | None:
    """What a record withdraws; None if it is no withdrawal."""
    data = record.event.data if record.event is not None else None
    return data if isinstance(data, EventWithdrawn) else None


def refusal(record: Received) -> str | None:
    """Why a withdrawal is refused: what it names is no range of sequences before its own."""
    said = withdrawal_of(record)
    if said is None or 0 < said.first <= said.last < record.sequence:
        return None
    return coded("NO_RANGE", f"{said.first}..{said.last}")


def takes_back(streams: StreamsOfShard, record: Received) -> bool:
    """Whether a withdrawal that arrives names something that was applied before, so that figures of its own known day change."""
    said = withdrawal_of(record)
    if said is None or refusal(record) is not None:
        return False
    known = streams.gone.get(record.stream, {}).get(record.sequence)
    return said.first <= (min(said.last, _applied(streams, record)) if known is None else known.first - 1)


def accept(streams: StreamsOfShard, record: Received, plan: Sorted) -> None:
    """If the record is a withdrawal, let go what it names and was not applied, and the stream with it.

    Another withdrawal that waits may be among that: what that one let go stays gone. What is known to be gone, since another generation saw
    the withdrawal arrive, is not divided again: by now more may be applied.
    """
    said, stream = withdrawal_of(record), record.stream
    if said is None or record.event is None or refusal(record) is not None:
        return
    withdrawal = streams.gone.get(stream, {}).get(record.sequence)
    if withdrawal is None:
        first = max(said.first, _applied(streams, record) + 1)
        if first > said.last:
            return
        withdrawal = Withdrawal(first, said.last, record.event.id)
    following = streams.following(stream)
    streams.gone.setdefault(stream, {})[record.sequence] = withdrawal
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


def _applied(streams: StreamsOfShard, record: Received) -> int:
    head = streams.heads[record.stream]
    return head.sequence if head is not None else 0
