"""An officer's way in and out, with a real browser and a real provider."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from deploy.local.servers.issuer import Issuer
from tests.browser.accessibility import violations
from tests.browser.city import City
from tests.conftest import Database
from tests.integration.metrics.provider import OFFICER, issuer_of_a_test, settings_of_provider  # noqa: F401
from tests.integration.metrics.server import server_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_officer_signs_in_sees_who_is_in_and_signs_out(
    browser: Browser, databases: list[Database], city: City, issuer: Issuer
) -> None:
    async with server_of(databases[0], own_tokens=False, **settings_of_provider(issuer)) as server:
        issuer.return_to(f"{server.url}/sign-in/callback")
        context = await browser.new_context(base_url=server.url, viewport={"width": 390, "height": 844}, locale="zh-CN")
        page = await context.new_page()
        await page.goto("/areas/C01A?founding=ge25")
        await expect(page.get_by_role("heading", name="请先登录")).to_be_visible()
        assert not await violations(page)
        await page.get_by_role("link", name="登录").click()
        assert page.url.startswith(issuer.url)
        await page.get_by_label("用户名").fill(OFFICER.login)
        await page.get_by_label("密码").fill(OFFICER.password)
        await page.get_by_role("button", name="登录").click()
        await page.wait_for_url("**/areas/C01A?founding=ge25")
        who = page.locator(".who")
        await expect(who).to_contain_text("登录人：王芳")
        await expect(who).to_contain_text("区域：")
        await expect(who).to_contain_text(re.compile(r"有效至 \d{4}-\d\d-\d\d \d\d:\d\d"))
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than a phone"
        assert not await violations(page)
        cookie: Any = next(one for one in await context.cookies() if one["name"] == "parkunion_session")
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        await who.get_by_role("button", name="退出登录").click()
        await expect(page.get_by_role("heading", name="已退出登录")).to_be_visible()
        await context.add_cookies([cookie])
        await page.goto("/areas/C01A")
        await expect(page.get_by_role("heading", name="请先登录")).to_be_visible()
        await expect(page.get_by_text("您的登录已结束。")).to_be_visible()
        await context.close()
