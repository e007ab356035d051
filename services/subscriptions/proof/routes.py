"""`GET /v1/subscriptions/{id}/manifests/{day}`: what a subscription was given on a day, signed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Request
from joserfc.jwk import OKPKey
from starlette.responses import Response

from services.subscriptions.matching.current import load, next_revision
from services.subscriptions.matching.entitlement import Terms
from services.subscriptions.proof import manifests, store
from services.subscriptions.proof.answers import ManifestAnswer
from services.subscriptions.proof.manifests import Day as NumbersOfDay
from services.subscriptions.signing.standard_webhooks import AsymmetricKey
from services.subscriptions.signing.store import service_key
from shared.http.answers import json_response
from shared.http.auth import Caller
from shared.http.forms import Day
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.manifests.manifest import answer_of, signed
from shared.problems.errors import NotFound
from shared.process import db
from shared.process.db import Connection

GRANT, USE = "subscriptions:grant", "subscriptions:use"

router = Router(prefix="/v1/subscriptions", tags=["proof"])

Key = Annotated[UUID, Path(description="The subscription.", examples=["01938c5e-7f01-7000-8000-0000000000a1"])]
TheDay = Annotated[
    Day,
    Path(
        description="The day on which numbers were assigned, in the deployment's zone.", openapi_examples={"a day": {"value": "2026-07-01"}}
    ),
]


@router.get("/{id}/manifests/{day}", response_model=ManifestAnswer)
async def manifest(request: Request, caller: CallerOf, id: Key, day: TheDay) -> Response:
    """What a subscription was given on a day, signed: every number that was assigned, with the event's id and hash, and what became of it.

    `parkunion manifest verify` compares it with what was received, offline. It may be asked for at any time, also after the subscription or its
    grant has ended; it changes until `complete`, and after that only if something is asked for again.
    """
    if GRANT not in caller.scopes:
        caller.require(USE)
    state = request.app.state
    async with db.transaction(state.pool) as conn:
        owned = await _owned(conn, id, caller)
        now = await state.settings.clock.now(conn)
        numbers = NumbersOfDay(day, await store.numbers_of(conn, id, day))
        earlier = await store.day_before(conn, id, day)
        before = None if earlier is None else NumbersOfDay(earlier, await store.numbers_of(conn, id, earlier))
        terms = await _terms(conn, id)
        head = manifests.head(str(id), owned.client, numbers, before, terms, now, state.settings.clock.opens_after(day))
        key = await _key(conn, request, now)
        await store.put_access(conn, now, caller.client, owned, [one.number for one in numbers.numbers])
    token = signed(head, OKPKey.import_key(key.private), key.kid)
    return json_response(answer_of(head, manifests.entries(numbers.numbers, terms, now), token), headers={"Cache-Control": "no-store"})


async def _owned(conn: Connection, key: UUID, caller: Caller) -> store.Owned:
    """The subscription, if it is the caller's to ask about; that of another client does not exist for it."""
    owned = await store.subscription(conn, key)
    if owned is None or (GRANT not in caller.scopes and owned.client != caller.client):
        raise NotFound("NOT_FOUND", field="id")
    return owned


async def _terms(conn: Connection, key: UUID) -> Terms | None:
    """What the subscription may get now, read after its numbers; None: nothing."""
    found = (await load(conn)).subscriptions.get(key)
    return None if found is None else found.terms


async def _key(conn: Connection, request: Request, now: datetime) -> AsymmetricKey:
    """The newest key of the service. Keys are made one at a time."""
    if not await store.has_service_key(conn):
        await next_revision(conn)
    return await service_key(conn, request.app.state.sealing, now)
