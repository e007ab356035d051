"""Hardship files and reporters: behind their scope, each reading for a purpose that is in the log before anything is shown."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from shared.http.auth import Areas
from shared.process import db
from tests.integration.cases.pages.server import PERSONS, READ, WRITE, PagesServer, entries_of, fill, forms_of
from tests.integration.cases.pages.test_forms import wrong

NAME, NUMBER, PHONE = "欧阳样例", "11010519491231002X", "0571-87654321"
EVERY = f"{READ} {WRITE} {PERSONS}"
OWN = {"Sec-Fetch-Site": "same-origin"}
FIGURES: dict[str, Any] = {"persons": 3, "annual_income_fen": 2345678, "rigid_expenditure_fen": 345600}
LINE: dict[str, Any] = {"line_fen": 110000, "deep": {"operator": "<=", "factor_percent": 100}}


async def hardship(pages: PagesServer, area: str = "P1") -> UUID:
    person = {"document": {"kind": "resident_id", "number": NUMBER}, "name": NAME, "phone": PHONE}
    made = await pages.cases.do("hardship", person=person, area=area, on="2026-03-06", **FIGURES)
    return UUID(made.id)


async def log_of(pages: PagesServer) -> list[tuple[Any, ...]]:
    async with db.transaction(pages.cases.pool, areas=Areas.all()) as conn:
        rows = await conn.fetch("SELECT client, purpose, noun, entry_id, area FROM person_readings ORDER BY number")
    return [tuple(row) for row in rows]


@pytest.mark.invariant("I5")
async def test_a_file_is_shown_for_a_purpose_alone_and_the_reading_is_logged(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    await pages.cases.do("rule", name="hardship", area="D1", valid_from="2026-01-01", value=LINE)
    file = await hardship(pages)
    await pages.cases.do("hardship_payment", hardship_id=file, on="2026-03-20", amount_fen=200000, fund="local")
    page = f"/hardships/{file}"
    async with pages.browser(scope=EVERY) as http:
        listed = await http.get("/hardships")
        assert entries_of(listed.text) == [file]
        assert listed.headers["cache-control"] == "no-store"
        asked = await http.get(page)
        for answer in (listed, asked):
            assert not any(secret in answer.text for secret in (NAME, NUMBER, PHONE, "23,456.78"))
        assert "deep" not in asked.text, "nothing of the file before the purpose"
        for empty in ("", "   ", "x" * 201, f"about {NUMBER}"):
            refused = await fill(http, page, str(file), purpose=empty)
            assert refused.status_code == 422
            assert wrong(refused.text).keys() == {"purpose"}
            assert NAME not in refused.text
        assert await log_of(pages) == []
        shown = await fill(http, page, str(file), purpose=f"电话回访 {NAME}")
        assert shown.status_code == 200
        assert shown.headers["cache-control"] == "no-store"
        for known in (NAME, NUMBER, PHONE, "23,456.78 yuan", "2,000.00 yuan", "resident identity card"):
            assert known in shown.text, known
        assert await log_of(pages) == [("handler-7", "电话回访 ***", "hardship", file, "P1")]
        assert NAME not in (await http.get(page)).text, "the next time a purpose is asked for again"
    async with pages.browser(scope=EVERY, language="zh") as http:
        assert "深度困难" in (await fill(http, page, str(file), purpose="复核")).text
        assert len(await log_of(pages)) == 2


@pytest.mark.invariant("I5")
async def test_without_the_scope_or_in_another_area_nothing_of_a_file_is_there(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    file = await hardship(pages, "P2")
    page = f"/hardships/{file}"
    async with pages.browser() as http:
        assert "/hardships" not in (await http.get("/due")).text
        for path in ("/hardships", page):
            assert (await http.get(path)).status_code == 403, path
        assert (await http.post(page, data={"purpose": "x"}, headers=OWN)).status_code == 403
    async with pages.browser("district", "D1", scope=EVERY) as http:
        assert entries_of((await http.get("/hardships")).text) == []
        assert (await http.get("/hardships", params={"area": "P2"})).status_code == 403
        assert (await http.get(page)).status_code == 403
        refused = await http.post(page, data={"purpose": "x"}, headers=OWN)
        assert refused.status_code == 403
        assert NAME not in refused.text
    async with pages.browser(scope=EVERY) as http:
        foreign = await http.post(page, data={"purpose": "x"}, headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403
    assert await log_of(pages) == []


@pytest.mark.invariant("I5")
async def test_a_reporter_is_entered_with_the_case_and_read_for_a_purpose(pages: PagesServer) -> None:
    await pages.cases.turn(date(2026, 4, 20))
    enterprise = await pages.cases.enterprise()
    said = {"enterprise_id": str(enterprise), "kind": "other", "occurred_on": "2026-03-02", "reported_on": "2026-03-05"}
    reporter = {"reporter.name": NAME, "reporter.phone": PHONE, "reporter.document": NUMBER}
    async with pages.browser(scope=EVERY) as http:
        refused = await fill(http, "/cases/new", "new", **said, **{**reporter, "reporter.document": "110105"})
        assert refused.status_code == 422
        assert wrong(refused.text).keys() == {"reporter.document"}
        assert refused.headers["cache-control"] == "no-store"
        opened = await fill(http, "/cases/new", "new", **said, **reporter)
        page = opened.headers["location"].partition("?")[0]
        case = UUID(page.rpartition("/")[2])
        shown = (await http.get(page)).text
        assert f"{page}/persons" in shown
        assert NAME not in shown
        assert PHONE not in shown
        read = await fill(http, f"{page}/persons", "persons", purpose="call back")
        assert NAME in read.text
        assert PHONE in read.text
    assert await log_of(pages) == [("handler-7", "call back", "case", case, "P1")]
    async with pages.browser() as http:
        assert f"{page}/persons" not in (await http.get(page)).text
        assert (await http.get(f"{page}/persons")).status_code == 403
        assert "persons" not in forms_of((await http.get(page)).text)
