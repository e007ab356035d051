"""What is made again for every application and client, and kept too long, in a process whose tests make thousands of them.

- The OpenAPI document of an application is made at its first request, from its routes alone, which takes a fifth of a second and more. Tests
  make their applications of the same routers with another database: they share the document, which nobody changes.
- The applications themselves are kept by FastAPI for the sake of their functions, each with its pool and ten thousand objects: they are let go.
- httpx reads all certificates that it trusts for each client, also of addresses without TLS, which takes longer than a request: they are kept.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields
from typing import Any

import fastapi.dependencies.models
import httpx._transports.default
from fastapi import APIRouter, FastAPI

import shared.http.web

OF_EACH_APPLICATION = ("dependency_overrides_provider", "generate_unique_id_function", "included_router")
"""How a router is included, but for these: the application, a function made with it, and the router, whose routes are compared themselves."""

_web: Any = shared.http.web
_transports: Any = httpx._transports.default
_describe: Callable[[FastAPI, Mapping[str, int]], None] = _web.describe
_made: dict[Hashable, dict[str, Any]] = {}
"""Documents by all that they are made from."""


def keep() -> None:
    """From now on applications of the same routes have the same document, and clients share what they trust."""
    _web.describe = _remembering
    _transports.create_ssl_context = functools.cache(_transports.create_ssl_context)


def let_go() -> None:
    """Forget the applications whose functions FastAPI has looked at."""
    for kept in vars(fastapi.dependencies.models).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()


def _remembering(app: FastAPI, body_limits: Mapping[str, int]) -> None:
    _describe(app, body_limits)
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            key = (tuple(map(_identity, app.routes)), app.title, app.description, app.version, repr(sorted(body_limits.items())))
            app.openapi_schema = _made[key] if key in _made else _made.setdefault(key, make())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _identity(route: Any) -> Hashable:
    """Of a router that is included, its routes and how it is included; of a route, its function's code, which is the same in each application."""
    context = getattr(route, "include_context", None)
    if context is None:
        methods = tuple(sorted(getattr(route, "methods", None) or ()))
        endpoint = getattr(route, "endpoint", None)
        return (getattr(route, "path", None), methods, getattr(route, "include_in_schema", None), getattr(endpoint, "__code__", endpoint))
    included: APIRouter = route.original_router
    how = {one.name: getattr(context, one.name) for one in fields(context) if one.name not in OF_EACH_APPLICATION}
    return (tuple(map(_identity, included.routes)), getattr(context.generate_unique_id_function, "__code__", None), repr(how))
