"""Reads the log of one shard again from its beginning and sorts it as a reader of this release does, without group and database.

What a reader applies, drops, holds or parks depends on the log alone (`sorting`). So this gives the same streams and the same held events,
whatever batches, restarts and rebalances the reader had. The topics may be read in any order: nothing but the closed day looks at more than one. As by a reader that is far behind, events are read as columns (`columns`); those of a
stream that is not simply going on, and batches in which anything is unusual, are sorted as objects.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import chain
from typing import Generic, TypeVar

import msgspec
import numpy as np

from shared.broker.protocol import Broker, Extent, OffsetLostError, Record
from shared.sequencing.closed_days import NO_DAY, DayOf, closed_day
from shared.sequencing.columnar.columns import Columns, Item, Names
from shared.sequencing.columnar.sorting import sort_columns, streams_of
from shared.sequencing.frames import FrameDecoder, ReadData
from shared.sequencing.parked_reasons import reason_for
from shared.sequencing.plan import LATE, BatchPlan, ParkedEvent
from shared.sequencing.records import NO_STREAM, Received, RecordKey, Stream, decode_records
from shared.sequencing.sorting import sort_records
from shared.sequencing.streams import ShardStreams, StreamState, WithdrawnRange

BATCH = 20_000
"""Records of one topic that are sorted together."""
AT_ONCE = 2_000
"""Records that are decoded together: so many fit into a processor's caches."""

T = TypeVar("T")


@dataclass(slots=True)
class Part(Generic[T]):
    """What applies next: `columns`, by stream, and what `decode` returned for the other events, in fold order."""

    columns: list[Columns] = field(default_factory=list)
    decoded: list[T] = field(default_factory=list)


