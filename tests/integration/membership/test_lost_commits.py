"""Routes that change something and record no event: what became of a lost COMMIT is unknown, and is said so."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import pytest

from services.membership.app import api
from services.membership.settings import Settings
from shared.process import db
from tests.chaos.cutting_proxy import CuttingProxy
from tests.conftest import NewDatabase
from tests.integration.client import Client, settings_of

SCOPES = frozenset({"membership:read", "membership:operate"})


@pytest.mark.invariant("I1")
async def test_a_retry_whose_commit_is_lost_is_said_to_be_unknown(database: NewDatabase) -> None:
    made = await database("membership")
    parts = urlsplit(made.app_dsn)
    async with CuttingProxy(str(parts.hostname), parts.port or 5432, 1.0, 0) as proxy:
        proxy.cutting = False
        through = urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{proxy.port}"))
        pool = await db.create_pool(through, application_name="tests", max_size=2)
        app = api(settings_of(Settings))
        app.state.pool = pool
        async with Client.of(app, *SCOPES) as client:
            assert (await client.post("/v1/parked/retry", {}))[0] == 202
            proxy.cutting = True
            status, answer = await client.post("/v1/parked/retry", {})
            assert (status, answer["code"]) == (503, "OUTCOME_UNKNOWN")
            # A question writes nothing, whatever becomes of its transaction.
            status, answer = await client.get("/v1/parked")
            assert (status, answer["code"]) == (503, "UNAVAILABLE")
            proxy.cutting = False
            assert (await client.post("/v1/parked/retry", {}))[0] == 202
        pool.terminate()
