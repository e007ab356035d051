"""What the pages say is true, escaped, and in both languages."""

from __future__ import annotations

import html
import re
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.integration.cases.pages.server import PagesServer, entries_of, forms_of
from tests.patience import PATIENCE

RAW = re.compile(r"\b[A-Z]{2,}\d*(?:_[A-Z0-9]+)+\b|\b[a-z]+_[a-z_]+\b")
EVIL = "<script>alert(1)</script>"
REGISTERS = ("contracts", "negotiations", "pacts", "meetings", "congresses", "assessments", "awards")


def visible(page: str) -> str:
    """What a reader sees of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def dispute(pages: PagesServer, enterprise: UUID, **more: Any) -> UUID:
    """A dispute at arbitration: accepted on 3 March 2026."""
    case = await pages.cases.open(enterprise, "labour_dispute", "2026-02-02", subkind="contract", **more)
    for step, on in (("arbitration_applied", "2026-02-26"), ("accepted", "2026-03-03"), ("served", "2026-03-05")):
        await pages.cases.step(case, step, on)
    return case


async def test_what_is_due_stands_overdue_first_and_by_park_and_person(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    here, there = await pages.cases.enterprise("P1"), await pages.cases.enterprise("P2")
    late = await dispute(pages, here, assigned_to="handler-7")
    soon = await pages.cases.open(there, "safety_hazard", "2026-04-01", assigned_to="handler-9")
    await pages.cases.step(soon, "mediation_applied", "2026-04-08")
    async with pages.browser() as http:
        page = (await http.get("/due")).text
        text = visible(page)
        assert page.index('id="group-overdue"') < page.index('id="group-soon"')
        overdue = page.partition('id="group-overdue"')[2].partition('id="group-soon"')[0]
        assert set(entries_of(overdue)) == {late}
        assert 'data-clock="arbitration_award"' in overdue
        assert "2026-04-17" in overdue
        assert "3 days overdue" in text
        assert "3 days left" in visible(page.partition('id="group-soon"')[2])
        assert "By park" in text
        assert entries_of((await http.get("/due", params={"area": "P2"})).text).count(late) == 0
        assert set(entries_of((await http.get("/due", params={"assigned_to": "handler-9"})).text)) == {soon}
        assert set(entries_of((await http.get("/due", params={"until": "2026-04-17"})).text)) == {late}
        assert (await http.get("/due", params={"area": "", "assigned_to": "", "until": ""})).status_code == 200
        assert (await http.get("/due", params={"area": "NOWHERE"})).status_code == 422
        assert (await http.get("/due", params={"after": "forged"})).status_code == 400
        counts = visible(page.partition('id="area-title"')[2].partition("</table>")[0])
        assert "P1" in counts
        assert "handler-9" in visible(page.partition('id="assigned_to-title"')[2])


async def test_the_year_that_the_calendar_lacks_is_asked_for_from_november_on(pages: PagesServer) -> None:
    enterprise = await pages.cases.enterprise()
    await pages.cases.turn(date(2026, 10, 31))
    async with pages.browser() as http:
        assert "are not entered" not in (await http.get("/due")).text
        await pages.cases.turn(date(2026, 11, 1))
        assert "The working days of 2027 are not entered" in (await http.get("/due")).text
        case = await pages.cases.open(enterprise, "labour_dispute", "2026-10-30")
        await pages.cases.step(case, "inspection_filed", "2026-10-30")
        page = visible((await http.get("/due")).text)
        assert "1 period waits for them" in page or "periods wait for them" in page
        one = await http.get(f"/cases/{case}")
        assert 'href="/calendars/2027"' in one.text
        assert "not before" in one.text


async def test_a_case_shows_its_clocks_on_a_line_with_a_table_that_says_the_same(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    case = await dispute(pages, await pages.cases.enterprise(), workers_concerned=12, amount_fen=1234567)
    await pages.cases.step(case, "suspended", "2026-03-10", clock="arbitration_award", ground="injury_finding")
    await pages.cases.step(case, "resumed", "2026-03-20", clock="arbitration_award")
    async with pages.browser() as http:
        page = (await http.get(f"/cases/{case}")).text
        assert page.count("<svg") == 2, "for a desk and for a phone"
        assert re.search(r'<rect class="suspended" fill="url\(#hatch-desk\)" x="[\d.]+" y="\d+" width="[\d.]+"', page)
        assert page.count('class="today"') == 2
        text = visible(page)
        assert "12,345.67 yuan" in text
        assert "without 2026-03-10 to 2026-03-20" in text
        award = visible(page.partition('data-clock="arbitration_award"')[2].partition("</tr>")[0])
        assert "2026-04-27" in award, "the 17th, with ten days left out"
        assert "45 days" in award
        assert "Labour Dispute Mediation and Arbitration Law 2007 art. 43" in award
        assert [visible(one) for one in re.findall(r"<h3.*?</h3>", page)] == [
            "Arbitration", "Court", "Inspection", "Supervision letters", "Periods and others", "The case"
        ]  # fmt: skip
        assert (await http.get(f"/cases/{UUID(int=7)}")).status_code == 404
        assert (await http.get("/cases/nonsense")).status_code == 422


async def test_a_form_has_the_fields_of_its_step_and_no_other(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    case = await dispute(pages, await pages.cases.enterprise())
    async with pages.browser() as http:
        forms = forms_of((await http.get(f"/cases/{case}")).text)
    assert forms["defence_filed"].fields == {"on"}
    assert forms["extended"].fields == {"on", "days"}
    assert forms["awarded"].fields == {"on", "final"}
    assert forms["suspended"].fields == {"on", "clock", "ground"}
    assert forms["supervision_letter_sent"].fields == {"on", "document", "addressee", "received_on", "reply_by"}
    assert forms["outcome"].fields == {"on", "outcome", "recovered_fen"}
    assert forms["assignment"].fields == {"on", "assigned_to"}
    assert not forms.keys() & {"mediation_applied", "arbitration_applied", "served", "resumed", "replied", "reopening", "award_served"}


async def test_registers_show_what_ends_soon_first_and_one_contract_its_clocks(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 6, 1))
    cases = pages.cases
    enterprise = await cases.enterprise()
    made = {}
    for until in ("2026-06-20", "2026-07-20", "2027-07-20", "2026-05-20"):
        answer = await cases.do("contract", kind="wage", enterprises=[enterprise], signed_on="2025-06-01", term_until=until, workers=40)
        made[until] = UUID(answer.id)
    await cases.do("award", enterprise_id=enterprise, title=EVIL, level="city", on="2026-05-01", until="2026-06-30")
    await cases.do("pact", enterprise_id=enterprise, signed_on="2026-05-01")
    await cases.do("negotiation", enterprise_id=enterprise, kind="wage", invited_on="2026-05-04")
    async with pages.browser() as http:
        soon = await http.get("/contracts", params={"until": "2026-08-30"})
        assert entries_of(soon.text) == [made["2026-06-20"], made["2026-07-20"]], "what has ended is no longer expiring"
        assert len(entries_of((await http.get("/contracts")).text)) == 4
        assert entries_of((await http.get("/contracts", params={"kind": "safety"})).text) == []
        one = (await http.get(f"/contracts/{made['2026-06-20']}")).text
        assert 'data-clock="contract_submission"' in one
        assert "<svg" in one
        negotiation = entries_of((await http.get("/negotiations")).text)[0]
        assert 'data-clock="negotiation_reply"' in (await http.get(f"/negotiations/{negotiation}")).text
        awards = await http.get("/awards", params={"until": "2026-06-30"})
        assert len(entries_of(awards.text)) == 1
        assert EVIL not in awards.text
        for path in REGISTERS:
            assert (await http.get(f"/{path}")).status_code == 200, path
        assert "without an end" in visible((await http.get("/pacts")).text)


async def test_rules_are_read_with_what_places_have_set(pages: PagesServer) -> None:
    await pages.cases.do("rule", name="arbitration_award", area="D1", valid_from="2026-01-01", value={"days": 30, "day_kind": "calendar"})
    await pages.cases.do(
        "rule", name="supervision_reply", area=None, valid_from="2026-01-01", value={"opinion": {"days": 15, "day_kind": "working"}}
    )
    async with pages.browser() as http:
        page = (await http.get("/rules")).text
        award = visible(page.partition('data-rule="arbitration_award"')[2].partition("</tr>")[0])
        assert "45 days" in award
        assert "D1 from 2026-01-01 30 days" in award
        assert "opinion: 15 working days" in visible(page)
        assert "chinesecalendar" not in page


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_no_page_shows_a_code_of_the_program(pages: PagesServer, language: str) -> None:
    await pages.cases.turn(date(2026, 11, 20))
    enterprise = await pages.cases.enterprise()
    case = await dispute(pages, enterprise, workers_concerned=12, channel="hotline")
    steps: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("extended", "2026-04-01", {"days": 10}),
        ("suspended", "2026-04-02", {"clock": "arbitration_award", "ground": "force_majeure"}),
        ("resumed", "2026-04-12", {"clock": "arbitration_award", "ground": "ground_ended"}),
        ("supervision_letter_sent", "2026-04-13", {"document": "opinion", "addressee": "employer", "reply_by": "2026-05-13"}),
        ("replied", "2026-04-14", {}),
        ("awarded", "2026-04-15", {"final": True}),
        ("award_served", "2026-04-16", {"party": "worker"}),
        ("inspection_filed", "2026-11-02", {}),
    )
    for step, on, more in steps:
        await pages.cases.step(case, step, on, **more)
    closed = await pages.cases.open(enterprise)
    await pages.cases.do("case_outcome", case_id=closed, on="2026-05-06", outcome="paid", recovered_fen=100)
    await pages.cases.do("case_reopening", case_id=closed, on="2026-05-07", reason="recurred")
    contract = (
        await pages.cases.do("contract", kind="women", enterprises=[enterprise], signed_on="2025-06-01", term_until="2027-01-01")
    ).id
    negotiation = (await pages.cases.do("negotiation", enterprise_id=enterprise, kind="wage", invited_on="2026-05-04")).id
    addresses = [
        *("/due", "/cases", "/cases/new", f"/cases/{case}", f"/cases/{closed}", "/rules", "/calendars/2026", "/calendars/2027"),
        *(f"/{path}" for path in REGISTERS),
        *(f"/contracts/{contract}", f"/negotiations/{negotiation}"),
    ]
    async with pages.browser(language=language) as http:
        for address in addresses:
            answer = await http.get(address)
            assert answer.status_code == 200, address
            assert answer.headers["content-language"] == language
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert not RAW.search(visible(answer.text)), (address, RAW.findall(visible(answer.text)))
            chinese = re.search("[一-鿿]", visible(answer.text).replace("中文", ""))
            assert bool(chinese) == (language == "zh"), (address, chinese)


async def test_the_first_page_and_ways_out(pages: PagesServer) -> None:
    async with pages.browser() as http:
        assert (await http.get("/")).headers["location"] == "/due"
        assert "handler-7" in (await http.get("/due")).text
    async with httpx.AsyncClient(base_url=pages.url, timeout=PATIENCE) as nobody:
        refused = await nobody.get("/due")
        assert refused.status_code == 401
        assert "./parkunion cases" in refused.text
