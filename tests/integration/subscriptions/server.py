"""The subscriptions API as a process runs it: a real server, tokens of its own issuer, rows put in directly."""

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
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from services.subscriptions.app import api
from services.subscriptions.settings import Settings
from shared.http.tokens import Verifier
from shared.process.db import create_pool
from shared.process.web.limits import ConnectionLimits
from shared.process.web.server import web_server
from tests.conformance import Document, document_of, hook
from tests.conftest import Database
from tests.integration.client import ISSUER, settings_of
from tests.integration.subscriptions.rows import Rows
from tests.patience import PATIENCE

KEY = ECKey.generate_key("P-256", auto_kid=True)


@dataclass
class SubscriptionsServer:
    """`url` is the server's; `rows` fills its tables; `token()` makes tokens."""

    url: str
    rows: Rows
    app: FastAPI
    document: Callable[[], Document]

    def token(self, client: str = "bureau", *areas: str, scope: str = "subscriptions:use", lasts: float = 600) -> str:
        claims = {
            "iss": ISSUER, "aud": "parkunion", "sub": client, "exp": int(time.time() + lasts), "scope": scope, "areas": list(areas or ("*",))
        }  # fmt: skip
        return jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY)

    def client(self, client: str = "bureau", *areas: str, **claims: Any) -> httpx.AsyncClient:
        """Requests of a client, by default with the scope of a bureau. Every answer is compared with the document."""
        headers = {"Authorization": f"Bearer {self.token(client, *areas, **claims)}", "Accept-Language": "en"}
        limits = httpx.Limits(max_connections=None)
        hooks = {"response": [hook(self.document)]}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE, event_hooks=hooks, limits=limits)


async def _keys() -> dict[str, Any]:
    return {"keys": [KEY.as_dict(private=False)]}


@asynccontextmanager
async def server_of(database: Database, **changes: Any) -> AsyncIterator[SubscriptionsServer]:
    """A running server, with the areas of `rows.AREAS`."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    settings = settings_of(Settings, database, **{"port": port, **changes})
    app = api(settings)
    app.state.verifier = Verifier(settings, _keys)
    app.state.stopping = asyncio.Event()
    pool = await create_pool(database.app_dsn, application_name="subscriptions.tests")
    rows = Rows(pool)
    await rows.areas()
    uvicorn_server = web_server(app, ConnectionLimits(per_peer=0))
    serving = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(PATIENCE):
            while not uvicorn_server.started:
                await asyncio.sleep(0.01)
        document = functools.cache(lambda: document_of(app.openapi()))
        yield SubscriptionsServer(f"http://127.0.0.1:{port}", rows, app, document)
    finally:
        app.state.stopping.set()
        uvicorn_server.should_exit = True
        async with asyncio.timeout(PATIENCE):
            await serving
        pool.terminate()
