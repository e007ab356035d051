"""What an `event-withdrawn` drops, and what it takes back (docs/design/ENGINE.md, Reading 6). Pure.

When it arrives, its range is divided at the last sequence applied. What comes after was never applied and is *dropped*: deleted where it
waits, ignored where it still arrives, absent at every known day. What was applied has counted, and stays counted on every day before the
withdrawal's own: the reader's `apply` takes it back when the withdrawal is applied, as by a correction to nothing.
"""

from __future__ import annotations

from shared.contracts.streams import EventWithdrawn
from shared.sequencing.parked_reasons import coded
from shared.sequencing.plan import BatchPlan
from shared.sequencing.records import Received
from shared.sequencing.streams import ShardStreams, StreamState, WithdrawnRange


def withdrawal_of(record: Received) -> EventWithdrawn | None:
    """The record's withdrawal; None if it is another event."""
    event = None if record.ordinary else record.event
    return event.data if event is not None and isinstance(event.data, EventWithdrawn) else None


def withdrawal_refusal(record: Received) -> str | None:
    """Why a withdrawal is refused: its range does not lie before its own sequence."""
    withdrawal = withdrawal_of(record)
    if withdrawal is None or 0 < withdrawal.first <= withdrawal.last < record.sequence:
        return None
    return coded("NO_RANGE", f"{withdrawal.first}..{withdrawal.last}")


def takes_back(state: StreamState, record: Received) -> bool:
    """Whether an arriving withdrawal names an event that was applied, so that figures of its own known day change."""
    withdrawal = withdrawal_of(record)
    if withdrawal is None or withdrawal_refusal(record) is not None:
        return False
    known = state.withdrawn.get(record.sequence)
    return withdrawal.first <= (min(withdrawal.last, state.last) if known is None else known.first - 1)


def apply_if_withdrawal(streams: ShardStreams, record: Received, plan: BatchPlan) -> None:
    """If the record is a withdrawal, drop what it names and was not applied, and unblock the stream if it stood there.

    It may drop another withdrawal that waits; what that one has dropped stays dropped. A range that another generation has accepted is not
    divided again: more may be applied by now.
    """
    withdrawal = withdrawal_of(record)
    if withdrawal is None or record.event_id is None or withdrawal_refusal(record) is not None:
        return
    stream, state = record.stream, streams.states[record.stream]
    dropped = state.withdrawn.get(record.sequence)
    if dropped is None:
        first = max(withdrawal.first, state.last + 1)
        if first > withdrawal.last:
            return
        dropped = WithdrawnRange(first, withdrawal.last, record.event_id)
    stood_at = state.next
    state.withdrawn[record.sequence] = plan.accepted[stream, record.sequence] = dropped
    for sequence in [sequence for sequence in state.waiting if sequence in dropped]:
        key = state.waiting.pop(sequence).key
        plan.park.pop(key, None)
        plan.released.append(key)
        plan.withdrawn += 1
    if not state.waiting:
        streams.ready.pop(stream, None)
    if stood_at in dropped and not state.forked:
        state.blocked = False
        if stream in plan.blocking:
            plan.blocking.remove(stream)
        if state.next_waits:
            streams.ready[stream] = None
