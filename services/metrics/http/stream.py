"""`GET /v1/coverage/stream`: the answer of `GET /v1/coverage` and then every change of it, as server-sent events.

The id of an event is the version vector of its figures; a client that sends it back (Last-Event-ID) receives what has changed since.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any, cast

from fastapi import Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.metrics.explaining.findings import of_row
from services.metrics.figures.questions import Row
from services.metrics.figures.snapshots import Snapshot
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.http import events
from services.metrics.http.access import day_or_today, granted_snapshot, snapshots_of
from services.metrics.http.bodies import finding_body, row_body, row_findings
from services.metrics.http.schemas import Area, AsOf, Grouping
from services.metrics.http.stream_findings import StreamFindings
from services.metrics.live.hub import Hub
from services.metrics.live.subscribers import StreamQuery, Subscriber, Update
from services.metrics.settings import Settings
from services.metrics.tables import feed
from shared.http.answers import json_response, language_of
from shared.http.auth import Caller
from shared.http.forms import Day
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.process.clock import utc_now

HEARTBEAT = 15.0
SEND_WITHIN = 30.0
"""Seconds that a client may take to accept an event; a slower one is disconnected and may resume."""
HEARTBEAT_EVENT = b": \n\n"
RETRY = b"retry: 1000\n\n"
LONGEST_ID = 4096
NO_VERSION = 2**63
"""Versions are bigints, so an id with a larger one is not ours."""
VERSIONS = re.compile(r"[0-9]{0,19}(?:\.[0-9]{0,19})*")
MOST_ENCODED = 64
MOST_CHANGES = 1000
"""The most changes that are read for a client that resumes; with more it receives everything."""

router = Router(prefix="/v1")


@asynccontextmanager
async def running(settings: Settings, stopping: asyncio.Event | None = None) -> AsyncIterator[Hub]:
    """The process's hub while it follows the change feed. `stopping` is set by the process's signal: the web server waits for open streams
    before it leaves this context, so the signal must end them."""
    hub, stop = Hub(settings.dsn, settings.clock, settings.kafka, settings.partitions), stopping or asyncio.Event()
    task = asyncio.create_task(hub.run(stop))
    try:
        yield hub
    finally:
        stop.set()
        await task


@router.get("/coverage/stream", tags=["coverage"], response_class=Response, responses=events.responses())
async def stream(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    by: Grouping = None,
    as_of: AsOf = None,
    day: Annotated[
        Day | None, Query(description="The day of the figures that the client has, if it sends an id and asks for today.", examples=[None])
    ] = None,
    last_event_id: Annotated[
        str | None, Query(max_length=LONGEST_ID, description=f"As the header Last-Event-ID. {events.LAST}", examples=[events.VERSION])
    ] = None,
    last_event_header: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=LONGEST_ID, description=events.LAST, examples=[events.VERSION])
    ] = None,
) -> Response:
    """Events `coverage` (rows that changed, the total among them; all rows if `full`), `facts` (there are new ones, figures changed or not),
    `age` (of the data, every two seconds, and why), and `end` with its reason."""
    hub: Hub = request.app.state.hub
    async with granted_snapshot(request, caller, area) as snapshot:
        if as_of is not None:
            day_or_today(snapshot, as_of, "as_of")
    subscriber = await hub.subscribe(StreamQuery(area, by, as_of, language_of(request)), caller.client)
    known: set[str] | None = None
    if sent := last_event_header or last_event_id:
        try:
            async with snapshots_of(request).snapshot(caller.areas) as snapshot:
                known = await _changed_since(hub, snapshot, subscriber, sent, as_of or day)
        except BaseException:
            hub.leave(subscriber)
            raise
    if known is None:
        subscriber.mark_all()
    else:
        subscriber.mark_groups(known, None)
    subscriber.mark_age()
    return EventStream(hub, subscriber, caller, request.app.state.stream_findings)


async def _changed_since(hub: Hub, snapshot: Snapshot, subscriber: Subscriber, sent: str, day: Any) -> set[str] | None:
    """The groups that changed after the client's version vector; None: the client needs everything."""
    versions = _versions(sent, hub.generation)
    view = subscriber.channel.view
    if versions is None or snapshot.generation != hub.generation:
        return None
    if day != view.table.as_of and (day is not None or all(versions.get(shard, 0) <= version for shard, version in hub.loaded.items())):
        # Midnight may have passed: the figures of a new day differ without any event.
        return None
    since = {shard: versions.get(shard, 0) for shard in hub.versions.keys() | versions.keys()}
    changes = await feed.since(snapshot.conn, hub.generation, since, MOST_CHANGES)
    if changes is None or len(changes) >= MOST_CHANGES or any(not changed.cells for changed in changes):
        return None
    cells = {cell for changed in changes for cell in changed.cells} & view.table.cells.keys()
    groups = {group for cell in cells if (group := view.group(cell)) is not None}
    return groups | {"all"} if groups else set()


