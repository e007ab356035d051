"""Pages of places that are out of the ordinary: very many parks, codes with dots and dashes, levels without a name of their own."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.async_api import Browser, expect

from shared.contracts.registry import AreaKind, AreaRegistered, EnterpriseRegistered, HeadcountReported
from tests.browser.chromium import chromium
from tests.browser.conftest import logged_in
from tests.integration.metrics.server import MetricsServer
from tests.integration.metrics.service import enterprise

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
MANY = 320


def settle(server: MetricsServer, park: str, district: str, workers: int = 3) -> str:
    """One enterprise in a park."""
    key, subject = enterprise()
    server.metrics.append(subject, EnterpriseRegistered(enterprise_id=key, name=f"企业{park}", park=park, district=district), "2025-01-05")
    server.metrics.append(subject, HeadcountReported(workers=workers, size="micro"), "2025-01-06")
    return str(key)


def place(server: MetricsServer, code: str, parent: str | None, name: str, *, park: bool = False, level: bool = False) -> None:
    """A division or a park."""
    kind = AreaKind.PARK if park else AreaKind.DIVISION
    server.metrics.append(f"area/{code}", AreaRegistered(code=code, name=name, kind=kind, parent=parent, level=level), "1900-01-01")


async def test_very_many_parks_come_a_hundred_at_a_time_and_none_is_lost(browser: Browser, server: MetricsServer) -> None:
    place(server, "C03", None, "丙市")
    place(server, "C03A", "C03", "丙区")
    for number in range(MANY):
        place(server, f"C03A-P{number:03d}", "C03A", f"园区{number:03d}", park=True)
        settle(server, f"C03A-P{number:03d}", "C03A")
    await server.metrics.fold(size=2000)
    page = (await logged_in(browser, server, language="en", width="phone")).pages[0]
    await page.goto("/areas/C03?rows=park")
    found: list[str] = []
    while True:
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        rows: list[str] = await page.eval_on_selector_all("tr[data-row]", "rows => rows.map(row => row.dataset.row)")
        assert len(rows) == min(100, MANY - len(found))
        found += rows
        following = page.locator("a[rel=next]")
        if not await following.count():
            break
        await following.click()
    assert sorted(found) == [f"C03A-P{number:03d}" for number in range(MANY)]
    csv = await (await page.request.get("/areas/C03/coverage.csv?rows=park")).text()
    assert sum(line.startswith("C03A-P") for line in csv.splitlines()) == MANY


async def test_codes_with_dots_and_dashes_lead_to_their_pages(browser: Browser, server: MetricsServer) -> None:
    district, park = "C04.a-1", "C04.a-1-P.02"
    place(server, "C04", None, "丁市")
    place(server, district, "C04", "丁区")
    place(server, park, district, "丁园", park=True)
    settle(server, park, district)
    await server.metrics.fold()
    page = (await logged_in(browser, server, language="en")).pages[0]
    await page.goto("/areas/C04?rows=park")
    await expect(page.locator("#live[data-connected]")).to_be_attached()
    settle(server, park, district)
    await server.metrics.fold()
    await expect(page.locator(f'tr[data-row="{park}"] [data-count=should_organise_all]')).to_have_text("2")
    await page.locator(f'tr[data-row="{park}"] [data-count=should_organise_all]').click()
    await expect(page.locator(".big")).to_have_text("2")
    assert await page.locator("table.list tbody tr").count() == 2
    for code, name in ((district, "丁区"), (park, "丁园")):
        await page.goto(f"/areas/{quote(code)}")
        await expect(page.locator("h1")).to_have_text(name)
        for part in ("trend.svg", "trend.csv", "coverage.csv"):
            assert (await page.request.get(f"/areas/{code}/{part}")).status == 200, (code, part)
    await page.locator(".rows tbody th a").first.click()
    await expect(page.locator("h1")).to_contain_text(f"企业{park}")


async def test_a_level_of_the_code_is_never_a_name(browser: Browser, server: MetricsServer) -> None:
    place(server, "C05", None, "戊市")
    place(server, "C0501", "C05", "市辖区", level=True)
    place(server, "C0501-P001", "C0501", "戊园", park=True)
    key = settle(server, "C0501-P001", "C0501")
    await server.metrics.fold()
    page = (await logged_in(browser, server, "C05")).pages[0]
    explanation = "/explain?measure=units&area=C05&by=district&group=C0501"
    for address in (
        "/areas/C05?rows=district",
        "/areas/C05?rows=park",
        "/areas/C0501",
        "/areas/C0501-P001",
        f"/enterprises/{key}",
        explanation,
    ):
        await page.goto(address)
        assert "戊市" in await page.inner_text("body"), address
        assert "市辖区" not in await page.content(), address


async def test_without_chromium_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("PARKUNION_NEED_BROWSER", raising=False)
    for told in ("", "false"):
        monkeypatch.setenv("CI", told)
        with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
            chromium()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        chromium()
