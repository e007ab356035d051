"""The routes of a writing service, made from its table: a POST per command, corrections, withdrawals, the batch, and the events of a stream."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

from fastapi import Path, Query
from pydantic import Field, StringConstraints
from pydantic.fields import FieldInfo
from starlette.requests import Request
from starlette.responses import Response

from shared.directory import seen
from shared.directory.visibility import Sight
from shared.http.answers import Created, EventsAnswer, KeysAnswer, created, json_response
from shared.http.auth import Areas, Caller
from shared.http.forms import Command as Body
from shared.http.forms import Id, Withdrawal
from shared.http.openapi import adding, of_batches, of_commands, warnings_of
from shared.http.openapi.problems import EXTRA
from shared.http.ordinary import OrdinaryForm
from shared.http.pages import AFTER, LIMIT, Cursors
from shared.http.requests import IdempotencyKey, IfMatch, JsonRoute, Router, harmless_key
from shared.http.web import BATCH_PATH, CallerOf, actor_of
from shared.journal import idempotency, journal
from shared.journal.idempotency import Keys, Result
from shared.journal.key_form import KeyForm
from shared.problems.errors import NotFound, Unavailable
from shared.problems.preconditions import expected_by
from shared.process import db
from shared.process.db import Connection, OutcomeUnknownError
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import BatchKey, Line, Outcome
from shared.writing.facts import Correct, Withdraw, World
from shared.writing.lines.batch import Line as BatchLine
from shared.writing.lines.batch import LineResult, NdjsonBatch, values_of_batch
from shared.writing.lines.bodies import CorrectionBody, command_of, models
from shared.writing.single.groups import Groups
from shared.writing.single.ordinary import OrdinaryCommand
from shared.writing.table import EXAMPLE_ID, CommandKind, Context, Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)

MOST_ITEMS = 500
MOST_KEYS = 500
Key = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=LIMIT, examples=[100])]
After = Annotated[str | None, Query(description=AFTER, examples=[None])]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsRoute:
    """`GET /v1/events`. `subject` is the type of the parameter, with its form and description."""

    subject: Any
    sight: Callable[[Connection, Caller, str], Awaitable[Sight]]
    """What the caller sees of a stream. Raises a Problem if that is nothing."""
    cursors: Callable[[Request], Cursors]
    after: Any = After
    problems: Mapping[str, Any] = field(default_factory=lambda: adding("NOT_FOUND"))
    """Its `openapi_extra`: what `sight` raises, besides."""


def line_fingerprint(table: Table[W, N], key: bytes, op: str, values: Any) -> bytes:
    """The fingerprint of a batch's line: HMAC of `POST`, `/v1/batch`, the service's separator and the op, and the plain body."""
    return idempotency.fingerprint(key, "POST", f"/v1/batch{table.batch_separator}{op}", values)


def writing_router(table: Table[W, N], events: EventsRoute | None = None) -> Router:
    """Every route that the table describes. They use `app.state.pool` and `app.state.context` (a Context)."""
    router = Router(prefix="/v1", route_class=JsonRoute)
    for command in table.commands:
        _add_command(router, table, command)
    _add_corrections(router, table)
    _add_batch(router, table)
    _add_keys(router, table)
    if events is not None:
        _add_events(router, table, events)
    return router


def ordinary_commands(table: Table[Any, Any]) -> list[OrdinaryCommand]:
    """The table's commands at fixed paths, for OrdinaryCommands."""
    return [_ordinary(table, command) for command in table.commands if command.path_id is None and command.method == "POST"]


def _ordinary(table: Table[Any, Any], command: CommandKind[Any, Any]) -> OrdinaryCommand:
    scope, path = command.scope or f"{table.service}:write", f"/v1{command.path}"

    async def carry_out(request: Request, caller: Caller, key: str | None, plain: Mapping[str, Any], body: Any) -> Response:
        caller.require(scope)
        print_ = _fingerprint(request, "POST", path, plain)
        return await _one(table, request, caller, key, print_, command.of(body), None)

    return OrdinaryCommand(path, OrdinaryForm(command.body), carry_out)


async def one(
    table: Table[W, N], request: Request, caller: Caller, key: str | None, body: Body, command: Any, if_match: str | None = None
) -> Response:
    """Carry out one command for a caller, whose scope was asked: the answer to a route of the API or to a form of a page."""
    print_ = _fingerprint(request, request.method, request.url.path, body.plain())
    return await _one(table, request, caller, key, print_, command, if_match)


def _fingerprint(request: Request, method: str, path: str, plain: Mapping[str, Any]) -> bytes:
    context: Context = request.app.state.context
    return idempotency.fingerprint(context.fingerprint_key, method, path, plain)


