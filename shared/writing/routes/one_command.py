"""One command for a caller: alone, or with others that come while another of the caller is at work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import created
from shared.http.auth import Caller
from shared.http.forms import Command as Body
from shared.http.ordinary import OrdinaryForm
from shared.http.web import actor_of
from shared.journal import idempotency
from shared.journal.idempotency import Result
from shared.problems.preconditions import expected_by
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line, Outcome
from shared.writing.facts import Correct, Withdraw, World
from shared.writing.routes.keyed import keys_of, new_key, offering
from shared.writing.single.groups import Groups
from shared.writing.single.ordinary import OrdinaryCommand
from shared.writing.table import CommandKind, Context, Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)


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
    keys = await keys_of(request)
    pool, client = request.app.state.pool, caller.client

    async def alone(own: Line[Any]) -> Result:
        return await commands.one(pool, keys, client, own, work)

    async def together(lines: list[Line[Any]]) -> list[Outcome]:
        return await commands.many(pool, keys, client, lines, work)

    with offering(None if key else line.key):
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
