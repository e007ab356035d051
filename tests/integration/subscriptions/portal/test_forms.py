"""Buttons: they do what the API does, once, and only if a page of the portal sent them."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import httpx

from services.subscriptions.signing.sealing import Sealing
from services.subscriptions.signing.store import new_signing
from shared.process import db
from tests.integration.subscriptions.portal.server import GRANT, PortalServer

BUTTON = re.compile(r'<form method="post" action="([^"]+)"><input type="hidden" name="key" value="([^"]+)">')


async def endpoint(portal: PortalServer, status: str = "active", signature: str = "v1") -> UUID:
    """A webhook subscription with its key."""
    rows = portal.rows
    made = await rows.subscription(await rows.grant(), "webhook", status=status, signature=signature)
    async with db.transaction(rows.pool) as conn:
        await new_signing(conn, Sealing({1: bytes(32)}), made, signature, await conn.fetchval("SELECT parkunion_now()"))
    return made


async def press(http: httpx.AsyncClient, page: str, button: str) -> tuple[httpx.Response, dict[str, str]]:
    """Press a button of a page, as a browser does. Also returns the form."""
    shown = await http.get(page)
    forms = {address.rpartition("/")[2]: (address, key) for address, key in BUTTON.findall(shown.text)}
    assert button in forms, (button, sorted(forms))
    address, key = forms[button]
    origin = {"Origin": str(http.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    return await http.post(address, data={"key": key}, headers=origin), {"address": address, "key": key}


async def of(portal: PortalServer, subscription: UUID, column: str) -> Any:
    return await portal.rows.pool.fetchval(f"SELECT {column} FROM subscriptions WHERE id = $1", subscription)


async def test_pause_and_resume_and_test(portal: PortalServer) -> None:
    subscription = await endpoint(portal)
    page = f"/subscriptions/{subscription}"
    async with portal.browser() as http:
        answer, _ = await press(http, page, "pause")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{page}?done=pause")
        assert await of(portal, subscription, "status") == "paused"
        assert "Paused." in (await http.get(answer.headers["location"])).text
        assert (await press(http, page, "resume"))[0].status_code == 303
        assert await of(portal, subscription, "status") == "active"
        assert (await press(http, page, "test"))[0].status_code == 303
        assert "not sent yet" in (await http.get(page)).text
    kinds = await portal.rows.pool.fetch("SELECT kind, asked_by FROM probes WHERE subscription = $1", subscription)
    assert [tuple(row) for row in kinds] == [("test", "bureau")]
    done = await portal.rows.pool.fetch(
        "SELECT status, changed_by FROM subscription_changes WHERE subscription = $1 ORDER BY id", subscription
    )
    assert [tuple(row) for row in done] == [("paused", "bureau"), ("active", "bureau")]


async def test_a_form_of_another_site_changes_nothing(portal: PortalServer) -> None:
    subscription = await endpoint(portal)
    await portal.rows.events(subscription)
    foreign = ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"})
    async with portal.browser() as http:
        for headers in foreign:
            for action in ("pause", "test", "rotation", "deliveries/1/redelivery"):
                refused = await http.post(f"/subscriptions/{subscription}/{action}", headers=headers)
                assert refused.status_code == 403, (headers, action)
                assert 'data-code="NOT_OUR_PAGE"' in refused.text
        for action in ("pause", "test", "rotation"):
            assert (await http.get(f"/subscriptions/{subscription}/{action}")).status_code in (404, 405)
    assert await of(portal, subscription, "status") == "active"
    assert await portal.rows.pool.fetchval("SELECT count(*) FROM probes") == 0
    assert await portal.rows.pool.fetchval("SELECT count(*) FROM subscription_keys") == 1


async def test_a_redelivery_sends_the_same_number_again(portal: PortalServer) -> None:
    subscription = await endpoint(portal)
    rows = portal.rows
    await rows.events(subscription)
    await rows.pool.execute(
        "UPDATE deliveries SET state = 'parked', pending = false, error = 'STATUS_500' WHERE subscription = $1", subscription
    )
    await rows.pool.execute("DELETE FROM lanes WHERE subscription = $1", subscription)
    page = f"/subscriptions/{subscription}/deliveries/1"
    async with portal.browser() as http:
        answer, _ = await press(http, page, "redelivery")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{page}?done=redelivery")
        again = await http.get(answer.headers["location"])
        assert "It is sent again." in again.text
        assert not BUTTON.search(again.text), "it is on its way already"
    assert await rows.pool.fetchval("SELECT pending FROM deliveries WHERE subscription = $1", subscription)
    assert await rows.pool.fetchval("SELECT count(*) FROM lanes WHERE subscription = $1", subscription) == 1


async def test_a_new_secret_is_shown_once_and_a_second_press_makes_no_other(portal: PortalServer) -> None:
    subscription = await endpoint(portal)
    page = f"/subscriptions/{subscription}"
    async with portal.browser() as http:
        answer, form = await press(http, page, "rotation")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)
        assert secret is not None
        twice = await http.post(form["address"], data={"key": form["key"]}, headers={"Sec-Fetch-Site": "same-origin"})
        assert secret[0] in twice.text
        shown = (await http.get(page)).text
        assert secret[0] not in shown
        assert "signs until" in shown
    assert await portal.rows.pool.fetchval("SELECT count(*) FROM subscription_keys WHERE subscription = $1", subscription) == 2
    async with portal.browser("federation", scope=GRANT) as http:
        assert "rotation" not in {address.rpartition("/")[2] for address, _ in BUTTON.findall((await http.get(page)).text)}
        assert (await http.post(f"{page}/rotation")).status_code in (403, 404)


async def test_only_buttons_that_fit_are_offered_and_others_say_why_not(portal: PortalServer) -> None:
    rows = portal.rows
    expected = {
        "verifying": {"verification", "rotation"},
        "active": {"test", "pause", "rotation"},
        "paused": {"test", "resume", "rotation"},
        "disabled": {"test", "resume", "rotation"},
        "ended": set(),
    }
    pull = await rows.subscription(await rows.grant())
    async with portal.browser() as http:
        for status, buttons in expected.items():
            page = f"/subscriptions/{await endpoint(portal, status)}"
            assert {address.rpartition("/")[2] for address, _ in BUTTON.findall((await http.get(page)).text)} == buttons, status
            refused = await http.post(f"{page}/{'pause' if status != 'active' else 'resume'}")
            if status not in ("active", "paused"):
                assert refused.status_code == 409, status
        assert not BUTTON.search((await http.get(f"/subscriptions/{pull}")).text)
        assert (await http.post(f"/subscriptions/{pull}/test")).status_code == 409
        assert (await http.post(f"/subscriptions/{pull}/nonsense")).status_code in (404, 422)
        for number in ("0", "7", "x", "9" * 30):
            assert (await http.post(f"/subscriptions/{pull}/deliveries/{number}/redelivery")).status_code in (404, 409), number
