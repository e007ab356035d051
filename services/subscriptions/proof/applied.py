"""The events that each transaction of the fan-out applied, read from the topics again.

`batches` says up to which offsets a transaction had read; which of these records applied, the reader's own rules say (`shared.sequencing`, I2).
Whether they were given to the right subscriptions is another question (`auditing.py`).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from services.subscriptions.proof.standing_facts import LogEvent, read_event
from shared.broker.protocol import Broker, Extent, Record
from shared.sequencing.records import NO_STREAM, Received, RecordKey, Stream, decode_records
from shared.sequencing.sorting import sort_records
from shared.sequencing.streams import ShardStreams


class LogRewritten(Exception):
    """The positions of the fan-out are not of this log: the topics were made anew, or have lost records. In Chinese and in English."""

    code = "LOG_REWRITTEN"

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where}:日志已重写或丢失,不能按当时的位置核对 / {where}: the log was written anew or lost records, so what was read then cannot be told"
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of `batches`: a transaction, and what it knew. `next` = {topic: offset behind what it had read}."""

    id: int
    shard: int
    at: datetime
    revision: int
    next: Mapping[str, int]
    released: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class ShardDay:
    """The transactions of one shard on a day, and how far those before had read: {topic: offset}."""

    shard: int
    before: Mapping[str, int]
    batches: Sequence[Batch]

    def ends(self) -> dict[str, int]:
        """{topic: offset behind what the last of them had read}. Raises LogRewritten if one before had read further."""
        ends = dict(self.before)
        for batch in self.batches:
            for topic, offset in batch.next.items():
                if offset < ends.get(topic, 0):
                    raise LogRewritten(f"{topic}/{self.shard}")
                ends[topic] = offset
        return ends


@dataclass(slots=True)
class Tape:
    """One partition of a topic from its beginning. `at`: the offset of the next record."""

    records: AsyncIterator[Sequence[Record]]
    at: int = 0
    _ahead: Sequence[Record] = ()

    async def up_to(self, offset: int) -> AsyncIterator[Sequence[Record]]:
        """The records before an offset that were not taken yet, in parts."""
        while self.at < offset:
            if not self._ahead:
                self._ahead = await anext(self.records)
            cut = next((place for place, one in enumerate(self._ahead) if one.offset >= offset), len(self._ahead))
            part, self._ahead = self._ahead[:cut], self._ahead[cut:]
            self.at = offset if self._ahead else part[-1].offset + 1
            yield part


@dataclass(slots=True)
class Applied:
    """A shard's records, sorted as its reader did. `refused` = {(topic, offset): why} of records that the reader still refuses."""

    refused: Mapping[RecordKey, str]
    streams: ShardStreams = field(default_factory=ShardStreams)
    _kept: dict[Stream, dict[int, Received]] = field(default_factory=dict)

    def of(self, records: Iterable[Record]) -> list[Received]:
        """The records that apply when these are read, in order."""
        received = decode_records(list(records))
        for record in received:
            if record.stream != NO_STREAM:
                self.streams.state(record.stream)
        plan = sort_records(self.streams, received, self._kept, self.refused, sys.maxsize)
        for parked in plan.park.values():
            kept = msgspec.structs.replace(parked.record, held=parked.kind)
            if kept.stream != NO_STREAM and parked.kind != "fork":
                self._kept.setdefault(kept.stream, {})[kept.sequence] = kept
        for record in plan.apply:
            waiting = self._kept.get(record.stream)
            if waiting is not None and waiting.pop(record.sequence, None) is not None and not waiting:
                del self._kept[record.stream]
        return plan.apply


class Before(Protocol):
    """Takes the events that were applied before the day: those of some types, and some others by their ids."""

    def wants(self, record: Received) -> bool: ...
    def take_before(self, events: Sequence[LogEvent]) -> None: ...


async def applied_on(
    broker: Broker, day: ShardDay, refused: Mapping[RecordKey, str], before: Before
) -> AsyncIterator[tuple[Batch, list[LogEvent]]]:
    """Each transaction of the day with the events that it applied. `before` is given those of the days before first.

    Raises LogRewritten, OffsetLostError, BrokerUnavailableError.
    """
    ends = day.ends()
    extents = await broker.extents(ends)
    for topic, end in ends.items():
        extent = extents[topic, day.shard]
        if end and (extent.begin > 0 or extent.end < end):
            raise LogRewritten(f"{topic}/{day.shard}")
    applied = Applied(refused)
    async with AsyncExitStack() as stack:
        tapes: dict[str, Tape] = {}
        for topic, end in ends.items():
            if end:
                records = broker.read({(topic, day.shard): Extent(0, end)})
                tapes[topic] = Tape(await stack.enter_async_context(aclosing(records)))
        for topic, tape in tapes.items():
            async for part in tape.up_to(day.before.get(topic, 0)):
                before.take_before([read_event(record.raw) for record in applied.of(part) if before.wants(record)])
        for batch in day.batches:
            taken = [one for topic, tape in tapes.items() async for part in tape.up_to(batch.next.get(topic, 0)) for one in part]
            yield batch, [read_event(record.raw) for record in applied.of(taken)]
