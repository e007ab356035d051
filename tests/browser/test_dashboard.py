"""What officers see in a browser: the API's own figures, live and by keyboard, for those who may see them, whatever names are told."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from shared.contracts.ids import uuid7
from shared.contracts.membership import VisitMade, VisitPurpose
from shared.contracts.registry import EnterpriseRegistered
from tests.browser.accessibility import violations
from tests.browser.city import City, build_city, join
from tests.browser.conftest import BOTH_WAYS, LABELS, Wire, logged_in
from tests.conftest import Database
from tests.integration.metrics.server import MetricsServer, server_of
from tests.integration.metrics.service import enterprise
from tests.patience import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
STREAM = "GET /v1/coverage/stream"
HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\'"&amp;'


async def rows_of(server: MetricsServer, **params: str) -> dict[str, dict[str, Any]]:
    async with server.client() as http:
        answer = await http.get("/v1/coverage", params=params)
    return {row["area"]: row for row in answer.json()["rows"]}


def percent(rate: dict[str, Any]) -> str:
    """One decimal, half up, of integers."""
    numerator, denominator = rate["numerator"], rate["denominator"]
    if not denominator:
        return "—"
    value = (2000 * numerator + denominator) // (2 * denominator)
    return f"{value // 10:,}.{value % 10}"


async def shown(page: Page) -> list[tuple[str, str, str, str]]:
    """(row, kind, measure, text) of every live number of a page."""
    found: list[list[str]] = await page.evaluate(
        """() => [...document.querySelectorAll('[data-row]')].flatMap(row => [...row.querySelectorAll('[data-count],[data-rate]')].map(
            one => [row.dataset.row, one.dataset.rate ? 'rate' : 'count', one.dataset.rate ?? one.dataset.count, one.textContent]))"""
    )
    return [(row, kind, measure, text) for row, kind, measure, text in found]


def pages_of(city: City) -> tuple[str, ...]:
    """One address of every kind of page, refusals among them."""
    park = next(iter(city.enterprises))
    key = next(key for listed in city.enterprises.values() for key in listed if key in city.unions)
    explanation = "/explain?measure=unit_founding_rate_all&area=C01"
    lag = "/explain?measure=founding_lag&area=C01"
    return (
        "/areas/C01",
        f"/areas/{park}",
        "/areas/C01?known_at=2020-01-01",
        "/findings/HEADCOUNT_UNKNOWN?area=C01",
        f"/enterprises/{key}",
        explanation,
        lag,
        "/age",
        "/areas/NOWHERE",
        "/login?code=used",
    )


async def test_every_number_on_a_page_is_the_apis(browser: Browser, server: MetricsServer, city: City) -> None:
    page = (await logged_in(browser, server, language="en")).pages[0]
    for by in ("park", "district"):
        served = await rows_of(server, area="C01", by=by)
        await page.goto(f"/areas/C01?rows={by}")
        numbers = await shown(page)
        assert {row for row, *_ in numbers} == {"all" if code == "all" else code for code in served}
        for row, kind, measure, text in numbers:
            told = served[row][measure]
            assert text == (percent(told) if kind == "rate" else f"{told:,}"), (by, row, measure)
    for park in list(city.enterprises)[::4]:
        await page.goto(f"/areas/{park}")
        total = (await rows_of(server, area=park))["all"]
        for _, kind, measure, text in await shown(page):
            assert text == (percent(total[measure]) if kind == "rate" else f"{total[measure]:,}"), (park, measure)


async def test_a_member_appears_without_reload_and_after_a_broken_line(
    browser: Browser, server: MetricsServer, city: City, wire: Wire
) -> None:
    page = (await logged_in(browser, server, url=wire.url, language="en")).pages[0]
    await page.goto("/areas/C01?rows=park")
    await page.evaluate("window.same = true")
    await expect(page.locator("#live[data-connected]")).to_be_attached()
    park, key = next((park, key) for park, listed in city.enterprises.items() for key in listed if key in city.unions)
    number = page.locator('.headline [data-count="members"]')
    before = (await rows_of(server, area="C01"))["all"]["members"]
    join(server.metrics, city, key, 2, "2026-02-02")
    await server.metrics.fold()
    await expect(number).to_have_text(f"{before + 2:,}")
    row = (await rows_of(server, area="C01", by="park"))[park]
    await expect(page.locator(f'tr[data-row="{park}"] [data-rate^="worker"]')).to_have_text(percent(row["worker_joining_rate_all"]))
    seen = await page.get_attribute("#live", "data-shown")
    wire.cut()
    await expect(page.locator("#age[data-stale=DISCONNECTED]")).to_contain_text("Disconnected, trying again · ")
    join(server.metrics, city, key, 3, "2026-02-03")
    await server.metrics.fold()
    wire.mend()
    await expect(number).to_have_text(f"{before + 5:,}")
    await expect(page.locator("#age:not([data-stale])")).to_contain_text("s ago")
    assert await page.evaluate("window.same")
    resumed = [head for head in wire.heads if head.startswith(STREAM)][-1]
    assert f"\r\nlast-event-id: {seen}\r\n" in resumed.lower()
    # A service that is just starting refuses; browsers do not come back after that by themselves.
    wire.refuse()
    await expect(page.locator("#age[data-stale=DISCONNECTED]")).to_be_attached()
    async with asyncio.timeout(PATIENCE):
        while not any(head.startswith(STREAM) for head in wire.refused):
            await asyncio.sleep(0.05)
    join(server.metrics, city, key, 1, "2026-02-04")
    await server.metrics.fold()
    wire.mend()
    await expect(number).to_have_text(f"{before + 6:,}")
    assert await page.evaluate("window.same")


MOMENTS = """() => {
    window.moments = [];
    const look = () => window.moments.push([...document.querySelectorAll('.headline [data-count="members"], tr [data-label="Members"]')]
        .map(one => one.textContent.trim()).join(" "));
    new MutationObserver(look).observe(document.getElementById("live"), { subtree: true, childList: true, characterData: true });
}"""
"""Writes down, at each change, the members of the headline and of every row."""


async def test_headline_and_rows_are_of_one_moment(browser: Browser, server: MetricsServer, city: City) -> None:
    """From one push, also on a park's page, whose rows are enterprises."""
    page = (await logged_in(browser, server, language="en")).pages[0]
    park, key = next((park, key) for park, listed in city.enterprises.items() for key in listed if key in city.unions)
    await page.goto(f"/areas/{park}")
    await expect(page.locator("#live[data-connected]")).to_be_attached()
    await page.evaluate(MOMENTS)
    row, total = page.locator(f'tr[data-row="{key}"] [data-label="Members"]'), page.locator('.headline [data-count="members"]')
    before, all_before = int(await row.inner_text()), int(await total.inner_text())
    join(server.metrics, city, key, 2, "2026-02-02")
    await server.metrics.fold()
    await expect(row).to_have_text(str(before + 2))
    await expect(total).to_have_text(str(all_before + 2))
    for moment in await page.evaluate("window.moments"):
        headline, *rows = map(int, moment.split())
        assert headline == sum(rows), "a page that shows two moments"
    assert all_before + 2 in {int(moment.split()[0]) for moment in await page.evaluate("window.moments")}


