"""Rights cases over HTTP: opened, taken further, closed, listed; refusals; what the service itself records when a day passes."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from tests.integration.cases.service import Cases, cases_of_a_test, client_of_a_test
from tests.integration.client import Client

__all__ = ["cases_of_a_test", "client_of_a_test"]


def body(enterprise: UUID, **more: Any) -> dict[str, Any]:
    said = {"kind": "labour_dispute", "subkind": "pay", "enterprise_id": str(enterprise)}
    return {**said, "occurred_on": "2026-03-02", "reported_on": "2026-03-05", **more}


async def test_a_case_is_opened_and_read(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    given = body(enterprise, workers_concerned=12, common_claim=True, channel="hotline", amount_fen=1500000, assigned_to="handler-7")
    status, made = await client.post("/v1/cases", given)
    assert (status, made["subject"]) == (201, f"enterprise/{enterprise}")
    said = await cases.said(f"enterprise/{enterprise}")
    assert [(name, on) for name, on, _ in said] == [("case-opened", "2026-03-02"), ("case-assigned", "2026-03-05")]
    assert said[0][2]["collective"] is True
    status, found = await client.get(f"/v1/cases/{made['id']}")
    assert status == 200
    assert (found["state"], found["area"], found["collective"], found["assigned_to"]) == ("open", "P1", True, "handler-7")
    assert found["allowed"][0] == "mediation_applied"
    status, page = await client.get("/v1/cases", area="D1", kind="labour_dispute", state="open", assigned_to="handler-7")
    assert [item["id"] for item in page["items"]] == [made["id"]]
    assert (await client.get("/v1/cases", area="D2"))[1]["items"] == []


async def test_steps_lead_to_an_award_and_an_outcome(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    case = (await client.post("/v1/cases", body(enterprise)))[1]["id"]
    path = f"/v1/cases/{case}"
    steps: list[dict[str, Any]] = [
        {"step": "arbitration_applied", "on": "2026-03-09"},
        {"step": "accepted", "on": "2026-03-11"},
        {"step": "served", "on": "2026-03-13"},
        {"step": "extended", "on": "2026-04-20", "days": 15},
        {"step": "awarded", "on": "2026-05-06", "final": True},
        {"step": "award_served", "on": "2026-05-08", "party": "employer"},
    ]
    for step in steps:
        assert (await client.post(f"{path}/steps", step))[0] == 201, step
    status, refused = await client.post(f"{path}/steps", {"step": "extended", "on": "2026-05-09", "days": 1})
    assert (status, refused["code"]) == (409, "STEP_NOT_ALLOWED")
    assert "award_served" in refused["allowed"]
    status, clocks = await client.get(f"{path}/clocks", as_of="2026-05-10")
    named = {one["clock"]: one for one in clocks["items"]}
    assert (named["arbitration_award"]["state"], named["arbitration_award"]["extended_days"]) == ("met", 15)
    assert named["set_aside"]["due_on"] == "2026-06-08"
    assert (await client.post(f"{path}/outcome", {"on": "2026-05-20", "outcome": "paid", "recovered_fen": 100}))[0] == 201
    assert (await client.get(path))[1]["outcome"] == {"on": "2026-05-20", "outcome": "paid", "recovered_fen": 100}
    status, refused = await client.post(f"{path}/steps", {"step": "interrupted", "on": "2026-05-21"})
    assert (status, refused["allowed"]) == (409, ["reopening", "called_back"])
    assert (await client.post(f"{path}/reopening", {"on": "2026-05-25", "reason": "not_performed"}))[0] == 201
    assert (await client.get(path))[1]["state"] == "open"


async def test_a_day_that_passes_is_recorded_once_and_taken_back_if_it_did_not(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2026, 3, 9))
    case = await cases.open(enterprise, "labour_dispute", "2026-03-02")
    await cases.step(case, "arbitration_applied", "2026-03-09")
    await cases.turn(date(2026, 3, 16))
    assert await cases.wake() == 0
    await cases.turn(date(2026, 3, 17))
    assert await cases.wake() == 1
    assert await cases.wake() == 0
    name, on, data = (await cases.said(f"enterprise/{enterprise}"))[-1]
    assert (name, on, data["clock"], data["due_on"]) == ("clock-overdue", "2026-03-17", "arbitration_acceptance", "2026-03-16")
    await cases.step(case, "accepted", "2026-03-13")
    assert await cases.wake() == 1
    name, on, data = (await cases.said(f"enterprise/{enterprise}"))[-1]
    assert (name, data["reason"], "replacement" in data) == ("fact-corrected", "recomputed", False)
    assert await cases.wake() == 0


async def test_a_case_that_never_was_has_no_clocks_that_passed(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2026, 3, 20))
    case = await cases.open(enterprise, "labour_dispute", "2026-03-02")
    applied = await cases.step(case, "arbitration_applied", "2026-03-09")
    assert await cases.wake() == 1
    opened = (await client.get(f"/v1/cases/{case}"))[1]["event_id"]
    assert (await client.post("/v1/corrections", {"corrects": opened, "reason": "never_was", "data": None}))[0] == 409
    for event in (str(applied), opened):
        await client.made("/v1/corrections", {"corrects": event, "reason": "never_was", "data": None})
    assert await cases.wake() == 1
    assert [data["fact"] for name, _, data in await cases.said(f"enterprise/{enterprise}") if name == "fact-corrected"] == [
        "parkunion.case-progressed.v1",
        "parkunion.case-opened.v1",
        "parkunion.clock-overdue.v1",
    ]


async def test_a_calendar_gives_the_clocks_that_waited_their_days(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    case = await cases.open(enterprise, "labour_dispute", "2026-11-02")
    await cases.turn(date(2026, 12, 20))
    await cases.step(case, "arbitration_applied", "2026-11-27")
    await cases.step(case, "accepted", "2026-12-01")
    _, before = await client.get("/v1/clocks", area="P1")
    award = next(one for one in before["items"] if one["clock"] == "arbitration_award")
    assert (award["due_on"], award["reason"], award["missing_year"], award["not_before"]) == (None, "CALENDAR_ENDS", 2027, "2027-01-15")
    year = {"holidays": ["2027-01-01"], "working_days": [], "source": "示例"}
    assert (await client.http.put("/v1/calendars/2027", json=year)).status_code == 201
    assert await cases.wake() == 1
    _, after = await client.get("/v1/clocks", area="P1")
    award = next(one for one in after["items"] if one["clock"] == "arbitration_award")
    assert (award["due_on"], award["reason"]) == ("2027-01-15", None)


async def test_a_rule_of_a_place_decides_its_clocks(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    case = await cases.open(enterprise, "labour_dispute", "2026-03-02")
    await cases.step(case, "arbitration_applied", "2026-03-03")
    await cases.step(case, "accepted", "2026-03-04")
    rule = {"area": "D1", "valid_from": "2026-01-01", "value": {"days": 30, "day_kind": "calendar"}}
    assert (await client.post("/v1/rules/arbitration_award", rule))[0] == 201
    _, clocks = await client.get(f"/v1/cases/{case}/clocks")
    award = next(one for one in clocks["items"] if one["clock"] == "arbitration_award")
    assert award["due_on"] == "2026-04-03"
    assert award["rule_version"].startswith("arbitration_award/D1/2026-01-01/")
    _, rules = await client.get("/v1/rules")
    assert next(one for one in rules["items"] if one["name"] == "arbitration_award")["values"][0]["area"] == "D1"
    status, refused = await client.post("/v1/rules/arbitration_award", {**rule, "value": {"days": "x"}})
    assert (status, refused["errors"][0]["field"]) == (422, "value.days")


async def test_a_caller_sees_the_cases_of_its_areas(client: Client, cases: Cases) -> None:
    here, there = await cases.enterprise("P1"), await cases.enterprise("P2")
    own, other = await cases.open(here), await cases.open(there)
    client.be("D1")
    assert (await client.get(f"/v1/cases/{own}"))[0] == 200
    assert (await client.get(f"/v1/cases/{other}"))[0] == 403
    assert (await client.get("/v1/cases"))[0] == 403
    assert [one["id"] for one in (await client.get("/v1/cases", area="P1"))[1]["items"]] == [str(own)]
    assert (await client.get("/v1/clocks", area="P2"))[0] == 403
    assert (await client.post(f"/v1/cases/{other}/steps", {"step": "interrupted", "on": "2026-03-03"}))[0] == 403
    assert (await client.get("/v1/events", subject=f"enterprise/{there}"))[0] == 403


async def test_yes_or_no_is_true_or_false_and_nothing_like_it(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    for name, value in (("common_claim", "true"), ("common_claim", 1), ("remuneration", "yes"), ("remuneration", 0)):
        status, refused = await client.post("/v1/cases", body(enterprise, **{name: value}))
        assert (status, refused["code"], refused["errors"][0]["field"]) == (422, "NOT_YES_OR_NO", name), value
    invited = {"enterprise_id": str(enterprise), "kind": "wage", "invited_on": "2026-03-02"}
    negotiation = (await client.post("/v1/negotiations", invited))[1]["id"]
    status, refused = await client.post(f"/v1/negotiations/{negotiation}/reply", {"on": "2026-03-03", "agreed": "false"})
    assert (status, refused["code"]) == (422, "NOT_YES_OR_NO")


async def test_a_reply_answers_the_letter_that_it_is_about(client: Client, cases: Cases) -> None:
    """By its kind or its sequence; the clocks and what may come next tell the same."""
    enterprise = await cases.enterprise()
    case = await cases.open(enterprise, "labour_dispute", "2026-03-02")
    path = f"/v1/cases/{case}"
    for document in ("reminder", "opinion"):
        await cases.step(case, "supervision_letter_sent", "2026-03-03", document=document, addressee="employer", reply_by="2026-03-20")
    sent = {one["document"]: one["sequence"] for one in (await client.get(path))[1]["steps"] if "addressee" in one}

    async def reply(status: int, **about: Any) -> str | None:
        code, answer = await client.post(f"{path}/steps", {"step": "replied", "on": "2026-03-10", **about})
        assert code == status, answer
        return answer["errors"][0]["field"] if status == 422 else None

    assert await reply(422, document="suggestion") == "document"
    await reply(201, document="opinion")
    assert (await cases.said(f"enterprise/{enterprise}"))[-1][2]["letter"] == sent["opinion"], "who reads the event finds the same letter"
    assert await reply(422, document="opinion") == "document"
    assert await reply(422, letter=sent["opinion"]) == "letter"
    await reply(201, letter=sent["reminder"])
    await reply(409)
    _, clocks = await client.get(f"{path}/clocks", as_of="2026-03-11")
    assert [one["state"] for one in clocks["items"] if one["clock"] == "supervision_reply"] == ["met", "met"]
