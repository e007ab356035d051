"""Follows the change feed once per process, whatever the number of streams: keeps the tables current and wakes the subscribers.

It loads the tables from the ledger again at midnight of the deployment's zone, after a lost connection, and when the feed no longer reaches
back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import date, datetime

import structlog

from services.metrics.figures.finality import Finality
from services.metrics.figures.freshness import Freshness
from services.metrics.figures.snapshots import version_vector
from services.metrics.figures.stores import generation_store
from services.metrics.figures.tree import AreaVersions, Tree
from services.metrics.live import tables
from services.metrics.live.age import OUTAGES, AgeWatch
from services.metrics.live.shares import Shares
from services.metrics.live.subscribers import Channel, StreamQuery, Subscriber
from services.metrics.live.tables import CoverageTable
from services.metrics.tables import feed
from services.metrics.tables.feed import CHANNEL, NewBatches, TooOld
from services.metrics.tables.rows import Cell
from shared.problems.errors import Unavailable
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.process.logs import described

GATHER_FOR = 0.025
"""Seconds between two reads of the feed at least, so that one read takes several commits."""
POLL_EVERY = 1.0
"""Seconds after which the feed is read without a notification."""
LONGEST_BACKOFF = 5.0

log = structlog.get_logger(__name__)


class Hub:
    """`run(stop)` follows the feed; `await subscribe(query)` adds a subscriber. `dsn` is of the service's own role."""

    def __init__(self, dsn: str, clock: Clock, kafka: str, shards: int) -> None:
        self._dsn = dsn
        self._clock = clock
        self._watch = AgeWatch(dsn, kafka, shards, self._mark_age, self._drop_connection)
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._conn: Connection | None = None
        self._tables: dict[date | None, CoverageTable] = {}
        self._channels: dict[StreamQuery, Channel] = {}
        self._shares = Shares()
        self._areas = AreaVersions([])
        self._signature = (0, 0)
        self._cells: dict[int, Cell] = {}
        self.generation = 0
        self.fold_version = 0
        self.versions: dict[int, int] = {}
        self.loaded: dict[int, int] = {}
        """The version vector at which the tables were loaded. A client that is older cannot resume from changes alone."""
        self.today = date.min
        self.newest: datetime | None = None
        self.closed = False

    @property
    def version(self) -> str:
        """The version vector of the tables."""
        return version_vector(self.generation, self.versions)

    @property
    def freshness(self) -> Freshness | None:
        """How old the figures are at this moment; None: nothing was ever read."""
        return self._watch.at_present()

    @property
    def unreachable(self) -> bool:
        """Whether the database does not answer."""
        return self._watch.unreachable

    @property
    def finality(self) -> Finality:
        """Which figures may still change, by the last freshness."""
        last = self.freshness
        return Finality() if last is None else Finality(last.closed_day, last.oldest_held, last.reason)

    @property
    def areas(self) -> AreaVersions:
        """The areas, as they were last read."""
        return self._areas

    @property
    def subscribers(self) -> int:
        return sum(len(channel.subscribers) for channel in self._channels.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the feed until `stop`; retries with backoff after outages."""
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        watching = asyncio.create_task(self._watch.run(stop))
        failures = 0
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self._follow(stop)
            except OUTAGES as error:
                log.warning("hub.waits", error=described(error))
            except Exception:
                log.exception("hub.failed")
            failures = 0 if time.monotonic() - started > LONGEST_BACKOFF else failures + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LONGEST_BACKOFF, 0.1 * 2 ** min(failures, 6))):
                    await stop.wait()
        self.closed = True
        for channel in self._channels.values():
            channel.close()
        await watching

    async def _follow(self, stop: asyncio.Event) -> None:
        conn = await db.connect(self._dsn, application_name="metrics.hub")
        try:
            conn.add_termination_listener(lambda _: self._wake.set())
            await conn.add_listener(CHANNEL, lambda *_: self._wake.set())
            await self._watch.first_answer()
            async with self._lock:
                self._conn = conn
                await self._load(conn)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_EVERY):
                        await self._wake.wait()
                self._wake.clear()
                async with self._lock:
                    await self._advance(conn)
                await asyncio.sleep(GATHER_FOR)
        finally:
            self._conn = None
            conn.terminate()

    async def _advance(self, conn: Connection) -> None:
        try:
            update = await self._read_feed(conn)
            if update.signature == self._signature:
                await self._apply(conn, update)
            else:
                async with conn.transaction(isolation="repeatable_read", readonly=True):
                    update = await self._read_feed(conn)
                    self._areas, self._signature = AreaVersions(await generation_store.areas(conn, self.generation)), update.signature
                    await self._apply(conn, update)
                self._regroup()
        except TooOld:
            await self._load(conn)

    async def _read_feed(self, conn: Connection) -> NewBatches:
        """The feed above our versions, in one snapshot. Raises TooOld if the tables must be loaded again, also on another day or generation."""
        update = await feed.batches_above(conn, self.generation, self.versions)
        if self._clock.day_of(update.asked_at) != self.today:
            raise TooOld
        return update

    async def _apply(self, conn: Connection, update: NewBatches) -> None:
        """Apply the changes to every table and view."""
        if not update.changes:
            return
        if unknown := {cell for changed in update.changes for cell in changed.cells if cell not in self._cells}:
            self._cells.update(await tables.load_cells(conn, self.generation, unknown))
        for changed in update.changes:
            self.versions[changed.shard] = max(changed.version, self.versions.get(changed.shard, 0))
        self.newest = update.newest
        age = (update.asked_at - min(changed.oldest for changed in update.changes)).total_seconds()
        cells = {cell for changed in update.changes for cell in changed.cells}
        uncounted = any(changed.uncounted or not changed.cells for changed in update.changes)
        for day, table in self._tables.items():
            deltas = table.add(update.changes)
            for channel in self._channels_of(day):
                channel.change(deltas, age, cells, uncounted)

    def _regroup(self) -> None:
        """Group every view again after a change of the areas, and mark the groups that differ."""
        for day, table in self._tables.items():
            table.tree = self._tree(table.as_of)
            for channel in self._channels_of(day):
                channel.regroup(table)

    def _tree(self, as_of: date) -> Tree:
        return self._areas.at(as_of, date.max)

    def _channels_of(self, day: date | None) -> list[Channel]:
        return [channel for query, channel in self._channels.items() if query.as_of == day]

    async def _load(self, conn: Connection, *more: date | None) -> None:
        """Load all tables, and those of `more` days, from the ledger in one snapshot; mark everything for all subscribers."""
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            row = await generation_store.serving(conn)
            self.generation, self.fold_version = row["id"], row["fold_version"]
            self.versions = {int(shard): version for shard, version in row["versions"].items()}
            self.loaded = dict(self.versions)
            self.today = self._clock.day_of(row["asked_at"])
            self._signature = await generation_store.areas_signature(conn, self.generation)
            self._areas = AreaVersions(await generation_store.areas(conn, self.generation))
            self.newest = await generation_store.newest(conn, self.generation)
            days = {None, *more, *(query.as_of for query in self._channels)}
            self._cells = await tables.load_cells(conn, self.generation)
            self._tables = {day: await self._table(conn, day) for day in days}
        for query, channel in self._channels.items():
            channel.reload(self._tables[query.as_of])

    async def _table(self, conn: Connection, day: date | None) -> CoverageTable:
        as_of = day or self.today
        return await tables.load_table(conn, self.generation, as_of, self._tree(as_of), self._cells)

    def _mark_age(self) -> None:
        for channel in self._channels.values():
            channel.mark_age()

    def _drop_connection(self) -> None:
        """The database is silent: the query that hangs is not waited for."""
        if self._conn is not None:
            self._conn.terminate()

    async def subscribe(self, query: StreamQuery, client: str) -> Subscriber:
        """Add a subscriber. Raises what `Shares.require` does, and UNAVAILABLE (503) while the database is unreachable."""
        if self.closed:
            raise Unavailable("UNAVAILABLE")
        self._shares.require(client, query.as_of)
        async with self._lock:
            if self._conn is None or not self._tables:
                raise Unavailable("UNAVAILABLE")
            for taken in self._shares.make_room(client, query.as_of):
                taken.give_way()
                self.leave(taken)
            if query not in self._channels:
                if query.as_of not in self._tables:
                    await self._add_table(self._conn, query.as_of)
                self._channels[query] = Channel(query, self._tables[query.as_of])
            subscriber = self._channels[query].subscribe(client)
            self._shares.add(subscriber)
            return subscriber

    async def _add_table(self, conn: Connection, day: date | None) -> None:
        """Add the table of a day, at the versions of the others."""
        try:
            async with conn.transaction(isolation="repeatable_read", readonly=True):
                update = await self._read_feed(conn)
                if update.signature != self._signature:
                    raise TooOld
                await self._apply(conn, update)
                self._tables[day] = await self._table(conn, day)
        except TooOld:
            await self._load(conn, day)

    def leave(self, subscriber: Subscriber) -> None:
        """Remove a subscriber, and its channel and table if no other uses them."""
        channel = subscriber.channel
        channel.subscribers.discard(subscriber)
        self._shares.remove(subscriber)
        if not channel.subscribers and self._channels.get(channel.query) is channel:
            del self._channels[channel.query]
            day = channel.query.as_of
            if day is not None and not self._channels_of(day):
                self._tables.pop(day, None)