async def test_a_visit_appears_although_it_counts_nowhere(browser: Browser, server: MetricsServer, city: City) -> None:
    page = (await logged_in(browser, server, language="en")).pages[0]
    park, key = next((park, key) for park, listed in city.enterprises.items() for key in listed)
    await page.goto(f"/areas/{park}")
    await expect(page.locator("#live[data-connected]")).to_be_attached()
    before = await page.locator("#recent").get_by_text("Visit").count()
    said = VisitMade(visit_id=uuid7(), enterprise_id=key, purpose=VisitPurpose.RIGHTS)
    server.metrics.append(f"enterprise/{key}", said, "2026-02-02")
    await server.metrics.fold()
    await expect(page.locator("#recent").get_by_text("Visit")).to_have_count(before + 1)


async def test_a_page_that_hears_nothing_says_so_by_its_own_clock(browser: Browser, server: MetricsServer, city: City, wire: Wire) -> None:
    page = (await logged_in(browser, server, url=wire.url, language="en")).pages[0]
    await page.goto("/areas/C01")
    await expect(page.locator("#age:not([data-stale])")).to_contain_text("s ago")
    wire.freeze()
    await expect(page.locator("#age[data-stale=SILENT]")).to_contain_text("No news from the server · ")
    await expect(page.locator("#age")).to_contain_text(re.compile("· 1[0-9] s ago"))
    wire.mend()
    await expect(page.locator("#age:not([data-stale])")).to_contain_text("s ago")


