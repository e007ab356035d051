"""Every operation of every service is asked badly in every way: it answers with the status that its document says, and with every one of them.

The operations, their parameters and their bodies are those of the documents, so that a new one is among them by itself. That each answer is
documented, with its code and fields, is checked by `tests/conformance.py`.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from shared.contracts.services import SCOPES, SERVICES
from shared.http.tokens import Verifier
from tests.conformance import METHODS, Document, check_response
from tests.conftest import Database, NewDatabase
from tests.integration.client import ISSUER, settings_of

KEY = ECKey.generate_key("P-256", auto_kid=True)
EVERY_SCOPE = " ".join(SCOPES)
PROVOKED = {"400", "401", "403", "404", "413", "415", "422", "429", "503"}
"""What can be had of any operation; 409 and 412 depend on what is there, 500 on a fault of ours."""
STREAMS = ("/v1/coverage/stream",)


def token(scope: str = EVERY_SCOPE, areas: tuple[str, ...] = ("*",)) -> str:
    """A token of the tests' issuer."""
    claims = {"iss": ISSUER, "aud": "parkunion", "sub": "tester", "exp": int(time.time()) + 600, "scope": scope, "areas": list(areas)}
    return jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY)


@asynccontextmanager
async def running(service: str, database: Database, **changes: Any) -> AsyncIterator[FastAPI]:
    """The application on its database, without Kafka."""

    async def keys() -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False)]}

    settings = settings_of(importlib.import_module(f"services.{service}.settings").Settings, database, **changes)
    app: FastAPI = importlib.import_module(f"services.{service}.app").api(settings)
    app.state.verifier = Verifier(settings, keys)
    async with app.router.lifespan_context(app):
        if hasattr(app.state, "resolver"):
            app.state.resolver.addresses = public_address
        yield app


async def public_address(_host: str, _port: int) -> list[str]:
    """The names of the examples exist nowhere."""
    return ["9.9.9.9"]


