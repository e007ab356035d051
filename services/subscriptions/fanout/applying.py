"""The fan-out: reads every topic, and gives each event to the subscriptions that are entitled to it, in the reader's transaction.

apply: unless the batch concerns nobody, keep the standing facts (standing.py) → decide (deciding.py) → numbers, contents, deliveries, lanes (store.py).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg

from services.subscriptions.fanout import standing, store
from services.subscriptions.fanout.deciding import Decider, concerns, holder_of, placeable, withdrawn_of
from services.subscriptions.fanout.known import Decisions, Known
from services.subscriptions.matching.current import Current, load, revision_of
from services.subscriptions.settings import Settings
from shared import contracts
from shared.broker.kafka import KafkaBroker
from shared.contracts import Envelope
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.http.auth import Areas
from shared.process import db, faults
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.process.pause import beside, repeat
from shared.reading.reader import Reader
from shared.sequencing.records import Received, ShardBatch

CONNECTIONS = 3
MOST_WAITING = 500
"""The most waiting events that one transaction looks at again."""
LOOK_EVERY = 1.0
"""Seconds between two looks for waiting events whose area became known through another shard."""
LONGEST_BACKOFF = 5.0
ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class FanOut:
    """Decides batches. Keeps the state of grants and subscriptions in memory, by its revision."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: Current | None = None

    def on_reset(self, _shard: int) -> None:
        """What was loaded in a transaction that failed may hold its own changes."""
        self._current = None

    async def apply(self, conn: Connection, batch: ShardBatch) -> None:
        """The `apply` of a Reader."""
        if await self._put_quiet(conn, batch):
            return
        await conn.execute("SELECT set_config('parkunion.areas', $1, true)", Areas.all().setting())
        raws = {record.event_id: record.raw for record in batch.records}
        events = batch.events
        await standing.keep(conn, events)
        current = await self._state(conn)
        concerned = [event for event in events if concerns(event, current)]
        waited = await store.waiting(conn, batch.shard, {holder_of(event) for event in events}, MOST_WAITING)
        await self._decide(conn, current, batch.shard, dict(batch.next), concerned, raws, waited, set())

    def concern_nobody(self, records: Sequence[Received]) -> bool:
        """Whether nobody may get anything of these events, and nothing that is kept changes by them: as far as is known now."""
        current = self._current
        return current is not None and not any(record.type in current.index or standing.may_state(record) for record in records)

    async def _put_quiet(self, conn: Connection, batch: ShardBatch) -> bool:
        """Write the row of a batch whose events concern nobody, without opening them. False: it has to be decided, and nothing was written."""
        current = self._current
        if current is None or not self.concern_nobody(batch.records):
            return False
        return await store.put_quiet_batch(conn, batch.shard, current.revision, batch.next)

    async def release(self, conn: Connection, shard: int, after: int, stopped: set[str]) -> int | None:
        """Decide the next MOST_WAITING events that wait in a shard behind the row `after`, as far as they can be placed now.

        In a transaction of its own. `stopped` collects the holders of which an event still waits: later ones wait, too. Returns the last row
        that was looked at; None: there are no more.
        """
        following = await store.lock_shard(conn, shard)
        await conn.execute("SELECT set_config('parkunion.areas', $1, true)", Areas.all().setting())
        waited = await store.waiting_after(conn, shard, after, MOST_WAITING)
        await self._decide(conn, await self._state(conn), shard, following, [], {}, waited, stopped, quiet=True)
        return waited[-1].id if len(waited) == MOST_WAITING else None

    async def _state(self, conn: Connection) -> Current:
        if self._current is None or self._current.revision != await revision_of(conn):
            self._current = await load(conn)
        return self._current

    async def _decide(
        self,
        conn: Connection,
        current: Current,
        shard: int,
        following: dict[str, int],
        events: Sequence[Envelope],
        raws: dict[UUID | None, bytes],
        waited: Sequence[store.Waiting],
        stopped: set[str],
        *,
        quiet: bool = False,
    ) -> None:
        """Decide waiting events that can be placed, then new ones; `stopped`: holders whose events go on waiting.

        `quiet`: write nothing if nothing can be decided.
        """
        reopened = [(one, contracts.decode(one.raw)) for one in waited]
        known = await _known(conn, current, [*(event for _, event in reopened), *events])
        at = await self._clock.now(conn)
        decider, released = Decider(current, known, at), list[store.Waiting]()
        never = withdrawn_of([*(event for _, event in reopened), *events])
        for one, event in reopened:
            if event.id in never and not placeable(event, known, current):
                released.append(one)
                continue
            if one.holder in stopped or not placeable(event, known, current):
                stopped.add(one.holder)
                continue
            decider.decide(event)
            released.append(one)
        # Events that this transaction did not look at keep later ones of their holder waiting, too.
        looked = {one.id for one in waited}
        if len(looked) >= MOST_WAITING:
            stopped |= await store.waiting_holders(conn, shard, {holder_of(event) for event in events})
        kept: list[tuple[str, UUID, bytes]] = []
        for event in events:
            holder = holder_of(event)
            if event.id in never and not placeable(event, known, current):
                continue
            if holder in stopped or not placeable(event, known, current):
                stopped.add(holder)
                kept.append((holder, event.id, raws[event.id]))
            else:
                decider.decide(event)
        if quiet and not released:
            return
        number = await store.put_batch(conn, shard, at, current.revision, following, [one.event_id for one in released])
        if released:
            await store.drop_waiting(conn, shard, [one.id for one in released])
        if kept:
            await store.put_waiting(conn, shard, kept, at)
        if decider.decisions.owed:
            ids = await store.write(conn, decider.decisions, number, at, self._clock.day_of(at))
            faults.reached("fanout.written")
            if await store.any_erased(conn):
                await store.erase_again(conn, _named(decider.decisions, ids))