async def test_the_page_says_how_old_its_data_is(browser: Browser, databases: list[Database]) -> None:
    async with server_of(databases[1], fresh=False) as server:
        await build_city(server.metrics, scale=80)
        page = (await logged_in(browser, server, language="en")).pages[0]
        await server.metrics.pool.execute("UPDATE shards SET current_at = parkunion_now()")
        await page.goto("/areas/C01")
        await expect(page.locator("#age:not([data-stale])")).to_contain_text("s ago")
        await server.metrics.pool.execute("UPDATE shards SET current_at = parkunion_now() - interval '1 hour'")
        await expect(page.locator("#age[data-stale=KAFKA_UNREACHABLE]")).to_contain_text("the message log does not answer")
        assert 'data-stale="KAFKA_UNREACHABLE"' in await (await page.request.get("/areas/C01")).text()
        # And until when days are closed, as soon as another one is.
        await expect(page.locator("#closed")).to_have_text("—")
        await server.metrics.close_everywhere(date(2026, 1, 2), shards=12)
        await expect(page.locator("#closed")).to_have_text("2026-01-02")
        text = await (await page.request.get("/areas/C01?known_at=2026-01-02&lang=en")).text()
        assert "Final: the day as known is closed" in text
        assert "data-provisional" not in text
        assert 'data-provisional="DAY_NOT_CLOSED' in await (await page.request.get("/areas/C01?known_at=2026-01-03")).text()
        assert "该日尚未结账" in await (await page.request.get("/areas/C01?known_at=2026-01-03&lang=zh")).text()
        await page.context.close()


@BOTH_WAYS
async def test_pages_are_accessible_and_fit_their_width(
    browser: Browser, server: MetricsServer, city: City, language: str, width: str
) -> None:
    page = (await logged_in(browser, server, language=language, width=width)).pages[0]
    for address in pages_of(city):
        await page.goto(address)
        assert await page.get_attribute("html", "lang") == ("zh-CN" if language == "zh" else "en")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        label = LABELS[language]
        assert label in await page.title(), address
        assert label in await page.inner_text("header .label"), address
        assert not await violations(page), address


async def test_a_figure_is_explained_by_keyboard(browser: Browser, server: MetricsServer, city: City) -> None:
    page = (await logged_in(browser, server, language="en")).pages[0]
    await page.goto("/areas/C01")
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.querySelector('[data-rate]') !== null"):
            break
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/explain?**")
    await expect(page.locator("h1")).to_be_visible()
    assert await page.locator("table.list tbody tr").count() > 0


async def test_names_are_text_and_nothing_else(browser: Browser, server: MetricsServer, city: City) -> None:
    park = "C02A-P001"
    for code, parent, name in (("C02", None, "乙市"), ("C02A", "C02", "乙区"), (park, "C02A", HOSTILE)):
        server.metrics.area(code, parent, name=name)
    key, subject = enterprise()
    registered = EnterpriseRegistered(enterprise_id=key, name=HOSTILE + "長" * 150, park=park, district="C02A")
    server.metrics.append(subject, registered, "2026-01-05")
    await server.metrics.fold()
    page = (await logged_in(browser, server, language="en", width="phone")).pages[0]
    for address in ("/areas/C02?rows=park", f"/areas/{park}", f"/enterprises/{key}", f"/explain?measure=units&area={park}"):
        await page.goto(address)
        await page.wait_for_load_state("load")
        assert "onerror" in await page.inner_text("main"), address
        assert await page.evaluate("window.hit === undefined && !document.querySelector('main img[src=x]')"), address
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address


async def test_refusals_are_pages_in_the_chosen_language(server: MetricsServer, city: City) -> None:
    async with server.client("C01A") as http:
        for lang in ("zh", "en"):
            for address, status, word in (
                ("/areas/C01B?", 403, ""),
                ("/explain?measure=units&area=C01B&", 403, ""),
                ("/areas/C01A?as_of=nonsense&", 422, {"zh": "截至业务日期", "en": "As of business date"}[lang]),
                ("/areas/C01A?as_of=1899-12-31&", 422, "1900-01-01"),
                ("/areas/C01A?known_at=2999-01-01&", 422, {"zh": "按此日所知", "en": "As known on"}[lang]),
                ("/login?code=expired&", 401, ""),
            ):
                answer = await http.get(f"{address}lang={lang}")
                assert answer.status_code == status, (address, answer.text)
                assert answer.headers["content-type"].startswith("text/html")
                assert f'lang="{"zh-CN" if lang == "zh" else "en"}"' in answer.text
                assert word in answer.text.partition("<main")[2], address


async def test_a_code_is_used_once_and_its_cookie_is_for_this_site_only(server: MetricsServer, city: City) -> None:
    async with server.client("C01A") as http:
        address = (await http.post("/v1/login-codes")).json()["url"]
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as stranger:
        first = await stranger.get(address + "&next=//elsewhere.test", follow_redirects=False)
        assert (first.status_code, first.headers["location"]) == (303, "/")
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await stranger.get("/areas/C01A")).status_code == 200
        assert (await stranger.get("/areas/C01B")).status_code == 403
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as other:
        assert (await other.get(address)).status_code == 401
        assert (await other.get("/areas/C01A")).status_code == 401
        page = await other.get("//elsewhere.test/?lang=en")
        assert "elsewhere" not in page.headers.get("location", "")
