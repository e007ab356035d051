"""`/v1/subscriptions`: made by bureaus under a grant; each sees its own, the federation those within its areas."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.subscriptions.access import USE, log_access, sight_of
from services.subscriptions.commands.once import Answer
from services.subscriptions.egress.resolving import Resolver, check_endpoint
from services.subscriptions.egress.urls import MOST_CHARACTERS
from services.subscriptions.grants import store as grants
from services.subscriptions.grants.bodies import ClientName
from services.subscriptions.grants.routes import known_types, perhaps_later
from services.subscriptions.matching.current import next_revision
from services.subscriptions.settings import Settings
from services.subscriptions.signing.sealing import Sealing
from services.subscriptions.signing.store import new_signing
from services.subscriptions.subscribing import store
from services.subscriptions.subscribing.answers import SubscriptionAnswer, SubscriptionCreated, SubscriptionsAnswer, row_of
from services.subscriptions.subscribing.bodies import SubscriptionBody, WebhookBody
from services.subscriptions.subscribing.finding import UNKNOWN, SubscriptionId, commands_of, found
from services.subscriptions.subscribing.rules import Status, asked_of
from services.subscriptions.subscribing.store import New
from shared.contracts.ids import uuid7
from shared.http.answers import json_response
from shared.http.forms import Id
from shared.http.openapi import adding
from shared.http.pages import AFTER, LIMIT, Cursors
from shared.http.requests import IdempotencyKey, JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import Problem, Unprocessable
from shared.process import db
from shared.process.db import Connection

MOST_ITEMS = 500
LIST = "subscriptions.subscriptions"
CHALLENGE_BYTES = 32
URL_FIELD = "channel.url"
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=LIMIT, examples=[100])]
After = Annotated[str | None, Query(description=AFTER, examples=[None])]
OF_URLS = (
    *(
        "URL_TOO_LONG",
        "INVALID_URL",
        "URL_NOT_HTTPS",
        "URL_WITH_USER_INFO",
        "URL_WITH_FRAGMENT",
        "UNRESOLVABLE_HOST",
        "ADDRESS_NOT_ALLOWED",
    ),
)
OF_GRANTS = ("UNKNOWN_GRANT", "GRANT_REVOKED", "GRANT_EXPIRED", "UNKNOWN_TYPE", "WIDER_THAN_GRANT", "UNKNOWN_AREA", "NOT_YET_KNOWN")

router = Router(prefix="/v1/subscriptions", tags=["subscriptions"], route_class=JsonRoute)


@router.post("", response_model=SubscriptionCreated, status_code=201, openapi_extra=adding(*OF_GRANTS, *OF_URLS, "INVALID_INDUSTRY"))
async def subscribe(request: Request, caller: CallerOf, body: SubscriptionBody, key: IdempotencyKey = None) -> Response:
    """Get the events of a grant from now on. One that is fetched is active at once; an endpoint first has to answer a challenge.

    The secret of `v1` is in this answer alone. Events that happen before the endpoint has answered are numbered, and sent then.
    """
    caller.require(USE)
    settings: Settings = request.app.state.settings
    resolver: Resolver = request.app.state.resolver
    sealing: Sealing = request.app.state.sealing
    subscription = uuid7()
    url, signature = (body.channel.url, body.channel.signature) if isinstance(body.channel, WebhookBody) else (None, None)

    async def endpoint_may_be_called() -> None:
        if url is not None and (code := await check_endpoint(url, settings.allow_networks, resolver)) is not None:
            raise Unprocessable(code, field=URL_FIELD, params={"most": MOST_CHARACTERS})

    async def work(conn: Connection, now: datetime) -> Answer:
        revision = await next_revision(conn)
        grant = await grants.one(conn, body.grant_id)
        if grant is None or grant.client != caller.client:
            raise Unprocessable("UNKNOWN_GRANT", field="grant_id", params={"grant": body.grant_id})
        wanted = body.filter.model_dump(exclude_none=True) if body.filter else {}
        try:
            asked = asked_of(grant, body.types, wanted, await grants.tree_of(conn), known_types()[0], now)
        except Problem as problem:
            raise await perhaps_later(conn, settings, problem) from None
        new = New(subscription, grant.id, caller.client, asked.types, asked.filter, body.channel.kind, url, signature)
        await store.put(conn, new, caller.client, now, revision)
        signing = None
        if signature is not None:
            signing = await new_signing(conn, sealing, subscription, signature, now)
            await store.put_probe(conn, uuid7(), subscription, "verification", new_challenge(), caller.client, now)
        return Answer({"id": subscription, "status": new.status, "signing": signing}, 201)

    return await commands_of(request).carry_out(request, caller, key, body, work, endpoint_may_be_called)


@router.get("", response_model=SubscriptionsAnswer)
async def list_subscriptions(
    request: Request,
    caller: CallerOf,
    client: Annotated[ClientName | None, Query(description="Only those of this client.", examples=["labour-bureau"])] = None,
    grant_id: Annotated[
        Id | None, Query(description="Only those under this grant.", examples=["01938c5e-7f00-7000-8000-0000000000a1"])
    ] = None,
    status: Annotated[Status | None, Query(description="Only those in this state.", examples=["active"])] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Subscriptions by age, ended ones too: of the federation those within its areas, of a bureau its own."""
    cursors = Cursors(request.app.state.settings.cursor_key, LIST)
    last = UUID(cursors.decode(after, tuple[str])[0]) if after else grants.FIRST
    async with db.transaction(request.app.state.pool) as conn:
        now = await request.app.state.settings.clock.now(conn)
        sight = await sight_of(conn, caller)
        whose, inside = (client, sight.inside) if sight.federation else (caller.client, None)
        rows = []
        if sight.federation or client in (None, caller.client):
            rows = await store.listed(conn, last, whose, grant_id, status, inside, limit + 1)
        items = rows[:limit]
        await log_access(conn, caller, now, "subscriptions", {one.purpose for one in items})
    following = cursors.encode([str(items[-1].id)]) if len(rows) > limit else None
    return json_response({"items": [row_of(one) for one in items], "next": following})


@router.get("/{subscription_id}", response_model=SubscriptionAnswer, openapi_extra=adding(UNKNOWN))
async def get_subscription(request: Request, caller: CallerOf, subscription_id: SubscriptionId) -> Response:
    """A subscription: how far it is, why something failed, with which keys it is signed, and what happened to it."""
    async with db.transaction(request.app.state.pool, by_key=True) as conn:
        now = await request.app.state.settings.clock.now(conn)
        one = await found(conn, caller, subscription_id)
        more = {
            "keys": await store.keys(conn, one.id, now),
            "probes": await store.probes(conn, one.id),
            "changes": await store.changes(conn, one.id),
        }
        await log_access(conn, caller, now, "subscription", {one.purpose}, one.id)
    return json_response({**row_of(one), **more})


def new_challenge() -> str:
    """What an endpoint has to repeat."""
    return secrets.token_urlsafe(CHALLENGE_BYTES)