@dataclass
class Asking:
    """An operation with the examples of its document, and the statuses that it has answered with."""

    http: httpx.AsyncClient
    document: Document
    path: str
    method: str
    operation: Mapping[str, Any]
    seen: dict[str, set[str]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The path with ids that nothing has."""
        found = self.path
        for parameter in self.operation["parameters"]:
            if parameter["in"] == "path":
                found = found.replace(f"{{{parameter['name']}}}", str(_example(parameter)))
        return found

    @property
    def required(self) -> dict[str, Any]:
        """The query parameters that must be there."""
        wanted = [one for one in self.operation["parameters"] if one["in"] == "query" and one.get("required")]
        return {one["name"]: _example(one) for one in wanted}

    @property
    def required_headers(self) -> dict[str, bytes]:
        """The headers that must be there."""
        wanted = [one for one in self.operation["parameters"] if one["in"] == "header" and one.get("required")]
        return {one["name"]: str(_example(one)).encode() for one in wanted}

    @property
    def body(self) -> tuple[str, Any] | None:
        """The media type and example of the body."""
        content = self.operation.get("requestBody", {}).get("content", {})
        return next(((kind, media["example"]) for kind, media in content.items()), None)

    async def ask(self, expected: str | None, *, bearer: str | None = None, query: Any = None, **more: Any) -> None:
        """One request; compares its status with the expected one, and the answer with the document."""
        headers: dict[str, Any] = dict(self.required_headers)
        headers |= {"Authorization": f"Bearer {token() if bearer is None else bearer}"} if bearer != "" else {}
        if self.body is not None and "content" not in more:
            kind, example = self.body
            more = {"json": example, **more} if kind == "application/json" else {"content": example.encode(), **more}
            headers["Content-Type"] = kind
        headers |= more.pop("headers", {})
        params = {**self.required, **(query or {})}
        answer = await self.http.request(self.method, self.address, params=params, headers=headers, **more)
        check_response(self.document, answer)
        self.seen.setdefault(str(answer.status_code), set()).add(answer.text[:200])
        assert expected is None or str(answer.status_code) == expected, (self.method, self.path, more, answer.text)


def _example(parameter: Mapping[str, Any]) -> Any:
    if "examples" in parameter:
        return next(iter(parameter["examples"].values()))["value"]
    return parameter["schema"]["examples"][0]


def asked(http: httpx.AsyncClient, app: FastAPI) -> list[Asking]:
    """All operations but those of operators and the stream, which does not end."""
    document = Document(app.openapi())
    return [
        Asking(http, document, path, method, operation)
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
        if method in METHODS and "operations" not in operation["tags"] and path not in STREAMS
    ]


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


FROM_MEMORY = frozenset({"/v1/types"})
"""What is answered without the database."""
OWN_CURSORS = frozenset({"/v1/subscriptions/{id}/events"})
"""Where a forged cursor is not found, or gone, as its subscription is: 404 and 410."""


async def ask_badly(one: Asking) -> None:
    """Every way of asking badly that the operation allows."""
    await one.ask("401", bearer="")
    await one.ask("401", bearer="no token")
    await one.ask("403", bearer=token("nothing:read"))
    await one.ask(None, bearer=token(areas=("ELSEWHERE",)))
    await one.ask("422", query={"nonsense": "1"})
    await one.ask("400", query={"nonsense": "\x00"})
    names = {parameter["name"] for parameter in one.operation["parameters"]}
    if "after" in names:
        await one.ask("400" if one.path not in OWN_CURSORS else None, query={"after": "forged"})
    if "Idempotency-Key" in names:
        await one.ask("422", headers={"Idempotency-Key": "with a blank"})
    for name, wrong in (("as_of", "tomorrow"), ("limit", "0"), ("area", "ELSEWHERE"), ("parent", "ELSEWHERE"), ("enterprise", "x")):
        if name in {parameter["name"] for parameter in one.operation["parameters"] if parameter["in"] == "query"}:
            await one.ask(None, query={name: wrong})
    if one.body is not None:
        await one.ask("415", content=b"a=b", headers={"Content-Type": "application/pdf"})
        await one.ask("413", content=b" " * (9 * 2**20), headers={"Content-Type": one.body[0]})
        if one.body[0] == "application/json":
            await one.ask("400", content=b"{", headers={"Content-Type": "application/json"})
            await one.ask("422", content=b'{"nonsense": 1}', headers={"Content-Type": "application/json"})
        else:
            await one.ask("422", content=b"\n", headers={"Content-Type": one.body[0]})
            await one.ask("200", content=b"{\n[]\n", headers={"Content-Type": one.body[0]})
    await one.ask(None)


class Away:
    """A pool whose database does not answer."""

    def acquire(self, *_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError("no database")


@pytest.mark.parametrize("service", list(SERVICES))
async def test_bad_requests_get_the_statuses_of_the_document_and_every_one_of_them(service: str, database: NewDatabase) -> None:
    made = await database(service)
    async with running(service, made, rate_per_second=1e6, rate_burst=10**6) as app, client_of(app) as http:
        operations = asked(http, app)
        assert operations
        for one in operations:
            await ask_badly(one)
        pool, app.state.pool = app.state.pool, Away()
        for name in ("questions", "commands", "current"):
            if hasattr(app.state, name):
                getattr(app.state, name)._pool = app.state.pool
        if hasattr(app.state, "receiving"):
            app.state.receiving = replace(app.state.receiving, pool=app.state.pool)
        for one in operations:
            await one.ask("503" if one.path not in FROM_MEMORY else None)
        app.state.pool = pool
    async with running(service, made, rate_per_second=1e-3, rate_burst=1) as app, client_of(app) as http:
        await http.get("/v1/nothing")
        for one in operations:
            one.http = http
            await one.ask("429", bearer="")
    never = {
        f"{one.method} {one.path}": missing
        for one in operations
        if (missing := (one.operation["responses"].keys() & PROVOKED) - one.seen.keys() - ({"503"} if one.path in FROM_MEMORY else set()))
    }
    assert not never, "documented, and never answered"


@pytest.mark.parametrize("service", sorted(SERVICES))
async def test_the_page_of_the_documentation_is_there(service: str, database: NewDatabase) -> None:
    """It asks every route for an address by name, those of the application itself and those that stand before them."""
    async with running(service, await database(service)) as app, client_of(app) as http:
        page = await http.get("/docs")
        assert page.status_code == 200
        assert "/openapi.json" in page.text
        assert (await http.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize("service", SERVICES)
async def test_no_post_ignores_an_idempotency_key_silently(service: str, database: NewDatabase) -> None:
    """Each answers a repeat, says in its document why a repeat is harmless, or refuses the header."""
    async with running(service, await database(service)) as app, client_of(app) as http:
        posts = [one for one in asked(http, app) if one.method == "post"]
        assert posts
        for one in posts:
            declared = [p for p in one.operation.get("parameters", ()) if p["name"] == "Idempotency-Key"]
            if declared:
                (header,) = declared
                assert header["schema"]["x-repeats"] in ("answered", "harmless")
                assert header["schema"]["x-repeats"] == "answered" or header["description"].startswith("Taken, but not needed: ")
                continue
            await one.ask("400", headers={"Idempotency-Key": "k"})
            assert any("IDEMPOTENCY_KEY_NOT_TAKEN" in answer for answer in one.seen["400"]), one.path
        harmless = {one.path for one in posts if "harmless" in str(one.operation.get("parameters"))}
        assert harmless <= {"/v1/parked/retry", "/v1/keys", "/v1/subscriptions/{id}/acknowledgements"}
