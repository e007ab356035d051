"""The ordinary requests of single commands, answered without the web framework's routing, dependencies and validation.

They cost more than the command (docs/adr/0029). A request is ordinary if it is a POST to the fixed path of a command, with one bearer token, as
JSON, without If-Match and query, and its body is in the ordinary form (shared/http/ordinary.py). Everything else, and every mistake but a missing
grant, is left to the command's route, which gets the request as it came; what this route answers, that one would answer, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Message, Receive, Scope, Send

from shared.http.auth import Caller, current_client
from shared.http.ordinary import OrdinaryForm
from shared.http.requests import KEY_HEADER
from shared.http.tokens import CALLER_KEY, CLIENT_KEY, Verifier
from shared.problems.errors import Problem
from shared.problems.strict_json import values_of

BEARER = b"Bearer "
JSON = b"application/json"
ONCE = frozenset((b"authorization", b"content-type", KEY_HEADER.lower().encode()))
"""Headers that an ordinary request has once at most."""
SEEN = "parkunion.ordinary"
"""Key of (token, idempotency key) in the scope of a request that was taken for ordinary."""
NEVER = frozenset((b"if-match", b"content-encoding", b"transfer-encoding"))

CarryOut = Callable[[Request, Caller, str | None, Mapping[str, Any], Any], Awaitable[Response]]
"""`(request, caller, idempotency key, plain body, body)`"""


@dataclass(frozen=True, slots=True)
class OrdinaryCommand:
    """A command at a fixed path: the ordinary form of its body, and what carries it out."""

    path: str
    form: OrdinaryForm
    carry_out: CarryOut


class OrdinaryCommands(BaseRoute):
    """The first of an application's routes; the others answer what it leaves."""

    def __init__(self, commands: Sequence[OrdinaryCommand], app: FastAPI) -> None:
        self._commands = {command.path: command for command in commands if command.form.exists}
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FULL for a request that may be ordinary; its body is not read yet."""
        if scope["type"] != "http" or scope["method"] != "POST" or SEEN in scope or scope["path"] not in self._commands:
            return Match.NONE, {}
        if scope["query_string"] or scope.get("root_path"):
            return Match.NONE, {}
        found: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in NEVER or (name in ONCE and name in found):
                return Match.NONE, {}
            found[name] = value
        token = found.get(b"authorization", b"")
        if not token.startswith(BEARER) or token == BEARER or b" " in token[len(BEARER) :] or found.get(b"content-type") != JSON:
            return Match.NONE, {}
        key = found.get(KEY_HEADER.lower().encode())
        return Match.FULL, {SEEN: (token[len(BEARER) :].decode("latin-1"), None if key is None else key.decode("latin-1"))}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """None of its paths has a name: whoever looks for one asks every route in turn."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have the command's own route answer."""
        command = self._commands[scope["path"]]
        token, key = scope[SEEN]
        request = Request(scope, receive)
        content = await request.body()
        values, body = _ordinary(command.form, content)
        if body is None:
            await self._app.router(scope, _again(content, receive), send)
            return
        scope["route"] = command
        verifier: Verifier = self._app.state.verifier
        caller = await verifier.verify(token)
        scope[CLIENT_KEY], scope[CALLER_KEY] = caller.client, caller
        current_client.set(f"client:{caller.client}")
        response = await command.carry_out(request, caller, key, command.form.plain(values, body), body)
        await response(scope, receive, send)


def _ordinary(form: OrdinaryForm, content: bytes) -> tuple[dict[str, Any], Any | None]:
    """(plain values, body) of a content, or (nothing, None): the command's route says what is wrong with it, if anything is."""
    try:
        values = values_of(content)
    except (Problem, ValueError, RecursionError):
        return {}, None
    return (values, form.read(values)) if isinstance(values, dict) else ({}, None)


def _again(content: bytes, receive: Receive) -> Receive:
    """`receive` of a request whose body has been read."""
    left = [content]

    async def receive_again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return receive_again
