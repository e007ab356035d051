"""Forms: they do what the API does, once, and what is refused stands beside its field with what was typed."""

from __future__ import annotations

import html
import re
from datetime import date
from uuid import UUID

import httpx
import pytest

from shared.process import db
from tests.integration.cases.pages.server import READ, WRITE, PagesServer, fill, forms_of, send
from tests.patience import PATIENCE

EVENTS = "SELECT count(*) FROM journal WHERE type = $1"
WRONG = re.compile(r'<p class="field wrong">.*?</p>', re.DOTALL)


async def count(pages: PagesServer, name: str) -> int:
    async with db.transaction(pages.cases.pool) as conn:
        found: int = await conn.fetchval(EVENTS, f"parkunion.{name}.v1")
    return found


def wrong(page: str) -> dict[str, str]:
    """{field: its error} of a page whose form was refused."""
    found = {}
    for field in WRONG.findall(page):
        name = re.search(r'name="([a-z_.]+)"', field)
        assert name is not None
        errors = re.findall(r'class="error"[^>]*>(.*?)</span>', field)
        found[name[1]] = " ".join(html.unescape(one) for one in errors)
        assert 'aria-invalid="true"' in field
        assert re.search(rf'aria-describedby="[^"]*{name[1]}-error-1', field)
    return found


