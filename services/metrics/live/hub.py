"""One follower of the change feed per process: it hears each commit of the projector, keeps tables current and wakes the streams' views.

The feed is read once, whatever the number of streams. At midnight of the deployment's zone, after a broken connection, and when the feed no
longer reaches back, tables are loaded from the ledger again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from datetime import date, datetime

import structlog

from services.metrics.figures import statements as figures
from services.metrics.figures.finality import Finality
from services.metrics.figures.freshness import Freshness, Reason, Watch
from services.metrics.figures.tree import Tree, Versions
from services.metrics.folding import feed
from services.metrics.folding.coverage import Cell
from services.metrics.folding.feed import CHANNEL, News, TooOld
from services.metrics.live import live
from services.metrics.live.live import Table
from services.metrics.live.subscribers import Channel, Question, Subscriber
from shared.problems.errors import Unavailable
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.process.logs import described

TOGETHER = 0.025
"""Seconds in which commits are gathered before the feed is read again."""
LOOK_EVERY = 1.0
"""Seconds after which the feed is read although nothing was heard."""
TELL_AGE_EVERY = 5.0
MOST_SUBSCRIBERS = 2000
MOST_DAYS = 16
LONGEST_BACKOFF = 5.0

AWAY: tuple[type[Exception], ...] = (*db.OUTAGES, figures.NoGeneration)

log = structlog.get_logger(__name__)


class Hub:
    """`await subscribe(question)` gives a subscriber; `run(stop)` feeds it. `dsn` is the service's own role."""

    def __init__(self, dsn: str, clock: Clock, kafka: str, shards: int) -> None:
        self._dsn = dsn
        self._clock = clock
        self._watch = Watch(kafka, shards)
        self._heard = asyncio.Event()
        self._lock = asyncio.Lock()
        self._conn: Connection | None = None
        self._tables: dict[date | None, Table] = {}
        self._channels: dict[Question, Channel] = {}
        self._areas = Versions([])
        self._signature = (0, 0)
        self._cells: dict[int, Cell] = {}
        self._looked_at = 0.0
        self._told_age_at = 0.0
        self.generation = 0
        self.fold_version = 0
        self.versions: dict[int, int] = {}
        self.loaded: dict[int, int] = {}
        """The version vector at which the tables were loaded: what was before is not told by changes alone."""
        self.today = date.min
        self.newest: datetime | None = None
        self.freshness: Freshness | None = None
        self.closed = False

    @property
    def version(self) -> str:
        """The version vector of the tables, as `Snapshot.version` writes it."""
        shards = range(max(self.versions, default=-1) + 1)
        return f"{self.generation}:{'.'.join(str(self.versions.get(shard, 0)) for shard in shards)}"

    @property
    def finality(self) -> Finality:
        """Which figures may still change, as of the last look."""
        seen = self.freshness
        return Finality() if seen is None else Finality(seen.closed_day, seen.oldest_held, seen.reason)

    @property
    def subscribers(self) -> int:
        return sum(len(channel.subscribers) for channel in self._channels.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the feed until `stop`; outages are waited out."""
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._heard.set())
        failures = 0
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self._follow(stop)
            except AWAY as error:
                log.warning("hub.waits", error=described(error))
                self._tell_outage()
            except Exception:
                log.exception("hub.failed")
            failures = 0 if time.monotonic() - started > LONGEST_BACKOFF else failures + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LONGEST_BACKOFF, 0.1 * 2 ** min(failures, 6))):
                    await stop.wait()
        self.closed = True
        for channel in self._channels.values():
            channel.close()

    async def _follow(self, stop: asyncio.Event) -> None:
        conn = await db.connect(self._dsn, application_name="metrics.stream")
        try:
            conn.add_termination_listener(lambda _: self._heard.set())
            await conn.add_listener(CHANNEL, lambda *_: self._heard.set())
            async with self._lock:
                self._conn = conn
                await self._load(conn)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._heard.wait()
                self._heard.clear()
                async with self._lock:
                    await self._advance(conn)
                await asyncio.sleep(TOGETHER)
        finally:
            self._conn = None
            await conn.close(timeout=2)

    async def _advance(self, conn: Connection) -> None:
        try:
            news = await self._look(conn)
            if news.signature == self._signature:
                await self._take(conn, news)
            else:
                async with conn.transaction(isolation="repeatable_read", readonly=True):
                    news = await self._look(conn)
                    self._areas, self._signature = Versions(await figures.areas(conn, self.generation)), news.signature
                    await self._take(conn, news)
                self._plant_trees()
        except TooOld:
            await self._load(conn)
        await self._tell_age(conn)

    async def _look(self, conn: Connection) -> News:
        """What the feed holds above our versions, in one snapshot. Raises TooOld, also where the tables are of another day or generation."""
        news = await feed.news(conn, self.generation, self.versions)
        if self._clock.day_of(news.asked_at) != self.today:
            raise TooOld
        return news

    async def _take(self, conn: Connection, news: News) -> None:
        """Bring every table and view up to what was seen."""
        if not news.changes:
            return
        if unknown := {cell for changed in news.changes for cell in changed.cells} - self._cells.keys():
            self._cells.update(await live.cells_of(conn, self.generation, unknown))
        for changed in news.changes:
            self.versions[changed.shard] = max(changed.version, self.versions.get(changed.shard, 0))
        self.newest = news.newest
        age = (news.asked_at - min(changed.oldest for changed in news.changes)).total_seconds()
        for day, table in self._tables.items():
            deltas = table.add(news.changes)
            for channel in self._channels_of(day):
                channel.change(deltas, age)

    def _plant_trees(self) -> None:
        """The areas have changed: every view is grouped anew, and its subscribers are told what is not the same."""
        for day, table in self._tables.items():
            table.tree = self._tree(table.as_of)
            for channel in self._channels_of(day):
                channel.regroup(table)

    def _tree(self, as_of: date) -> Tree:
        return self._areas.at(as_of, date.max)

    def _channels_of(self, day: date | None) -> list[Channel]:
        return [channel for question, channel in self._channels.items() if question.as_of == day]

    async def _load(self, conn: Connection, *more: date | None) -> None:
        """Everything from the ledger, in one snapshot; all subscribers are sent everything."""
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            row = await figures.serving(conn)
            self.generation, self.fold_version = row["id"], row["fold_version"]
            self.versions = {int(shard): version for shard, version in row["versions"].items()}
            self.loaded = dict(self.versions)
            self.today = self._clock.day_of(row["asked_at"])
            self._signature = await figures.areas_signature(conn, self.generation)
            self._areas = Versions(await figures.areas(conn, self.generation))
            self.freshness = await self._watch.look(conn, self.generation)
            self.newest = self.freshness.newest
            wanted = {None, *more, *(question.as_of for question in self._channels)}
            self._cells = await live.cells_of(conn, self.generation)
            self._tables = {day: await self._table(conn, day) for day in wanted}
        for question, channel in self._channels.items():
            channel.reload(self._tables[question.as_of])

    async def _table(self, conn: Connection, day: date | None) -> Table:
        as_of = day or self.today
        return await live.load(conn, self.generation, as_of, self._tree(as_of), self._cells)

    async def _tell_age(self, conn: Connection) -> None:
        """Once a second look how old the figures are; tell it when the reason or the closed day changes, and every few seconds."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        before, self.freshness = self.freshness, await self._watch.look(conn, self.generation)
        told = None if before is None else (before.reason, before.closed_day)
        if told != (self.freshness.reason, self.freshness.closed_day) or now - self._told_age_at >= TELL_AGE_EVERY:
            self._told_age_at = now
            for channel in self._channels.values():
                channel.tell_age()

    def _tell_outage(self) -> None:
        """The database is away: nobody can say how old the figures become."""
        if self.freshness is not None and self.freshness.reason != Reason.DATABASE_UNREACHABLE:
            self.freshness = replace(self.freshness, reason=Reason.DATABASE_UNREACHABLE)
            for channel in self._channels.values():
                channel.tell_age()

    async def subscribe(self, question: Question) -> Subscriber:
        """A subscriber to a question. Raises UNAVAILABLE (503) with too many of them, or while there is no database."""
        if self.closed or self.subscribers >= MOST_SUBSCRIBERS:
            raise Unavailable("UNAVAILABLE")
        async with self._lock:
            if self._conn is None or not self._tables:
                raise Unavailable("UNAVAILABLE")
            if question not in self._channels:
                if question.as_of not in self._tables:
                    await self._add_table(self._conn, question.as_of)
                self._channels[question] = Channel(question, self._tables[question.as_of])
            return self._channels[question].subscribe()

    async def _add_table(self, conn: Connection, day: date | None) -> None:
        """A table of one more day, at the versions of the others."""
        if len(self._tables) >= MOST_DAYS:
            raise Unavailable("UNAVAILABLE")
        try:
            async with conn.transaction(isolation="repeatable_read", readonly=True):
                news = await self._look(conn)
                if news.signature != self._signature:
                    raise TooOld
                await self._take(conn, news)
                self._tables[day] = await self._table(conn, day)
        except TooOld:
            await self._load(conn, day)

    def leave(self, subscriber: Subscriber) -> None:
        """The subscriber is gone; what nobody asks for any more is forgotten."""
        channel = subscriber.channel
        channel.subscribers.discard(subscriber)
        if not channel.subscribers and self._channels.get(channel.question) is channel:
            del self._channels[channel.question]
            day = channel.question.as_of
            if day is not None and not self._channels_of(day):
                self._tables.pop(day, None)
