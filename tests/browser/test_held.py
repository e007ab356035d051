"""The page of what is held: found from where it matters, by keyboard, on a phone, in both languages."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from shared import contracts
from tests.browser.accessibility import violations
from tests.browser.conftest import logged_in
from tests.browser.test_places import place, settle
from tests.dummy_service.reading import fact
from tests.integration.metrics.server import MetricsServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
HOLD = """
INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, event_id, kind, error, event)
VALUES (1, 0, 'held', $1, '/services/registry', $2, $3, $4, $5, $6, $7)
"""


async def held_city(server: MetricsServer) -> str:
    """A city in which an enterprise's stream stands still at its third event."""
    place(server, "C08", None, "辛市")
    place(server, "C08A", "C08", "辛区")
    place(server, "C08A-P1", "C08A", "辛园", park=True)
    key = settle(server, "C08A-P1", "C08A")
    await server.metrics.fold()
    for sequence, kind, error in ((3, "refused", "HEADCOUNT: -1"), (4, "early", None), (5, "early", None)):
        event = fact(f"enterprise/{key}", sequence, source="/services/registry")
        await server.metrics.pool.execute(HOLD, sequence, event.subject, sequence, event.id, kind, error, contracts.encode(event))
    return key


@pytest.mark.parametrize(("language", "width"), [("zh", "wide"), ("en", "phone")])
async def test_what_is_held_is_found_from_the_area_and_says_what_to_do_next(
    browser: Browser, server: MetricsServer, language: str, width: str
) -> None:
    key = await held_city(server)
    try:
        page = (await logged_in(browser, server, "C08", language=language, width=width)).pages[0]
        await page.goto("/areas/C08")
        link = page.locator("main a[href='/held']")
        await link.focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/held")
        row = page.locator(f"[data-held='enterprise/{key}']")
        await expect(row).to_contain_text("企业C08A-P1")
        await expect(row).to_contain_text("由来源撤销" if language == "zh" else "its source withdraws it")
        await expect(row).to_contain_text("职工人数须在 0 与 10⁹ 之间" if language == "zh" else "a headcount lies between 0 and 10⁹")
        await expect(row.locator("small[lang=en]")).to_have_text("-1")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not await violations(page)
        await row.locator("a").first.focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/enterprises/{key}*")
        await expect(page.locator("main .notice a[href='/held']")).to_be_visible()
        other = (await logged_in(browser, server, "C09", language=language, width=width)).pages[0]
        await other.goto("/held")
        await expect(other.locator("[data-held]")).to_have_count(0)
    finally:
        await server.metrics.pool.execute("DELETE FROM held WHERE topic = 'held'")
