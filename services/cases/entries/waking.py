"""The role `clocks`: records what follows from days alone, once each, and computes clocks again when rules or calendars change."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import date
from uuid import UUID

import asyncpg

from services.cases.entries import clocking, copies, loading, store
from services.cases.entries.entry import Entry
from services.cases.entries.needs import Context
from services.cases.entries.world import World
from services.cases.facts import TABLE
from services.cases.nouns import NOUNS
from services.cases.settings import Settings
from shared.contracts.cases.rules import ClockOverdue
from shared.contracts.streams import FactCorrected
from shared.http.auth import Areas
from shared.journal import journal
from shared.journal.journal import Actor
from shared.process import db
from shared.process.db import Connection
from shared.process.pause import repeat
from shared.writing.evolving import evolve, new_world
from shared.writing.facts import Fact
from shared.writing.loading import lock
from shared.writing.recording import record
from shared.writing.table import ConcurrentChange

ACTOR = Actor("clocks", "api")
BATCH = 200
"""Entries of a transaction: their streams are locked for its duration."""
EVERY = 1.0
"""Seconds between two looks at the day."""
LONGEST_BACKOFF = 5.0
OUTAGES: tuple[type[Exception], ...] = (*db.OUTAGES, journal.ClockAheadError, ConcurrentChange)
SEE_ALL = f"SELECT set_config('parkunion.areas', '{Areas.all().setting()}', true)"


async def run(settings: Settings, context: Context, stop: asyncio.Event) -> None:
    """Look for entries that something follows for, until `stop` is set. Several may run: the locks of streams decide who records."""

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        conn = await db.connect(settings.dsn, application_name="cases.clocks")
        await db.assert_safe(conn)
        return conn

    waker = Waker(context)

    async def step(conn: asyncpg.Connection[asyncpg.Record]) -> None:
        while not stop.is_set() and await waker.step(conn):
            pass

    await repeat(step, connect, stop, name="clocks", every=EVERY, longest=LONGEST_BACKOFF, outages=OUTAGES)


class Waker:
    """Records what is due. It passes over entries whose stream this release cannot read, until the process starts again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._unreadable: set[UUID] = set()

    async def step(self, conn: Connection) -> int:
        """One transaction of what is due by now, then of entries that were computed by earlier rules and calendars; how many it wrote."""
        async with conn.transaction():
            await conn.execute(SEE_ALL)
            today = await self._context.clock.today(conn)
            wanted = await store.waking(conn, today, BATCH, self._unreadable)
            if not wanted:
                version = (await self._context.tables.current(conn)).version
                wanted = await store.outdated(conn, version, BATCH, self._unreadable)
        if not wanted:
            return 0
        async with conn.transaction():
            await conn.execute(SEE_ALL)
            return await self._record(conn, wanted)

    async def _record(self, conn: Connection, wanted: Collection[UUID]) -> int:
        """What is due for these entries, under the locks that commands take: whoever comes second finds that it stands already."""
        needs = TABLE.needs(self._context)
        needs.rows |= set(wanted)
        needs.copies = True
        await loading.widen(conn, needs)
        world = new_world(TABLE)
        world.heads = await lock(conn, TABLE, needs)
        locked = frozenset(world.heads)
        await loading.load(conn, self._context, needs, world)
        assert world.today is not None
        self._unreadable |= {entry.id for entry in world.entries.values() if world.unreadable.get(entry.subject)}
        entries = [entry for entry in world.entries.values() if entry.id not in self._unreadable]
        facts = [fact for entry in entries for fact in due(world, entry, world.today)]
        for fact in facts:
            evolve(TABLE, world, fact)
        # Those without facts are written, too: their clocks are computed by the tables of now.
        world.changed |= {entry.id for entry in entries}
        if facts:
            await record(conn, TABLE, world, locked, facts, ACTOR)
        else:
            await loading.write_entries(conn, world, [world.entries[entry.id] for entry in entries])
        return len(wanted)


def due(world: World, entry: Entry, today: date) -> list[Fact]:
    """What the service itself records of an entry by a day."""
    book = world.book_of(entry)
    found = clocking.to_record(entry, NOUNS[entry.noun], book, clocking.clocks_of(entry, book))
    return [one for fact in found if fact.on <= today for one in _everywhere(world, entry, fact)]


def _everywhere(world: World, entry: Entry, fact: Fact) -> list[Fact]:
    """A fact of the entry, with its copies if it has several enterprises. That a clock passed is said on the stream of the first alone."""
    data = fact.data
    if isinstance(data, FactCorrected):
        held = next(one for one in entry.facts if one.rank == data.rank)
        return [fact, *copies.taken_back(held, copies.standing(world, entry.id, data.rank), data.reason)]
    return [fact] if isinstance(data, ClockOverdue) else copies.on_every_stream(entry, fact)
