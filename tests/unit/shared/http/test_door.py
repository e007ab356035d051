"""What every service does at its door: hosts, HEAD, methods, numbers of a query, and claims that no log could hold."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query, Request
from fastapi.routing import APIRoute, iter_route_contexts
from joserfc.jws import serialize_compact
from starlette.responses import StreamingResponse

from shared.contracts.services import SERVICES
from shared.http.auth import Areas, Caller
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.process.logs import setup_logs
from shared.process.settings import ServiceSettings
from tests.integration.client import settings_of
from tests.patience import PATIENCE
from tests.unit.shared.http.web_service import Issuer, app_of, client_of

SETTINGS: dict[str, type[ServiceSettings]] = {name: importlib.import_module(f"services.{name}.settings").Settings for name in SERVICES}
AN_ID = "0190f1a2-0000-7000-8000-000000000001"
NO_NUMBERS = ["1_0", "+1", " 1", "1 ", "１", "1.0", "0x1", "01", "1e1", "", "٣", "--1"]

many = Router(prefix="/v1")


@many.get("/many")
async def listed(caller: CallerOf, share: float = 0.5, limit: Annotated[int | None, Query()] = None) -> dict[str, Any]:
    """A route with every kind of number."""
    return {"limit": limit, "share": share}


@many.delete("/many")
async def removed(caller: CallerOf) -> None:
    """A second route of the path."""


other = Router()


@other.put("/v1/many")
async def put(caller: CallerOf) -> None:
    """A third one, of another router."""


@other.get("/v1/endless")
async def endless() -> StreamingResponse:
    """A stream."""

    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b": \n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(parts(), media_type="text/event-stream")


@asynccontextmanager
async def served(token: bool = True, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    issuer = Issuer()
    async with client_of(app_of(issuer, many, other, **changes), issuer.token() if token else None) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/many", "GET, HEAD, PUT, DELETE"),
        ("PATCH", "/v1/many", "GET, HEAD, PUT, DELETE"),
        ("GET", "/v1/things", "POST"),
        ("HEAD", "/v1/things", "POST"),
        ("OPTIONS", "/v1/things/" + AN_ID, "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
async def test_405_names_the_methods_of_all_routes_of_the_path(method: str, path: str, allowed: str) -> None:
    async with served() as client:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/metrics", "/v1/many?limit=3", "/v1/many?limit=x", "/none"]
)
async def test_head_answers_the_headers_of_get_and_no_body(path: str) -> None:
    async with served() as client:
        got, head = await client.get(path), await client.head(path)
        assert head.content == b""
        assert head.status_code == got.status_code

        def constant(answer: httpx.Response) -> dict[str, str]:
            return {name: value for name, value in answer.headers.items() if name not in ("traceparent", "ratelimit")}

        if path == "/metrics":
            assert constant(head).keys() == constant(got).keys()
        else:
            assert constant(head) == constant(got)


async def test_head_of_a_stream_ends() -> None:
    async with served() as client:
        head = await client.head("/v1/endless", timeout=PATIENCE)
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


@pytest.mark.parametrize("text", NO_NUMBERS)
async def test_a_number_of_a_query_has_the_form_of_json(text: str) -> None:
    async with served() as client:
        answer = await client.get("/v1/many", params={"limit": text})
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["field"], error["code"]) == (422, "limit", "NOT_A_WHOLE_NUMBER")
        if text not in ("1.0", "1e1"):
            answer = await client.get("/v1/many", params={"share": text})
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "NOT_A_NUMBER")


async def test_numbers_are_read() -> None:
    async with served() as client:
        answer = await client.get("/v1/many", params={"limit": "-10", "share": "-1.5e2"})
        assert answer.json() == {"limit": -10, "share": -150.0}


async def _identify(_request: Request) -> Caller:
    return Caller("tester", frozenset(), Areas.all())


def app_of_service(name: str) -> FastAPI:
    app: FastAPI = importlib.import_module(f"services.{name}.app").api(settings_of(SETTINGS[name]))
    app.state.authenticators = [_identify]
    return app


def numbers_of(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """(method, path, parameter) of every whole number in a query."""
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                kinds = {one.get("type") for one in (parameter["schema"], *parameter["schema"].get("anyOf", ()))}
                if kinds & {"integer", "number"}:
                    assert parameter["in"] == "query", f"{path}: numbers of headers and paths are not checked yet"
                    yield method, path, parameter["name"]


@pytest.mark.parametrize("service", SETTINGS)
async def test_no_route_of_any_service_takes_a_number_in_another_form(service: str) -> None:
    app = app_of_service(service)
    found = list(numbers_of(app))
    assert any(name == "limit" for _, _, name in found)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        for method, path, name in found:
            for text in NO_NUMBERS:
                answer = await client.request(method, path.replace("{", "").replace("}", ""), params={name: text})
                codes = [(error["field"], error["code"]) for error in answer.json()["errors"]]
                assert (name, "NOT_A_WHOLE_NUMBER") in codes, (path, text, codes)


@pytest.mark.parametrize("service", SETTINGS)
def test_every_number_of_a_query_is_documented_and_so_checked(service: str) -> None:
    app = app_of_service(service)
    documented = {(path, name) for _, path, name in numbers_of(app)}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            for parameter in (*route.dependant.query_params, *route.dependant.header_params):
                if parameter.field_info.annotation in (int, float, int | None, float | None):
                    assert any(path.endswith(route.path) and name == parameter.alias for path, name in documented), (
                        route.path,
                        parameter.alias,
                    )


@pytest.mark.parametrize(
    ("host", "status", "code"),
    [
        ("parkunion.example", 200, ""),
        ("PARKUNION.example.:8443", 200, ""),
        ("[::1]:80", 200, ""),
        ("evil.example", 421, "MISDIRECTED_REQUEST"),
        ("parkunion.example.evil.example", 421, "MISDIRECTED_REQUEST"),
        ("parkunion.example@evil.example", 400, "BAD_HOST"),
        ("parkunion.example, evil.example", 400, "BAD_HOST"),
        ("evil.example/parkunion.example", 400, "BAD_HOST"),
        ("parkunion.example:x", 400, "BAD_HOST"),
        ("", 400, "BAD_HOST"),
    ],
)
async def test_a_service_answers_under_its_names_only(host: str, status: int, code: str) -> None:
    async with served(hosts="parkunion.example,::1") as client:
        answer = await client.get("/v1/many", headers={"Host": host, "X-Forwarded-Host": "parkunion.example"})
        assert (answer.status_code, answer.json().get("code", "")) == (status, code)


async def test_probes_may_ask_by_address_and_two_hosts_are_none() -> None:
    async with served(hosts="parkunion.example") as client:
        assert (await client.get("/healthz", headers={"Host": "10.1.2.3:8000"})).status_code == 200
        answer = await client.get("/v1/many", headers=[("Host", "parkunion.example"), ("Host", "evil.example")])
        assert answer.json()["code"] == "BAD_HOST"


def signed(issuer: Issuer, payload: str, **claims: Any) -> str:
    """A token whose claims are this JSON text, after those of a good token."""
    body = issuer.token().split(".")[1]
    good = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    text = json.dumps({**good, **claims})[:-1] + f", {payload}}}"
    key = issuer.keys[-1]
    return serialize_compact({"alg": "ES256", "kid": key.kid}, text.encode(), key)


@pytest.mark.parametrize(
    "payload",
    [
        '"exp": 1' + "0" * 400,
        '"exp": 1' + "0" * 5000,
        '"exp": 1e400',
        '"exp": 253402300800',
        '"exp": NaN',
        '"exp": Infinity',
        '"exp": true',
        '"nbf": 1' + "0" * 400,
        '"iat": 1e400',
        '"sub": "\\ud800"',
        '"sub": "a\\u0000b"',
        '"sub": "a\\nb"',
        '"sub": "\\u202e"',
        '"sub": "' + "a" * 256 + '"',
        '"sub": 7',
        '"name": "\\udfff"',
        '"other": {"deep": ["\\ud800"]}',
        '"\\ud800": 1',
        '"scope": "registry:write \\ud800"',
        '"areas": ["\\ud800"]',
        '"areas": ["a,b"]',
        '"areas": ["a\'b"]',
        '"deep": ' + "[" * 3000 + "]" * 3000,
    ],
)
async def test_claims_that_nothing_could_hold_are_an_invalid_token(payload: str, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logs("INFO", "things", "api")
    issuer = Issuer()
    async with client_of(app_of(issuer, many)) as client:
        for _ in range(2):
            answer = await client.get("/v1/many", headers={"Authorization": f"Bearer {signed(issuer, payload)}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_INVALID")
            assert answer.headers["www-authenticate"].startswith("Bearer ")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"] for line in lines if line.get("event") == "http"] == [401, 401]


@pytest.mark.parametrize("header", [{"kid": "\ud800"}, {"kid": "[" * 2000}, {"deep": None}])
async def test_headers_of_forged_tokens_are_an_invalid_token(header: dict[str, Any]) -> None:
    text = json.dumps({"alg": "ES256", **header})
    if "deep" in header:
        text = text.replace("null", "[" * 3000 + "]" * 3000)
    token = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode() + ".e30.AAAA"
    issuer = Issuer()
    async with client_of(app_of(issuer, many)) as client:
        answer = await client.get("/v1/many", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_INVALID")
