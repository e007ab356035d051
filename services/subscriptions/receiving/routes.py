"""The routes of receivers: pull, stream, acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Header, Path, Query, Request
from starlette.responses import Response

from services.subscriptions.matching.current import CurrentCache
from services.subscriptions.receiving import store
from services.subscriptions.receiving.access import USE, readable
from services.subscriptions.receiving.answers import CURSOR, Acknowledged, Acknowledgement, EventsPage, stream_responses
from services.subscriptions.receiving.cursors import EventCursors, manifest_path, removed, unknown_cursor
from services.subscriptions.receiving.reading import Ask, Page, PageReader
from services.subscriptions.receiving.store import Subscribed
from services.subscriptions.receiving.stream import BATCH, BATCH_BYTES, EventStream
from services.subscriptions.receiving.waking import Waker
from services.subscriptions.settings import Settings
from shared.http.answers import json_response
from shared.http.auth import Caller
from shared.http.openapi import adding
from shared.http.pages import LIMIT
from shared.http.requests import JsonRoute, Router, harmless_key
from shared.http.web import CallerOf
from shared.problems.errors import Conflict, Unprocessable
from shared.process import db
from shared.process.db import Pool

MOST_ITEMS = 500
MOST_BYTES = 1024 * 1024
"""Of the contents of one page; a page of large events has fewer than asked for."""
LONGEST_WAIT = 60
AFTER, LAST_EVENT_ID = "after", "Last-Event-ID"
BEHIND_ALL = 2**62
"""Larger than any number of a delivery."""

router = Router(prefix="/v1/subscriptions", tags=["receiving"], route_class=JsonRoute)
SubscriptionId = Annotated[UUID, Path(description="The subscription.", examples=["01938c5e-7f00-7000-8000-0000000000b1"])]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=LIMIT, examples=[100])]
After = Annotated[
    str | None,
    Query(
        max_length=2048,
        description="The `next` of the answer before: the events behind it are wanted, and those up to it have arrived. Left out: from the first "
        "event whose content is still held.",
        examples=[CURSOR],
    ),
]
Wait = Annotated[
    int, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for an event if there is none; it is answered at once.", examples=[30])
]
LastEventId = Annotated[
    str | None,
    Header(
        alias=LAST_EVENT_ID,
        max_length=64,
        description="The number of the last event that the client has; it gets those behind it. Left out: from the first event whose content is "
        "still held.",
        examples=["42"],
    ),
]
AckKey: TypeAlias = harmless_key("what has arrived does so once: a repeat changes nothing.")  # type: ignore[valid-type]
READING = ("UNKNOWN_SUBSCRIPTION", "CURSOR_UNKNOWN", "EVENTS_REMOVED", "TOO_MANY_STREAMS")


@dataclass(frozen=True, slots=True)
class Receiving:
    """What the routes share in one process (`app.state.receiving`)."""

    pool: Pool
    current: CurrentCache
    reader: PageReader
    waker: Waker
    cursors: EventCursors


@asynccontextmanager
async def running(settings: Settings, pool: Pool, current: CurrentCache, stopping: asyncio.Event | None) -> AsyncIterator[Receiving]:
    """While it is open pages are read and waiting clients are woken. `stopping` is set by the process's signal, and ends open streams: the web
    server waits for them before it leaves this context."""
    stop = stopping or asyncio.Event()
    reader, waker = PageReader(pool, current, settings.clock), Waker(settings.dsn)
    async with reader.running():
        task = asyncio.create_task(waker.run(stop))
        try:
            yield Receiving(pool, current, reader, waker, EventCursors(settings.cursor_key))
        finally:
            stop.set()
            await task


@router.get("/{id}/events", response_model=EventsPage, openapi_extra=adding(*READING))
async def subscription_events(
    request: Request, caller: CallerOf, id: SubscriptionId, after: After = None, limit: Limit = 100, wait: Wait = 0
) -> Response:
    """The events behind a cursor, in the order of their numbers, as they would be pushed. Also for webhook subscriptions, in every status.

    A cursor that is not one of this subscription, and one whose next event was removed after the time of retention, is 410 and says how to go
    on. Of a pull subscription `after` confirms what it stands for.
    """
    shared: Receiving = request.app.state.receiving
    subscribed = await _opened(shared, caller, id)
    number = None if after is None else shared.cursors.decode(id, after)
    if after is not None and number is None:
        raise unknown_cursor(AFTER, await _oldest_cursor(shared, id))
    begin = await _from(shared, subscribed, number, AFTER)
    ask = _ask(caller, subscribed, "pull", begin, limit, MOST_BYTES, received=number)
    page = await shared.reader.page(ask) if not wait else await _waited(shared, caller, ask, wait)
    if page.removed is not None:
        raise await _removed(shared, page, AFTER)
    return _page_response(shared, id, page)


async def _waited(shared: Receiving, caller: Caller, ask: Ask, seconds: float) -> Page:
    """The page as soon as it has an event, or after `seconds`. What it confirms is confirmed at once."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with shared.waker.waiting(caller.client, ask.subscription, ask.after) as waiter:
        while True:
            waiter.look()
            last = waiter.closed or loop.time() >= deadline
            page = await shared.reader.page(replace(ask, logs_empty=last))
            if last or page.events or page.removed is not None:
                return page
            await waiter.woken(max(0.0, deadline - loop.time()))


