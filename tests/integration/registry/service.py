"""A registry at work in a test: its API over HTTP on a real database, and a caller that the test can change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.registry.app import api
from services.registry.settings import Settings
from shared.http.auth import Areas, Caller
from shared.http.tokens import caller as token_caller
from shared.process import db
from shared.process.db import Pool
from tests.conftest import NewDatabase

EVERY = frozenset({"registry:read", "registry:write"})
CODE = "91350100M000100Y43"


class Registry:
    """`post`, `get` and `batch` are requests of a caller with all areas, until `be` says otherwise."""

    def __init__(self, http: httpx.AsyncClient, pool: Pool) -> None:
        self.http = http
        self.pool = pool
        self.caller = Caller("tester", EVERY, Areas.all())

    def be(self, *areas: str, scopes: frozenset[str] = EVERY, client: str = "tester") -> None:
        """Have a token for these areas."""
        self.caller = Caller(client, scopes, Areas.of(areas))

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

    async def areas(self) -> None:
        """A root R with divisions D1 and D2, in each a park: D1-P001, D2-P001."""
        await self.batch(
            line("area", code="R", name="省", kind="division"),
            *(line("area", code=code, name=code, kind="division", parent="R") for code in ("D1", "D2")),
            *(line("area", code=f"{code}-P001", name=f"{code} 产业园", kind="park", parent=code) for code in ("D1", "D2")),
        )

    async def enterprise(self, **changes: Any) -> str:
        """The id of a new enterprise."""
        return str((await self.made("/v1/enterprises", settling(**changes)))["id"])

    async def count(self) -> tuple[int, int, int, int]:
        """Rows of journal, outbox, enterprises and idempotency keys."""
        async with db.transaction(self.pool, areas=Areas.all()) as conn:
            tables = ("journal", "outbox", "enterprises", "idempotency")
            counts = [await conn.fetchval(f"SELECT count(*) FROM {table}") for table in tables]
        return (counts[0], counts[1], counts[2], counts[3])


def settling(**changes: Any) -> dict[str, Any]:
    """The body of a registration."""
    return {"name": "某某电子有限公司", "park": "D1-P001", "settled_on": "2020-01-01", **changes}


def line(op: str, key: str | None = None, **body: Any) -> dict[str, Any]:
    """A line of a batch."""
    return {"op": op, "body": body} if key is None else {"op": op, "key": key, "body": body}


@asynccontextmanager
async def at_work(pool: Pool) -> AsyncIterator[Registry]:
    """The service's application on that database."""
    settings = Settings(
        dsn="postgresql://unused",
        kafka="unused:1",
        partitions=12,
        issuer="https://issuer.test",
        jwks_url="https://issuer.test/jwks",
        fingerprint_key=bytes(32),
        cursor_key=bytes(32),
    )
    app = api(settings)
    app.state.pool = pool
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry") as http:
        office = Registry(http, pool)
        app.dependency_overrides[token_caller] = lambda: office.caller
        yield office


@pytest.fixture(name="registry")
async def registry_of_a_test(database: NewDatabase) -> AsyncIterator[Registry]:
    """A registry with the areas of `Registry.areas`."""
    made = await database("registry")
    pool = await db.create_pool(made.app_dsn, application_name="registry.tests")
    async with at_work(pool) as office:
        await office.areas()
        yield office
    pool.terminate()
