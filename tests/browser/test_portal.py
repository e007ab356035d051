"""The portal in a real browser: readable for everybody, on a desk and on a phone, in both languages, and its buttons work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from deploy.local.folder import Folder
from deploy.local.servers.issuer import Issuer
from deploy.local.servers.people import Person
from deploy.local.servers.postgres import PostgresServer
from services.subscriptions.signing.sealing import Sealing
from services.subscriptions.signing.store import new_signing
from shared.contracts.ids import uuid7
from shared.process import db
from shared.process.migrate import migrate
from tests.browser.accessibility import violations
from tests.browser.conftest import WIDTHS
from tests.conftest import Database
from tests.integration.subscriptions.portal.server import GRANT, USE, PortalServer, server_of
from tests.integration.subscriptions.rows import REGISTERED
from tests.patience import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LABELS: dict[str, Any] = {"data_label_zh": "合成数据", "data_label_en": "Invented data"}
NOTICE = "INSERT INTO notices (id, at, type, subscription, data) VALUES ($1, parkunion_now(), $2, $3, $4)"
OF_BUREAU = ("/subscriptions", "/subscriptions/{webhook}", "/subscriptions/{pull}", "/subscriptions/{webhook}/deliveries/{parked}")
OF_FEDERATION_ALONE = ("/grants", "/grants/{grant}", "/sent?client=labour-bureau", "/notices", "/accesses")
SCOPES = {"labour-bureau": USE, "federation": GRANT}


@dataclass
class Town:
    """A bureau with a webhook that fails and one subscription that is pulled."""

    server: PortalServer
    database: Database
    grant: UUID
    webhook: UUID
    pull: UUID
    parked: int

    def address(self, page: str) -> str:
        return page.format(webhook=self.webhook, pull=self.pull, grant=self.grant, parked=self.parked)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(postgres_server: PostgresServer) -> AsyncIterator[Town]:
    for role in ("subscriptions_owner", "subscriptions_app"):
        if role not in postgres_server.execute("SELECT rolname FROM pg_roles").split():
            postgres_server.create_role(role)
    name = "browser_portal"
    postgres_server.create_database(name, "subscriptions_owner")
    owner = postgres_server.dsn(name, "subscriptions_owner")
    await migrate(owner, "subscriptions")
    database = Database(name, "subscriptions", postgres_server.dsn(name, "subscriptions_app"), owner)
    async with server_of(database, **LABELS) as server:
        yield await _told(server, database)
    admin = await asyncpg.connect(postgres_server.dsn())
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


async def _told(server: PortalServer, database: Database) -> Town:
    rows = server.rows
    await rows.areas()
    grant = await rows.grant("labour-bureau", purpose="劳动保障监察")
    webhook = await rows.subscription(grant, "webhook", url="https://receiver.bureau.example/parkunion")
    pull = await rows.subscription(grant, types=[REGISTERED])
    now = await rows.pool.fetchval("SELECT parkunion_now()")
    async with db.transaction(rows.pool) as conn:
        await new_signing(conn, Sealing({1: bytes(32)}), webhook, "v1a", now)
    for days in range(12, -1, -1):
        contents = [await rows.content() for _ in range(3 + days % 5)]
        await rows.deliver(webhook, *contents, at=now - timedelta(days=days))
        await rows.deliver(pull, *contents, at=now - timedelta(days=days))
    settle = "UPDATE deliveries SET state = $3, pending = false, error = $4, settled_at = parkunion_now() WHERE subscription = $1 AND number = ANY($2::bigint[])"
    for key in (webhook, pull):
        await rows.pool.execute(settle, key, list(range(1, 50)), "delivered", None)
    await rows.pool.execute(settle, webhook, [41, 42], "parked", "STATUS_503")
    await rows.pool.execute(settle, webhook, [30], "withheld", "NOT_GRANTED")
    for n, (status, error, answer) in enumerate(((None, "TLS_FAILED", ""), (None, "TIMED_OUT", ""), (503, "STATUS_503", "<b>down</b>"))):
        await rows.pool.execute(
            "INSERT INTO attempts (subscription, number, at, duration_ms, status, error, answer) VALUES ($1, 41, $2, 87, $3, $4, $5)",
            *(webhook, now - timedelta(hours=n), status, error, answer),
        )
    await rows.pool.execute(
        "UPDATE subscriptions SET failing_since = $2, last_error = 'STATUS_503', last_error_at = $2 WHERE id = $1",
        webhook,
        now - timedelta(hours=9),
    )
    await rows.pool.execute(
        NOTICE, uuid7(), "parkunion.subscription-disabled.v1", webhook, {"reason": "FAILING", "last_error": "STATUS_503"}
    )
    return Town(server, database, grant, webhook, pull, 41)


async def entered(
    browser: Browser, town: Town, client: str, scope: str, *, language: str = "zh", width: str = "wide", url: str = ""
) -> BrowserContext:
    """A window that came in by a one-time code."""
    wide, high = WIDTHS[width]
    context = await browser.new_context(
        base_url=url or town.server.url, viewport={"width": wide, "height": high}, locale="zh-CN" if language == "zh" else "en-GB"
    )
    page = await context.new_page()
    await page.goto(await town.server.code(client, scope=scope))
    return context


@pytest.mark.parametrize(
    ("client", "language", "width", "pages"),
    [
        # Each page in each language and each width, as BOTH_WAYS; those that both may see, once as each sees them.
        ("labour-bureau", "zh", "wide", OF_BUREAU),
        ("federation", "zh", "wide", OF_FEDERATION_ALONE),
        ("federation", "en", "phone", (*OF_BUREAU, *OF_FEDERATION_ALONE)),
        *(
            pytest.param(client, language, width, (*OF_BUREAU, *more), marks=pytest.mark.endurance)
            for client, more in (("labour-bureau", ()), ("federation", OF_FEDERATION_ALONE))
            for language in ("zh", "en")
            for width in WIDTHS
        ),
    ],
)
async def test_every_page_can_be_read_by_everybody(
    browser: Browser, town: Town, client: str, language: str, width: str, pages: tuple[str, ...]
) -> None:
    page = (await entered(browser, town, client, SCOPES[client], language=language, width=width)).pages[0]
    for one in pages:
        answer = await page.goto(town.address(one))
        assert answer is not None
        assert answer.status == 200, one
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{one} is wider than a {width}"
        assert not await violations(page), one
        assert ("合成数据" if language == "zh" else "Invented data") in await page.title()


async def test_a_bureau_finds_why_a_delivery_failed_and_has_it_sent_again(browser: Browser, town: Town) -> None:
    page = (await entered(browser, town, "labour-bureau", USE, width="phone")).pages[0]
    await expect(page.locator("h1")).to_contain_text("正常的订阅")
    await page.locator(f'tr[data-row="{town.webhook}"] td a.attention').click()
    await expect(page.locator("table.deliveries tbody tr")).to_have_count(2)
    await page.locator('tr[data-row="41"] th a').click()
    await expect(page.locator(".trouble")).to_contain_text("接收端出错（503）")
    await expect(page.locator(".trouble")).to_contain_text("请查看该时刻接收服务的日志")
    await expect(page.get_by_text("<b>down</b>")).to_be_visible()
    await page.get_by_role("button", name="重新投递").click()
    await expect(page.get_by_role("status")).to_have_text("已安排重新投递。")
    await expect(page.get_by_role("button", name="重新投递")).to_have_count(0)
    assert await town.server.rows.pool.fetchval("SELECT pending FROM deliveries WHERE subscription = $1 AND number = 41", town.webhook)


async def test_a_bureau_pauses_and_resumes(browser: Browser, town: Town) -> None:
    page = (await entered(browser, town, "labour-bureau", USE, language="en")).pages[0]
    await page.goto(town.address("/subscriptions/{webhook}"))
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".headline .status")).to_have_text("Paused")
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator(".headline .status")).to_have_text("Active")


async def test_two_bureaus_in_one_browser_do_not_see_each_other(browser: Browser, town: Town) -> None:
    context = await entered(browser, town, "labour-bureau", USE)
    page = context.pages[0]
    await page.goto(town.address("/subscriptions/{webhook}"))
    await expect(page.locator("h1")).to_contain_text("receiver.bureau.example")
    await page.goto(await town.server.code("another-bureau"))
    await expect(page.locator(".who")).to_contain_text("客户：another-bureau")
    for one in OF_BUREAU[1:]:
        answer = await page.goto(town.address(one))
        assert answer is not None
        assert answer.status == 404
        assert "receiver.bureau.example" not in await page.content()


async def test_a_person_signs_in_for_a_bureaus_client(browser: Browser, town: Town, issuer_of_people: Issuer) -> None:
    issuer = issuer_of_people
    settings = {"issuer": issuer.url, "jwks_url": issuer.jwks_url, "sign_in_issuer": issuer.url}
    async with server_of(town.database, own_tokens=False, **settings) as server:
        issuer.return_to(f"{server.url}/sign-in/callback")
        context = await browser.new_context(base_url=server.url, viewport={"width": 390, "height": 844}, locale="zh-CN")
        page = await context.new_page()
        await page.goto(town.address("/subscriptions/{webhook}"))
        await expect(page.get_by_role("heading", name="请先登录")).to_be_visible()
        assert not await violations(page)
        await page.get_by_role("link", name="登录").click()
        await page.get_by_label("用户名").fill("li")
        await page.get_by_label("密码").fill("correct horse")
        await page.get_by_role("button", name="登录").click()
        await page.wait_for_url(f"**/subscriptions/{town.webhook}", timeout=1000 * PATIENCE)
        await expect(page.locator(".who")).to_contain_text("登录人：李静")
        await expect(page.locator(".who")).to_contain_text("客户：labour-bureau")
        names = {one["name"] for one in await context.cookies()}
        assert "parkunion_portal_session" in names
        assert "parkunion_session" not in names, "the dashboard of the same host has its own"
        await page.locator(".who").get_by_role("button", name="退出登录").click()
        await expect(page.get_by_role("heading", name="已退出登录")).to_be_visible()
        await context.close()


@pytest.fixture(name="issuer_of_people")
def provider_of_a_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    folder = Folder(tmp_path_factory.mktemp("issuer"))
    folder.prepare()
    made = Issuer(folder, 0, [Person("li", "correct horse", "李静", (), ("subscriptions:use",), "labour-bureau")])
    made.start()
    yield made
    made.stop()
