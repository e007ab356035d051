"""A headless Chromium, and the dashboard of invented cities behind a line that can be cut; both are made once and shared by the tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from deploy.local.servers.postgres import PostgresServer
from shared.process.migrate import migrate
from tests.browser.chromium import one_chromium, windows_closed_after_a_test  # noqa: F401
from tests.browser.city import City, build_city
from tests.conftest import Database
from tests.integration.metrics.server import MetricsServer, server_of

WIDTHS = {"wide": (1440, 900), "phone": (390, 844)}
BOTH_WAYS = pytest.mark.parametrize(
    ("language", "width"),
    [
        ("zh", "wide"),
        ("en", "phone"),
        pytest.param("zh", "phone", marks=pytest.mark.endurance),
        pytest.param("en", "wide", marks=pytest.mark.endurance),
    ],
)
"""Each language and each width once: what a language makes too long, and what a width leaves no room for, is found by one of the two."""
LABELS = {"zh": "合成数据", "en": "Invented data"}


@dataclass
class Wire:
    """A TCP line to the server at `port` that can be cut, refuse and be mended; `url` is this end of it, `heads` what was asked through it,
    `refused` what was asked in vain."""

    port: int
    url: str = ""
    heads: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _cut: bool = False
    _refuses: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _flows: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._flows.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.close()
            return
        if self._refuses:
            asked = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()
            self.refused.append(asked.decode("latin-1"))
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        ends = {writer, far_writer}
        self._writers |= ends
        await asyncio.gather(self._pump(reader, far_writer, self.heads), self._pump(far_reader, writer))
        self._writers -= ends

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heads: list[str] | None = None) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if heads is not None and data.startswith(b"GET "):
                    heads.append(data.decode("latin-1"))
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Everything that is open ends, and nothing new is let through."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def refuse(self) -> None:
        """Everything that is open ends, and what is new is answered with 503."""
        self.cut()
        self._cut, self._refuses = False, True

    def freeze(self) -> None:
        """Everything stays open, and nothing is let through any more."""
        self._flows.clear()

    def mend(self) -> None:
        """New connections are let through again, and what is held back."""
        self._cut = self._refuses = False
        self._flows.set()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def databases(postgres_server: PostgresServer) -> AsyncIterator[list[Database]]:
    """Two empty databases of metrics, for the servers that are shared."""
    for role in ("metrics_owner", "metrics_app"):
        if role not in postgres_server.execute("SELECT rolname FROM pg_roles").split():
            postgres_server.create_role(role)
    made = []
    for name in ("browser_fresh", "browser_old"):
        postgres_server.create_database(name, "metrics_owner")
        owner = postgres_server.dsn(name, "metrics_owner")
        await migrate(owner, "metrics")
        made.append(Database(name, "metrics", postgres_server.dsn(name, "metrics_app"), owner))
    yield made
    admin = await asyncpg.connect(postgres_server.dsn())
    for database in made:
        await admin.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)')
    await admin.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(databases: list[Database]) -> AsyncIterator[MetricsServer]:
    """The server that all tests share; a test that adds events does so in areas of its own."""
    async with server_of(databases[0], data_label_zh=LABELS["zh"], data_label_en=LABELS["en"]) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def city(server: MetricsServer) -> City:
    return await build_city(server.metrics, scale=40)


@pytest_asyncio.fixture(loop_scope="session")
async def wire(server: MetricsServer) -> AsyncIterator[Wire]:
    wire = Wire(urlsplit(server.url).port or 0)
    listener = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    yield wire
    wire.cut()
    listener.close()


async def logged_in(
    browser: Browser, server: MetricsServer, *areas: str, url: str = "", language: str = "zh", width: str = "wide"
) -> BrowserContext:
    """A browser window that came in by a one-time code of a token for `areas`."""
    async with server.client(*areas) as http:
        code = (await http.post("/v1/login-codes")).json()["url"].partition("/login")[2]
    wide, high = WIDTHS[width]
    base = url or server.url
    context = await browser.new_context(
        base_url=base, viewport={"width": wide, "height": high}, locale="zh-CN" if language == "zh" else "en-GB"
    )
    page = await context.new_page()
    await page.goto(f"/login{code}")
    return context
