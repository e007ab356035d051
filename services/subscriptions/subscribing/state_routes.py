"""`POST /v1/subscriptions/{id}/…`: pause, resume, end, verification, test, rotation. By its client, or by the federation within its areas;
a new key only by its client, which alone may know it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi import Request
from starlette.responses import Response

from services.subscriptions.access import USE
from services.subscriptions.commands.once import Answer
from services.subscriptions.matching.current import next_revision
from services.subscriptions.signing.sealing import Sealing
from services.subscriptions.signing.store import how_many, rotate
from services.subscriptions.subscribing import rules, store
from services.subscriptions.subscribing.answers import ProbeAsked, SubscriptionCreated, SubscriptionState
from services.subscriptions.subscribing.finding import UNKNOWN, SubscriptionId, commands_of, found
from services.subscriptions.subscribing.routes import new_challenge
from services.subscriptions.subscribing.rules import Status
from services.subscriptions.subscribing.store import Change
from shared.contracts.ids import uuid7
from shared.http.auth import Caller
from shared.http.openapi import adding
from shared.http.requests import IdempotencyKey, JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound
from shared.process.db import Connection

WRONG_STATUS = "NOT_IN_THIS_STATUS"
NO_ENDPOINT = "NO_ENDPOINT"
ROTATED_TOO_OFTEN = "ROTATED_TOO_OFTEN"

router = Router(prefix="/v1/subscriptions/{subscription_id}", tags=["subscriptions"], route_class=JsonRoute)


@router.post("/pause", response_model=SubscriptionState, openapi_extra=adding(UNKNOWN, WRONG_STATUS))
async def pause_subscription(request: Request, caller: CallerOf, subscription_id: SubscriptionId, key: IdempotencyKey = None) -> Response:
    """Nothing is sent until it is resumed; events are numbered all the same, and can be fetched. One that is paused stays so."""
    return await _become(request, caller, subscription_id, key, "paused", rules.PAUSABLE)


@router.post("/resume", response_model=SubscriptionState, openapi_extra=adding(UNKNOWN, WRONG_STATUS))
async def resume_subscription(request: Request, caller: CallerOf, subscription_id: SubscriptionId, key: IdempotencyKey = None) -> Response:
    """One that was paused or disabled is active again, and what is pending is sent at once. One that is active stays so."""
    return await _become(request, caller, subscription_id, key, "active", rules.RESUMABLE)


@router.post("/end", response_model=SubscriptionState, openapi_extra=adding(UNKNOWN))
async def end_subscription(request: Request, caller: CallerOf, subscription_id: SubscriptionId, key: IdempotencyKey = None) -> Response:
    """No event is numbered or sent any more, for ever; what was not sent is parked. What is numbered can still be fetched while it is kept."""
    return await _become(request, caller, subscription_id, key, "ended", rules.STATUSES)


@router.post("/verification", response_model=ProbeAsked, status_code=202, openapi_extra=adding(UNKNOWN, WRONG_STATUS, NO_ENDPOINT))
async def send_verification(request: Request, caller: CallerOf, subscription_id: SubscriptionId, key: IdempotencyKey = None) -> Response:
    """Send the challenge (again). If the endpoint answers with it, the subscription becomes active."""
    return await _probe(request, caller, subscription_id, key, "verification", rules.VERIFIABLE)


@router.post("/test", response_model=ProbeAsked, status_code=202, openapi_extra=adding(UNKNOWN, WRONG_STATUS, NO_ENDPOINT))
async def send_test(request: Request, caller: CallerOf, subscription_id: SubscriptionId, key: IdempotencyKey = None) -> Response:
    """Send a signed event `parkunion.subscription-test.v1` without a number, whose outcome changes nothing."""
    return await _probe(request, caller, subscription_id, key, "test", rules.TESTABLE)


@router.post("/rotation", response_model=SubscriptionCreated, openapi_extra=adding(UNKNOWN, WRONG_STATUS, NO_ENDPOINT, ROTATED_TOO_OFTEN))
async def rotate_key(request: Request, caller: CallerOf, subscription_id: SubscriptionId, key: IdempotencyKey = None) -> Response:
    """Sign with a new key from now on, for 24 hours with the old one as well. A secret is in this answer alone. At most 10 keys sign at once."""
    caller.require(USE)
    sealing: Sealing = request.app.state.sealing

    async def work(conn: Connection, now: datetime) -> Answer:
        await next_revision(conn)
        one = await found(conn, caller, subscription_id)
        if one.client != caller.client:
            raise NotFound(UNKNOWN, params={"subscription": subscription_id})
        rules.require_endpoint(one.kind)
        rules.require_status(one.status, rules.ROTATABLE)
        rules.require_few_keys(await how_many(conn, one.id, now))
        assert one.signature is not None
        signing = await rotate(conn, sealing, one.id, one.signature, now)
        return Answer({"id": one.id, "status": one.status, "signing": signing})

    return await commands_of(request).carry_out(request, caller, key, None, work)


async def _become(
    request: Request, caller: Caller, subscription_id: SubscriptionId, key: str | None, status: Status, before: Sequence[Status]
) -> Response:
    """The state after this. One that has it already keeps it."""

    async def work(conn: Connection, now: datetime) -> Answer:
        revision = await next_revision(conn)
        one = await found(conn, caller, subscription_id)
        if one.status != status:
            rules.require_status(one.status, before)
            if status == "active":
                await store.hasten(conn, one.id, now)
            if status == "ended" and one.kind == "webhook":
                await store.stop(conn, one.id, now)
            await store.set_status(conn, one.id, one.status, Change(status, caller.client, now, revision))
        return Answer({"id": one.id, "status": status})

    return await commands_of(request).carry_out(request, caller, key, None, work)


async def _probe(
    request: Request, caller: Caller, subscription_id: SubscriptionId, key: str | None, kind: str, allowed: Sequence[Status]
) -> Response:
    """One that is still to be sent is not asked for twice: an endpoint is not called more often than it answers."""

    async def work(conn: Connection, now: datetime) -> Answer:
        # Keeps the state as it is, and two that ask at once apart.
        await next_revision(conn)
        one = await found(conn, caller, subscription_id)
        rules.require_endpoint(one.kind)
        rules.require_status(one.status, allowed)
        probe = await store.open_probe(conn, one.id, kind)
        if probe is None:
            probe = uuid7()
            challenge = new_challenge() if kind == "verification" else None
            await store.put_probe(conn, probe, one.id, kind, challenge, caller.client, now)
        return Answer({"id": one.id, "status": one.status, "probe_id": probe}, 202)

    return await commands_of(request).carry_out(request, caller, key, None, work)