async def _one(
    table: Table[W, N], request: Request, caller: Caller, key: str | None, print_: bytes, command: Any, if_match: str | None
) -> Response:
    context: Context = request.app.state.context
    actor = actor_of(request, caller)
    line = Line(command, key or new_key(), print_, expected_by(if_match), fresh=key is None, traceparent=actor.traceparent)
    work = carrying_out(table, context, caller.areas, actor)
    keys = await _keys_of(request)
    pool, client = request.app.state.pool, caller.client

    async def alone(own: Line[Any]) -> Result:
        return await commands.one(pool, keys, client, own, work)

    async def together(lines: list[Line[Any]]) -> list[Outcome]:
        return await commands.many(pool, keys, client, lines, work)

    with _offering(None if key else line.key):
        if not _joins_others(table, line):
            return created(await alone(line))
        groups: Groups[Line[Any]] = request.app.state.groups
        return created(await groups.one((client, caller.areas, actor.origin, keys.also_plain), line, alone, together))


def _joins_others(table: Table[W, N], line: Line[Any]) -> bool:
    """Whether the command may share a transaction with others of its caller: what a batch takes, and no corrections, which may be long.

    An ETag is compared with what was there before the transaction, so a command with If-Match must not be behind another one.
    """
    if line.expected is not None or isinstance(line.command, Correct | Withdraw):
        return False
    return table.command_of(line.command).scope in (None, f"{table.service}:write")


def new_key() -> str:
    """The key of a command or batch without one."""
    return secrets.token_urlsafe(24)


async def _keys_of(request: Request) -> Keys:
    """How this process stores idempotency keys now."""
    form: KeyForm = request.app.state.key_form
    return await form.keys(request.app.state.pool)


@contextmanager
def _offering(key: str | None) -> Iterator[None]:
    """If nobody can tell whether the commands were carried out, offer the key with which they are done once. Raises OUTCOME_UNKNOWN (503).

    `key` None: the caller has given its own.
    """
    try:
        yield
    except OutcomeUnknownError:
        if key is None:
            raise
        raise Unavailable("OUTCOME_UNKNOWN", headers={"Idempotency-Key": key}, members={"idempotency_key": key}) from None


