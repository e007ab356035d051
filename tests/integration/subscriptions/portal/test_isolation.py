"""A bureau sees its own, a federation what lies in its areas, and nobody what is no longer granted."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx
import pytest

from tests.integration.subscriptions.portal.server import GRANT, USE, PortalServer
from tests.integration.subscriptions.rows import REGISTERED
from tests.patience import PATIENCE

FEDERATION_PAGES = ("/grants", "/sent", "/notices", "/accesses")


async def test_another_bureaus_pages_are_not_there_as_if_they_never_were(portal: PortalServer) -> None:
    rows = portal.rows
    own = await rows.subscription(await rows.grant("bureau"), "webhook")
    other = await rows.subscription(await rows.grant("other", purpose="a secret purpose"), "webhook")
    await rows.events(own, 2)
    await rows.events(other, 2)
    never = UUID(int=7)
    async with portal.browser("bureau") as http:
        listed = await http.get("/subscriptions")
        assert str(own) in listed.text
        assert str(other) not in listed.text
        assert "a secret purpose" not in listed.text
        assert (await http.get(f"/subscriptions/{own}")).status_code == 200
        assert (await http.get(f"/subscriptions/{own}/deliveries/1")).status_code == 200
        for path in ("", "/deliveries/1"):
            there, nowhere = await http.get(f"/subscriptions/{other}{path}"), await http.get(f"/subscriptions/{never}{path}")
            assert (there.status_code, nowhere.status_code) == (404, 404)
            assert there.text.replace(str(other), "") == nowhere.text.replace(str(never), "")
        for path in ("/pause", "/test", "/rotation", "/deliveries/1/redelivery"):
            assert (await http.post(f"/subscriptions/{other}{path}")).status_code == 404, path
    assert await rows.pool.fetchval("SELECT status FROM subscriptions WHERE id = $1", other) == "active"
    assert await rows.pool.fetchval("SELECT count(*) FROM probes") == 0


async def test_a_bureau_has_no_page_of_the_federation(portal: PortalServer) -> None:
    grant = await portal.rows.grant("bureau")
    async with portal.browser("bureau") as http:
        for path in (*FEDERATION_PAGES, f"/grants/{grant}"):
            answer = await http.get(path)
            assert answer.status_code == 403, path
            assert "labour inspection" not in answer.text
        assert (await http.get("/")).headers["location"] == "/subscriptions"


async def test_who_is_not_signed_in_or_has_no_scope_sees_nothing(portal: PortalServer) -> None:
    subscription = await portal.rows.subscription(await portal.rows.grant())
    async with httpx.AsyncClient(base_url=portal.url, timeout=PATIENCE) as http:
        for path in ("/", "/subscriptions", f"/subscriptions/{subscription}", *FEDERATION_PAGES):
            answer = await http.get(path)
            assert answer.status_code == 401, path
            assert "登录" in answer.text
        token = {"Authorization": f"Bearer {portal.token(scope='metrics:read')}"}
        assert (await http.post("/v1/login-codes", headers=token)).status_code == 403
        assert (await http.get("/subscriptions", headers=token)).status_code == 403


async def test_a_federation_sees_grants_within_its_areas_alone(portal: PortalServer) -> None:
    rows = portal.rows
    here, there = await rows.grant("bureau", ["P1"]), await rows.grant("other", ["D2"])
    across = await rows.grant("both", ["P1", "P2"])
    found = {grant: await rows.subscription(grant) for grant in (here, there, across)}
    for subscription in found.values():
        await rows.events(subscription)
    async with portal.browser("district", "D1", scope=GRANT) as http:
        pages = [(await http.get(path)).text for path in ("/grants", "/subscriptions", "/sent")]
        for client, seen in (("bureau", True), ("other", False), ("both", False)):
            assert [f">{client}<" in page or f">{client} ·" in page for page in pages] == [seen] * 3, client
        for grant, subscription in found.items():
            expected = 200 if grant == here else 404
            assert (await http.get(f"/grants/{grant}")).status_code == expected
            assert (await http.get(f"/subscriptions/{subscription}")).status_code == expected


@pytest.mark.invariant("I6")
async def test_what_is_no_longer_granted_is_a_number_without_a_name(portal: PortalServer) -> None:
    rows = portal.rows
    grant = await rows.grant()
    subscription = await rows.subscription(grant, "webhook")
    await rows.events(subscription, subject="union/kept-secret-later")
    await rows.events(subscription, type_name=REGISTERED, subject="enterprise/stays", data={"park": "P1"})
    async with portal.browser() as http:
        before = await http.get(f"/subscriptions/{subscription}")
        assert "union/kept-secret-later" in before.text
        await rows.narrow(grant, types=[REGISTERED])
        async with asyncio.timeout(PATIENCE):
            while "union/kept-secret-later" in (await http.get(f"/subscriptions/{subscription}")).text:
                await asyncio.sleep(0.1)
        page = (await http.get(f"/subscriptions/{subscription}")).text
        assert "enterprise/stays" in page
        assert "no longer granted" in page
        delivery = (await http.get(f"/subscriptions/{subscription}/deliveries/1")).text
        assert "kept-secret-later" not in delivery
        assert "Union founded" not in delivery
        looked_for = await http.get(f"/subscriptions/{subscription}", params={"subject": "union/kept-secret-later"})
        assert 'data-row="1"' not in looked_for.text
    async with portal.browser("federation", scope=GRANT) as http:
        assert "union/kept-secret-later" in (await http.get(f"/subscriptions/{subscription}")).text


async def test_what_was_erased_has_no_name_for_anybody(portal: PortalServer) -> None:
    rows = portal.rows
    subscription = await rows.subscription(await rows.grant())
    await rows.events(subscription, subject="enterprise/of-a-person")
    await rows.remove_content(subscription, 1, gone="erasure")
    for client, scope in (("bureau", USE), ("federation", GRANT)):
        async with portal.browser(client, scope=scope) as http:
            for path in ("", "/deliveries/1"):
                assert "of-a-person" not in (await http.get(f"/subscriptions/{subscription}{path}")).text


async def test_what_a_bureau_looks_at_is_logged_for_the_federation(portal: PortalServer) -> None:
    rows = portal.rows
    subscription = await rows.subscription(await rows.grant(purpose="inspection of wages"))
    await rows.events(subscription, 3)
    async with portal.browser() as http:
        await http.get(f"/subscriptions/{subscription}")
        await http.get(f"/subscriptions/{subscription}/deliveries/2")
    async with portal.browser("federation", scope=GRANT) as http:
        await http.get(f"/subscriptions/{subscription}")
        logged = await rows.pool.fetch("SELECT client, what, subscription, first, last, purpose FROM accesses ORDER BY id")
        assert [tuple(row) for row in logged] == [
            ("bureau", "portal", subscription, 1, 3, "inspection of wages"),
            ("bureau", "portal", subscription, 2, 2, "inspection of wages"),
        ]
        page = (await http.get("/accesses", params={"client": "bureau"})).text
        assert "inspection of wages" in page
        assert "1–3" in page
        assert "inspection of wages" not in (await http.get("/accesses", params={"day": "2020-01-01"})).text
