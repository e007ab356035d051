"""`/v1/grants`: given, narrowed and revoked by the federation; each bureau sees its own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request
from starlette.responses import Response

from services.subscriptions.access import GRANT, log_access, sight_of
from services.subscriptions.commands.once import Answer, Commands
from services.subscriptions.grants import rules, store
from services.subscriptions.grants.answers import A_GRANT, Given, GrantAnswer, GrantsAnswer, row_of
from services.subscriptions.grants.bodies import ClientName, GrantBody, NarrowingBody, RevocationBody
from services.subscriptions.grants.clients import Clients
from services.subscriptions.grants.rules import Wanted, begins, ends
from services.subscriptions.grants.store import Change, Granted
from services.subscriptions.matching import catalogue
from services.subscriptions.matching.current import next_revision
from services.subscriptions.settings import Settings
from shared.contracts.ids import uuid7
from shared.contracts.services import SERVICES
from shared.directory.not_yet_known import areas_may_follow
from shared.http.answers import json_response
from shared.http.auth import Areas, Caller
from shared.http.forms import AreaCode, Id
from shared.http.openapi import adding
from shared.http.pages import AFTER, LIMIT, Cursors
from shared.http.requests import IdempotencyKey, JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import Conflict, NotFound, Problem
from shared.process import db
from shared.process.db import Connection

MOST_ITEMS = 500
LIST = "subscriptions.grants"
UNKNOWN = "UNKNOWN_GRANT"
GrantId = Annotated[Id, Path(description="The id of the grant.", examples=[A_GRANT])]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=LIMIT, examples=[100])]
After = Annotated[str | None, Query(description=AFTER, examples=[None])]
OF_AREAS = (
    "UNKNOWN_AREA",
    "NOT_YET_KNOWN",
    "UNKNOWN_TYPE",
    "UNKNOWN_DATA_FIELD",
    "FIELDS_OF_OTHER_TYPE",
    "NOT_AFTER_TOO_EARLY",
    "NOT_AFTER_PAST",
)
UNKNOWN_HERE = {UNKNOWN: 404}

router = Router(prefix="/v1/grants", tags=["grants"], route_class=JsonRoute)


def known_types() -> tuple[rules.Catalogue, rules.Catalogue]:
    """The fields of each type that can be granted, and those by default."""
    defaults = catalogue.defaults()
    return {name: catalogue.fields_of(name) for name in defaults}, defaults


@router.post("", response_model=Given, status_code=201, openapi_extra=adding("UNKNOWN_CLIENT", *OF_AREAS))
async def give_grant(request: Request, caller: CallerOf, body: GrantBody, key: IdempotencyKey = None) -> Response:
    """Allow a client to get events. It takes effect at once, or at `not_before`. Without `fields` the default fields of the moment are written down."""
    caller.require(GRANT)
    commands: Commands = request.app.state.commands
    settings: Settings = request.app.state.settings
    clients: Clients = request.app.state.clients
    grant = uuid7()
    clock = settings.clock
    wanted = Wanted(body.areas, body.types, body.fields, begins(body.not_before, clock), ends(body.not_after, clock))

    async def work(conn: Connection, now: datetime) -> Answer:
        revision = await next_revision(conn)
        known = rules.Known(await store.tree_of(conn), *known_types())
        try:
            extent = rules.given(wanted, caller.areas, known, now)
        except Problem as problem:
            raise await perhaps_later(conn, settings, problem) from None
        await store.put(conn, grant, body.client, body.purpose, body.legal_basis, caller.client, now)
        await store.put_version(conn, grant, extent, Change(revision, "given", caller.client, now))
        return Answer({"id": grant}, 201)

    return await commands.carry_out(request, caller, key, body, work, lambda: clients.require(body.client, "client"))


@router.get("", response_model=GrantsAnswer)
async def list_grants(
    request: Request,
    caller: CallerOf,
    client: Annotated[ClientName | None, Query(description="Only those to this client.", examples=["labour-bureau"])] = None,
    area: Annotated[
        AreaCode | None, Query(description="Only those that reach into this area: by it, one around it, or one in it.", examples=["330200"])
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Grants by age, revoked ones too: of the federation those within its areas, of a bureau its own."""
    cursors = _cursors(request)
    last = UUID(cursors.decode(after, tuple[str])[0]) if after else store.FIRST
    async with db.transaction(request.app.state.pool) as conn:
        now = await request.app.state.settings.clock.now(conn)
        sight = await sight_of(conn, caller)
        touching = None
        if area is not None:
            touching = [*(await store.tree_of(conn)).path(area), *(await store.codes_inside(conn, Areas.of([area])) or ())]
        own = caller.client if not sight.federation else client
        rows = []
        if client is None or sight.federation or client == caller.client:
            rows = await store.listed(conn, last, own, touching, sight.inside if sight.federation else None, limit + 1)
        items = rows[:limit]
        await log_access(conn, caller, now, "grants", {one.purpose for one in items})
    following = cursors.encode([str(items[-1].id)]) if len(rows) > limit else None
    return json_response({"items": [row_of(one) for one in items], "next": following})


