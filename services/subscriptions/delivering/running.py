"""The role `delivery`: the worker, the probes, the heartbeats, and the cleaning beside them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from services.subscriptions.cleaning import cleaner_of
from services.subscriptions.delivering import heartbeats, probes
from services.subscriptions.delivering.claims import Head
from services.subscriptions.delivering.probes import Probe
from services.subscriptions.delivering.slots import Slots
from services.subscriptions.delivering.work.worker import Worker
from services.subscriptions.egress.resolving import SystemResolver
from services.subscriptions.egress.sending import Sender
from services.subscriptions.fanout.store import CHANNEL
from services.subscriptions.matching.current import CurrentCache
from services.subscriptions.settings import Settings
from services.subscriptions.signing.ring import OpenedKeys
from services.subscriptions.signing.sealing import Sealing
from shared.contracts.ids import uuid7
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Connection, Pool
from shared.process.pause import beside, repeat

CONNECTIONS = 5
LOOK_EVERY = 0.5
"""Seconds between two looks at the probes."""
PROBES = 32
"""Probes at once."""
LISTEN_EVERY = 5.0
"""Seconds between two signs of life of the connection that listens."""
BEAT_EVERY = timedelta(minutes=1)
"""Of the platform's clock, between two searches for subscriptions that need a heartbeat."""
CLOCK_EVERY = 2.0
BEATS = 500
LONGEST_BACKOFF = 5.0

log = structlog.get_logger(__name__)


async def deliver(settings: Settings, stop: asyncio.Event) -> None:
    """Deliver until `stop`."""
    resolver = SystemResolver()
    sender = Sender(settings.allow_networks, resolver, settings.attempts_at_once + PROBES)
    pool = await db.create_pool(settings.dsn, application_name="subscriptions.delivery", by_key=True, max_size=CONNECTIONS)
    try:
        keys = OpenedKeys(Sealing(settings.encryption_keys))
        slots: Slots[Head] = Slots(settings.attempts_at_once, settings.attempts_per_subscription)
        worker = Worker(pool, sender, CurrentCache(pool), keys, slots, settings.instance or f"delivery-{uuid7()}")
        async with (
            beside(cleaner_of(settings).run(stop)),
            beside(_listen(settings, worker, stop)),
            beside(_probe(settings, pool, sender, keys, stop)),
            beside(_beat(settings, stop)),
        ):
            await worker.run(stop)
    finally:
        await sender.close()
        resolver.close()
        await pool.close()


async def _listen(settings: Settings, worker: Worker, stop: asyncio.Event) -> None:
    """Wake the worker when numbers were assigned."""

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        conn = await db.connect(settings.dsn, application_name="subscriptions.listening")
        await conn.add_listener(CHANNEL, lambda *_: worker.woken.set())
        return conn

    async def step(conn: Connection) -> None:
        await conn.execute("SELECT 1")

    await repeat(step, connect, stop, name="listening", every=LISTEN_EVERY, longest=LONGEST_BACKOFF)


async def _probe(settings: Settings, pool: Pool, sender: Sender, keys: OpenedKeys, stop: asyncio.Event) -> None:
    """Send probes, PROBES at once."""
    running: set[asyncio.Task[None]] = set()

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        return await db.connect(settings.dsn, application_name="subscriptions.probes", settings=db.BY_KEY)

    async def one(probe: Probe) -> None:
        try:
            answer = await probes.send(probe, sender, keys, settings.clock)
            async with db.transaction(pool) as conn:
                active = await probes.note(conn, probe, answer, await settings.clock.now(conn))
            log.info("probe.done", subscription=str(probe.subscription), kind=probe.kind, status=answer.status, active=active)
        except db.OUTAGES as error:
            log.warning("probe.waits", reason=repr(error))  # its lease ends, and it is sent again

    async def step(conn: Connection) -> None:
        found = await probes.take(conn, PROBES - len(running))
        if found:
            await keys.load(conn, {kid for probe in found for kid in probe.kids})
            for probe in found:
                task = asyncio.create_task(one(probe))
                running.add(task)
                task.add_done_callback(running.discard)

    try:
        await repeat(step, connect, stop, name="probes", every=LOOK_EVERY, longest=LONGEST_BACKOFF)
    finally:
        for task in list(running):
            task.cancel()


async def _beat(settings: Settings, stop: asyncio.Event) -> None:
    """Give heartbeats; what is due goes by the platform's clock, so that a clock that is turned on beats at once."""
    last: datetime | None = None

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        return await db.connect(settings.dsn, application_name="subscriptions.heartbeats")

    async def step(conn: Connection) -> None:
        nonlocal last
        now = await settings.clock.now(conn)
        if last is None or abs(now - last) >= BEAT_EVERY:
            await beat_all(conn, now, settings.clock)
            last = now

    await repeat(step, connect, stop, name="heartbeats", every=CLOCK_EVERY, longest=LONGEST_BACKOFF)


async def beat_all(conn: Connection, now: datetime, clock: Clock) -> int:
    """Give a heartbeat to each subscription that needs one; returns how many."""
    count, after = 0, UUID(int=0)
    while found := await heartbeats.silent(conn, now, after, BEATS):
        for key in found:
            async with conn.transaction():
                count += await heartbeats.beat(conn, key, now, clock)
        after = found[-1]
    return count
