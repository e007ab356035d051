"""A headless Chromium, and the dashboard of an invented city behind a line that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.browser.city import City, tell_city
from tests.conftest import NewDatabase
from tests.integration.metrics_house import House, house_of

WITHOUT = "no Chromium: install it (Debian: apt-get install chromium fonts-noto-cjk)"
WIDTHS = {"wide": (1440, 900), "phone": (390, 844)}


@dataclass
class Wire:
    """A TCP line to the server at `port` that can be cut and mended; `url` is this end of it."""

    port: int
    url: str = ""
    _cut: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        ends = {writer, far_writer}
        self._writers |= ends
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._writers -= ends

    def cut(self) -> None:
        """Everything that is open ends, and nothing new is let through."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """New connections are let through again."""
        self._cut = False


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def house(database: NewDatabase) -> AsyncIterator[House]:
    async with house_of(await database("metrics")) as made:
        yield made


@pytest.fixture
async def city(house: House) -> City:
    return await tell_city(house.room, scale=40)


@pytest.fixture
async def wire(house: House) -> AsyncIterator[Wire]:
    wire = Wire(urlsplit(house.url).port or 0)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield wire
    wire.cut()
    server.close()


@pytest.fixture
async def browser(house: House) -> AsyncIterator[Browser]:
    """Closed before the house is: a server that stops waits for open streams."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI") or os.environ.get("PARKUNION_NEED_BROWSER"):
            pytest.fail(WITHOUT)
        pytest.skip(WITHOUT)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        await browser.close()


async def logged_in(
    browser: Browser, house: House, *areas: str, url: str = "", language: str = "zh", width: str = "wide"
) -> BrowserContext:
    """A browser window that came in by a one-time code of a token for `areas`."""
    async with house.client(*areas) as http:
        code = (await http.post("/v1/login-codes")).json()["url"].partition("/login")[2]
    wide, high = WIDTHS[width]
    base = url or house.url
    context = await browser.new_context(
        base_url=base, viewport={"width": wide, "height": high}, locale="zh-CN" if language == "zh" else "en-GB"
    )
    page = await context.new_page()
    await page.goto(f"/login{code}")
    return context
