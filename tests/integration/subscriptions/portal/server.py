"""The portal as a process runs it: a real server, tokens of its own issuer, rows put in directly, and browsers that came in by a code."""

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
USE, GRANT = "subscriptions:use", "subscriptions:grant"


@dataclass
class PortalServer:
    """`url` is the server's; `rows` puts grants, subscriptions and deliveries in."""

    url: str
    rows: Rows
    document: Callable[[], Document]

    def token(self, client: str = "bureau", *areas: str, scope: str = USE) -> str:
        claims = {
            "iss": ISSUER, "aud": "parkunion", "sub": client, "exp": int(time.time()) + 600, "scope": scope, "areas": list(areas or ("*",))
        }  # fmt: skip
        return jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY)

    async def code(self, client: str = "bureau", *areas: str, scope: str = USE) -> str:
        """The path of an address with a one-time code."""
        headers = {"Authorization": f"Bearer {self.token(client, *areas, scope=scope)}"}
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=PATIENCE, event_hooks={"response": [hook(self.document)]}
        ) as http:
            answer = await http.post("/v1/login-codes")
        assert answer.status_code == 200, answer.text
        return f"/login{answer.json()['url'].partition('/login')[2]}"

    @asynccontextmanager
    async def browser(self, client: str = "bureau", *areas: str, scope: str = USE) -> AsyncIterator[httpx.AsyncClient]:
        """A browser's requests, after login."""
        address = await self.code(client, *areas, scope=scope)
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE, headers={"Accept-Language": "en"}) as http:
            entered = await http.get(address)
            assert entered.status_code == 303, entered.text
            http.headers["Cookie"] = entered.headers["set-cookie"].partition(";")[0]
            yield http


async def _keys() -> dict[str, Any]:
    return {"keys": [KEY.as_dict(private=False)]}


@asynccontextmanager
async def server_of(database: Database, *, own_tokens: bool = True, **changes: Any) -> AsyncIterator[PortalServer]:
    """A running server. Without `own_tokens` it takes the tokens of the settings' issuer."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    settings = settings_of(Settings, database, **{"port": port, **changes})
    app = api(settings)
    if own_tokens:
        app.state.verifier = Verifier(settings, _keys)
    pool = await create_pool(database.app_dsn, application_name="subscriptions.tests", by_key=True)
    uvicorn_server = web_server(app, ConnectionLimits())
    serving = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(PATIENCE):
            while not uvicorn_server.started:
                await asyncio.sleep(0.01)
        yield PortalServer(f"http://127.0.0.1:{port}", Rows(pool), functools.cache(lambda: document_of(app.openapi())))
    finally:
        uvicorn_server.should_exit = True
        await serving
        pool.terminate()
