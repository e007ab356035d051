"""`/v1/subscriptions/{id}/deliveries`, redelivery and replay: what became of each number, and the same events again."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query, Request
from starlette.responses import Response

from services.subscriptions.access import log_access, sight_of
from services.subscriptions.commands.once import Answer
from services.subscriptions.matching.current import CurrentCache
from services.subscriptions.matching.entitlement import Terms
from services.subscriptions.matching.outgoing import OWN_TYPES
from services.subscriptions.receiving.cursors import EventCursors, manifest_path
from services.subscriptions.settings import Settings
from services.subscriptions.subscribing import deliveries, rules
from services.subscriptions.subscribing.answers import DeliveriesAnswer, RedeliveryAnswer, ReplayAnswer, delivery_of
from services.subscriptions.subscribing.bodies import ReplayBody
from services.subscriptions.subscribing.deliveries import Number
from services.subscriptions.subscribing.finding import UNKNOWN, SubscriptionId, commands_of, found
from shared.http.answers import json_response
from shared.http.openapi import adding
from shared.http.pages import LIMIT, Cursors
from shared.http.requests import IdempotencyKey, JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import Gone, NotFound, Unprocessable
from shared.process import db
from shared.process.db import Connection

MOST_ITEMS = 500
LIST = "subscriptions.deliveries"
A_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=LIMIT, examples=[100])]
After = Annotated[
    str | None,
    Query(description="The `next` of the page before, or a number: what is behind it; left out: the first page.", examples=["41"]),
]
TheNumber = Annotated[str, Path(pattern=r"^[1-9][0-9]{0,17}$", description="The number of the delivery.", examples=["42"])]
State = Annotated[
    Literal["queued", "delivered", "parked", "withheld"] | None,
    Query(description="Only numbers of which this became.", examples=["parked"]),
]

router = Router(prefix="/v1/subscriptions/{subscription_id}", tags=["deliveries"], route_class=JsonRoute)


@router.get("/deliveries", response_model=DeliveriesAnswer, openapi_extra=adding(UNKNOWN))
async def list_deliveries(
    request: Request, caller: CallerOf, subscription_id: SubscriptionId, after: After = None, state: State = None, limit: Limit = 100
) -> Response:
    """Numbers in their order, each with what became of it, every attempt and what the endpoint answered."""
    settings: Settings = request.app.state.settings
    cursors = Cursors(settings.cursor_key, LIST)
    start = 0 if after is None else int(after) if A_NUMBER.fullmatch(after) else cursors.decode(after, tuple[int])[0]
    current: CurrentCache = request.app.state.current
    known = (await current.get()).subscriptions.get(subscription_id)
    async with db.transaction(request.app.state.pool, by_key=True) as conn:
        now = await settings.clock.now(conn)
        one = await found(conn, caller, subscription_id)
        governs = (await sight_of(conn, caller)).governs(one.granted_areas)
        rows = await deliveries.listed(conn, one.id, start, state, limit + 1)
        page = rows[:limit]
        attempts = await deliveries.attempts(conn, one.id, [row["number"] for row in page])
        due = await deliveries.due(conn, one.id, [row["subject"] for row in page if row["pending"]])
        numbers = (page[0]["number"], page[-1]["number"]) if page else None
        await log_access(conn, caller, now, "deliveries", {one.purpose}, one.id, numbers)
    items = [
        delivery_of(
            row, attempts[row["number"]], due.get(row["number"]), shown=governs or (known is not None and _shows(known.terms, row, now))
        )
        for row in page
    ]
    return json_response({"items": items, "next": cursors.encode([page[-1]["number"]]) if len(rows) > limit else None})


@router.post(
    "/deliveries/{number}/redelivery",
    response_model=RedeliveryAnswer,
    status_code=202,
    openapi_extra=adding(UNKNOWN, "NOT_IN_THIS_STATUS", "NO_ENDPOINT", "OUTSIDE_RETENTION", NUMBER_NOT_ASSIGNED=404),
)
async def redeliver(
    request: Request, caller: CallerOf, subscription_id: SubscriptionId, number: TheNumber, key: IdempotencyKey = None
) -> Response:
    """Send a number again, under the same number: also one that was parked."""
    settings: Settings = request.app.state.settings
    wanted = int(number)

    async def work(conn: Connection, now: datetime) -> Answer:
        last = await deliveries.lock_queue(conn, subscription_id)
        one = await found(conn, caller, subscription_id)
        rules.require_endpoint(one.kind)
        rules.require_status(one.status, rules.REPLAYABLE)
        kept = await deliveries.one(conn, one.id, wanted)
        if kept is None:
            raise NotFound("NUMBER_NOT_ASSIGNED", field="number", params={"number": wanted, "last": last})
        if kept.gone is not None or kept.outside(now, settings.body_days):
            raise _outside(one.id, kept, "number")
        await deliveries.send_again(conn, one.id, wanted, wanted, now)
        return Answer({"id": one.id, "number": wanted}, 202)

    return await commands_of(request).carry_out(request, caller, key, None, work)


@router.post(
    "/replay",
    response_model=ReplayAnswer,
    status_code=202,
    openapi_extra=adding(UNKNOWN, "NOT_IN_THIS_STATUS", "NUMBER_NOT_ASSIGNED", "OUTSIDE_RETENTION", "REPLAY_FROM_ONE"),
)
async def replay(
    request: Request, caller: CallerOf, subscription_id: SubscriptionId, body: ReplayBody, key: IdempotencyKey = None
) -> Response:
    """The same events again, under the same numbers, from a number or an instant on. A webhook gets them at once; one that fetches gets the
    cursor from which to go on. Outside the time of retention it is 410, with the address of the manifest."""
    settings: Settings = request.app.state.settings

    async def work(conn: Connection, now: datetime) -> Answer:
        last = await deliveries.lock_queue(conn, subscription_id)
        one = await found(conn, caller, subscription_id)
        if one.kind == "webhook":
            rules.require_status(one.status, rules.REPLAYABLE)
        field = "from_time" if body.from_number is None else "from_number"
        first = body.from_number
        if body.from_time is not None:
            first = await deliveries.first_since(conn, one.id, body.from_time, settings.clock.day_of(body.from_time))
        elif first is not None and first > last:
            raise Unprocessable("NUMBER_NOT_ASSIGNED", field=field, params={"number": first, "last": last})
        if first is not None:
            kept = await deliveries.first_kept(conn, one.id, first)
            if kept is not None and kept.outside(now, settings.body_days):
                raise _outside(one.id, kept, field)
        if one.kind == "webhook":
            if first is not None:
                await deliveries.send_again(conn, one.id, first, last, now)
            return Answer(_replayed(one.id, first, last, None), 202)
        cursor = EventCursors(settings.cursor_key).encode(one.id, last if first is None else first - 1)
        return Answer(_replayed(one.id, first, last, cursor), 202)

    return await commands_of(request).carry_out(request, caller, key, body, work)


def _replayed(subscription: UUID, first: int | None, last: int, cursor: str | None) -> dict[str, Any]:
    return {"id": subscription, "from_number": first, "to_number": last if first is not None else None, "cursor": cursor}


def _outside(subscription: UUID, kept: Number, field: str) -> Gone:
    manifest = manifest_path(subscription, kept.day)
    return Gone(
        "OUTSIDE_RETENTION",
        field=field,
        params={"number": kept.number, "manifest": manifest},
        headers={"Link": f'<{manifest}>; rel="related"'},
        members={"manifest": manifest},
    )


def _shows(terms: Terms, row: dict[str, Any], now: datetime) -> bool:
    """Whether a bureau may be told what the event of a number is: as for the event itself."""
    return terms.hold(now) and (row["fact_type"] in OWN_TYPES or terms.shows(row["fact_type"], row["places"]))
