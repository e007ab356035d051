"""The dashboard on a running stack: facts told by the APIs appear on an open page, which outlives the processes behind it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import httpx
import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.chromium import chromium, one_chromium, windows_closed_after_a_test  # noqa: F401
from tests.e2e.city.conftest import City
from tests.e2e.platform import Platform, parkunion, until
from tests.patience import PATIENCE, at_best

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
PARK = "B1-P001"
STOPS_WITHIN = 5.0
"""Seconds that a process may take to end in order (shared/process/serve.py)."""
STREAMS = 20


@dataclass
class Works:
    """The stack with a division of its own: one park, one enterprise of forty workers, and its union."""

    platform: Platform
    enterprise: str = ""
    union: str = ""
    documents: Iterator[int] = field(default_factory=lambda: count(1001))  # the city's own members have the first numbers

    def found(self) -> None:
        """What stands before the first test."""
        for code, kind, parent in (("B", "division", None), ("B1", "division", "B"), (PARK, "park", "B1")):
            self.platform.accepted("registry", "/v1/areas", {"code": code, "name": f"示例{code}", "kind": kind, "parent": parent})
        body = {"name": "示例厂", "park": PARK, "settled_on": "2024-01-02"}
        self.enterprise = self.platform.accepted("registry", "/v1/enterprises", body)["id"]
        self.platform.accepted("registry", f"/v1/enterprises/{self.enterprise}/headcounts", {"on": "2024-02-01", "workers": 40})
        union = {"kind": "enterprise_union", "seat_area": PARK, "approved_on": "2024-03-03", "enterprises": [self.enterprise]}
        self.union = self.platform.accepted("membership", "/v1/unions", union)["id"]
        until(lambda: self.platform.figures(area="B")["all"]["covered_all"] == 1, "everything projected")

    def join(self) -> None:
        """One more worker joins."""
        document = {"kind": "passport", "number": f"E{next(self.documents):08d}"}
        member = {"union_id": self.union, "enterprise_id": self.enterprise, "document": document, "joined_on": "2024-03-04"}
        self.platform.accepted("membership", "/v1/members", member)

    def members(self) -> int:
        """As the API has it."""
        found: int = self.platform.figures(area="B")["all"]["members"]
        return found

    def process(self, role: str) -> int:
        """The process of metrics that has a role."""
        stack = json.loads((self.platform.data / "stack.json").read_text("utf-8"))
        found: int = stack["services"]["metrics"]["roles"][role][0]
        return found

    @property
    def supervisor(self) -> int:
        found: int = json.loads((self.platform.data / "stack.json").read_text("utf-8"))["supervisor"][0]
        return found


@pytest.fixture(scope="module")
def works(city: City) -> Works:
    chromium()
    made = Works(city.platform)
    made.found()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, works: Works) -> Page:
    """The page of the city, open and live; `window.same` is lost when it is loaded again."""
    address = works.platform.post("metrics", "/v1/login-codes", None).json()["url"]
    context = await browser.new_context(base_url=works.platform.url("metrics"), locale="en-GB")
    page = await context.new_page()
    await page.goto(address)
    await page.goto("/areas/B?rows=park")
    await page.evaluate("window.same = true")
    await expect(page.locator("#live[data-connected]")).to_be_attached()
    return page


def number(page: Page) -> Locator:
    """The members in the headline."""
    return page.locator('.headline [data-count="members"]')


async def test_who_joins_appears_on_the_open_page(works: Works, page: Page) -> None:
    before = works.members()
    await expect(number(page)).to_have_text(str(before))
    works.join()
    await expect(number(page)).to_have_text(str(before + 1))
    rate = page.locator(f'tr[data-row="{PARK}"] [data-rate^="worker"]')
    await expect(rate).to_have_text(f"{(before + 1) * 100 / 40:.1f}")
    await expect(page.locator(".happened")).to_contain_text("Joined")
    assert await page.evaluate("window.same")


async def test_the_page_outlives_the_process_that_serves_it(works: Works, page: Page) -> None:
    before, killed = works.members(), works.process("api")
    os.kill(killed, signal.SIGKILL)
    await expect(page.locator("#age[data-stale=DISCONNECTED]")).to_contain_text("Disconnected, trying again")
    works.join()
    await expect(number(page)).to_have_text(str(before + 1))
    await expect(page.locator("#age:not([data-stale])")).to_contain_text("s ago")
    assert works.process("api") != killed
    assert await page.evaluate("window.same")


def ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_open_streams_end_with_the_service_and_do_not_hold_it(works: Works, page: Page) -> None:
    async def ending() -> float:
        return _ended_with_streams(works)

    await at_best(ending, STOPS_WITHIN)
    await expect(page.locator("#age:not([data-stale])")).to_contain_text("s ago")
    assert await page.evaluate("window.same")


def _ended_with_streams(works: Works) -> float:
    """End metrics' API while streams are open; the seconds that it takes."""
    opened, ends = threading.Semaphore(0), list[str]()

    def follow() -> None:
        headers = {"Authorization": f"Bearer {works.platform.token}"}
        try:
            url = works.platform.url("metrics") + "/v1/coverage/stream"
            with httpx.stream("GET", url, headers=headers, timeout=30, trust_env=False) as answer:
                chunks = answer.iter_raw()
                next(chunks)
                opened.release()
                for _ in chunks:
                    pass
            ends.append("in order")
        except httpx.HTTPError as error:
            ends.append(type(error).__name__)

    threads = [threading.Thread(target=follow, daemon=True) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert opened.acquire(timeout=PATIENCE)
    stopped = psutil.Process(works.process("api"))
    stopped.send_signal(signal.SIGTERM)
    began = time.monotonic()
    until(lambda: ended(stopped), "the service ends")
    took = time.monotonic() - began
    for thread in threads:
        thread.join(PATIENCE)
    assert ends == ["in order"] * STREAMS
    until(lambda: _answers(works), "the service is there again")
    return took


def _answers(works: Works) -> bool:
    try:
        return works.platform.get("metrics", "/healthz").is_success
    except httpx.TransportError:
        return False


async def test_the_page_goes_on_over_a_switch_to_another_generation(works: Works, page: Page) -> None:
    before = works.members()
    assert parkunion("rebuild", "--data", works.platform.data).returncode == 0
    assert "serves now" in parkunion("switch", "--data", works.platform.data).stdout
    works.join()
    await expect(number(page)).to_have_text(str(before + 1))
    await expect(page.locator("#age:not([data-stale])")).to_contain_text("s ago")
    assert await page.evaluate("window.same")
    parkunion("rollback", "--data", works.platform.data)
    works.join()
    await expect(number(page)).to_have_text(str(before + 2))
    assert await page.evaluate("window.same")


async def test_the_page_says_that_nobody_reads_the_log(works: Works, page: Page) -> None:
    before, supervisor = works.members(), works.supervisor
    # Whoever would start the projector again stands still, so it stays away.
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(works.process("projector"), signal.SIGKILL)
        works.join()
        stale = page.locator("#age[data-stale=PROJECTOR_STOPPED]")
        await expect(stale).to_contain_text("the program that counts is not running")
        assert 'data-stale="PROJECTOR_STOPPED"' in await (await page.request.get("/areas/B")).text()
        await expect(number(page)).to_have_text(str(before))
    finally:
        os.kill(supervisor, signal.SIGCONT)
    await expect(number(page)).to_have_text(str(before + 1))
    await expect(page.locator("#age:not([data-stale])")).to_contain_text("s ago")
    assert await page.evaluate("window.same")
