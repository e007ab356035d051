"""The registry in a test: its API over HTTP on a real database, and a caller that the test can change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.registry.app import api
from services.registry.settings import Settings
from shared.http.auth import Areas
from shared.process import db
from shared.process.db import Pool
from tests.conftest import NewDatabase
from tests.integration.client import Client, settings_of

EVERY = frozenset({"registry:read", "registry:write"})
CODE = "91350100M000100Y43"


class Registry(Client):
    """Requests of a caller with all areas, until `be` changes the caller; `pool` is the service's database."""

    pool: Pool

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
    app = api(settings_of(Settings))
    app.state.pool = pool
    async with Registry.of(app, *EVERY) as registry:
        registry.pool = pool
        yield registry


@pytest.fixture(name="registry")
async def registry_of_a_test(database: NewDatabase) -> AsyncIterator[Registry]:
    """A registry with the areas of `Registry.areas`."""
    made = await database("registry")
    pool = await db.create_pool(made.app_dsn, application_name="registry.tests")
    async with at_work(pool) as registry:
        await registry.areas()
        yield registry
    pool.terminate()
