"""A small service for the tests of `shared.http`: an issuer's key, tokens, and routes of every kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.responses import Response, StreamingResponse

from shared.http.answers import Created, created
from shared.http.forms import AreaCode, Command, Count, Data, Day, Id, Name, Number, Text
from shared.http.openapi import adding, of_batches
from shared.http.operations import Readiness
from shared.http.requests import IdempotencyKey, Router
from shared.http.tokens import Verifier
from shared.http.web import CallerOf, actor_of, create_app
from shared.journal.idempotency import Result
from shared.problems.errors import Conflict
from shared.process.settings import ServiceSettings
from shared.writing.lines.batch import Line, LineResult, NdjsonBatch

ISSUER = "https://issuer.example"
ID = "0190f1a2-0000-7000-8000-000000000001"
RESIDENT_ID = "11010519491231002X"


def settings(**changes: Any) -> ServiceSettings:
    told: dict[str, Any] = {
        "dsn": "postgresql://nowhere",
        "kafka": "nowhere:9092",
        "issuer": ISSUER,
        "jwks_url": f"{ISSUER}/jwks.json",
        "fingerprint_key": "00" * 32,
        "cursor_key": "11" * 32,
        **changes,
    }
    return ServiceSettings(**told)


class Issuer:
    """Publishes `keys`, unless `away`; counts how often it was asked."""

    def __init__(self) -> None:
        self.keys = [ECKey.generate_key("P-256", auto_kid=True)]
        self.away = False
        self.asked = 0

    async def jwks(self) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise httpx.ConnectError("away")
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def token(self, *, key: Any = None, alg: str = "ES256", **claims: Any) -> str:
        key = key or self.keys[-1]
        now = int(time.time())
        content = {
            "iss": ISSUER,
            "aud": "parkunion",
            "sub": "client-1",
            "exp": now + 600,
            "scope": "registry:write",
            "areas": ["*"],
            **claims,
        }
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode({"alg": alg, "kid": key.kid}, content, key, algorithms=[alg])


class Document(Command):
    kind: str
    number: str


class Thing(Command):
    name: Name
    park: AreaCode
    on: Day
    workers: Count | None = None
    revenue: Number | None = None
    owner: Id | None = None
    document: Document | None = None
    reason: Text | None = None
    data: Data | None = None


BATCH = NdjsonBatch({"thing": Thing})
router = Router(prefix="/v1")


@router.post("/things", status_code=201, response_model=Created, openapi_extra=adding("ALREADY_CORRECTED"))
async def make(request: Request, caller: CallerOf, body: Thing, key: IdempotencyKey = None) -> Response:
    caller.require("registry:write")
    if body.name == "twice":
        raise Conflict("ALREADY_CORRECTED", field="name", params={"latest": "x"})
    actor = actor_of(request, caller)
    return created(Result(actor.traceparent or "", "enterprise/1", 1, [], ["BEFORE_SETTLED"] if body.name == "early" else []))


@router.get("/things/{thing_id}")
async def show(caller: CallerOf, thing_id: Id, limit: int = 10) -> dict[str, str]:
    return {"id": str(thing_id), "client": caller.client}


@router.post("/batch", response_class=Response, openapi_extra={**BATCH.openapi, **of_batches()})
async def batch(request: Request, caller: CallerOf) -> Response:
    caller.require("registry:write")

    async def decide(lines: list[Line]) -> Sequence[LineResult]:
        return [Conflict("ALREADY_CORRECTED") if line.body.name == "twice" else Result(line.body.name, "x/1", 1, []) for line in lines]

    return await BATCH.respond(request, decide)


def failing(error: BaseException) -> Router:
    """A route that raises `error`, and one that does so after its answer began."""
    broken = Router()

    @broken.get("/v1/broken")
    async def raise_it() -> None:
        raise error

    @broken.get("/v1/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            raise error

        return StreamingResponse(parts())

    return broken


async def ready() -> Readiness:
    return Readiness(ready=True, lag_events=3, lag_seconds=0.5, outbox=1, held=2, checks={"database": "ok"})


def app_of(issuer: Issuer, *routers: Router, readiness: Any = ready, **changes: Any) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    told = settings(**changes)
    verifier = Verifier(told, issuer.jwks)
    return create_app(told, title="things", routers=[router, *routers], lifespan=lifespan, readiness=readiness, verifier=verifier)


def client_of(app: FastAPI, token: str | None = None, **headers: str) -> httpx.AsyncClient:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    return httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers)
