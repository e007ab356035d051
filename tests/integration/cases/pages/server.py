"""The pages of cases as a process runs them: a real server, tokens of its own issuer, and browsers that came in by a code."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from services.cases.app import api
from services.cases.settings import Settings
from shared.http.tokens import Verifier
from shared.process import db
from shared.process.web.limits import ConnectionLimits
from shared.process.web.server import web_server
from tests.conformance import Document, document_of, hook
from tests.conftest import Database
from tests.integration.cases.service import Cases
from tests.integration.client import ISSUER, settings_of
from tests.patience import PATIENCE

KEY = ECKey.generate_key("P-256", auto_kid=True)
READ, WRITE, PERSONS = "cases:read", "cases:write", "cases:persons"
FORM = re.compile(r'<form class="fields" method="post" action="([^"]+)".*?</form>', re.DOTALL)
FIELD = re.compile(r'name="([a-z_.]+)"')
HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')


@dataclass(frozen=True, slots=True)
class PageForm:
    """A form of a page: where it goes, its hidden values, and the names of its fields."""

    action: str
    hidden: dict[str, str]
    fields: set[str]


@dataclass
class PagesServer:
    """`url` is the server's; `cases` writes to its database as the API does."""

    url: str
    cases: Cases
    document: Callable[[], Document]

    def token(self, client: str = "handler-7", *areas: str, scope: str = f"{READ} {WRITE}") -> str:
        claims = {
            "iss": ISSUER, "aud": "parkunion", "sub": client, "exp": int(time.time()) + 600, "scope": scope, "areas": list(areas or ("*",))
        }  # fmt: skip
        return jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY)

    async def code(self, client: str = "handler-7", *areas: str, scope: str = f"{READ} {WRITE}") -> str:
        """The path of an address with a one-time code."""
        headers = {"Authorization": f"Bearer {self.token(client, *areas, scope=scope)}"}
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=PATIENCE, event_hooks={"response": [hook(self.document)]}
        ) as http:
            answer = await http.post("/v1/login-codes")
        assert answer.status_code == 200, answer.text
        return f"/login{answer.json()['url'].partition('/login')[2]}"

    @asynccontextmanager
    async def browser(
        self, client: str = "handler-7", *areas: str, scope: str = f"{READ} {WRITE}", language: str = "en"
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A browser's requests, after login."""
        address = await self.code(client, *areas, scope=scope)
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE, headers={"Accept-Language": language}) as http:
            entered = await http.get(address)
            assert entered.status_code == 303, entered.text
            http.headers["Cookie"] = entered.headers["set-cookie"].partition(";")[0]
            yield http


def forms_of(page: str) -> dict[str, PageForm]:
    """The forms of a page: by their step, else by the end of their address."""
    found = {}
    for form in FORM.finditer(page):
        hidden = dict(HIDDEN.findall(form[0]))
        found[hidden.get("step") or form[1].rpartition("/")[2]] = PageForm(form[1], hidden, set(FIELD.findall(form[0])) - hidden.keys())
    return found


async def send(http: httpx.AsyncClient, form: PageForm, **typed: Any) -> httpx.Response:
    """Send a form, as a browser does."""
    origin = {"Origin": str(http.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    return await http.post(form.action, data={**form.hidden, **typed}, headers=origin)


async def fill(http: httpx.AsyncClient, page: str, name: str, **typed: Any) -> httpx.Response:
    """Fill in and send a form of a page."""
    shown = await http.get(page)
    assert shown.status_code == 200, shown.text
    forms = forms_of(shown.text)
    assert name in forms, (name, sorted(forms))
    return await send(http, forms[name], **typed)


def entries_of(page: str) -> list[UUID]:
    """The entries that a list shows."""
    return [UUID(found) for found in re.findall(r'data-entry="([0-9a-f-]{36})"', page)]


async def _keys() -> dict[str, Any]:
    return {"keys": [KEY.as_dict(private=False)]}


@asynccontextmanager
async def server_of(database: Database, **changes: Any) -> AsyncIterator[PagesServer]:
    """A running server, with the areas of the tests."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    settings = settings_of(Settings, database, **{"port": port, **changes})
    app = api(settings)
    app.state.verifier = Verifier(settings, _keys)
    pool = await db.create_pool(database.app_dsn, application_name="cases.tests", by_key=True)
    cases = Cases(pool, database.owner_dsn)
    await cases.areas()
    uvicorn_server = web_server(app, ConnectionLimits())
    serving = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(PATIENCE):
            while not uvicorn_server.started:
                await asyncio.sleep(0.01)
        yield PagesServer(f"http://127.0.0.1:{port}", cases, functools.cache(lambda: document_of(app.openapi())))
    finally:
        uvicorn_server.should_exit = True
        await serving
        pool.terminate()
