"""One session of a reader: from joining the group until something is lost. Its state ends with it; the next session loads it again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any

import structlog

from shared.broker.protocol import Broker, BrokerUnavailableError, Consumer, Extent, Place, Topic
from shared.process import db, faults
from shared.process.db import Connection
from shared.reading import ownership, store
from shared.reading.batches.applying import BatchApplier
from shared.reading.batches.moving import ShardFencedError
from shared.reading.batches.refusing import ObjectsNeededError
from shared.reading.config import ReaderConfig
from shared.reading.fetching import Fetching
from shared.reading.turns import Turns
from shared.sequencing.shard import Shard

REPORT_EVERY = 1.0
WATCH_EVERY = 5.0
STALLED_AFTER = 15.0
UNASSIGNED_AFTER = 45.0
FRESH = 2.5
"""Seconds for which the broker's last answer about the end of a log counts as current."""

log = structlog.get_logger(__name__)


class ConsumerStalledError(Exception):
    """There is lag, the broker answers, and the consumer makes no progress: it must be replaced (aiokafka #1154)."""


class Session:
    """Fetches, applies and watches side by side, over one database connection of its own."""

    def __init__(self, config: ReaderConfig, conn: Connection, broker: Broker, topics: Mapping[str, Topic], applier: BatchApplier) -> None:
        self._config = config
        self._conn = conn
        self._broker = broker
        self._topics = topics
        self._applier = applier
        self._consumer: Consumer = broker.consumer(config.group, config.topics, assigned=self._assigned, revoked=self._revoked)
        self.shards: dict[int, Shard] = {}
        self._wanted: frozenset[Place] | None = None
        self._changed_at = time.monotonic()
        self._progress_at = time.monotonic()
        self._reported_at = 0.0
        self._turns = Turns(applier.due.most, config.batch, self._ends)
        self._turn = asyncio.Lock()
        self._work = asyncio.Event()
        self._fetching = Fetching(config, self._consumer, self.shards, self._turns, self._work)

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`, or until something is lost, which is raised."""
        try:
            await self._consumer.start()
            await _first(self._fetching.run(), self._apply_loop(), self._watch_loop(), stop.wait())
        except ownership.ReaderHaltedError as error:
            await self._write_halt(str(error))
            raise
        finally:
            # Give the shards up before the group assigns them to others, so that nobody needs to end our database session.
            try:
                await self._revoked(frozenset())
            finally:
                await self._consumer.close()

    async def _write_halt(self, reason: str) -> None:
        """For other processes."""
        numbers = {*self.shards, *(partition for _, partition in self._wanted or ())}
        with contextlib.suppress(*db.OUTAGES):
            await ownership.halt(self._conn, self._config, sorted(numbers), reason)

    async def _assigned(self, places: frozenset[Place]) -> None:
        self._wanted = places
        self._changed_at = time.monotonic()
        self._work.set()

    async def _revoked(self, _places: frozenset[Place]) -> None:
        """Every rebalance gives up all shards, after the batch in hand."""
        async with self._turn:
            numbers = list(self.shards)
            self.shards.clear()
            self._turns.reset()
            self._wanted = None
            self._changed_at = time.monotonic()
            for number in numbers:
                self._applier.reset(number)
            if numbers:
                with contextlib.suppress(*db.OUTAGES):
                    async with asyncio.timeout(5):
                        await ownership.give_up(self._conn, self._config, numbers)

    async def _take_over(self) -> None:
        """Own the shards that the group has assigned, and seek to their positions."""
        async with self._turn:
            places = self._wanted
            if not places:
                return
            numbers = sorted({partition for _, partition in places})
            if len(places) != len(numbers) * len(self._topics):
                raise ConsumerStalledError(f"one partition number was split over instances: {sorted(places)}")
            # After the consumer's start, which from then on sees when a topic is deleted and created again.
            topics = await self._broker.describe(self._config.topics)
            if len(topics) < len(self._topics):
                raise BrokerUnavailableError(f"a topic is gone: {sorted(name for name in self._topics if name not in topics)}")
            extents: dict[Place, Extent] = await self._broker.extents(self._config.topics)
            taken = await ownership.take_over(self._conn, self._config, numbers, topics, extents)
            faults.reached("reader.owned")
            if self._wanted is not places:
                return
            for shard in taken:
                self._begin(shard)
            self._fetching.resume_taken_over()
            self._progress_at = time.monotonic()
            log.info("reader.owns", reader=self._config.owner, shards=sorted(self.shards))

    def _begin(self, shard: Shard) -> None:
        """Read a shard from its committed position."""
        self._applier.reset(shard.number)
        self.shards[shard.number] = shard
        for topic, offset in shard.next.items():
            self._consumer.seek((topic, shard.number), offset)

    async def _apply_loop(self) -> None:
        while True:
            self._work.clear()
            if self._wanted is not None and not self.shards:
                await self._take_over()
            busy = await self._apply_together()
            for number in list(self.shards):
                async with self._turn:
                    shard = self.shards.get(number)
                    self._turns.batch = self._applier.due.most
                    due = shard is not None and self._turns.due(shard, self.shards)
                    self._fetching.resume()
                    if shard is not None and due:
                        busy |= await self._apply_next(shard)
            if time.monotonic() - self._reported_at > REPORT_EVERY:
                await self._report()
            if not busy:
                pending = any(shard.count() for shard in self.shards.values())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05 if pending else REPORT_EVERY):
                        await self._work.wait()

    async def _apply_together(self) -> bool:
        """Apply what has come of several shards in one transaction, if it is little of each."""
        async with self._turn:
            joining = [shard for shard in self.shards.values() if self._applier.may_join(shard) and not self._turns.far_behind(shard)]
            if len(joining) < 2:
                return False
            applied = await self._applier.apply_together(self._conn, [(shard, shard.lagging(self._ends(shard))) for shard in joining])
            if applied:
                self._progress_at = time.monotonic()
            return applied

    async def _apply_next(self, shard: Shard) -> bool:
        try:
            applied = await self._applier.apply_next(self._conn, shard, shard.lagging(self._ends(shard)))
        except ShardFencedError as error:
            # Another instance moved a shard that the group has assigned to us: load it again.
            log.warning("reader.fenced", reader=self._config.owner, reason=str(error))
            self._applier.reset(shard.number)
            self._begin(await ownership.read_again(self._conn, self._config, self.shards.pop(shard.number)))
            return False
        except ObjectsNeededError:
            for topic, offset in shard.drop_columns().items():
                self._consumer.seek((topic, shard.number), offset)
            return True
        if applied:
            self._progress_at = time.monotonic()
        return applied

    def _ends(self, shard: Shard) -> dict[str, int]:
        return {topic: max(end, self._consumer.end((topic, shard.number)) or 0) for topic, end in shard.ends.items()}

    async def _report(self) -> None:
        """Write how far the logs reach and whether nothing is missing: from this the age of the figures is known."""
        self._reported_at = time.monotonic()
        async with self._turn:
            rows = []
            for shard in self.shards.values():
                ends = self._ends(shard)
                ages = [self._consumer.answered((topic, shard.number)) for topic in shard.next]
                fresh = not shard.lost and all(age is not None and age < FRESH for age in ages)
                complete = not shard.count() and all(shard.next[topic] >= end for topic, end in ends.items())
                rows.append((shard.number, ends, fresh and complete))
            if rows:
                await ownership.report(self._conn, self._config, rows)
                await self._retry_wanted()

    async def _retry_wanted(self) -> None:
        """Retry the held events for which a retry was requested (shared/reading/parked.py)."""
        for number, keys in (await store.retries_wanted(self._conn, self._config.generation, self._config.owner)).items():
            if (shard := self.shards.get(number)) is None:
                continue
            for key in keys:
                shard.tried.discard(key)
                shard.refused.pop(key, None)
            shard.streams = await store.load_streams(self._conn, self._config, shard)
            self._work.set()

    async def _watch_loop(self) -> None:
        """Commit the group's offsets, and raise ConsumerStalledError if the consumer makes no progress."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            shards = list(self.shards.values())
            await self._consumer.commit({(topic, shard.number): at for shard in shards for topic, at in shard.next.items()})
            now = time.monotonic()
            unassigned = self._wanted is None and now - self._changed_at > UNASSIGNED_AFTER
            if not unassigned and (not shards or self._turn.locked() or now - self._progress_at < STALLED_AFTER):
                continue
            try:
                extents = await self._broker.extents(self._config.topics)
            except BrokerUnavailableError:
                continue
            silent = all(
                (self._consumer.answered((topic, shard.number)) or STALLED_AFTER) >= STALLED_AFTER
                for shard in shards
                for topic in shard.next
            )
            behind = any(extents[topic, shard.number].end > at for shard in shards for topic, at in shard.next.items())
            if unassigned or silent or (behind and time.monotonic() - self._progress_at > STALLED_AFTER):
                raise ConsumerStalledError("no place in the group" if unassigned else "no progress" if behind else "no answers")


async def _first(*tasks: Coroutine[Any, Any, Any] | Awaitable[Any]) -> None:
    """Run all until the first one ends, cancel the others, and raise what the first one raised."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
