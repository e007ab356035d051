"""The one place where the registry is put together: its API and its background role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from services.registry.needs import Context
from services.registry.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.contracts.registry import SOURCE
from shared.journal.day_closing import DayCloser
from shared.process import db
from shared.process.db import Pool
from shared.relaying.relay import Relay, relay_check

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.http.operations import Readiness


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from services.registry.routes import routers
    from shared.http.web import create_app

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await db.create_pool(settings.dsn, application_name="registry.api", by_key=True, max_size=settings.pool_size)
        try:
            yield
        finally:
            await app.state.pool.close()

    async def readiness() -> Readiness:
        return await _readiness(app.state.pool)

    app = create_app(settings, title="parkunion registry", routers=routers(), lifespan=lifespan, readiness=readiness)
    app.state.context = Context(settings.clock, settings.fingerprint_key)
    return app


async def _readiness(pool: Pool) -> Readiness:
    """Ready when the database answers: commands need nothing else. What waits to be sent is said beside it."""
    from shared.http.operations import Readiness

    async with pool.acquire() as conn:
        outbox = await conn.fetchval("SELECT count(*) FROM outbox")
        sending = await relay_check(conn)
    return Readiness(ready=True, outbox=outbox, checks={"database": "ok", "relay": sending})


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

    return {"relay": relay}
