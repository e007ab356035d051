"""The metrics API as a process runs it: a real server with stream and dashboard, tokens of its own issuer, events given to its projector."""

from __future__ import annotations

import asyncio
import functools
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from services.metrics.app import api
from services.metrics.live.hub import Hub
from services.metrics.settings import Settings
from shared.http.tokens import Verifier
from shared.process.db import create_pool
from shared.process.web.limits import ConnectionLimits
from shared.process.web.server import web_server
from tests.conformance import Document, document_of, hook
from tests.conftest import Database
from tests.integration.client import ISSUER, settings_of
from tests.integration.metrics.service import CURRENT, Metrics
from tests.patience import PATIENCE

KEY = ECKey.generate_key("P-256", auto_kid=True)
READ_TO_THE_END = f"""
INSERT INTO shards (generation, shard, current_at) SELECT id, 0, {CURRENT} FROM generations WHERE status = 'serving'
ON CONFLICT (generation, shard) DO NOTHING;
UPDATE shards SET current_at = {CURRENT}
"""


@dataclass
class MetricsServer:
    """`url` is the server's; `metrics` gets events; `token()` makes tokens."""

    url: str
    metrics: Metrics
    hub: Hub
    document: Callable[[], Document]

    def token(self, *areas: str, scope: str = "metrics:read", lasts: float = 600, subject: str = "tester") -> str:
        claims = {
            "iss": ISSUER, "aud": "parkunion", "sub": subject, "exp": int(time.time() + lasts), "scope": scope, "areas": list(areas or ("*",))
        }  # fmt: skip
        return jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY)

    def client(self, *areas: str, **claims: Any) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token(*areas, **claims)}", "Accept-Language": "en"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE, event_hooks={"response": [hook(self.document)]})


async def _keys() -> dict[str, Any]:
    return {"keys": [KEY.as_dict(private=False)]}


@asynccontextmanager
async def server_of(database: Database, *, fresh: bool = True, own_tokens: bool = True, **changes: Any) -> AsyncIterator[MetricsServer]:
    """A running server. With `fresh` its figures are up to date from the first answer on, however slow the machine is (`service.CURRENT`);
    without, as old as the shards say. Without `own_tokens` it takes the tokens of the settings' issuer."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    settings = settings_of(Settings, database, **{"port": port, **changes})
    app = api(settings)
    if own_tokens:
        app.state.verifier = Verifier(settings, _keys)
    pool = await create_pool(database.app_dsn, application_name="metrics.tests")
    if fresh:
        await pool.execute(READ_TO_THE_END)
    uvicorn_server = web_server(app, ConnectionLimits())
    serving = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(PATIENCE):
            while not uvicorn_server.started:
                await asyncio.sleep(0.01)
            while not app.state.hub.today.year > 1:
                await asyncio.sleep(0.01)
        document = functools.cache(lambda: document_of(app.openapi()))
        yield MetricsServer(f"http://127.0.0.1:{port}", Metrics(pool), app.state.hub, document)
    finally:
        uvicorn_server.should_exit = True
        await serving
        pool.terminate()