@router.get("/{grant_id}", response_model=GrantAnswer, openapi_extra=adding(**UNKNOWN_HERE))
async def get_grant(request: Request, caller: CallerOf, grant_id: GrantId) -> Response:
    """A grant as it stands, with its versions."""
    async with db.transaction(request.app.state.pool, by_key=True) as conn:
        now = await request.app.state.settings.clock.now(conn)
        sight = await sight_of(conn, caller)
        found = await store.one(conn, grant_id)
        if found is None or not sight.sees(found.client, found.extent.areas):
            raise NotFound(UNKNOWN, params={"grant": grant_id})
        versions = await store.versions(conn, grant_id)
        await log_access(conn, caller, now, "grant", {found.purpose})
    return json_response({**row_of(found), "versions": versions})


@router.post(
    "/{grant_id}/narrowing",
    response_model=Given,
    openapi_extra=adding("NARROWING_WIDENS", "NOTHING_TO_CHANGE", "GRANT_REVOKED", *OF_AREAS, **UNKNOWN_HERE),
)
async def narrow_grant(request: Request, caller: CallerOf, grant_id: GrantId, body: NarrowingBody, key: IdempotencyKey = None) -> Response:
    """A grant is less from now on, also for what is queued; it can never become more again."""
    caller.require(GRANT)
    settings: Settings = request.app.state.settings
    wanted = Wanted(body.areas, body.types, body.fields, None, ends(body.not_after, settings.clock))

    async def work(conn: Connection, now: datetime) -> Answer:
        revision = await next_revision(conn)
        grant = await _own(conn, caller, grant_id)
        known = rules.Known(await store.tree_of(conn), *known_types())
        try:
            extent = rules.narrowed(grant.extent, wanted, known, now)
        except Problem as problem:
            raise await perhaps_later(conn, settings, problem) from None
        await store.put_version(conn, grant_id, extent, Change(revision, "narrowed", caller.client, now))
        return Answer({"id": grant_id})

    commands: Commands = request.app.state.commands
    return await commands.carry_out(request, caller, key, body, work)


@router.post("/{grant_id}/revocation", response_model=Given, openapi_extra=adding("GRANT_REVOKED", **UNKNOWN_HERE))
async def revoke_grant(request: Request, caller: CallerOf, grant_id: GrantId, body: RevocationBody, key: IdempotencyKey = None) -> Response:
    """Nothing is granted any more: nothing is sent or shown under it from now on, also of what is queued."""
    caller.require(GRANT)

    async def work(conn: Connection, now: datetime) -> Answer:
        revision = await next_revision(conn)
        grant = await _own(conn, caller, grant_id)
        await store.put_version(conn, grant_id, grant.extent, Change(revision, "revoked", caller.client, now, body.reason))
        return Answer({"id": grant_id})

    commands: Commands = request.app.state.commands
    return await commands.carry_out(request, caller, key, body, work)


async def _own(conn: Connection, caller: Caller, grant_id: UUID) -> Granted:
    """The grant, which is the caller's to change. Raises UNKNOWN_GRANT (404), GRANT_REVOKED (409)."""
    found = await store.one(conn, grant_id)
    if found is None or not (await sight_of(conn, caller)).governs(found.extent.areas):
        raise NotFound(UNKNOWN, params={"grant": grant_id})
    if found.revoked:
        raise Conflict("GRANT_REVOKED", params={"grant": grant_id})
    return found


async def perhaps_later(conn: Connection, settings: Settings, problem: Problem) -> Problem:
    """The problem; NOT_YET_KNOWN (409) in place of UNKNOWN_AREA while the registry's events may still be unread here."""
    error = problem.errors[0]
    if problem.code != "UNKNOWN_AREA":
        return problem
    code, topic = error.params["area"], SERVICES["registry"].topic(settings.topic_prefix)
    if await areas_may_follow(conn, [code], topic, settings.partitions):
        return Conflict("NOT_YET_KNOWN", field=error.field, params={"id": code})
    return problem


def _cursors(request: Request) -> Cursors:
    return Cursors(request.app.state.settings.cursor_key, LIST)
