"""An HTTP client of a service's application inside the test process, and settings with which a service can be made.

Every answer is compared with the OpenAPI document (tests/conformance.py).
"""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import httpx
from fastapi import FastAPI, Request

from shared.http.auth import Areas, Caller
from shared.process.settings import ServiceSettings
from tests.conformance import document_of, hook
from tests.conftest import Database

Settings = TypeVar("Settings", bound=ServiceSettings)
ISSUER = "https://issuer.test"
REQUIRED: dict[str, Any] = {
    "dsn": "postgresql://unused",
    "kafka": "127.0.0.1:1",
    "partitions": 12,
    "issuer": ISSUER,
    "jwks_url": f"{ISSUER}/jwks",
    "fingerprint_key": bytes(32),
    "cursor_key": bytes(32),
    "encryption_keys": {1: bytes(32)},
    "hash_keys": {1: bytes(range(32))},
}


def settings_of(kind: type[Settings], database: Database | None = None, **changes: Any) -> Settings:
    """Settings of a service. Without `database`, or without `kafka` among the changes, it cannot connect to one."""
    required = {name: value for name, value in REQUIRED.items() if name in kind.model_fields}
    where = {"dsn": database.app_dsn} if database else {}
    return kind(**{**required, **where, **changes})


class Client:
    """Requests of a caller with all areas and these scopes, until `be` changes the caller."""

    def __init__(self, http: httpx.AsyncClient, *scopes: str) -> None:
        self.http = http
        self.scopes = frozenset(scopes)
        self.caller = Caller("tester", self.scopes, Areas.all())

    @classmethod
    @asynccontextmanager
    async def of(cls, app: FastAPI, *scopes: str) -> AsyncIterator[Self]:
        """A client of `app`, which takes its caller from the client instead of a token."""
        document = functools.cache(lambda: document_of(app.openapi()))
        hooks = {"response": [hook(document)]}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service", event_hooks=hooks) as http:
            client = cls(http, *scopes)
            app.state.authenticators = [client._identify]
            yield client

    async def _identify(self, _request: Request) -> Caller:
        return self.caller

    def be(self, *areas: str, scopes: frozenset[str] | None = None, client: str = "tester") -> None:
        """Have a token for these areas."""
        self.caller = Caller(client, self.scopes if scopes is None else scopes, Areas.of(areas))

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        """(status, answer); `If_Match` and the like are headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.http.post(path, json=body, headers=named)
        return answer.status_code, answer.json()

    async def made(self, path: str, body: Any) -> dict[str, Any]:
        """The answer of a command that succeeds."""
        status, answer = await self.post(path, body)
        assert status == 201, answer
        return answer

    async def get(self, path: str, **params: Any) -> tuple[int, dict[str, Any]]:
        """(status, answer)"""
        answer = await self.http.get(path, params=params)
        return answer.status_code, answer.json()

    async def batch(self, *lines: Any) -> list[dict[str, Any]]:
        """The answers to lines, which are dicts or raw bytes."""
        content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        answer = await self.http.post("/v1/batch", content=content, headers={"Content-Type": "application/x-ndjson"})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]
