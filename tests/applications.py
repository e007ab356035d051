"""What FastAPI keeps of applications, in a process whose tests make hundreds of them, mostly of the same routers with another database.

The OpenAPI document of an application is made at its first request, from its routes alone, which takes a fifth of a second and more: it is
kept. The applications themselves are kept by FastAPI for the sake of their functions, each with its pool and ten thousand objects: they are let go.
"""

from __future__ import annotations

import pickle
from collections.abc import Hashable, Iterable
from dataclasses import fields
from typing import Any

import fastapi.applications
import fastapi.dependencies.models
import fastapi.openapi.utils
from fastapi.routing import APIRouter

OF_EACH_APPLICATION = ("dependency_overrides_provider", "generate_unique_id_function", "included_router")
"""How a router is included, but for these: the application, a function made with it, and the router, whose routes are compared themselves."""

_make = fastapi.openapi.utils.get_openapi
_made: dict[Hashable, bytes] = {}
"""Documents by all that FastAPI makes them from."""


def remember_documents() -> None:
    """From now on the document of an application is a copy of the one that was made for others with the same routes."""
    vars(fastapi.applications)["get_openapi"] = _remembered


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
