"""One life of a consumer: from joining the group until something is lost. What it knows ends with it; the next one reads it again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from shared.broker.protocol import Broker, BrokerUnavailable, Consumer, Extent, Place, Record, Topic
from shared.process import db, faults
from shared.process.db import Connection
from shared.reading import owning, store
from shared.reading.folding import Fenced, Folder
from shared.sequencing.records import read
from shared.sequencing.shard import Shard

SLICE = 0.02
REPORT_EVERY = 1.0
WATCH_EVERY = 5.0
STALLED_AFTER = 15.0
UNASSIGNED_AFTER = 45.0
FRESH = 2.5
LEAST_ROOM = 500
BATCHES_WAITING = 4

log = structlog.get_logger(__name__)


class Stalled(Exception):
    """There is lag, the broker answers, and the consumer makes no progress: it must be made anew (aiokafka #1154)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every life of a reader has in common. `me` is the application_name of its database session."""

    me: str
    topics: Sequence[str]
    generation: int
    batch: int


class Session:
    """Fetching, folding and watching, side by side, over one database connection of its own."""

    def __init__(self, setting: Setting, conn: Connection, broker: Broker, group: str, topics: Mapping[str, Topic], folder: Folder) -> None:
        self._setting = setting
        self._conn = conn
        self._broker = broker
        self._topics = topics
        self._folder = folder
        self._consumer: Consumer = broker.consumer(group, setting.topics, assigned=self._assigned, revoked=self._revoked)
        self.shards: dict[int, Shard] = {}
        self._wanted: frozenset[Place] | None = None
        self._changed_at = time.monotonic()
        self._progress_at = time.monotonic()
        self._reported_at = 0.0
        self._paused: set[Place] = set()
        self._turn = asyncio.Lock()
        self._work = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, or until something is lost, which is raised."""
        try:
            await self._consumer.start()
            await _first(self._fetching(), self._folding(), self._watching(), stop.wait())
        except owning.Halted as error:
            await self._tell_halt(str(error))
            raise
        finally:
            # Given up before the group gives them to others, so that nobody needs to end our database session.
            try:
                await self._revoked(frozenset())
            finally:
                await self._consumer.close()

    async def _tell_halt(self, reason: str) -> None:
        """So that other processes know; taking a shard over takes it back."""
        numbers = {*self.shards, *(partition for _, partition in self._wanted or ())}
        with contextlib.suppress(*db.OUTAGES):
            await owning.halt(self._conn, self._setting.generation, sorted(numbers), reason)

    async def _assigned(self, places: frozenset[Place]) -> None:
        self._wanted = places
        self._changed_at = time.monotonic()
        self._work.set()

    async def _revoked(self, _places: frozenset[Place]) -> None:
        """Every rebalance gives up everything; the batch in hand is finished before."""
        async with self._turn:
            numbers = list(self.shards)
            self.shards.clear()
            self._wanted = None
            self._changed_at = time.monotonic()
            for number in numbers:
                self._folder.reset(number)
            if numbers:
                with contextlib.suppress(*db.OUTAGES):
                    async with asyncio.timeout(5):
                        await owning.give_up(self._conn, self._setting.generation, self._setting.me, numbers)

    async def _fetching(self) -> None:
        while True:
            for records in await self._consumer.fetch(0.5):
                await self._arrive(records)
                self._work.set()

    async def _arrive(self, records: Sequence[Record]) -> None:
        """Read records and let them wait. They must follow on what came before, else the consumer is sent back (rules 2 and 3)."""
        topic, number = records[0].topic, records[0].partition
        shard = self.shards.get(number)
        if shard is None:
            return
        place, expected = (topic, number), shard.arrived(topic)
        if records[0].offset > expected and (topic, expected) not in shard.gaps:
            shard.gaps.add((topic, expected))  # the second time it is a hole in the log itself, which sequences will tell
            log.warning("reader.seeks", place=place, expected=expected, got=records[0].offset)
            self._consumer.seek(place, expected)
            return
        started = time.perf_counter()
        for record in records:
            if record.offset < expected:
                continue
            shard.pending[topic].append(read(record))
            if time.perf_counter() - started > SLICE:
                self._work.set()
                await asyncio.sleep(0)
                if self.shards.get(number) is not shard:
                    return
                started = time.perf_counter()
        if len(shard.pending[topic]) > self._room() and place not in self._paused:
            self._consumer.pause([place])
            self._paused.add(place)

    def _room(self) -> int:
        """How many records may wait per place, so that all of them together stay within a few batches."""
        return max(LEAST_ROOM, BATCHES_WAITING * self._setting.batch // max(1, len(self.shards) * len(self._topics)))

    async def _folding(self) -> None:
        while True:
            self._work.clear()
            if self._wanted is not None and not self.shards:
                await self._take_over()
            busy = False
            for number in list(self.shards):
                async with self._turn:
                    shard = self.shards.get(number)
                    busy |= shard is not None and await self._fold(shard)
            if time.monotonic() - self._reported_at > REPORT_EVERY:
                await self._report()
            if not busy:
                waiting = any(shard.count() for shard in self.shards.values())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05 if waiting else REPORT_EVERY):
                        await self._work.wait()

    async def _take_over(self, numbers: Sequence[int] | None = None) -> None:
        """Own the shards that the group gave us, or those of `numbers`, and seek to where they stand."""
        async with self._turn:
            places = self._wanted
            if not places:
                return
            mine = sorted({partition for _, partition in places})
            if len(places) != len(mine) * len(self._topics):
                raise Stalled(f"one partition number was split over instances: {sorted(places)}")
            # Asked after the consumer began: it tells when a topic is made anew from then on.
            topics = await self._broker.describe(self._setting.topics)
            if len(topics) < len(self._topics):
                raise BrokerUnavailable(f"a topic is gone: {sorted(self._topics.keys() - topics.keys())}")
            extents: dict[Place, Extent] = await self._broker.extents(self._setting.topics)
            taken = await owning.take_over(
                self._conn,
                self._setting.generation,
                self._setting.me,
                mine if numbers is None else numbers,
                topics,
                extents,
                self._setting.batch,
            )
            faults.reached("reader.owned")
            if self._wanted is not places:
                return
            for shard in taken:
                self._folder.reset(shard.number)
                self.shards[shard.number] = shard
                for topic, offset in shard.next.items():
                    self._consumer.seek((topic, shard.number), offset)
            stale = [place for place in self._paused if place[1] in self.shards]
            self._consumer.resume(stale)
            self._paused.difference_update(stale)
            self._progress_at = time.monotonic()
            log.info("reader.owns", reader=self._setting.me, shards=sorted(self.shards))

    async def _fold(self, shard: Shard) -> bool:
        try:
            folded = await self._folder.fold(self._conn, shard, shard.lagging(self._ends(shard)))
        except Fenced as error:
            log.warning("reader.fenced", reader=self._setting.me, reason=str(error))
            await self._look_again(shard.number)
            return False
        if folded:
            self._progress_at = time.monotonic()
            ready = [(topic, shard.number) for topic, waiting in shard.pending.items() if len(waiting) <= self._room() // 2]
            if again := self._paused.intersection(ready):
                self._consumer.resume(again)
                self._paused -= again
        return folded

    async def _look_again(self, number: int) -> None:
        """Another instance moved a shard that the group says is ours: drop everything known of it, read it again, seek."""
        self._folder.reset(number)
        found = await owning.read_again(self._conn, self._setting.generation, self.shards.pop(number), self._setting.batch)
        self.shards[number] = found
        for topic, offset in found.next.items():
            self._consumer.seek((topic, number), offset)

    def _ends(self, shard: Shard) -> dict[str, int]:
        return {topic: max(end, self._consumer.end((topic, shard.number)) or 0) for topic, end in shard.ends.items()}

    async def _report(self) -> None:
        """Tell in the database how far the logs reach, and when nothing was missing: what answers "how old is this?"."""
        self._reported_at = time.monotonic()
        async with self._turn:
            rows = []
            for shard in self.shards.values():
                ends = self._ends(shard)
                ages = [self._consumer.answered((topic, shard.number)) for topic in shard.next]
                fresh = not shard.lost and all(age is not None and age < FRESH for age in ages)
                rows.append(
                    (shard.number, ends, fresh and not shard.count() and all(shard.next[topic] >= end for topic, end in ends.items()))
                )
            if rows:
                await owning.report(self._conn, self._setting.generation, self._setting.me, rows)
                await self._try_again()

    async def _try_again(self) -> None:
        """Let held events be tried again for which somebody asks (shared/reading/parked.py)."""
        for number, places in (await store.wanted_again(self._conn, self._setting.generation, self._setting.me)).items():
            if (shard := self.shards.get(number)) is None:
                continue
            for at in places:
                shard.tried.discard(at)
                shard.refused.pop(at, None)
            shard.streams = await store.load_streams(self._conn, self._setting.generation, shard)
            self._work.set()

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            shards = list(self.shards.values())
            await self._consumer.commit({(topic, shard.number): at for shard in shards for topic, at in shard.next.items()})
            now = time.monotonic()
            unassigned = self._wanted is None and now - self._changed_at > UNASSIGNED_AFTER
            if not unassigned and (not shards or self._turn.locked() or now - self._progress_at < STALLED_AFTER):
                continue
            try:
                extents = await self._broker.extents(self._setting.topics)
            except BrokerUnavailable:
                continue
            silent = all(
                (self._consumer.answered((topic, shard.number)) or STALLED_AFTER) >= STALLED_AFTER
                for shard in shards
                for topic in shard.next
            )
            behind = any(extents[topic, shard.number].end > at for shard in shards for topic, at in shard.next.items())
            if unassigned or silent or (behind and time.monotonic() - self._progress_at > STALLED_AFTER):
                raise Stalled("no place in the group" if unassigned else "no progress" if behind else "no answers")


async def _first(*tasks: Coroutine[Any, Any, Any] | Awaitable[Any]) -> None:
    """Run all until the first one ends, raise what it raised, and leave none behind."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
