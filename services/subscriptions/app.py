"""Wires subscriptions: its web application, the fan-out, and the delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from services.subscriptions.delivering.running import deliver
from services.subscriptions.fanout.applying import fan_out
from services.subscriptions.matching.current import CurrentCache
from services.subscriptions.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.process import db
from shared.reading.lag import lag
from shared.reading.parked import held_summary

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.http.operations import Readiness
    from shared.process.db import Pool

GENERATION = 1


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from services.subscriptions import portal
    from services.subscriptions.commands.once import Commands
    from services.subscriptions.egress.resolving import SystemResolver
    from services.subscriptions.grants.clients import Clients
    from services.subscriptions.receiving import routes as receiving
    from services.subscriptions.routes import ROUTERS
    from services.subscriptions.signing.sealing import Sealing
    from shared.http.pages import Cursors
    from shared.http.web import create_app

    broker = KafkaBroker(settings.kafka)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await db.create_pool(settings.dsn, application_name="subscriptions.api", by_key=True, max_size=settings.pool_size)
        app.state.current = CurrentCache(app.state.pool)
        app.state.session_states = portal.SessionStates(app.state.pool)
        app.state.commands = Commands(settings, app.state.pool)
        app.state.resolver = SystemResolver()
        try:
            stopping = getattr(app.state, "stopping", None)
            async with receiving.running(settings, app.state.pool, app.state.current, stopping) as app.state.receiving:
                yield
        finally:
            app.state.resolver.close()
            await broker.close()
            await app.state.pool.close()

    async def readiness() -> Readiness:
        return await _readiness(app.state.pool, broker, settings)

    app = create_app(
        settings,
        title="parkunion subscriptions",
        about=settings.declared.about,
        routers=ROUTERS,
        lifespan=lifespan,
        readiness=readiness,
        authenticators=[portal.by_cookie],
    )
    app.state.site = portal.SITE
    app.state.provider = portal.Provider(settings) if settings.sign_in_issuer else None
    app.state.cursors = Cursors(settings.cursor_key, "subscriptions")
    app.state.sealing = Sealing(settings.encryption_keys)
    app.state.clients = Clients(settings)
    return app


async def _readiness(pool: Pool, broker: KafkaBroker, settings: Settings) -> Readiness:
    """Ready when the database answers and the fan-out has begun to read. Also reports its lag and what waits."""
    from shared.http.operations import Readiness

    behind = await lag(pool, broker, GENERATION, settings.topics)
    async with pool.acquire(timeout=5) as conn:
        begun = await conn.fetchval("SELECT EXISTS (SELECT FROM shards WHERE generation = $1)", GENERATION)
        held = await held_summary(conn, GENERATION)
    return Readiness(
        ready=begun,
        lag_events=behind.events,
        lag_seconds=behind.seconds,
        held=sum(held.events.values()),
        checks={"database": "ok", "fanout": "ok" if begun else "has not begun"},
        parked=held,
    )


def roles(settings: Settings) -> dict[str, Callable[[asyncio.Event], Awaitable[None]]]:
    """The background roles by name; each runs until its event is set."""
    return {"fanout": partial(fan_out, settings), "delivery": partial(deliver, settings)}
