"""The pages of cases in a real browser: readable for everybody, on a desk and on a phone, in both languages, and their forms work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from deploy.local.servers.postgres import PostgresServer
from shared.process.migrate import migrate
from tests.browser.accessibility import violations
from tests.browser.conftest import BOTH_WAYS, WIDTHS
from tests.conftest import Database
from tests.integration.cases.pages.server import READ, WRITE, PagesServer, server_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LABELS: dict[str, Any] = {"data_label_zh": "合成数据", "data_label_en": "Invented data", "dashboard_url": "https://dashboard.example"}
TODAY = date(2026, 11, 20)
PAGES = (
    *("/due", "/cases", "/cases/new", "/cases/{dispute}", "/cases/{closed}", "/contracts", "/contracts/{contract}", "/negotiations"),
    *("/negotiations/{negotiation}", "/pacts", "/meetings", "/congresses", "/assessments", "/awards", "/rules", "/calendars/2027"),
)


@dataclass
class Town:
    """Two parks with cases in every state."""

    server: PagesServer
    ids: dict[str, UUID]

    def address(self, page: str) -> str:
        return page.format(**self.ids)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(postgres_server: PostgresServer) -> AsyncIterator[Town]:
    for role in ("cases_owner", "cases_app"):
        if role not in postgres_server.execute("SELECT rolname FROM pg_roles").split():
            postgres_server.create_role(role)
    name = "browser_cases"
    postgres_server.create_database(name, "cases_owner")
    owner = postgres_server.dsn(name, "cases_owner")
    await migrate(owner, "cases")
    database = Database(name, "cases", postgres_server.dsn(name, "cases_app"), owner)
    async with server_of(database, **LABELS) as server:
        yield Town(server, await _told(server))
    admin = await asyncpg.connect(postgres_server.dsn())
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


async def _told(server: PagesServer) -> dict[str, UUID]:
    cases = server.cases
    await cases.turn(TODAY)
    one, two = await cases.enterprise("P1"), await cases.enterprise("P2")
    dispute = await cases.open(
        one, "labour_dispute", "2026-09-01", subkind="pay", workers_concerned=14, common_claim=True, amount_fen=38650000, channel="hotline",
        assigned_to="handler-7", remuneration=True,
    )  # fmt: skip
    steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("mediation_applied", "2026-09-03", {}),
        ("mediation_failed", "2026-09-16", {}),
        ("arbitration_applied", "2026-09-18", {}),
        ("accepted", "2026-09-24", {}),
        ("served", "2026-09-28", {}),
        ("suspended", "2026-10-12", {"clock": "arbitration_award", "ground": "injury_finding"}),
        ("resumed", "2026-10-26", {"clock": "arbitration_award", "ground": "ground_ended"}),
        ("supervision_letter_sent", "2026-10-28", {"document": "opinion", "addressee": "employer", "reply_by": "2026-11-27"}),
        ("inspection_filed", "2026-11-02", {}),
    )
    for step, on, more in steps:
        await cases.step(dispute, step, on, **more)
    arrears = await cases.open(two, "wage_arrears", "2026-11-02", workers_concerned=6, assigned_to="handler-9")
    await cases.step(arrears, "mediation_applied", "2026-11-09")
    for day in range(3, 9):
        cut = await cases.open(one if day % 2 else two, "pay_cut", f"2026-11-0{day}", assigned_to="handler-7" if day % 2 else None)
        await cases.step(cut, "mediation_applied", f"2026-11-0{day}")
    closed = await cases.open(one, "safety_hazard", "2026-08-03")
    await cases.do("case_outcome", case_id=closed, on="2026-08-20", outcome="corrected")
    contract = await cases.do("contract", kind="wage", enterprises=[one, two], signed_on="2026-11-10", term_until="2027-11-09", workers=210)
    await cases.do("contract", kind="women", enterprises=[one], signed_on="2025-12-20", term_until="2026-12-19", workers=80)
    negotiation = await cases.do("negotiation", enterprise_id=two, kind="wage", invited_on="2026-11-09")
    await cases.do("pact", area="P1", signed_on="2026-03-01", until="2027-01-15", workers=900)
    await cases.do("tripartite_meeting", area="P1", held_on="2026-10-10")
    await cases.do("workers_congress", enterprise_id=one, held_on="2026-06-10", delegates=35)
    await cases.do(
        "assessment", subject="enterprise", enterprise_id=one, on="2026-05-01", level="city", grade="AAA", valid_until="2029-04-30"
    )
    await cases.do("award", enterprise_id=one, title="和谐劳动关系示范企业", level="city", on="2026-05-01", until="2027-01-31")
    await cases.do("rule", name="arbitration_award", area="D1", valid_from="2026-01-01", value={"days": 30, "day_kind": "calendar"})
    return {"dispute": dispute, "arrears": arrears, "closed": closed, "contract": UUID(contract.id), "negotiation": UUID(negotiation.id)}


async def entered(
    browser: Browser, town: Town, *areas: str, scope: str = f"{READ} {WRITE}", language: str = "zh", width: str = "wide"
) -> BrowserContext:
    """A window that came in by a one-time code."""
    wide, high = WIDTHS[width]
    context = await browser.new_context(
        base_url=town.server.url, viewport={"width": wide, "height": high}, locale="zh-CN" if language == "zh" else "en-GB"
    )
    page = await context.new_page()
    await page.goto(await town.server.code("handler-7", *areas, scope=scope))
    return context


@BOTH_WAYS
async def test_every_page_can_be_read_by_everybody(browser: Browser, town: Town, language: str, width: str) -> None:
    page = (await entered(browser, town, language=language, width=width)).pages[0]
    for one in PAGES:
        answer = await page.goto(town.address(one))
        assert answer is not None
        assert answer.status == 200, one
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{one} is wider than a {width}"
        assert not await violations(page), one
        assert ("合成数据" if language == "zh" else "Invented data") in await page.title()
    await page.goto(town.address("/cases/{dispute}"))
    for offer in await page.locator("details.offer").all():
        await offer.evaluate("one => { one.open = true }")
    assert not await violations(page), "with every form open"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_handler_finds_what_is_overdue_and_records_what_came_next(browser: Browser, town: Town) -> None:
    page = (await entered(browser, town, width="phone")).pages[0]
    await expect(page.locator("h1")).to_have_text("已逾期")
    await page.locator(f'tr[data-entry="{town.ids["arrears"]}"] td a').first.click()
    await expect(page.locator("h1")).to_have_text("拖欠工资")
    await expect(page.locator("svg.line:visible")).to_have_count(1)
    await page.get_by_text("调解达成协议").click()
    form = page.locator("#step-mediation_settled")
    await form.get_by_label("日期").fill("2026-11-21")
    await form.get_by_role("button", name="记录").click()
    await expect(page.get_by_role("alert")).to_contain_text("日期须在")
    assert not await violations(page)
    await page.get_by_role("alert").get_by_role("link").click()
    form = page.locator("#step-mediation_settled[open]")
    await expect(form.get_by_label("日期")).to_have_value("2026-11-21")
    await form.get_by_label("日期").fill("2026-11-20")
    await form.get_by_role("button", name="记录").click()
    await expect(page.get_by_role("status")).to_have_text("已记录：调解达成协议")
    await expect(page.locator("ol.events")).to_contain_text("调解达成协议")


async def test_a_case_is_opened_and_its_enterprise_leads_to_the_dashboard(browser: Browser, town: Town) -> None:
    enterprise = await town.server.cases.enterprise("P1")
    page = (await entered(browser, town, "D1", language="en")).pages[0]
    await page.goto(f"/cases/new?enterprise={enterprise}")
    await page.get_by_role("button", name="Open the case").click()
    await expect(page.get_by_role("alert")).to_contain_text("Kind: ")
    await page.get_by_label("Kind required").select_option("social_insurance_arrears")
    await page.get_by_role("button", name="Open the case").click()
    await expect(page.get_by_role("status")).to_have_text("Recorded: Case opened")
    link = page.locator(".definition a").first
    assert await link.get_attribute("href") == f"https://dashboard.example/enterprises/{enterprise}"
    answer = await page.goto(town.address("/cases/{arrears}"))
    assert answer is not None
    assert answer.status == 403, "another district's"
    assert not await violations(page)


async def test_the_missing_year_is_asked_for_and_entered(browser: Browser, town: Town) -> None:
    page = (await entered(browser, town, width="phone")).pages[0]
    await page.goto(town.address("/cases/{dispute}"))
    await expect(page.locator(".trouble")).to_contain_text("2027 年的工作日安排尚未录入")
    await page.get_by_role("link", name="录入 2027 年").click()
    await page.get_by_label("依据的通知").fill("国务院办公厅通知")
    await page.get_by_label("休息日").fill("2027-01-01\n2027-01-32\n")
    await page.get_by_role("button", name="记录安排").click()
    await expect(page.get_by_role("alert")).to_contain_text("第 2 行：")
    assert not await violations(page)
    await page.get_by_label("休息日").fill("2027-01-01\n2027-02-08\n")
    await page.get_by_role("button", name="记录安排").click()
    await expect(page.get_by_role("status")).to_contain_text("已记录")
    await page.goto("/due")
    await expect(page.locator(".trouble")).to_have_count(0)
