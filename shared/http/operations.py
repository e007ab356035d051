"""Routes for operators: /healthz, /readyz, /metrics, /docs, and the text of a problem's code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

import structlog
from fastapi import FastAPI
from fastapi_swagger import patch_fastapi
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import json_response, language_of
from shared.problems.catalogue import CODES
from shared.problems.errors import NotFound
from shared.process.logs import described
from shared.reading.parked import HeldSummary

PATIENCE = 2.0
"""Seconds that a readiness check may take."""
KINDS = ("early", "unreadable", "refused", "fork", "late")
"""Kinds of held events."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service can work now, and its backlog: events to read, their age in seconds, events to publish, held events.

    `checks` = {dependency: "ok" or what is wrong, without any value}. `closed_day` = the last closed day of a service with figures,
    `closed_day_age_days` = its age (1, yesterday, is normal); None: no closed day, or no figures. `parked`: only of services that read.
    """

    ready: bool
    lag_events: int = 0
    lag_seconds: float = 0.0
    outbox: int = 0
    held: int = 0
    checks: dict[str, Any] = field(default_factory=dict)
    closed_day: date | None = None
    closed_day_age_days: int | None = None
    parked: HeldSummary | None = None


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["ok"] = Field(description="Always `ok`: a process that does not live does not answer.", examples=["ok"])


class HeldSummaryAnswer(BaseModel):
    """What the service's reader of events holds back."""

    events: dict[str, int] = Field(
        description="Events that are held, by why: `early`, `unreadable`, `refused`, `fork`, `late`.", examples=[{"early": 2}]
    )
    streams: int = Field(description="Streams that stand still.", examples=[1])
    halted: str | None = Field(description="Why a reader has stopped until a person has looked; null: it has not.", examples=[None])


class ReadinessAnswer(BaseModel):
    """Whether the service can do its work now, and its backlog; null where it could not be told."""

    ready: bool = Field(description="Whether it can; false comes with the status 503.", examples=[True])
    lag_events: int | None = Field(description="Events of the topics that it reads that wait to be read.", examples=[0])
    lag_seconds: float | None = Field(description="The age of the oldest of them, in seconds.", examples=[0.0])
    outbox: int | None = Field(description="Events that it recorded and has not published yet.", examples=[0])
    held: int | None = Field(description="Events that it holds back: early, unreadable, refused or forked ones.", examples=[0])
    checks: dict[str, Any] = Field(
        description="Per thing that it needs `ok`, or what is wrong with it.", examples=[{"database": "ok", "relay": "ok"}]
    )
    closed_day: date | None = Field(
        None, description="The last closed day of a service with figures; null: none is closed.", examples=["2026-06-30"]
    )
    closed_day_age_days: int | None = Field(None, description="The days since; 1, yesterday, is as it should be.", examples=[1])
    parked: HeldSummaryAnswer | None = Field(None, description="What its reader holds back; left out by a service that reads nothing.")


class ReadinessCollector(Collector):
    """The last readiness as gauges."""

    def __init__(self, ask: Callable[[], Awaitable[Readiness]]) -> None:
        self._ask = ask
        self._last: dict[str, Any] = {}

    async def refresh(self) -> None:
        """Check again, before a scrape."""
        self._last = await _check(self._ask)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges; unknown ones are left out."""
        for name, meaning in (
            ("ready", "1 if the service can do its work."),
            ("lag_events", "Events that wait to be read."),
            ("lag_seconds", "Age of the oldest event that waits to be read."),
            ("outbox", "Events that wait to be sent."),
            ("held", "Events held back: early, unreadable, refused or forked."),
            ("closed_day_age_days", "Days since the last closed day; 1 is as it should be."),
        ):
            value = self._last.get(name)
            if value is not None:
                yield GaugeMetricFamily(f"parkunion_{name}", meaning, value=float(value))
        if (parked := self._last.get("parked")) is not None:
            events = GaugeMetricFamily("parkunion_held_events", "Events held back, by why.", labels=["kind"])
            for kind in KINDS:
                events.add_metric([kind], float(parked["events"].get(kind, 0)))
            yield events
            yield GaugeMetricFamily("parkunion_held_streams", "Streams that stand still.", value=float(parked["streams"]))
            halted = float(parked["halted"] is not None)
            yield GaugeMetricFamily("parkunion_reader_halted", "1 if a reader has stopped until a person has looked.", value=halted)


def registry_of(ready: ReadinessCollector) -> CollectorRegistry:
    """The Prometheus registry of an application."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(ready)
    registry.ready = ready  # type: ignore[attr-defined]
    return registry


def operations(app: FastAPI, readiness: Callable[[], Awaitable[Readiness]]) -> None:
    """Add the routes."""

    @app.get("/healthz", tags=["operations"], response_model=HealthAnswer, summary="Whether the process lives")
    async def healthz() -> Response:
        """Asks nothing but the process itself."""
        return json_response({"status": "ok"})

    not_ready: dict[int | str, dict[str, Any]] = {503: {"model": ReadinessAnswer, "description": "It cannot do its work now."}}

    @app.get("/readyz", tags=["operations"], response_model=ReadinessAnswer, responses=not_ready, summary="Whether it can do its work")
    async def readyz() -> Response:
        """And how far it is behind."""
        answer = await _check(readiness)
        return json_response(answer, 200 if answer["ready"] else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        await app.state.registry.ready.refresh()
        return Response(generate_latest(app.state.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/problems/{code}", include_in_schema=False)
    async def problem(code: str, request: Request) -> Response:
        entry = CODES.get(code)
        if entry is None:
            raise NotFound("NOT_FOUND")
        if language_of(request) == "en":
            text = f"{code} ({entry.status})\n{entry.title_en}\n{entry.message_en}\n"
        else:
            text = f"{code} ({entry.status})\n{entry.title_zh}\n{entry.message_zh}\n"
        return Response(text, media_type="text/plain; charset=utf-8", headers={"Vary": "Accept-Language"})

    patch_fastapi(app, "/docs", redirect_from_root_to_docs=False, title=app.title, swagger_ui_parameters={"tryItOutEnabled": True})


async def _check(readiness: Callable[[], Awaitable[Readiness]]) -> dict[str, Any]:
    """The readiness as JSON values; null where the check fails or takes too long."""
    try:
        async with asyncio.timeout(PATIENCE):
            found = asdict(await readiness())
            return found if found["parked"] is not None else {name: value for name, value in found.items() if name != "parked"}
    except Exception as error:
        log.warning("readiness.unknown", error=described(error))
        unknown = dict.fromkeys(("lag_events", "lag_seconds", "outbox", "held"))
        return {"ready": False, **unknown, "checks": {"readiness": type(error).__name__}}