@dataclass(slots=True)
class _Arrived:
    """Records of one topic in their order, in the chunks in which they were fetched, and the same decoded."""

    chunks: list[Sequence[Record]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    count: int = 0

    def objects(self, offsets: frozenset[int] | None = None) -> list[Received]:
        """The records as objects, or those at some offsets."""
        return [
            record
            for chunk in self.chunks
            for record in decode_records(chunk if offsets is None else [one for one in chunk if one.offset in offsets])
        ]


@dataclass(slots=True)
class Replay(Generic[T]):
    """`async for part in replay.parts(broker)` gives the events that apply, in fold order.

    `until` = {topic: the offset before which the log is read}. `decode(record)` raises one of `refusals` for an event that a rule refuses, as
    the reader's `apply` does, and `check(columns)` if it refuses any of them. `withdrawn` = ranges that readers have accepted before
    (`shared.reading.store.withdrawn`): they hold from the first event on. `types`: those whose events may be columns; `framed`: further ones, of
    whose events `read_data` keeps something (`frames`).

    After the last part: `streams` has the heads and closings, `held` the events kept and not applied, `accepted` the withdrawals, `newest` the
    greatest time read per topic, `closed` the shard's closed day, `applied` the number of events, `as_objects` how many records were sorted as objects.
    """

    shard: int
    until: Mapping[str, int]
    decode: Callable[[Received], T]
    refusals: tuple[type[Exception], ...]
    day_of: DayOf
    withdrawn: Mapping[Stream, Mapping[int, WithdrawnRange]] = field(default_factory=dict)
    types: Sequence[str] = ()
    framed: Sequence[str] = ()
    read_data: ReadData = lambda _, data: [None] * len(data)
    beside: Sequence[str] = ()
    check: Callable[[Columns], None] = lambda _: None
    streams: ShardStreams = field(default_factory=ShardStreams)
    held: dict[RecordKey, ParkedEvent] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    accepted: dict[tuple[Stream, int], WithdrawnRange] = field(default_factory=dict)
    closed: date | None = None
    applied: int = 0
    as_objects: int = 0
    _kept: dict[Stream, dict[int, Received]] = field(default_factory=dict)
    _decoded: dict[RecordKey, T] = field(default_factory=dict)
    _refused: dict[RecordKey, str] = field(default_factory=dict)
    _decoders: dict[str, FrameDecoder] = field(default_factory=dict)
    _names: dict[str, tuple[Names, Names]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for stream, known in self.withdrawn.items():
            self.streams.state(stream).withdrawn = dict(known)

    async def parts(self, broker: Broker) -> AsyncIterator[Part[T]]:
        """Raises OffsetLostError where the log does not hold what is to be read, or BrokerUnavailableError."""
        await self._require_whole(broker)
        pending: dict[str, _Arrived] = {}
        async for records in broker.read({(topic, self.shard): Extent(0, end) for topic, end in self.until.items() if end}):
            topic = records[0].topic
            arrived = pending.setdefault(topic, _Arrived())
            arrived.chunks.append(records)
            arrived.count += len(records)
            if arrived.count >= BATCH and (part := self._take(pending.pop(topic))) is not None:
                yield part
        for arrived in pending.values():
            if (part := self._take(arrived)) is not None:
                yield part

    def _decode(self, arrived: _Arrived) -> None:
        topic = arrived.chunks[0][0].topic
        if not self.types:
            arrived.items = [record for chunk in arrived.chunks for record in decode_records(chunk)]
            return
        decoder = self._decoders.get(topic)
        if decoder is None:
            decoder = self._decoders[topic] = FrameDecoder(self.types, self.framed, self.read_data, self.beside)
        names = self._names.setdefault(topic, (Names(), Names()))
        for records in arrived.chunks:
            for begin in range(0, len(records), AT_ONCE):
                arrived.items += decoder.decode(records[begin : begin + AT_ONCE], *names)

    def _take(self, arrived: _Arrived) -> Part[T] | None:
        self._decode(arrived)
        part = self._sort_as_columns(arrived) or self._sort(arrived.objects())
        self.applied += len(part.decoded) + sum(map(len, part.columns))
        return part if part.decoded or part.columns else None

    async def _require_whole(self, broker: Broker) -> None:
        extents = await broker.extents(self.until)
        for topic, end in self.until.items():
            extent = extents[topic, self.shard]
            if end and (extent.begin > 0 or extent.end < end):
                raise OffsetLostError(f"{topic}/{self.shard} holds {extent.begin} to {extent.end}, not 0 to {end}")

    def _sort_as_columns(self, arrived: _Arrived) -> Part[T] | None:
        """Sort what has arrived as columns; None, and nothing changed, if anything unusual is in it. Streams of which something is held, withdrawn or
        blocked are sorted as objects beside it."""
        if not any(isinstance(item, Columns) for item in arrived.items):
            return None
        states = self.streams.states
        between = [item for item in arrived.items if isinstance(item, Received)]
        wanted = streams_of([item for item in arrived.items if isinstance(item, Columns)])
        odd = {stream for stream in wanted if (state := states.get(stream)) is not None and not state.holds_nothing}
        items, offsets = _without(arrived.items, odd) if odd else (arrived.items, frozenset[int]())
        streams = ShardStreams(closings=dict(self.streams.closings))
        for stream in (wanted - odd) | {record.stream for record in between}:
            state = states.get(stream)
            if state is not None and not state.holds_nothing:
                return None
            streams.states[stream] = StreamState(state.head if state is not None else None)
        plan = sort_columns(streams, {arrived.items[0].topic: items}, self.day_of) if items else BatchPlan()
        if plan is None:
            return None
        try:
            for columns in plan.columns:
                self.check(columns)
            decoded = [self.decode(record) for record in plan.apply if record.ordinary or not odd]
        except self.refusals:
            return None
        if odd:
            # Ends of days stand between the events of these streams, so they are dealt with there.
            for record in between:
                streams.states.pop(record.stream, None)
            states.update(streams.states)
            beside = self._sort(arrived.objects(offsets.union(record.offset for record in between)))
            decoded += beside.decoded
        else:
            states.update(streams.states)
            self.streams.closings = streams.closings
        self._keep(plan)
        self._close()
        return Part(plan.columns, decoded)

    def _sort(self, records: Sequence[Received]) -> Part[T]:
        self.as_objects += len(records)
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
        self._decoded = {key: found for key, found in self._decoded.items() if key in self.held}
        return Part([], decoded)

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


def _without(items: Iterable[Item], odd: set[Stream]) -> tuple[list[Item], frozenset[int]]:
    """What has arrived without the rows of some streams, and the offsets of these rows."""
    kept, offsets = list[Item](), list[list[int]]()
    for item in items:
        if isinstance(item, Received):
            kept.append(item)
            continue
        numbers = [number for number in np.unique(item.subject).tolist() if (item.source, item.subjects.texts[number]) in odd]
        away = np.isin(item.subject, numbers)
        offsets.append(item.offset[away].tolist())
        rows = np.flatnonzero(~away)
        if len(rows):
            places = {row: place for place, row in enumerate(rows.tolist())} if item.others else {}
            others = {places[row]: record for row, record in item.others.items() if row in places}
            kept.append(replace(item.take(rows), others=others))
    return kept, frozenset(chain.from_iterable(offsets))
