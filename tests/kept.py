"""What libraries make again for every application and client, and keep too long, in a process whose tests make thousands of them.

- The OpenAPI document of an application is made at its first request, from its routes alone, which takes a fifth of a second and more. Tests
  make their applications of the same routers with another database: the document is kept.
- The applications themselves are kept by FastAPI for the sake of their functions, each with its pool and ten thousand objects: they are let go.
- httpx reads all certificates that it trusts for each client, also of addresses without TLS, which takes longer than a request: they are kept.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Hashable, Iterable
from dataclasses import fields
from typing import Any

import fastapi.applications
import fastapi.dependencies.models
import httpx._transports.default
from fastapi.routing import APIRouter

OF_EACH_APPLICATION = ("dependency_overrides_provider", "generate_unique_id_function", "included_router")
"""How a router is included, but for these: the application, a function made with it, and the router, whose routes are compared themselves."""

_applications: Any = fastapi.applications
_transports: Any = httpx._transports.default
_make = _applications.get_openapi
_made: dict[Hashable, bytes] = {}
"""Documents by all that FastAPI makes them from."""


def keep() -> None:
    """From now on a document is a copy of the one that was made for the same routes, and clients share what they trust."""
    _applications.get_openapi = _remembered
    _transports.create_ssl_context = functools.cache(_transports.create_ssl_context)


def let_go() -> None:
    """Forget the applications whose functions FastAPI has looked at."""
    for kept in vars(fastapi.dependencies.models).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()


def _remembered(*, routes: Iterable[Any], webhooks: Any = (), **told: Any) -> dict[str, Any]:
    routes = list(routes)
    key = (tuple(map(_identity, routes)), repr(webhooks), repr(sorted(told.items())))
    if key not in _made:
        _made[key] = pickle.dumps(_make(routes=routes, webhooks=webhooks, **told))
    # A copy: the application completes it.
    document: dict[str, Any] = pickle.loads(_made[key])
    return document


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
