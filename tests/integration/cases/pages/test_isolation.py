"""A session sees and changes what lies in its areas, and nothing else; what others wrote is escaped."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import httpx

from tests.integration.cases.pages.server import READ, WRITE, PagesServer, entries_of, fill, forms_of
from tests.patience import PATIENCE

OWN = {"Sec-Fetch-Site": "same-origin"}


async def test_lists_show_the_entries_of_the_sessions_areas_alone(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    mine: dict[str, UUID] = {}
    yours: dict[str, UUID] = {}
    for found, park in ((mine, "P1"), (yours, "P2")):
        enterprise = await pages.cases.enterprise(park)
        found["case"] = await pages.cases.open(enterprise)
        await pages.cases.step(found["case"], "mediation_applied", "2026-04-01")
        made = await pages.cases.do("contract", kind="wage", enterprises=[enterprise], signed_on="2026-04-01", term_until="2026-06-01")
        found["contract"] = UUID(made.id)
        found["pact"] = UUID((await pages.cases.do("pact", area=park, signed_on="2026-04-01", until="2026-06-01")).id)
    async with pages.browser("district", "D1") as http:
        for path, noun in (("/due", "case"), ("/cases", "case"), ("/contracts", "contract"), ("/contracts?until=2026-07-01", "contract")):
            shown = set(entries_of((await http.get(path)).text))
            assert mine[noun] in shown, path
            assert not shown & {*yours.values()}, path
        assert set(entries_of((await http.get("/pacts")).text)) == {mine["pact"]}
        counts = (await http.get("/due")).text
        assert "area=P1" in counts
        assert "P2" not in counts, "neither counts nor choices of another district"
        for path in ("/due", "/cases", "/contracts", "/pacts"):
            refused = await http.get(path, params={"area": "P2"})
            assert refused.status_code == 403, path
    async with pages.browser("federation") as http:
        assert {mine["case"], yours["case"]} <= set(entries_of((await http.get("/due")).text))


async def test_an_entry_of_another_area_is_neither_shown_nor_changed(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    there = await pages.cases.enterprise("P2")
    case = await pages.cases.open(there, assigned_to="handler-secret")
    contract = (await pages.cases.do("contract", kind="wage", enterprises=[there], signed_on="2026-04-01", term_until="2026-06-01")).id
    before = await pages.cases.entry(case)
    async with pages.browser("district", "D1") as http:
        for path in (f"/cases/{case}", f"/contracts/{contract}"):
            answer = await http.get(path)
            assert answer.status_code == 403, path
            assert "handler-secret" not in answer.text
            assert "P2" not in answer.text
        for name, typed in (("steps", {"step": "interrupted", "ground": "claim"}), ("outcome", {"outcome": "paid"}), ("assignment", {})):
            sent = await http.post(f"/cases/{case}/{name}", data={"on": "2026-04-02", **typed}, headers=OWN)
            assert sent.status_code == 403, name
            assert "handler-secret" not in sent.text
        opened = await fill(
            http, "/cases/new", "new", enterprise_id=str(there), kind="other", occurred_on="2026-04-01", reported_on="2026-04-01"
        )
        assert opened.status_code == 403
        assert "not in the areas in which you may act" in opened.text
        assert not forms_of((await http.get("/calendars/2027")).text), "a calendar holds everywhere"
        year = {"source": "x", "holidays": "2027-01-01"}
        assert (await http.post("/calendars/2027", data=year, headers=OWN)).status_code == 403
    assert (await pages.cases.entry(case)).etag == before.etag


async def test_who_is_not_signed_in_or_has_no_scope_sees_nothing(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    case = await pages.cases.open(await pages.cases.enterprise())
    addresses = ("/", "/due", "/cases", "/cases/new", f"/cases/{case}", "/contracts", "/rules", "/calendars/2027")
    async with httpx.AsyncClient(base_url=pages.url, timeout=PATIENCE) as http:
        for path in addresses:
            answer = await http.get(path)
            assert answer.status_code == 401, path
            assert "登录" in answer.text
        token = {"Authorization": f"Bearer {pages.token(scope='metrics:read')}"}
        assert (await http.post("/v1/login-codes", headers=token)).status_code == 403
        assert (await http.get("/due", headers=token)).status_code == 403


async def test_a_session_ends_with_its_logout_and_opens_the_api_no_further_than_its_scopes(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    case = await pages.cases.open(await pages.cases.enterprise())
    async with pages.browser(scope=READ) as http:
        assert (await http.get("/v1/cases")).status_code == 200
        step = {"step": "interrupted", "on": "2026-04-01", "ground": "claim"}
        assert (await http.post(f"/v1/cases/{case}/steps", json=step, headers=OWN)).status_code == 403
        assert (await http.post("/logout", headers=OWN)).status_code == 303
        assert (await http.get("/due")).status_code == 401


async def test_what_others_wrote_is_escaped_where_it_is_typed_and_shown(pages: PagesServer) -> None:
    evil = '"><script>alert(1)</script>'
    await pages.cases.turn(date(2026, 11, 20))
    case = await pages.cases.open(await pages.cases.enterprise())
    async with pages.browser(scope=f"{READ} {WRITE}") as http:
        for answer in (
            await fill(http, "/cases/new", "new", enterprise_id=evil, assigned_to=evil),
            await fill(http, f"/cases/{case}", "assignment", on=evil, assigned_to=evil),
            await fill(http, "/calendars/2027", "2027", source=evil, holidays=evil),
            await http.get("/cases/new", params={"enterprise": evil}),
            await http.get("/due", params={"assigned_to": evil}),
            await http.get("/cases", params={"kind": evil, "state": evil, "assigned_to": evil}),
            await http.get("/awards", params={"kind": evil, "state": evil}),
        ):
            assert "<script>" not in answer.text, answer.url
        assert (await fill(http, "/calendars/2027", "2027", source=evil, holidays="2027-01-01")).status_code == 303
        for path in ("/calendars/2027", "/rules"):
            assert "<script>" not in (await http.get(path)).text