async def test_a_case_is_opened_carried_on_and_closed_by_forms(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    enterprise = await pages.cases.enterprise()
    async with pages.browser() as http:
        opened = await fill(
            http, f"/cases/new?enterprise={enterprise}", "new", enterprise_id=str(enterprise), kind="wage_arrears", occurred_on="2026-03-02",
            reported_on="2026-03-05", workers_concerned="12", common_claim="true", amount_fen="15,000.5", channel="hotline", subkind="",
        )  # fmt: skip
        assert opened.status_code == 303, opened.text
        case = UUID(opened.headers["location"].partition("?")[0].rpartition("/")[2])
        shown = (await http.get(opened.headers["location"])).text
        assert "Recorded: Case opened" in shown
        assert "15,000.50 yuan" in shown
        assert "collective" in shown
        page = f"/cases/{case}"
        for name, typed in (
            ("mediation_applied", {"on": "2026-03-09"}),
            ("supervision_letter_sent", {"on": "2026-03-10", "document": "opinion", "addressee": "employer", "reply_by": "2026-04-30"}),
            ("assignment", {"on": "2026-03-11", "assigned_to": "handler-9"}),
            ("outcome", {"on": "2026-04-18", "outcome": "paid", "recovered_fen": "9000"}),
            ("reopening", {"on": "2026-04-19", "reason": "not_performed"}),
            ("assignment", {"on": "2026-04-20", "assigned_to": ""}),
        ):
            done = await fill(http, page, name, **typed)
            assert done.status_code == 303, (name, done.text)
            assert (await http.get(done.headers["location"])).text.count('role="status"') == 1
    entry = await pages.cases.entry(case)
    said = [type(fact.data).__name__ for fact in entry.facts]
    assert said == ["CaseOpened", "CaseProgressed", "CaseProgressed", "CaseAssigned", "CaseClosed", "CaseReopened", "CaseAssigned"]
    assert getattr(entry.facts[0].data, "amount_fen", None) == 1500050
    assert getattr(entry.facts[4].data, "recovered_fen", None) == 900000
    assert [getattr(entry.facts[at].data, "assigned_to", "") for at in (3, 6)] == ["handler-9", None]


async def test_a_form_that_is_sent_twice_is_carried_out_once(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    enterprise = await pages.cases.enterprise()
    async with pages.browser() as http:
        form = forms_of((await http.get("/cases/new")).text)["new"]
        typed = {"enterprise_id": str(enterprise), "kind": "other", "occurred_on": "2026-03-02", "reported_on": "2026-03-05"}
        first, second = await send(http, form, **typed), await send(http, form, **typed)
        assert (first.status_code, second.status_code) == (303, 303)
        assert first.headers["location"] == second.headers["location"]
        assert await count(pages, "case-opened") == 1
        page = first.headers["location"].partition("?")[0]
        form = forms_of((await http.get(page)).text)["interrupted"]
        for _ in range(2):
            assert (await send(http, form, on="2026-04-01", ground="claim")).status_code == 303
        assert await count(pages, "case-progressed") == 1
        other = await send(http, form, on="2026-04-02", ground="claim")
        assert other.status_code == 422
        assert "sent before with other contents" in other.text


async def test_errors_stand_beside_their_fields_and_nothing_is_lost_or_changed(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    enterprise = await pages.cases.enterprise()
    async with pages.browser() as http:
        refused = await fill(
            http, "/cases/new", "new", enterprise_id="no id", kind="", occurred_on="2026-02-30", reported_on="2026-03-05",
            workers_concerned="many", assigned_to="王 芳",
        )  # fmt: skip
        assert refused.status_code == 422
        errors = wrong(refused.text)
        assert errors.keys() == {"enterprise_id", "kind", "occurred_on", "workers_concerned", "assigned_to"}
        assert errors["workers_concerned"] == "Enter a whole number, such as 40."
        assert 'value="many"' in refused.text
        assert "王 芳" in refused.text
        form = forms_of(refused.text)["new"]
        typed = {"enterprise_id": str(enterprise), "kind": "pay_cut", "occurred_on": "2026-03-02", "reported_on": "2026-03-05"}
        money = await send(http, form, **typed, amount_fen="12.345")
        assert wrong(money.text).keys() == {"amount_fen"}
        early = await send(http, form, **{**typed, "reported_on": "2026-03-01"})
        assert wrong(early.text).keys() == {"reported_on"}
        unknown = await send(http, form, **{**typed, "enterprise_id": str(UUID(int=9))})
        assert wrong(unknown.text).keys() == {"enterprise_id"}
        of_dispute = await send(http, form, **typed, subkind="pay")
        assert wrong(of_dispute.text) == {"subkind": "This kind has no such field; leave it empty."}
        assert await count(pages, "case-opened") == 0
        made = await send(http, form, **typed)
        assert made.status_code == 303, "with the key of the form that was refused"
        page = made.headers["location"].partition("?")[0]
        step = await fill(http, page, "interrupted", on="2030-01-01", ground="claim")
        assert step.status_code == 422
        assert wrong(step.text).keys() == {"on"}
        assert re.search(r'<details class="offer" id="step-interrupted" open>', step.text)
        assert step.text.count(" open>") == 1
        without = await fill(http, page, "supervision_letter_sent", on="2026-04-01", document="opinion", addressee="")
        assert wrong(without.text).keys() == {"addressee"}
    async with pages.browser(language="zh") as http:
        chinese = await fill(http, page, "interrupted", on="", ground="")
        assert wrong(chinese.text) == {"on": "此字段必填。"}
    assert await count(pages, "case-progressed") == 0


async def test_a_step_that_the_case_no_longer_allows_says_so_and_shows_what_it_allows(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    case = await pages.cases.open(await pages.cases.enterprise())
    async with pages.browser() as http:
        old = forms_of((await http.get(f"/cases/{case}")).text)
        await pages.cases.do("case_outcome", case_id=case, on="2026-04-01", outcome="paid")
        refused = await send(http, old["mediation_applied"], on="2026-04-02")
        assert refused.status_code == 409
        assert "does not allow this step" in refused.text
        assert "mediation_applied" not in forms_of(refused.text)
        assert "reopening" in forms_of(refused.text)
        nonsense = await http.post(f"/cases/{case}/steps", data={"step": "nonsense"}, headers={"Sec-Fetch-Site": "same-origin"})
        assert nonsense.status_code == 422


async def test_the_year_is_entered_as_lines_and_errors_name_the_line(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 11, 20))
    typed = {"source": "国务院办公厅通知", "holidays": "2027-01-01\n\n2027-02-30\n2026-05-01", "working_days": "2027-02-06\r\n2027-02-08"}
    for language, line in (("zh", "第 3 行："), ("en", "Line 3: ")):
        async with pages.browser(language=language) as http:
            refused = await fill(http, "/calendars/2027", "2027", **typed)
            assert refused.status_code == 422
            assert wrong(refused.text).keys() == {"holidays"}
            assert line in wrong(refused.text)["holidays"]
            assert "2027-02-30" in refused.text
    typed["holidays"] = "2027-01-01\n2026-05-01\n"
    async with pages.browser() as http:
        refused = await fill(http, "/calendars/2027", "2027", **typed)
        assert "Line 2: " in wrong(refused.text)["holidays"]
        assert "Line 2: 2027-02-08 is no Saturday or Sunday" in wrong(refused.text)["working_days"]
        none = await fill(http, "/calendars/2027", "2027", source="x", holidays="", working_days="")
        assert wrong(none.text).keys() == {"holidays"}
        assert await count(pages, "calendar-set") == 0
        done = await fill(http, "/calendars/2027", "2027", source="国务院办公厅通知", holidays="2027-01-01\n", working_days="2027-02-06")
        assert (done.status_code, done.headers["location"]) == (303, "/calendars/2027?done=calendar")
        shown = await http.get(done.headers["location"])
        assert "国务院办公厅通知" in shown.text
        assert "2027-02-06" in shown.text
        assert "are not entered" not in (await http.get("/due")).text
    assert await count(pages, "calendar-set") == 1


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_form_of_another_site_changes_nothing(pages: PagesServer, headers: dict[str, str]) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    case = await pages.cases.open(await pages.cases.enterprise())
    async with pages.browser() as http:
        for path in ("/cases/new", f"/cases/{case}/steps", f"/cases/{case}/outcome", f"/cases/{case}/assignment", "/calendars/2027"):
            refused = await http.post(path, data={"on": "2026-04-01", "step": "interrupted", "outcome": "paid"}, headers=headers)
            assert refused.status_code == 403, path
            assert 'data-code="NOT_OUR_PAGE"' in refused.text
    assert len((await pages.cases.entry(case)).facts) == 1


async def test_who_may_only_read_has_no_forms_and_no_posts(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    case = await pages.cases.open(await pages.cases.enterprise())
    own = {"Sec-Fetch-Site": "same-origin"}
    async with pages.browser("reader", scope=READ) as http:
        page = await http.get(f"/cases/{case}")
        assert page.status_code == 200
        assert not forms_of(page.text)
        assert "/cases/new" not in (await http.get("/cases")).text
        assert not forms_of((await http.get("/calendars/2027")).text)
        assert (await http.get("/cases/new")).status_code == 403
        for path in ("/cases/new", f"/cases/{case}/steps", f"/cases/{case}/outcome", f"/cases/{case}/reopening", "/calendars/2027"):
            sent = await http.post(path, data={"on": "2026-04-01", "step": "interrupted", "outcome": "paid"}, headers=own)
            assert sent.status_code == 403, path
    async with pages.browser("writer", scope=WRITE) as http:
        assert (await http.get("/due")).status_code == 403
    async with httpx.AsyncClient(base_url=pages.url, timeout=PATIENCE) as nobody:
        assert (await nobody.post(f"/cases/{case}/outcome", data={"on": "2026-04-01", "outcome": "paid"})).status_code == 401
    assert len((await pages.cases.entry(case)).facts) == 1
