"""Every route of every service and the ways to ask it: from the services' OpenAPI, and from the dashboard's router, which is not in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from services.cases import pages
from services.metrics import dashboard
from shared.http.requests import Router

PAGES: Mapping[str, Router] = {"metrics": dashboard.router, "cases": pages.router}
"""{service: its pages}"""
Values = Mapping[str, Sequence[str | None]]
"""{name of a parameter: its values; None: left out}"""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a route; `values`: the only ones that it takes."""

    name: str
    place: str
    required: bool
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """One route of a service."""

    service: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.service}{self.path}"

    def requests(self, values: Values, *, pairs: bool = False) -> Iterator[tuple[str, dict[str, str]]]:
        """(path, query) of every way to ask; with `pairs`, of so few that every two values of two parameters still stand in one of them.

        Raises LookupError for a parameter of which `values` has none and which cannot be left out.
        """
        asked = [one for one in self.parameters if one.place == "path" or (one.place == "query" and (one.required or one.name in values))]
        ways = [
            chosen
            for chosen in product(*(self._values(one, values) for one in asked))
            if not any(one.required and value is None for one, value in zip(asked, chosen, strict=True))
        ]
        for chosen in covering_pairs(ways) if pairs else ways:
            given = {one: value for one, value in zip(asked, chosen, strict=True) if value is not None}
            path = self.path
            for one, value in given.items():
                path = path.replace("{" + one.name + "}", value) if one.place == "path" else path
            yield path, {one.name: value for one, value in given.items() if one.place == "query"}

    def _values(self, parameter: Parameter, values: Values) -> Sequence[str | None]:
        if parameter.values:
            return parameter.values
        if parameter.name not in values:
            raise LookupError(f"{self}: say in VALUES what its parameter {parameter.name} may be")
        return values[parameter.name]


def covering_pairs(ways: Sequence[Sequence[str | None]]) -> list[Sequence[str | None]]:
    """Ways among which every two values stand together that do so in any: those first in which most is new."""
    # A parameter that stands alone is asked with each of its values, too.
    left = [(chosen, {*combinations(enumerate(chosen), 2), *enumerate(chosen)}) for chosen in ways]
    found, met = list[Sequence[str | None]](), set[object]()
    for least in range(max((len(together) for _, together in left), default=0), 0, -1):
        for chosen, together in left:
            if len(together - met) >= least:
                found.append(chosen)
                met |= together
        left = [(chosen, together) for chosen, together in left if not together <= met]
    return found


def documented(service: str, openapi: dict[str, Any]) -> Iterator[Route]:
    """The routes of a service's OpenAPI."""
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            parameters = [_parameter(one, openapi) for one in operation.get("parameters", ())]
            yield Route(service, method.upper(), path, tuple(parameters))


def _parameter(described: dict[str, Any], openapi: dict[str, Any]) -> Parameter:
    schema = described.get("schema", {})
    if "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    values = tuple(map(str, schema.get("enum", ()))) if described.get("required") else ()
    return Parameter(described["name"], described["in"], described.get("required", False), values)


def of_the_pages() -> Iterator[Route]:
    """The routes of the pages of every service that has some."""
    for service, router in PAGES.items():
        yield from _of_router(service, router)


def _of_router(service: str, router: Router) -> Iterator[Route]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                yield Route(service, method, route.path, tuple(dict.fromkeys(_of_dependant(route.dependant))))
        elif (included := getattr(route, "original_router", None)) is not None:
            yield from _of_router(service, included)
        else:
            raise LookupError(f"a route of a kind that this test does not know: {route}")


def _of_dependant(dependant: Dependant) -> Iterator[Parameter]:
    for place, fields in (("path", dependant.path_params), ("query", dependant.query_params)):
        for one in fields:
            yield Parameter(one.alias, place, one.field_info.is_required())
    for inner in dependant.dependencies:
        yield from _of_dependant(inner)