async def _known(conn: Connection, current: Current, events: Sequence[Envelope]) -> Known:
    """What is known of the subjects of these events, and of the deliveries of what they correct or withdraw."""
    if not events:
        return Known()
    subjects = {event.subject for event in events}
    filtered = current.filtered
    enterprises = {UUID(subject.partition("/")[2]) for subject in subjects if subject.startswith("enterprise/")} if filtered else set()
    corrected = [event.data.corrects for event in events if isinstance(event.data, FactCorrected)]
    withdrawn = [
        (event.source, event.subject, event.data.first, event.data.last) for event in events if isinstance(event.data, EventWithdrawn)
    ]
    return Known(
        await standing.stays_of(conn, subjects),
        await standing.attributes_of(conn, enterprises),
        await store.got_by_event(conn, corrected) if corrected else {},
        await store.got_by_place(conn, withdrawn) if withdrawn else {},
    )


def _named(decisions: Decisions, ids: Iterable[int]) -> dict[UUID, list[int]]:
    """{id: contents whose data names it}."""
    named: dict[UUID, list[int]] = {}
    for key, one in zip(ids, decisions.contents, strict=True):
        for text in ID.findall(one.content.data or b""):
            named.setdefault(UUID(text.decode()), []).append(key)
    return named


async def fan_out(settings: Settings, stop: asyncio.Event) -> None:
    """Read until `stop`."""
    broker = KafkaBroker(settings.kafka, settings.instance)
    pool = await db.create_pool(settings.dsn, application_name="subscriptions.fanout", by_key=True, max_size=CONNECTIONS)
    try:
        fan = FanOut(settings.clock)
        reader = Reader(
            pool,
            broker,
            name=f"{settings.topic_prefix}subscriptions",
            topics=settings.topics,
            partitions=settings.partitions,
            apply=fan.apply,
            on_reset=fan.on_reset,
            clock=settings.clock,
            batch=settings.fanout_batch,
            span="subscriptions.fan_out",
            joins=fan.concern_nobody,
        )
        async with beside(release_waiting(settings, stop)):
            await reader.run(stop)
    finally:
        await broker.close()
        await pool.close()


async def release_waiting(settings: Settings, stop: asyncio.Event) -> None:
    """Look every second for waiting events that can be placed now, also in shards to which nothing new comes."""
    fan = FanOut(settings.clock)

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        return await db.connect(settings.dsn, application_name="subscriptions.release")

    async def step(conn: Connection) -> None:
        for shard in await store.shards_waiting(conn):
            after: int | None = 0
            stopped: set[str] = set()
            while after is not None and not stop.is_set():
                async with conn.transaction():
                    after = await fan.release(conn, shard, after, stopped)

    await repeat(step, connect, stop, name="release", every=LOOK_EVERY, longest=LONGEST_BACKOFF)
