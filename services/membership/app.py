"""The one place where membership is put together: its API and its background roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from services.membership import events_in
from services.membership.members.documents import Documents
from services.membership.needs import Context
from services.membership.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.contracts.membership import SOURCE
from shared.http.pages import Cursors
from shared.journal.day_closing import DayCloser
from shared.process import db
from shared.process.db import Pool
from shared.reading.lag import lag
from shared.reading.parked import held_summary
from shared.reading.reader import Reader
from shared.relaying.relay import Relay, relay_check

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.http.operations import Readiness

GENERATION = 1
READER_CONNECTIONS = 3
READER_BATCH = 1000
"""Events: so many closures of one federation's units still fit well into a transaction's 60 s."""


def context_of(settings: Settings) -> Context:
    """What commands need."""
    documents = Documents(settings.encryption_keys, settings.hash_keys)
    return Context(settings.clock, documents, settings.fingerprint_key, settings.registry_topic, settings.partitions)


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from services.membership.routes import routers
    from shared.http.web import create_app

    broker = KafkaBroker(settings.kafka)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await db.create_pool(settings.dsn, application_name="membership.api", by_key=True, max_size=settings.pool_size)
        try:
            yield
        finally:
            await broker.close()
            await app.state.pool.close()

    async def readiness() -> Readiness:
        return await _readiness(app.state.pool, broker, settings)

    app = create_app(settings, title="parkunion membership", routers=routers(), lifespan=lifespan, readiness=readiness)
    app.state.context = context_of(settings)
    app.state.cursors = Cursors(settings.cursor_key, "membership")
    return app


async def _readiness(pool: Pool, broker: KafkaBroker, settings: Settings) -> Readiness:
    """Ready when the database answers: commands need nothing else. How far the registry was read is said beside it."""
    from shared.http.operations import Readiness

    # In this order: what a registry event has us say is in the outbox before that event counts as read.
    behind = await lag(pool, broker, GENERATION, [settings.registry_topic])
    async with pool.acquire() as conn:
        outbox = await conn.fetchval("SELECT count(*) FROM outbox")
        sending = await relay_check(conn)
        kept = await held_summary(conn, GENERATION)
    return Readiness(
        ready=True,
        lag_events=behind.events,
        lag_seconds=behind.seconds,
        outbox=outbox,
        held=sum(kept.events.values()),
        checks={"database": "ok", "relay": sending},
        parked=kept,
    )


def roles(settings: Settings) -> dict[str, Callable[[asyncio.Event], Awaitable[None]]]:
    """The background roles by name; each runs until its event is set."""

    async def relay(stop: asyncio.Event) -> None:
        broker = KafkaBroker(settings.kafka)
        idle = settings.relay_idle_ms / 1000
        try:
            work = Relay(settings.dsn, broker, SOURCE, settings.topic, settings.partitions, batch=settings.relay_batch, idle=idle)
            async with DayCloser(settings.dsn, settings.clock, settings.partitions).beside(stop) if settings.close_days else nullcontext():
                await work.run(stop)
        finally:
            await broker.close()

    async def consumer(stop: asyncio.Event) -> None:
        broker = KafkaBroker(settings.kafka, settings.instance)
        pool = await db.create_pool(settings.dsn, application_name="membership.consumer", by_key=True, max_size=READER_CONNECTIONS)
        try:
            topics = [settings.registry_topic]
            name = f"{settings.topic_prefix}membership"
            reader = Reader(
                pool,
                broker,
                name=name,
                topics=topics,
                partitions=settings.partitions,
                apply=events_in.apply,
                clock=settings.clock,
                batch=READER_BATCH,
            )
            await reader.run(stop)
        finally:
            await broker.close()
            await pool.close()

    return {"relay": relay, "consumer": consumer}
