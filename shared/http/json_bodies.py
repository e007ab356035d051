"""JSON as this platform reads it: in UTF-8, and each name of an object once.

RFC 8259 leaves open which of two equal names counts; a command that could be read in two ways is refused instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.problems.errors import Problem, Unprocessable
from shared.problems.validation import path_of


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise Unprocessable("DUPLICATE_FIELD", field=path_of([next(name for name in names if names.count(name) > 1)]))
    return values


_decode = json.JSONDecoder(object_pairs_hook=_once).decode


def values_of(content: bytes) -> Any:
    """Plain values. Raises DUPLICATE_FIELD (422), ValueError for what is no JSON in UTF-8, RecursionError.

    NaN and half characters are let through: whoever looks at the fields says which of them has such a value.
    """
    return _decode(content.decode("utf-8-sig"))


class _JsonRequest(Request):
    async def json(self) -> Any:
        return values_of(await self.body())


class JsonRoute(APIRoute):
    """A route whose body is read by `values_of`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            try:
                return await handle(_JsonRequest(request.scope, request.receive))
            except HTTPException as error:
                # FastAPI turns whatever goes wrong while a body is read into 400, and keeps it as the cause.
                if isinstance(error.__cause__, Problem):
                    raise error.__cause__ from None
                raise

        return handle_json
