"""Routes for held streams, for every service that reads: list them, list the events of one, request a retry."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.http.answers import NEXT, json_response
from shared.http.auth import Areas, Caller
from shared.http.forms import Command, Text
from shared.http.pages import AFTER, LIMIT, Cursors
from shared.http.requests import JsonRoute, Router, harmless_key
from shared.http.web import CallerOf
from shared.process import db
from shared.process.db import Connection
from shared.reading import parked
from shared.reading.parked import HeldEvent, HeldStream
from shared.sequencing.parked_reasons import parse_reason

MOST_ITEMS = 500
Why: TypeAlias = Literal["early", "unreadable", "refused", "fork", "late"]
WHY = (
    "`early`: an event before it has not arrived; `unreadable`: this release cannot read it; `refused`: a rule does not accept it; "
    "`fork`: another event has its sequence; `late`: its day is closed."
)
SOURCE, SUBJECT = "The source of the events, such as `/services/registry`.", "The stream, such as `enterprise/<id>`."
A_SOURCE, A_SUBJECT = ["/services/registry"], ["enterprise/01938c5e-7f00-7000-8000-0000000000e1"]
Kind = Annotated[Why | None, Query(description=f"Only streams that stand still for this reason. {WHY}", examples=["refused"])]
SourceName = Annotated[Text, Query(max_length=256, description=SOURCE, examples=A_SOURCE)]
TheSubject = Annotated[Text, Query(max_length=256, description=SUBJECT, examples=A_SUBJECT)]
SubjectName = Annotated[Text | None, Query(max_length=256, description=f"Only this stream. {SUBJECT}", examples=A_SUBJECT)]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=LIMIT, examples=[100])]
RetryKey: TypeAlias = harmless_key("a repeat has the same events tried once more, which changes nothing that a try has not changed.")  # type: ignore[valid-type]
After = Annotated[str | None, Query(description=AFTER, examples=[None])]


class Retry(Command):
    """Which streams are to be tried again; left out: all of them."""

    source: Text | None = Field(None, description=f"Only streams of this source. {SOURCE}", examples=A_SOURCE)
    subject: Text | None = Field(None, description=f"Only this stream. {SUBJECT}", examples=A_SUBJECT)


class RetryAnswer(BaseModel):
    """What is tried again."""

    service: str = Field(description="The service that holds the events.", examples=["metrics"])
    asked: int = Field(description="How many streams are tried again; forks and gaps cannot be.", examples=[1])
    at: datetime = Field(description="The instant of the request, UTC, by the database's clock.", examples=["2026-07-01T01:30:00.123456Z"])


class ParkedReason(BaseModel):
    """What `error` means."""

    code: str | None = Field(description="As a code; null: written by a release up to 0.2.", examples=["HEADCOUNT"])
    zh: str | None = Field(description="In Chinese.", examples=["职工人数须在 0 与 10⁹ 之间"])
    en: str | None = Field(description="In English.", examples=["a headcount lies between 0 and 10⁹"])
    detail: str | None = Field(description="Numbers, ids and names of types, not translated.", examples=["-1"])


class _Held(BaseModel):
    sequence: int = Field(description="The event's position in its stream; 0: the bytes name no stream.", examples=[2])
    kind: Why = Field(description=f"Why it is held. {WHY}", examples=["refused"])
    topic: str = Field(description="The Kafka topic of its record.", examples=["parkunion.registry.v1"])
    partition: int = Field(description="The partition of its record.", examples=[5])
    offset: int = Field(description="The offset of its record.", examples=[1041])
    event_id: UUID | None = Field(
        description="Its id; null if that cannot be read, or it never arrived.", examples=["01938c5e-7f01-7000-8000-0000000000f1"]
    )
    error: str | None = Field(
        description="Why it is held, as a code and a detail; null: there is no error, it waits.", examples=["HEADCOUNT: -1"]
    )
    tried_at: datetime | None = Field(description="The instant at which it was last tried, UTC; null: never again.", examples=[None])
    reason: ParkedReason | None = Field(description="What `error` means; null without an error.")


class HeldStreamAnswer(_Held):
    """A stream that stands still. The fields of an event are those of the one at which it stands."""

    service: str = Field(description="The service that holds it.", examples=["metrics"])
    source: str = Field(description=SOURCE, examples=A_SOURCE)
    subject: str = Field(description=f"{SUBJECT} Empty if the bytes name none.", examples=A_SUBJECT)
    place: str | None = Field(
        description="Where bytes that name no stream are in the log: topic/partition/offset; else null.", examples=[None]
    )
    waiting: int = Field(description="How many events wait behind it.", examples=[3])
    since: datetime = Field(description="The instant since which the stream stands still, UTC.", examples=["2026-07-01T01:30:00.123456Z"])
    retry_wanted: bool = Field(description="Whether another try is asked for and has not been made.", examples=[False])
    applied: int | None = Field(description="The sequence of the last event that counts; null: none does.", examples=[1])


class HeldStreamsAnswer(BaseModel):
    """Streams that stand still, by source and subject."""

    items: list[HeldStreamAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class HeldEventAnswer(_Held):
    """A held event."""

    at: datetime = Field(description="The instant since which it is held, UTC.", examples=["2026-07-01T01:30:00.123456Z"])
    event: Any = Field(description="The content of its record, if that is JSON; else null.", examples=[{"specversion": "1.0"}])
    raw: str | None = Field(description="The content of its record in base64, if that is no JSON; else null.", examples=[None])


class HeldEventsAnswer(BaseModel):
    """The held events of one stream in sequence."""

    items: list[HeldEventAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


@cache
def parked_router(service: str, generation: Callable[[Connection], Awaitable[int]] = parked.serving) -> Router:
    """`/v1/parked` of a service, for one `generation` of its reader. Needs `app.state.pool`.

    Reading needs the scope `<service>:read`, a retry `<service>:operate`, both for every area: streams belong to no area.
    """
    router = Router(prefix="/v1/parked", tags=["parked"], route_class=JsonRoute)

    def cursors(request: Request, name: str) -> Cursors:
        return Cursors(request.app.state.settings.cursor_key, f"{service}.{name}")

    @router.get("", response_model=HeldStreamsAnswer)
    async def list_parked(
        request: Request, caller: CallerOf, kind: Kind = None, subject: SubjectName = None, limit: Limit = 100, after: After = None
    ) -> Response:
        """Streams that stand still: where, since when, why, and how many events wait. `applied` is the last sequence that counts.

        `reason` says what `error` means: `code` (null: written by a release up to 0.2), `zh`, `en`, and `detail`, which is not translated.
        """
        _require(caller, f"{service}:read")
        pages = cursors(request, "parked")
        start = pages.decode(after, tuple[str, str, str]) if after else ("", "", "")
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            found = await parked.streams(conn, await generation(conn), kind=kind, subject=subject, after=start, limit=limit + 1)
        page = found[:limit]
        following = pages.encode([page[-1].source, page[-1].subject, page[-1].place]) if len(found) > limit else None
        return json_response({"items": [{"service": service, **_stream(one)} for one in page], "next": following})

    @router.get("/events", response_model=HeldEventsAnswer)
    async def list_parked_events(
        request: Request, caller: CallerOf, source: SourceName, subject: TheSubject, limit: Limit = 100, after: After = None
    ) -> Response:
        """The held events of one stream in sequence; `raw` (base64) where the content is no JSON."""
        _require(caller, f"{service}:read")
        pages = cursors(request, "parked.events")
        start = pages.decode(after, tuple[int, str, int]) if after else (-1, "", -1)
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            found = await parked.events(conn, await generation(conn), source, subject, after=start, limit=limit + 1)
        page = found[:limit]
        following = pages.encode([page[-1].sequence, page[-1].topic, page[-1].offset]) if len(found) > limit else None
        return json_response({"items": [_event(one) for one in page], "next": following})

    @router.post("/retry", response_model=RetryAnswer, status_code=202)
    async def retry_parked(request: Request, caller: CallerOf, body: Retry, _key: RetryKey = None) -> Response:
        """Have the events at which streams stand tried again, within about a second. `asked`: how many; forks and gaps cannot be tried.

        What becomes of one is told by the list: it is gone, or its `tried_at` is later than this answer's.
        """
        _require(caller, f"{service}:operate")
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            asked = await parked.retry(conn, await generation(conn), body.source, body.subject)
            at = await conn.fetchval("SELECT parkunion_now()")
        return json_response({"service": service, "asked": asked, "at": at}, 202)

    return router


def _require(caller: Caller, scope: str) -> None:
    caller.require(scope)
    caller.require_area(None, None, None)


def _stream(one: HeldStream) -> dict[str, Any]:
    return {**one._asdict(), "place": one.place or None, "reason": _reason(one.error)}


def _reason(error: str | None) -> dict[str, str | None] | None:
    """`error` in both languages; rows of releases up to 0.2 have no code and only a detail."""
    found = parse_reason(error)
    return None if found is None else found._asdict()


def _event(one: HeldEvent) -> dict[str, Any]:
    content, raw = None, None
    try:
        content = json.loads(one.event)
    except ValueError:
        raw = base64.b64encode(one.event).decode()
    return {**one._asdict(), "reason": _reason(one.error), "event": content, "raw": raw}