@router.get("/{id}/stream", response_class=Response, responses=stream_responses(), openapi_extra=adding(*READING))
async def subscription_stream(request: Request, caller: CallerOf, id: SubscriptionId, last_event_id: LastEventId = None) -> Response:
    """The events of a subscription as server-sent events, those that are there and then each as it comes.

    The id of each is its number, its data the event as it would be pushed. Of a pull subscription Last-Event-ID confirms what it stands for.
    It ends with the token (`event: end`); what is no longer granted is sent without content.
    """
    shared: Receiving = request.app.state.receiving
    subscribed = await _opened(shared, caller, id)
    number = None
    if last_event_id is not None:
        number = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else BEHIND_ALL
    begin = await _from(shared, subscribed, number, LAST_EVENT_ID)
    ask = _ask(caller, subscribed, "stream", begin, BATCH, BATCH_BYTES, received=number, opens=True)
    with shared.waker.waiting(caller.client, id, begin):
        first = await shared.reader.page(ask)
    if first.removed is not None:
        raise await _removed(shared, first, LAST_EVENT_ID)
    return EventStream(shared.reader, shared.waker, caller, ask, first)


@router.post(
    "/{id}/acknowledgements",
    response_model=Acknowledged,
    openapi_extra=adding("UNKNOWN_SUBSCRIPTION", "NOT_A_PULL_SUBSCRIPTION", "NUMBER_NOT_ASSIGNED"),
)
async def acknowledge(request: Request, caller: CallerOf, id: SubscriptionId, body: Acknowledgement, _key: AckKey = None) -> Response:
    """Everything up to a number has arrived, as a later cursor would say as well. Only of pull subscriptions, by their own client: of others it
    is known by the answers of their endpoint."""
    caller.require(USE)
    shared: Receiving = request.app.state.receiving
    settings: Settings = request.app.state.settings
    current = await shared.current.get()
    async with db.transaction(shared.pool, by_key=True) as conn:
        subscribed = await readable(conn, caller, id, current)
        if subscribed.kind != "pull" or subscribed.client != caller.client:
            raise Conflict("NOT_A_PULL_SUBSCRIPTION")
        assigned_to = (await store.positions(conn, [id]))[id].assigned_to
        if body.to_number > assigned_to:
            raise Unprocessable("NUMBER_NOT_ASSIGNED", field="to_number", params={"number": body.to_number, "last": assigned_to})
        await store.confirm(conn, {id: body.to_number}, await settings.clock.now(conn))
        place = (await store.positions(conn, [id]))[id]
    return json_response({"confirmed_to": max(subscribed.confirmed_to, body.to_number), "watermark": place.watermark})


async def _opened(shared: Receiving, caller: Caller, subscription: UUID) -> Subscribed:
    """The subscription, readable for the caller and in force."""
    current = await shared.current.get()
    async with shared.pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
        found = await readable(conn, caller, subscription, current)
    await shared.reader.in_force(subscription)
    return found


async def _from(shared: Receiving, subscribed: Subscribed, number: int | None, field: str) -> int:
    """The number behind which to begin: that of the client, or (None) the one before the first that is held. Raises CURSOR_UNKNOWN (410) for
    one that was never assigned."""
    async with shared.pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
        if number is None:
            return await store.next_held(conn, subscribed.id, 1) - 1
        if number > (await store.assigned(conn, [subscribed.id]))[subscribed.id]:
            raise unknown_cursor(field, shared.cursors.encode(subscribed.id, await store.next_held(conn, subscribed.id, 1) - 1))
    return number


async def _oldest_cursor(shared: Receiving, subscription: UUID) -> str:
    async with shared.pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
        return shared.cursors.encode(subscription, await store.next_held(conn, subscription, 1) - 1)


async def _removed(shared: Receiving, page: Page, field: str) -> Exception:
    """The problem of a page whose first event was removed."""
    gone = page.removed
    assert gone is not None
    async with shared.pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
        held = await store.next_held(conn, gone.subscription, gone.number)
    resume = shared.cursors.encode(gone.subscription, held - 1)
    return removed(field, gone.number, manifest_path(gone.subscription, gone.day), resume)


def _ask(
    caller: Caller, subscribed: Subscribed, what: str, after: int, most: int, most_bytes: int, *, received: int | None, opens: bool = False
) -> Ask:
    own = caller.client == subscribed.client and USE in caller.scopes
    confirms = received if own and received is not None and received > subscribed.confirmed_to else None
    return Ask(subscribed.id, caller.client, subscribed.purpose, what, after, most, most_bytes, own=own, received=confirms, opens=opens)


def _page_response(shared: Receiving, subscription: UUID, page: Page) -> Response:
    cursor = shared.cursors.encode(subscription, page.last)
    items = b",".join(body for _, body in page.events)
    return Response(b'{"items":[%b],"next":"%b","watermark":%d}' % (items, cursor.encode(), page.watermark), media_type="application/json")
