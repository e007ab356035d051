"""The web application of a service that writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from shared.broker.kafka import KafkaBroker
from shared.http.operations import Readiness
from shared.http.pages import Cursors
from shared.http.requests import Router
from shared.http.tokens import Authenticator
from shared.http.web import create_app
from shared.journal.key_form import KeyForm, api_name
from shared.process import db
from shared.process.db import Pool
from shared.process.settings import ServiceSettings
from shared.reading.lag import lag
from shared.reading.parked import held_summary
from shared.relaying.relay import relay_check
from shared.writing.single.groups import Groups
from shared.writing.single.ordinary import OrdinaryCommand, OrdinaryCommands
from shared.writing.table import Context

GENERATION = 1


def _nothing(_app: FastAPI) -> None:
    """A service that keeps nothing beside the pool."""


def writing_api(
    settings: ServiceSettings,
    routers: Sequence[Router],
    context: Context,
    *,
    authenticators: Sequence[Authenticator] = (),
    connected: Callable[[FastAPI], None] = _nothing,
    ordinary: Sequence[OrdinaryCommand] = (),
) -> FastAPI:
    """The application with these routes. They find `pool`, `context` and `cursors` in `app.state`.

    `authenticators`: identify callers without a token. `connected`: called once `app.state.pool` is there, before the first request.
    `ordinary`: the commands whose ordinary requests are answered without their routes (shared/writing/single/ordinary.py).
    """
    name = settings.declared.name
    broker = KafkaBroker(settings.kafka) if settings.declared.reads else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await db.create_pool(settings.dsn, application_name=api_name(name), by_key=True, max_size=settings.pool_size)
        connected(app)
        try:
            yield
        finally:
            if broker is not None:
                await broker.close()
            await app.state.pool.close()

    async def readiness() -> Readiness:
        return await _readiness(app.state.pool, broker, settings.topics)

    app = create_app(
        settings,
        title=f"parkunion {name}",
        about=settings.declared.about,
        routers=routers,
        lifespan=lifespan,
        readiness=readiness,
        authenticators=authenticators,
    )
    app.router.routes.insert(0, OrdinaryCommands(ordinary, app))
    app.state.context = context
    app.state.key_form = KeyForm(context.fingerprint_key, name)
    app.state.groups = Groups()
    app.state.cursors = Cursors(settings.cursor_key, name)
    return app


async def _readiness(pool: Pool, broker: KafkaBroker | None, topics: Sequence[str]) -> Readiness:
    """Ready when the database answers: commands need nothing else. The backlogs of reader and relay are given beside it.

    `broker` is None for a service that reads nothing.
    """
    # In this order: what follows from an event of another service is in the outbox before that event counts as read.
    behind = await lag(pool, broker, GENERATION, topics) if broker is not None else None
    async with pool.acquire() as conn:
        outbox = await conn.fetchval("SELECT count(*) FROM outbox")
        checks = {"database": "ok", "relay": await relay_check(conn)}
        if behind is None:
            return Readiness(ready=True, outbox=outbox, checks=checks)
        held = await held_summary(conn, GENERATION)
    return Readiness(
        ready=True,
        lag_events=behind.events,
        lag_seconds=behind.seconds,
        outbox=outbox,
        held=sum(held.events.values()),
        checks=checks,
        parked=held,
    )
