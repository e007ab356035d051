"""One click from every number: what it means, and the enterprises that make it up, whose amounts add up to it."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page

from tests.browser.city import City
from tests.browser.conftest import logged_in
from tests.integration.metrics.server import MetricsServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
NOT_FIGURES = "a, time, code, .definition, .timeline, .downloads, .title, nav, option, svg, .hidden, tbody th"
"""Links and what is no figure: days, codes, facts, the size of a list, names."""
UNLINKED = """
without => [...document.querySelectorAll("main *")].flatMap(element => element.closest(without) ? [] : [...element.childNodes]
    .filter(node => node.nodeType === Node.TEXT_NODE).map(node => node.textContent.trim()).filter(text => /\\d/.test(text)))
"""
TARGET = re.compile(r"目标 \d+%|target \d+%")


async def unlinked(page: Page) -> list[str]:
    """Texts with digits that no link holds, but for the target, which is a setting."""
    texts: list[str] = await page.evaluate(UNLINKED, NOT_FIGURES)
    return [text for text in texts if re.search(r"\d", TARGET.sub("", text))]


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_every_number_is_a_link(browser: Browser, server: MetricsServer, city: City, language: str) -> None:
    page = (await logged_in(browser, server, language=language)).pages[0]
    park = next(iter(city.enterprises))
    key = next(iter(city.unions))
    for address in ("/areas/C01", f"/areas/{park}", f"/enterprises/{key}"):
        await page.goto(address)
        assert await unlinked(page) == [], address
    await page.evaluate("document.querySelector('main h2').insertAdjacentHTML('beforebegin', '<p>x 7 x</p>')")
    assert await unlinked(page) == ["x 7 x"]


async def links(page: Page, *selectors: str) -> list[tuple[str, str]]:
    """(text, address) of links, those to a figure's explanation."""
    found: list[list[str]] = await page.eval_on_selector_all(
        ", ".join(selectors), "all => all.map(one => [one.textContent.trim(), one.getAttribute('href')])"
    )
    return [(text, address) for text, address in found if address.startswith("/explain?")]


async def test_the_explanation_says_the_number_that_was_clicked(browser: Browser, server: MetricsServer, city: City) -> None:
    page = (await logged_in(browser, server, language="en")).pages[0]
    park, listed = next(iter(city.enterprises.items()))
    clicked: list[tuple[str, str]] = []
    await page.goto("/areas/C01?rows=park")
    clicked += await links(page, ".headline a:not(.why)", "tbody tr[data-row]:nth-child(2) td a", ".twin tr:nth-child(8n + 1) td a")
    await page.goto(f"/areas/{park}")
    clicked += await links(page, ".firms tr:nth-child(2) td a")
    await page.goto(f"/enterprises/{listed[0]}")
    clicked += await links(page, "td a")
    measures = {re.search(r"measure=(\w+)", address)[1] for _, address in clicked}  # type: ignore[index]
    assert {"founding_lag", "joining_lag", "headcount_completeness", "units_without_union_all", "units_headcount_unknown"} <= measures
    for text, address in clicked:
        answer = await page.request.get(f"{address}&lang=en")
        assert answer.status == 200, (text, address)
        html = await answer.text()
        big = re.search(r'<p class="big">(.*?)</p>', html)
        assert big is not None, address
        said = re.sub("<.*?>", "", big[1]).replace("points", "").strip().removesuffix("%")
        number = re.search(r"[+−]?[\d,]+(\.\d+)?|—", text)
        assert number is not None, (text, address)
        # How many are missing to a target, a lag in words, and the points of a curve are said of the figure that they belong to.
        if not re.search("to go|ahead|behind|level", text) and not re.search("units_without_union|time_to_found", address):
            assert said == number[0], (text, address)
        assert re.search(r'class="definition">\s*<p>\w', html), address


@pytest.mark.parametrize(
    "measure", ["units_without_union_all", "units_headcount_unknown", "headcount_completeness", "founding_lag", "joining_lag"]
)
async def test_what_is_listed_adds_up(browser: Browser, server: MetricsServer, city: City, measure: str) -> None:
    page = (await logged_in(browser, server, language="en")).pages[0]
    await page.goto(f"/explain?measure={measure}&area=C01")
    big = await page.inner_text(".big")
    under = [
        [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", text)] for text in await page.locator(".under").all_inner_texts()
    ]
    sums: list[int] = []
    while True:
        rows: list[list[str]] = await page.eval_on_selector_all(
            "table.list tbody tr", "rows => rows.map(row => [...row.querySelectorAll('.amount')].map(cell => cell.textContent))"
        )
        for row in rows:
            values = [int(text.replace(",", "").replace("\N{MINUS SIGN}", "-")) for text in row]
            assert any(values)
            sums = [total + value for total, value in zip(sums or [0] * len(values), values, strict=True)]
        following = page.locator("a[rel=next]")
        if not await following.count():
            break
        await following.click()
    if measure.endswith("_lag"):
        assert sums == [now - before for before, now in under]
        assert any(sums)
    else:
        assert sums == (under[0] if under else [int(big)])
        assert sum(sums) > 0


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_time_to_found_is_told_with_those_who_wait_and_the_list_behind_it(
    browser: Browser, server: MetricsServer, city: City, language: str
) -> None:
    page = (await logged_in(browser, server, language=language)).pages[0]
    async with server.client() as client:
        row = (await client.get("/v1/durations", params={"area": "C01"})).json()["rows"][-1]
    await page.goto("/areas/C01")
    panel = page.locator("section[aria-labelledby=waits-title]")
    numbers = [re.sub(r"\D", "", text) for text in (await panel.locator(".under a").all_inner_texts())[-2:]]
    assert numbers == [str(row["founded"]), str(row["waiting"])]
    assert await panel.locator("img.chart").evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    assert await panel.locator(".twin tbody tr").count() >= 1
    await panel.locator(".middle a").click()
    big = await page.inner_text(".big")
    assert big.startswith(str(row["median"]) if row["median"] is not None else "—")
    listed = await page.locator("table.list tbody tr").count()
    assert listed == min(100, row["founded"] + row["waiting"])
