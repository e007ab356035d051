"""Reads the log of one shard again from its beginning and sorts it as a reader of this release does, without group and database.

What a reader applies, drops, holds or parks depends on the log alone (`sorting`). So this gives the same streams and the same held events,
whatever batches, restarts and rebalances the reader had.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, TypeVar

import msgspec

from shared.broker.protocol import Broker, Extent, OffsetLostError, Record
from shared.sequencing.closed_days import NO_DAY, DayOf, closed_day
from shared.sequencing.parked_reasons import reason_for
from shared.sequencing.plan import LATE, BatchPlan, ParkedEvent
from shared.sequencing.records import NO_STREAM, Received, RecordKey, Stream, decode_records
from shared.sequencing.shard import merged
from shared.sequencing.sorting import sort_records
from shared.sequencing.streams import ShardStreams, WithdrawnRange

BATCH = 10_000

T = TypeVar("T")


@dataclass(slots=True)
class Replay(Generic[T]):
    """`async for decoded in replay.batches(broker)` gives what `decode` returns for the events that apply, in fold order.

    `until` = {topic: the offset before which the log is read}. `decode(record)` raises one of `refusals` for an event that a rule refuses, as
    the reader's `apply` does. `withdrawn` = ranges that readers have accepted before (`shared.reading.store.withdrawn`): they hold from the first
    event on.

    After the last batch: `streams` has the heads and closings, `held` the events kept and not applied, `accepted` the withdrawals, `newest` the
    greatest time read per topic, `closed` the shard's closed day, `applied` the number of events.
    """

    shard: int
    until: Mapping[str, int]
    decode: Callable[[Received], T]
    refusals: tuple[type[Exception], ...]
    day_of: DayOf
    withdrawn: Mapping[Stream, Mapping[int, WithdrawnRange]] = field(default_factory=dict)
    streams: ShardStreams = field(default_factory=ShardStreams)
    held: dict[RecordKey, ParkedEvent] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    accepted: dict[tuple[Stream, int], WithdrawnRange] = field(default_factory=dict)
    closed: date | None = None
    applied: int = 0
    _kept: dict[Stream, dict[int, Received]] = field(default_factory=dict)
    _decoded: dict[RecordKey, T] = field(default_factory=dict)
    _refused: dict[RecordKey, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for stream, known in self.withdrawn.items():
            self.streams.state(stream).withdrawn = dict(known)

    async def batches(self, broker: Broker) -> AsyncIterator[list[T]]:
        """Raises OffsetLostError where the log does not hold what is to be read, or BrokerUnavailableError."""
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
            if decoded := self._sort(records):
                yield decoded

    async def _require_whole(self, broker: Broker) -> None:
        extents = await broker.extents(self.until)
        for topic, end in self.until.items():
            extent = extents[topic, self.shard]
            if end and (extent.begin > 0 or extent.end < end):
                raise OffsetLostError(f"{topic}/{self.shard} holds {extent.begin} to {extent.end}, not 0 to {end}")

    async def _fill(self, source: AsyncIterator[Sequence[Record]], pending: deque[Received]) -> bool:
        """Read a topic on until a batch is pending; false: its end is reached."""
        while len(pending) < BATCH:
            records = await anext(source, None)
            if records is None:
                return False
            pending.extend(decode_records(records))
        return True

    def _sort(self, records: Sequence[Received]) -> list[T]:
        for record in records:
            if record.stream != NO_STREAM:
                self.streams.state(record.stream)
            if record.error is None:
                try:
                    self._decoded[record.key] = self.decode(record)
                except self.refusals as error:
                    self._refused[record.key] = reason_for(error)
        plan = sort_records(self.streams, records, self._kept, self._refused, sys.maxsize, day_of=self.day_of)
        decoded = [self._decoded.pop(record.key) for record in plan.apply]
        self._keep(plan)
        self._close()
        self.applied += len(decoded)
        return decoded

    def _close(self) -> None:
        """As the reader does; a closed day never opens again."""
        held = [parked.record.time for parked in self.held.values() if parked.kind != LATE]
        days = [self.day_of(time) if time is not None else NO_DAY for time in held]
        found = closed_day(self.streams.closings, self.until, min(days, default=None))
        if found is not None and (self.closed is None or found > self.closed):
            self.closed = found

    def _keep(self, plan: BatchPlan) -> None:
        self.accepted |= plan.accepted
        for topic, when in plan.newest.items():
            self.newest[topic] = max(when, self.newest.get(topic, when))
        for key in plan.released:
            if (parked := self.held.pop(key, None)) is not None:
                self._kept.get(parked.record.stream, {}).pop(parked.record.sequence, None)
        for key, parked in plan.park.items():
            self.held[key] = parked
            if parked.record.stream != NO_STREAM and parked.kind != "fork":
                kept = msgspec.structs.replace(parked.record, held=parked.kind)
                self._kept.setdefault(kept.stream, {})[kept.sequence] = kept
        self._decoded = {key: decoded for key, decoded in self._decoded.items() if key in self.held}
