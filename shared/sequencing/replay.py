"""The log of one shard read again from its beginning, sorted as a reader of this release would have sorted it: no group, no database.

What a reader's transaction applies, drops, holds or parks depends on the log alone (`sorting`), so that this gives the same streams and the
same held events whatever batches, restarts and rebalances the reader had.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Generic, TypeVar

from shared.broker.protocol import Broker, Extent, OffsetLost, Record
from shared.contracts import Envelope
from shared.sequencing.closed_days import NO_DAY, closed_day
from shared.sequencing.parked_reasons import reason_of
from shared.sequencing.records import NO_STREAM, Received, Stream, read
from shared.sequencing.shard import merged
from shared.sequencing.sorting import sort_out
from shared.sequencing.streams import LATE, At, Parked, Sorted, StreamsOfShard, Withdrawal

BATCH = 10_000

T = TypeVar("T")


@dataclass(slots=True)
class Replay(Generic[T]):
    """`async for told in replay.batches(broker)` gives what `understand` makes of the events that apply, in fold order.

    `until` = {topic: offset before which the log is read}. `understand(event)` raises one of `refusals` for an event that a rule refuses, as
    the reader's `apply` does. Afterwards `streams.heads` are the last events applied and `streams.closings` what the sources have closed, `held` the events kept
    and not applied, `accepted` the withdrawals, `newest` the greatest time read per topic, `closed` the shard's closed day, `applied` the number
    of events. `gone` = withdrawals that readers have accepted before (`shared.reading.store.withdrawn`): they hold from the first event on.
    """

    shard: int
    until: Mapping[str, int]
    understand: Callable[[Envelope], T]
    refusals: tuple[type[Exception], ...]
    day_of: Callable[[datetime], date]
    gone: Mapping[Stream, Mapping[int, Withdrawal]] = field(default_factory=dict)
    streams: StreamsOfShard = field(default_factory=StreamsOfShard)
    held: dict[At, Parked] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    accepted: dict[tuple[Stream, int], Withdrawal] = field(default_factory=dict)
    closed: date | None = None
    applied: int = 0
    _kept: dict[Stream, dict[int, Received]] = field(default_factory=dict)
    _understood: dict[At, T] = field(default_factory=dict)
    _refused: dict[At, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.streams.gone = {stream: dict(known) for stream, known in self.gone.items()}

    async def batches(self, broker: Broker) -> AsyncIterator[list[T]]:
        """Raises OffsetLost where the log does not hold what is to be read, or BrokerUnavailable."""
        await self._require_whole(broker)
        sources = {topic: broker.read({(topic, self.shard): Extent(0, end)}) for topic, end in self.until.items() if end}
        pending: dict[str, deque[Received]] = {topic: deque() for topic in sources}
        unread = set(sources)
        while True:
            for topic in list(unread):
                if not await self._fill(sources[topic], pending[topic]):
                    unread.discard(topic)
            records = merged(pending, unread, BATCH)
            if not records:
                return
            for record in records:
                pending[record.topic].popleft()
            if told := self._sort(records):
                yield told

    async def _require_whole(self, broker: Broker) -> None:
        extents = await broker.extents(self.until)
        for topic, end in self.until.items():
            extent = extents[topic, self.shard]
            if end and (extent.begin > 0 or extent.end < end):
                raise OffsetLost(f"{topic}/{self.shard} holds {extent.begin} to {extent.end}, not 0 to {end}")

    async def _fill(self, source: AsyncIterator[Sequence[Record]], pending: deque[Received]) -> bool:
        """Let a batch of a topic wait; false: there is no more of it."""
        while len(pending) < BATCH:
            records = await anext(source, None)
            if records is None:
                return False
            pending.extend(map(read, records))
        return True

    def _sort(self, records: Sequence[Received]) -> list[T]:
        heads = self.streams.heads
        for record in records:
            if record.stream != NO_STREAM:
                heads.setdefault(record.stream, None)
            if record.event is not None:
                self._hear(record, record.event)
        plan = sort_out(self.streams, records, self._kept, self._refused, sys.maxsize, day_of=self.day_of)
        told = [self._understood.pop((record.topic, record.offset)) for record in plan.apply]
        self._keep(plan)
        self._close()
        self.applied += len(told)
        return told

    def _hear(self, record: Received, event: Envelope) -> None:
        at = (record.topic, record.offset)
        try:
            self._understood[at] = self.understand(event)
        except self.refusals as error:
            self._refused[at] = reason_of(error)

    def _close(self) -> None:
        """As the reader closes days, whose closed day never goes back."""
        held = [parked.record.time for parked in self.held.values() if parked.kind != LATE]
        days = [self.day_of(time) if time is not None else NO_DAY for time in held]
        found = closed_day(self.streams.closings, self.until, min(days, default=None))
        if found is not None and (self.closed is None or found > self.closed):
            self.closed = found

    def _keep(self, plan: Sorted) -> None:
        self.accepted |= plan.accepted
        for topic, when in plan.newest.items():
            self.newest[topic] = max(when, self.newest.get(topic, when))
        for at in plan.released:
            if (parked := self.held.pop(at, None)) is not None:
                self._kept.get(parked.record.stream, {}).pop(parked.record.sequence, None)
        for at, parked in plan.park.items():
            self.held[at] = parked
            if parked.record.stream != NO_STREAM and parked.kind != "fork":
                kept = replace(parked.record, held=parked.kind)
                self._kept.setdefault(kept.stream, {})[kept.sequence] = kept
        self._understood = {at: told for at, told in self._understood.items() if at in self.held}
