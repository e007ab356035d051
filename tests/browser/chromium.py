"""A headless Chromium, started once per test worker."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.patience import PATIENCE

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first is the same engine without windows, tabs and menus, which nobody sees here and which are half of the work of the others."""
WITHOUT = "no Chromium: install it (Debian: apt-get install chromium-headless-shell fonts-noto-cjk)"


def chromium() -> str:
    """Where Chromium is. Without one the test is skipped, and where a browser is due (CI) it fails; both say what to do."""
    path = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if path is None:
        if os.environ.get("CI", "").lower() not in ("", "0", "false") or os.environ.get("PARKUNION_NEED_BROWSER"):
            pytest.fail(WITHOUT)
        pytest.skip(WITHOUT)
    return path


@pytest_asyncio.fixture(name="chrome", scope="session", loop_scope="session")
async def one_chromium() -> AsyncIterator[Browser]:
    path = chromium()
    expect.set_options(timeout=1000 * PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(name="browser", loop_scope="session")
async def windows_closed_after_a_test(chrome: Browser) -> AsyncIterator[Browser]:
    """The shared browser; the windows that a test opened are closed after it."""
    yield chrome
    for context in chrome.contexts:
        await context.close()
