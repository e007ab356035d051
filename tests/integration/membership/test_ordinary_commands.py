"""An ordinary request is answered as the command's own route answers it, and everything else is left to that."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.types import Receive, Scope, Send

from services.membership.app import api
from services.membership.settings import Settings
from shared.http.tokens import Verifier
from shared.writing.single.ordinary import SEEN, OrdinaryCommands
from tests.integration.client import ISSUER, settings_of
from tests.integration.membership.service import Membership, membership_of_a_test  # noqa: F401
from tests.integration.membership.test_api import joining

KEY = ECKey.generate_key("P-256", auto_kid=True)
OWN = {"event_ids", "id", "sequence"}
"""Fields of an answer that differ between two commands."""


def token(scope: str = "membership:read membership:write", **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": "parkunion", "sub": "office", "exp": int(time.time()) + 600, "scope": scope, "areas": ["*"], **changes}
    return jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY)


class Service(NamedTuple):
    """`ordinary` answers ordinary requests by itself; `left` are the paths of those that it left to their routes. `routes` is without it."""

    ordinary: httpx.AsyncClient
    routes: httpx.AsyncClient
    left: list[str]
    body: dict[str, Any]


async def jwks() -> Any:
    return {"keys": [KEY.as_dict(private=False)]}


def application(membership: Membership) -> FastAPI:
    settings = settings_of(Settings)
    app = api(settings)
    app.state.pool = membership.pool
    app.state.verifier = Verifier(settings, jwks)
    return app


@pytest.fixture(name="service")
async def service_of_a_test(membership: Membership) -> AsyncIterator[Service]:
    enterprise = await membership.enterprise()
    union = await membership.union(enterprise)
    quick, plain = application(membership), application(membership)
    left: list[str] = []
    others = quick.router.app

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        if SEEN in scope:
            left.append(scope["path"])
        await others(scope, receive, send)

    quick.router.middleware_stack = noted
    assert isinstance(plain.router.routes.pop(0), OrdinaryCommands)
    headers = {"Authorization": f"Bearer {token()}"}
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(quick), base_url="http://service", headers=headers) as ordinary,
        httpx.AsyncClient(transport=httpx.ASGITransport(plain), base_url="http://service", headers=headers) as routes,
    ):
        yield Service(ordinary, routes, left, joining(str(union), enterprise, "ordinary", "sample"))


async def both(service: Service, content: bytes, **headers: str) -> tuple[Any, Any]:
    """(status, body without what differs) of both."""
    answers = []
    for http in (service.ordinary, service.routes):
        named = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        answer = await http.post("/v1/members", content=content, headers=named)
        challenge = answer.headers.get("www-authenticate")
        body = {name: value for name, value in answer.json().items() if name not in OWN} if answer.content else None
        answers.append((answer.status_code, body, challenge, sorted(answer.headers)))
    return answers[0], answers[1]


def changed(service: Service, **changes: Any) -> bytes:
    return json.dumps({**service.body, **changes}).encode()


async def test_an_ordinary_command_is_carried_out_without_its_route(service: Service) -> None:
    answer = await service.ordinary.post("/v1/members", json=service.body)
    assert (answer.status_code, set(answer.json())) == (201, {"id", "subject", "sequence", "event_ids"})
    assert service.left == []


@pytest.mark.parametrize("spelt", [str.lower, str.upper])
async def test_a_repeat_is_recognised_whichever_of_the_two_answered_first(service: Service, spelt: Any) -> None:
    body = {**service.body, "union_id": spelt(service.body["union_id"]), "left_on": None}
    first = await service.ordinary.post("/v1/members", json=body, headers={"Idempotency-Key": "one"})
    assert first.status_code == 201
    assert (await service.routes.post("/v1/members", json=body, headers={"Idempotency-Key": "one"})).json() == first.json()
    other = {**body, "document": {"kind": "sample", "number": "other"}}
    second = await service.routes.post("/v1/members", json=other, headers={"Idempotency-Key": "two"})
    assert (await service.ordinary.post("/v1/members", json=other, headers={"Idempotency-Key": "two"})).json() == second.json()
    assert service.left == []


async def test_what_the_command_is_refused_for_is_the_same(service: Service) -> None:
    assert (await service.ordinary.post("/v1/members", json=service.body)).status_code == 201
    for content in (
        changed(service),
        changed(service, joined_on="2999-01-01"),
        changed(service, enterprise_id=service.body["union_id"]),
        changed(service, document={"kind": "resident_id", "number": "1"}),
        changed(service, document={"kind": "nothing", "number": "1"}),
    ):
        ordinary, routes = await both(service, content)
        assert ordinary == routes
        assert ordinary[0] >= 400
    assert service.left == []


async def test_what_is_wrong_with_a_request_is_said_by_its_route(service: Service) -> None:
    twice = json.dumps(service.body)[:-1] + ', "joined_on": "2021-02-01"}'
    cases = [
        *(b"", b"{", b"[]", b"null", b"\xff", b'"x"', twice.encode()),
        changed(service, joined_on="1.2.2021"),
        changed(service, joined_on=None),
        changed(service, more="x"),
        changed(service, union_id="x"),
        changed(service, document="x"),
        changed(service, left_on="2021-03-01", left_reason="resigned", note="x" * 3000),
    ]
    for content in cases:
        before = len(service.left)
        ordinary, routes = await both(service, content)
        assert ordinary == routes, content
        assert ordinary[0] in (400, 422), content
        assert len(service.left) == before + 1, content


async def test_other_forms_of_a_request_are_left_to_the_route(service: Service) -> None:
    bearer = {"Authorization": f"bearer {token()}"}
    for headers in ({"If-Match": '"another"'}, {"Content-Type": "application/json; charset=utf-8"}, {"Content-Type": "text/plain"}, bearer):
        ordinary, routes = await both(service, changed(service, document={"kind": "sample", "number": str(headers)}), **headers)
        # The second of two who join is a member already.
        assert ordinary == routes or (ordinary[0], routes[0]) == (201, 409), headers
    answer = await service.ordinary.post("/v1/members?unknown=1", json=service.body)
    assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_FIELD")
    assert (await service.ordinary.get("/v1/members")).status_code == (await service.routes.get("/v1/members")).status_code


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer nonsense",
        "Bearer ",
        f"Bearer {token(exp=int(time.time()) - 600)}",
        f"Bearer {token(aud='another')}",
        f"Bearer {token(scope='membership:read')}",
        f"Bearer {token(areas=['P9'])}",
        f"Bearer {token(areas=[])}",
    ],
)
async def test_a_token_is_judged_as_by_the_route(service: Service, authorization: str) -> None:
    ordinary, routes = await both(service, changed(service), Authorization=authorization)
    assert ordinary == routes
    assert ordinary[0] in (401, 403)


async def test_a_token_that_expires_is_refused_although_it_was_known(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await service.ordinary.post("/v1/members", json=service.body)).status_code == 201
    verifier = service.ordinary._transport.app.state.verifier  # type: ignore[attr-defined]
    (caller,) = verifier._verified.values()
    later = caller.expires_at + 1
    monkeypatch.setattr("shared.http.tokens.utc_now", lambda: datetime.fromtimestamp(later, UTC))
    monkeypatch.setattr(time, "time", lambda: later)
    answer = await service.ordinary.post("/v1/members", json=service.body)
    assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_EXPIRED")