def _parameter(name: str, kind: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _add_command(router: Router, table: Table[W, N], command: CommandKind[Any, W]) -> None:
    path_id = command.path_id
    scope = command.scope or f"{table.service}:write"

    async def endpoint(
        *, request: Request, caller: Caller, body: Any, key: str | None = None, if_match: str | None = None, **ids: Any
    ) -> Response:
        caller.require(scope)
        todo = command.of(body, ids[path_id] if path_id else None)
        return await one(table, request, caller, key, body, todo, if_match)

    parameters = [_parameter("request", Request), _parameter("caller", CallerOf)]
    parameters += [_parameter(path_id, _path(path_id, command.path_form))] if path_id else []
    parameters += [_parameter("body", command.body), _parameter("key", IdempotencyKey, None)]
    parameters += [_parameter("if_match", IfMatch, None)] if path_id else []
    endpoint.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    endpoint.__name__, endpoint.__doc__ = command.name, command.doc or command.body.__doc__
    router.add_api_route(
        command.path,
        endpoint,
        methods=[command.method],
        status_code=201,
        response_model=Created,
        response_description=_done(table.service),
        tags=list(command.tags),
        openapi_extra=of_commands(table.service, noun=path_id.removesuffix("_id") if path_id else None),
    )


def _path(name: str, form: Any) -> Any:
    """The type of what a path names, such as `enterprise_id`."""
    if form is not Id:
        said = next(one for one in get_args(form) if isinstance(one, FieldInfo))
        return Annotated[form, Path(description=said.description, examples=said.examples)]
    noun = name.removesuffix("_id")
    return Annotated[Id, Path(description=f"The id of the {noun}, as the answer to its registration gave it.", examples=[EXAMPLE_ID])]


def _done(service: str) -> str:
    """The description of a 201."""
    return f"Recorded. Codes that may stand in `warnings`: {', '.join(f'`{code}`' for code in warnings_of(service)) or 'none'}."


def _add_corrections(router: Router, table: Table[W, N]) -> None:
    refusals = of_commands(table.service)
    done = _done(table.service)

    @router.post(
        "/corrections", status_code=201, response_model=Created, response_description=done, tags=["corrections"], openapi_extra=refusals
    )
    async def correct_fact(
        request: Request, caller: CallerOf, body: CorrectionBody, key: IdempotencyKey = None, if_match: IfMatch = None
    ) -> Response:
        """An earlier fact was wrong; the answer's `id` is the correction's event."""
        caller.require(f"{table.service}:write")
        return await one(table, request, caller, key, body, body.command(), if_match)

    @router.post(
        "/withdrawals",
        status_code=201,
        response_model=Created,
        response_description=done,
        tags=["corrections"],
        openapi_extra={EXTRA: {**refusals[EXTRA], "UNKNOWN_STREAM": 404}},
    )
    async def withdraw_events(request: Request, caller: CallerOf, body: Withdrawal, key: IdempotencyKey = None) -> Response:
        """Events were never facts: what no figure has counted is gone, what has counted is taken back from today on."""
        caller.require(f"{table.service}:operate")
        command = Withdraw(body.subject, body.first, body.last, body.why())
        return await one(table, request, caller, key, body, command, None)


def _add_batch(router: Router, table: Table[W, N]) -> None:
    batch = NdjsonBatch(models(table))

    async def endpoint(request: Request, caller: CallerOf, key: IdempotencyKey = None) -> Response:
        caller.require(f"{table.service}:write")
        context: Context = request.app.state.context
        actor = actor_of(request, caller)

        async def decide(given: list[BatchLine]) -> Sequence[LineResult]:
            lines = [
                Line(
                    command_of(table, line.op, line.body),
                    line.key,
                    line_fingerprint(table, context.fingerprint_key, line.op, line.values) if line.key else b"",
                    number=line.number,
                )
                for line in given
            ]
            whole = None
            if key or any(line.key is None for line in given):
                print_ = idempotency.fingerprint(context.fingerprint_key, "POST", BATCH_PATH, values_of_batch(await request.body(), given))
                whole = BatchKey(key or new_key(), print_, fresh=key is None)
            work = carrying_out(table, context, caller.areas, actor)
            keys = await _keys_of(request)
            with _offering(whole.key if whole is not None and whole.fresh else None):
                return await commands.many(request.app.state.pool, keys, caller.client, lines, work, whole)

        return await batch.respond(request, decide)

    endpoint.__name__, endpoint.__doc__ = table.batch_name, table.batch_doc
    # Without a response class, or the document has JSON beside the lines.
    router.add_api_route(
        "/batch", endpoint, methods=["POST"], response_class=Response, tags=["batch"], openapi_extra={**batch.openapi, **of_batches()}
    )


LookUpKey: TypeAlias = harmless_key("it only reads.")  # type: ignore[valid-type]


class KeysBody(Body):
    """Idempotency keys of the caller."""

    keys: list[Key] = Field(
        min_length=1, max_length=MOST_KEYS, description="Idempotency keys that the caller has used.", examples=[["enterprises/A-17"]]
    )


def _add_keys(router: Router, table: Table[W, N]) -> None:
    @router.post("/keys", response_model=KeysAnswer, tags=["batch"])
    async def look_up_keys(request: Request, caller: CallerOf, body: KeysBody, _key: LookUpKey = None) -> Response:
        """What the caller's idempotency keys answered, so that a later command can name what an earlier one made. Changes nothing.

        As with a repeat, the caller needs the grants that the command needed; without them a key is not known.
        """
        caller.require(f"{table.service}:write")
        keys, context = await _keys_of(request), request.app.state.context
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            found = await idempotency.results(conn, keys, caller.client, body.keys)
            known = [(one, found[one]) for one in dict.fromkeys(body.keys) if one in found]
            work = carrying_out(table, context, caller.areas, actor_of(request, caller))
            refused = await work.repeats(conn, [result for _, result in known])
        items = [
            {"key": one, "id": result.id, "subject": result.subject, "sequence": result.sequence, "event_ids": result.event_ids}
            for (one, result), refusal in zip(known, refused, strict=True)
            if refusal is None
        ]
        return json_response({"items": items})


def _add_events(router: Router, table: Table[W, N], route: EventsRoute) -> None:
    async def list_events(*, request: Request, caller: Caller, subject: str, limit: int, after: str | None) -> Response:
        """What this service said on one stream, oldest first, as CloudEvents.

        Of an enterprise that moved, each area sees the events of its own time and the move, without the names of other areas.
        """
        caller.require(f"{table.service}:read")
        cursors = route.cursors(request)
        last = cursors.decode(after, tuple[int])[0] if after else 0
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            sight = await route.sight(conn, caller, subject)
            rows = await seen.events(conn, subject, sight, last, limit + 1)
        shown = rows[:limit]
        if not shown and not last:
            raise NotFound("NOT_FOUND")
        following = cursors.encode([shown[-1].sequence]) if len(rows) > limit else None
        items = b",".join(journal.cloud_event(row, table.source) for row in shown)
        tail = b'],"next":' + (f'"{following}"'.encode() if following else b"null") + b"}"
        return Response(b'{"items":[' + items + tail, media_type="application/json")

    parameters = [_parameter("request", Request), _parameter("caller", CallerOf), _parameter("subject", route.subject)]
    parameters += [_parameter("limit", Limit, 100), _parameter("after", route.after, None)]
    list_events.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    router.add_api_route(
        "/events", list_events, methods=["GET"], response_model=EventsAnswer, tags=["events"], openapi_extra=dict(route.problems)
    )