def _versions(sent: str, generation: int) -> dict[int, int] | None:
    """{shard: version} of an event's id; None if it is not of this generation."""
    id_generation, _, versions = sent.partition(":")
    if not VERSIONS.fullmatch(versions):
        return None
    found = {shard: int(version) for shard, version in enumerate(versions.split(".")) if version}
    return found if id_generation == str(generation) and all(0 <= version < NO_VERSION for version in found.values()) else None


class StreamGrant:
    """Whether an open stream is still its caller's to read: asked again at every push, and when the tree of areas has changed."""

    def __init__(self, hub: Hub, caller: Caller, area: str | None) -> None:
        self._hub = hub
        self._caller = caller
        self._area = area

    @property
    def seconds_left(self) -> float:
        """Until the token, or the session, expires."""
        return max(0.0, self._caller.expires_at - utc_now().timestamp())

    async def ended(self) -> str | None:
        """Why the stream is granted no longer; None: it is."""
        if not self.seconds_left:
            return "TOKEN_EXPIRED"
        if not await self._caller.still_in():
            return "SIGNED_OUT"
        areas, versions = self._caller.areas, self._hub.areas
        # An area that the hub has not read yet was granted by the request itself.
        if self._area is not None and self._area in versions and not areas.inside(versions.latest().path(self._area)):
            return "AREA_NOT_GRANTED"
        return None


class EventStream(Response):
    """The open answer. It ends with an event `end` when it is granted no longer; it also ends when the client disconnects, the service stops,
    or an event is not accepted in time."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, subscriber: Subscriber, caller: Caller, findings: StreamFindings) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._subscriber = subscriber
        self._findings = findings
        self._areas = caller.areas
        self._grant = StreamGrant(hub, caller, subscriber.channel.query.area)
        self._first = True

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        disconnect = asyncio.create_task(self._watch_disconnect(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            with contextlib.suppress(TimeoutError, OSError):
                await self._send(send, RETRY)
                while not self._subscriber.closed:
                    await self._send(send, await self._next())
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            disconnect.cancel()
            self._hub.leave(self._subscriber)

    async def _watch_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscriber.close()

    @staticmethod
    async def _send(send: Send, body: bytes) -> None:
        async with asyncio.timeout(SEND_WITHIN):
            await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _next(self) -> bytes:
        update = await self._subscriber.next_update(min(HEARTBEAT, self._grant.seconds_left))
        reason = "TOO_MANY_STREAMS" if self._subscriber.displaced else await self._grant.ended()
        if reason is not None:
            self._subscriber.close()
            return _event("end", {"reason": reason}, None)
        if update is None:
            return HEARTBEAT_EVENT
        shows = update.rows is not None or self._first
        if shows and self._subscriber.channel.noticed is None:
            await self._findings.first(self._subscriber.channel, self._areas)
        figures = self._coverage(update) if shows else b""
        self._first = False
        if shows or update.facts:
            self._findings.look(self._subscriber.channel, self._areas)
        facts = _event("facts", {"version": self._hub.version, "newest": self._hub.newest}, self._hub.version) if update.facts else b""
        return figures + facts + (self._age() if update.send_age else b"") or HEARTBEAT_EVENT

    def _coverage(self, update: Update) -> bytes:
        rows, hub, encoded = update.rows or (), self._hub, self._subscriber.channel.encoded
        finality = hub.finality
        key = (update.full, hub.version, finality, *(row.code for row in rows))
        if key not in encoded:
            if len(encoded) >= MOST_ENCODED:
                encoded.clear()
            age = None if update.age is None else round(update.age * 1000)
            body = {
                "as_of": update.as_of,
                "known_at": hub.today,
                "provisional": finality.provisional(update.as_of, hub.today, hub.today),
                "closed_day": finality.closed_day,
                "rule_version": RULE_VERSION,
                "fold_version": hub.fold_version,
                "full": update.full,
                "version": hub.version,
                "newest": hub.newest,
                "age_ms": age,
                **self._rows(update.as_of, rows),
            }
            encoded[key] = _event("coverage", body, hub.version)
        return encoded[key]

    def _rows(self, as_of: date, rows: Sequence[Row]) -> dict[str, Any]:
        """`rows` and `findings`, as in the answer."""
        channel = self._subscriber.channel
        # Not read yet: the rows have the findings that their figures tell.
        noticed = channel.noticed or {}
        total = of_row(channel.view.total(), noticed)
        question = {"area": channel.query.area, "as_of": as_of, "known_at": self._hub.today}
        findings = [finding_body(one, question, channel.query.language) for one in total]
        return {
            "rows": [{**row_body(row), "findings": row_findings(of_row(row, noticed))} for row in rows],
            "findings": None if channel.noticed is None else findings,
        }

    def _age(self) -> bytes:
        freshness = self._hub.freshness
        return b"" if freshness is None else _event("age", freshness.as_dict(), None)


def _event(name: str, body: dict[str, Any], event_id: str | None) -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    return f"event: {name}\n{head}data: ".encode() + cast(bytes, json_response(body).body) + b"\n\n"
