"""A route for each command of a table."""

from __future__ import annotations

from inspect import Signature
from typing import Annotated, Any, TypeVar, get_args

from fastapi import Path
from pydantic.fields import FieldInfo
from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import Created
from shared.http.auth import Caller
from shared.http.forms import Id
from shared.http.openapi import of_commands
from shared.http.requests import IdempotencyKey, IfMatch, Router
from shared.http.web import CallerOf
from shared.writing.facts import World
from shared.writing.routes.one_command import one
from shared.writing.routes.parameters import done, parameter
from shared.writing.table import EXAMPLE_ID, CommandKind, Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)


def add_command(router: Router, table: Table[W, N], command: CommandKind[Any, W]) -> None:
    """The route of a command."""
    path_id = command.path_id
    scope = command.scope or f"{table.service}:write"

    async def endpoint(
        *, request: Request, caller: Caller, body: Any, key: str | None = None, if_match: str | None = None, **ids: Any
    ) -> Response:
        caller.require(scope)
        todo = command.of(body, ids[path_id] if path_id else None)
        return await one(table, request, caller, key, body, todo, if_match)

    parameters = [parameter("request", Request), parameter("caller", CallerOf)]
    parameters += [parameter(path_id, _path(path_id, command.path_form))] if path_id else []
    parameters += [parameter("body", command.body), parameter("key", IdempotencyKey, None)]
    parameters += [parameter("if_match", IfMatch, None)] if path_id else []
    endpoint.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    endpoint.__name__, endpoint.__doc__ = command.name, command.doc or command.body.__doc__
    router.add_api_route(
        command.path,
        endpoint,
        methods=[command.method],
        status_code=201,
        response_model=Created,
        response_description=done(table.service),
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
