"""Fetching: records of the broker are decoded and queued by shard, and places of which enough is queued are paused."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence

import structlog

from shared.broker.protocol import Consumer, Place, Record
from shared.reading.config import ReaderConfig
from shared.reading.turns import Turns
from shared.sequencing.columnar.columns import Item, Names
from shared.sequencing.columnar.decoding import decode_columns
from shared.sequencing.frames import FrameDecoder
from shared.sequencing.records import decode_records
from shared.sequencing.shard import Shard

SLICE = 0.02
"""Seconds after which decoding yields to the event loop."""
TOGETHER = 2000
"""Records that are decoded together: some milliseconds as columns; as objects, most of SLICE."""

log = structlog.get_logger(__name__)


class Fetching:
    """Fills the queues of a session's shards; sets `work` when something has come."""

    def __init__(self, config: ReaderConfig, consumer: Consumer, shards: Mapping[int, Shard], turns: Turns, work: asyncio.Event) -> None:
        self._types = config.columns
        self._consumer = consumer
        self._shards = shards
        self._turns = turns
        self._work = work
        self._paused: set[Place] = set()
        framed = config.framed
        self._frames = FrameDecoder(config.columns, framed.types, framed.read_data, framed.without) if framed is not None else None

    async def run(self) -> None:
        """Fetch until something is lost, which is raised."""
        while True:
            for records in await self._consumer.fetch(0.5):
                await self._receive(records)
                self._work.set()

    async def _receive(self, records: Sequence[Record]) -> None:
        """Decode records into `pending`. They must follow on what came before, else the consumer is sent back (rules 2 and 3)."""
        topic, number = records[0].topic, records[0].partition
        shard = self._shards.get(number)
        if shard is None:
            return
        place, expected = (topic, number), shard.arrived(topic)
        if records[0].offset > expected and (topic, expected) not in shard.gaps:
            shard.gaps.add((topic, expected))  # the second time it is a hole in the log itself, which sequences will show
            log.warning("reader.seeks", place=place, expected=expected, got=records[0].offset)
            self._consumer.seek(place, expected)
            return
        started, dropped = time.perf_counter(), shard.dropped
        new = [record for record in records if record.offset >= expected] if records[0].offset < expected else records
        for at in range(0, len(new), TOGETHER):
            self._take(shard, topic, new[at : at + TOGETHER])
            if time.perf_counter() - started > SLICE:
                self._work.set()
                await asyncio.sleep(0)
                if self._shards.get(number) is not shard or shard.dropped != dropped:
                    return
                started = time.perf_counter()
        if place not in self._paused and self._turns.full(shard, topic, self._shards):
            self._consumer.pause([place])
            self._paused.add(place)

    def _take(self, shard: Shard, topic: str, records: Sequence[Record]) -> None:
        """Decode records into `pending`, or, if there is a long way to go, into `columns`, behind which everything later must queue."""
        types, later = self._types, shard.columns.get(topic)
        may_be = records[0].offset >= shard.objects_until.get(topic, 0)
        if not types or not (later or (may_be and self._turns.far_behind(shard))):
            shard.pending[topic].extend(decode_records(records))
            return
        if later is None:
            later = shard.columns[topic] = deque()
        later.extend(self._columns(records, *shard.names) if may_be else decode_records(records))

    def _columns(self, records: Sequence[Record], subjects: Names, actors: Names) -> list[Item]:
        if self._frames is not None:
            return self._frames.decode(records, subjects, actors)
        return decode_columns(records, self._types, subjects, actors)

    def resume(self) -> None:
        """Fetch again from the places that have room again."""
        roomy = [
            (topic, number)
            for topic, number in self._paused
            if (shard := self._shards.get(number)) is not None and self._turns.roomy(shard, topic, self._shards)
        ]
        if roomy:
            self._consumer.resume(roomy)
            self._paused.difference_update(roomy)

    def resume_taken_over(self) -> None:
        """Fetch from all places of the shards, which begin with empty queues."""
        stale = [place for place in self._paused if place[1] in self._shards]
        self._consumer.resume(stale)
        self._paused.difference_update(stale)
