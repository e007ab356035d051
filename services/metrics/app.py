"""Wires metrics: its web application and its projector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.metrics.cleaning import cleaner_of
from services.metrics.figures.freshness import closed_day, log_incomplete
from services.metrics.folding import coverage
from services.metrics.generations import lifecycle
from services.metrics.generations.closed import rolling, stepping
from services.metrics.generations.readers import GenerationReaders
from services.metrics.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import BrokerUnavailableError
from shared.process import db
from shared.process.db import Pool
from shared.process.pause import beside
from shared.reading.lag import lag
from shared.reading.parked import held_summary

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.http.operations import Readiness

DESCRIBE_WITHIN = 1.0
"""Seconds to wait for the broker's description of the topics."""
INCOMPLETE = "it does not hold what was read of it: reconcile, relay republish"


def api(settings: Settings) -> FastAPI:
    """The web application."""
    from services.metrics import dashboard
    from services.metrics.figures.snapshots import Snapshots
    from services.metrics.http import duration_routes, finding_routes, stream
    from services.metrics.http.ahead import reading_ahead
    from services.metrics.http.coverage_routes import router
    from services.metrics.http.explaining import enterprises, routes
    from services.metrics.http.statistics import routes as statistics
    from services.metrics.http.stream_findings import StreamFindings
    from shared.http.pages import Cursors
    from shared.http.parked_routes import parked_router
    from shared.http.web import create_app

    broker = KafkaBroker(settings.kafka)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await db.create_pool(settings.dsn, application_name="metrics.api", max_size=settings.pool_size)
        app.state.session_states = dashboard.SessionStates(app.state.pool)
        app.state.questions = Snapshots(app.state.pool, settings.clock, settings.partitions, lambda: app.state.hub.finality.reason)
        try:
            stopping = getattr(app.state, "stopping", None)
            async with (
                stream.running(settings, stopping) as app.state.hub,
                StreamFindings(app.state.hub, app.state.questions) as app.state.stream_findings,
                dashboard.running() as app.state.charts,
                reading_ahead(app.state.questions),
            ):
                yield
        finally:
            await broker.close()
            await app.state.pool.close()

    async def readiness() -> Readiness:
        return await _readiness(app.state.pool, broker, settings)

    app = create_app(
        settings,
        title="parkunion metrics",
        about=settings.declared.about,
        routers=[
            router,
            finding_routes.router,
            routes.router,
            enterprises.router,
            duration_routes.router,
            statistics.router,
            stream.router,
            dashboard.router,
            parked_router("metrics"),
        ],
        lifespan=lifespan,
        readiness=readiness,
        authenticators=[dashboard.by_cookie],
    )
    app.state.cursors = Cursors(settings.cursor_key, "metrics")
    app.state.site = dashboard.SITE
    app.state.provider = dashboard.Provider(settings) if settings.sign_in_issuer else None
    return app


async def _readiness(pool: Pool, broker: KafkaBroker, settings: Settings) -> Readiness:
    """Ready when the database answers, a projector has begun to read, and the log holds what was read of it. Also reports the projector's lag.

    `rules` is `older` while a generation of an earlier fold_version serves, which this release does not keep up to date.
    """
    from shared.http.operations import Readiness

    async with pool.acquire(timeout=5) as conn:
        generation, fold_version = await lifecycle.serving(conn)
    behind, recreated = await asyncio.gather(
        lag(pool, broker, generation, settings.topics), _topic_recreated(pool, broker, generation, settings)
    )
    async with pool.acquire(timeout=5) as conn:
        closed = await closed_day(conn, generation, settings.partitions)
        age = None if closed is None else (await settings.clock.today(conn) - closed).days
        begun = await conn.fetchval("SELECT EXISTS (SELECT FROM shards WHERE generation = $1)", generation)
        held = await held_summary(conn, generation)
        incomplete = recreated or await log_incomplete(conn, generation)
    rules = "ok" if fold_version == coverage.FOLD_VERSION else "older" if fold_version < coverage.FOLD_VERSION else "newer"
    return Readiness(
        ready=begun and not incomplete,
        lag_events=behind.events,
        lag_seconds=behind.seconds,
        held=sum(held.events.values()),
        checks={
            "database": "ok",
            "projector": "ok" if begun else "has not begun",
            "rules": rules,
            "log": INCOMPLETE if incomplete else "ok",
        },
        closed_day=closed,
        closed_day_age_days=age,
        parked=held,
    )


async def _topic_recreated(pool: Pool, broker: KafkaBroker, generation: int, settings: Settings) -> bool:
    """Whether a topic is not the one that was read. Detects it before the projector does, or while none runs."""
    try:
        async with asyncio.timeout(DESCRIBE_WITHIN):
            topics = await broker.describe(settings.topics)
    except (BrokerUnavailableError, TimeoutError):
        return False  # freshness reports that Kafka does not answer
    async with pool.acquire(timeout=5) as conn:
        positions = (await lifecycle.positions(conn, generation)).values()
    return any(position.topic_ids.get(name, topic.id) != topic.id for position in positions for name, topic in topics.items())


def roles(settings: Settings) -> dict[str, Callable[[asyncio.Event], Awaitable[None]]]:
    """The background roles by name; each runs until its event is set."""

    async def projector(stop: asyncio.Event) -> None:
        closed_days = rolling.run(settings.dsn, settings.partitions, stop, (rolling.Roller(), stepping.keep))
        async with beside(cleaner_of(settings).run(stop)), beside(closed_days):
            await GenerationReaders(settings, lambda: KafkaBroker(settings.kafka, settings.instance)).run(stop)

    return {"projector": projector}
