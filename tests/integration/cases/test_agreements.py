"""Agreements over HTTP: negotiations and contracts with their clocks, what the service itself says of them, pacts, meetings, congresses."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.integration.cases.contracts import contract_of, names, signed
from tests.integration.cases.service import Cases, cases_of_a_test, client_of_a_test
from tests.integration.client import Client

__all__ = ["cases_of_a_test", "client_of_a_test"]


async def test_a_negotiation_goes_from_invitation_to_result(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    said = {"enterprise_id": str(enterprise), "kind": "wage", "invited_on": "2026-03-02"}
    made = await client.made("/v1/negotiations", {**said, "received_on": "2026-03-03", "invited_by": "workers"})
    path = f"/v1/negotiations/{made['id']}"
    _, clocks = await client.get(f"{path}/clocks", as_of="2026-03-10")
    (clock,) = clocks["items"]
    assert (clock["clock"], clock["due_on"], clock["party"], clock["state"]) == ("negotiation_reply", "2026-03-23", "employer", "running")
    assert [one["subject"]["noun"] for one in (await client.get("/v1/clocks", area="D1"))[1]["items"]] == ["negotiation"]
    status, refused = await client.post(f"{path}/suspension", {"on": "2026-03-04"})
    assert (status, refused["code"], refused["allowed"]) == (409, "STEP_NOT_ALLOWED", ["reply", "sessions", "result"])
    for segment, step in {
        "reply": {"on": "2026-03-09", "agreed": True},
        "sessions": {"on": "2026-03-12"},
        "suspension": {"on": "2026-03-13"},
        "resumption": {"on": "2026-03-20"},
        "result": {"on": "2026-03-25", "result": "agreed"},
    }.items():
        assert (await client.post(f"{path}/{segment}", step))[0] == 201, segment
    _, found = await client.get(path)
    assert (found["state"], found["result"], found["allowed"]) == ("ended", "agreed", [])
    assert [step["step"] for step in found["steps"]] == ["invited", "replied", "session", "suspended", "resumed", "result"]
    assert (await client.get(f"{path}/clocks"))[1]["items"][0]["state"] == "met"
    status, refused = await client.post(f"{path}/sessions", {"on": "2026-03-26"})
    assert (status, refused["allowed"]) == (409, [])
    assert (await client.post(f"{path}/reply", {"on": "2026-02-01", "agreed": True}))[0] == 422
    for asked in ({"area": "D1"}, {"enterprise": str(enterprise)}, {"area": "P1", "kind": "wage", "state": "ended"}):
        assert [one["id"] for one in (await client.get("/v1/negotiations", **asked))[1]["items"]] == [made["id"]], asked
    assert (await client.get("/v1/negotiations", area="D2"))[1]["items"] == []


async def test_a_step_of_a_negotiation_is_corrected_as_long_as_the_others_hold(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    said = {"enterprise_id": str(enterprise), "kind": "wage", "invited_on": "2026-03-02"}
    path = f"/v1/negotiations/{(await client.made('/v1/negotiations', said))['id']}"
    await client.made(f"{path}/reply", {"on": "2026-03-09", "agreed": True})
    await client.made(f"{path}/suspension", {"on": "2026-03-10"})
    steps = (await client.get(path))[1]["steps"]
    correction = {"corrects": steps[1]["event_id"], "reason": "typo"}
    status, refused = await client.post("/v1/corrections", {**correction, "data": {"agreed": False}})
    assert (status, refused["code"]) == (409, "OTHERS_REST_ON_IT")
    status, refused = await client.post("/v1/corrections", {**correction, "data": {"result": "agreed"}})
    assert (status, refused["code"]) == (422, "NOT_FOR_STEP")
    assert (await client.post("/v1/corrections", {"corrects": steps[2]["event_id"], "reason": "typo", "data": None}))[0] == 201
    assert (await client.post("/v1/corrections", {**correction, "data": {"agreed": False}}))[0] == 201
    assert (await client.get(path))[1]["state"] == "refused"


async def test_a_contract_takes_effect_and_expires_by_itself(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2026, 3, 10))
    path = await signed(client, enterprise, workers=120, approval_notified_on="2026-03-01", term_until="2027-03-01")
    _, clocks = await client.get(f"{path}/clocks")
    assert {one["clock"]: one["due_on"] for one in clocks["items"]} == {
        "contract_submission": "2026-03-12",
        "contract_effect": None,
        "contract_publication": None,
        "contract_renewal": "2027-03-01",
    }
    await client.made(f"{path}/submission", {"on": "2026-03-04"})
    await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    assert (await client.get(path))[1]["allowed"] == ["objection", "termination"]
    assert await cases.wake() == 0
    await cases.turn(date(2026, 3, 20))
    assert await cases.wake() == 1
    assert await cases.wake() == 0
    name, on, data = (await cases.said(f"enterprise/{enterprise}"))[-1]
    assert (name, on, data["until"]) == ("contract-effective", "2026-03-20", "2027-03-01")
    assert data["rule_version"].startswith("contract_effect/default/")
    _, found = await client.get(path)
    assert (found["state"], found["effective_on"], found["allowed"]) == ("effective", "2026-03-20", ["publication", "termination"])
    await client.made(f"{path}/publication", {"on": "2026-03-20"})
    assert (await client.post(f"{path}/publication", {"on": "2026-03-20"}))[0] == 409
    await cases.turn(date(2027, 3, 1))
    assert await cases.wake() == 0
    await cases.turn(date(2027, 3, 2))
    assert await cases.wake() == 1
    assert ("contract-expired", "2027-03-02") in await names(cases, enterprise)
    _, found = await client.get(path)
    assert (found["state"], found["allowed"]) == ("expired", [])
    assert [one["state"] for one in (await client.get("/v1/contracts", area="P1", until="2027-03-01"))[1]["items"]] == ["expired"]
    assert (await client.get("/v1/contracts", area="P1", until="2027-02-28"))[1]["items"] == []
    status, refused = await client.post(f"{path}/termination", {"on": "2027-03-02"})
    assert (status, refused["allowed"]) == (409, [])


async def test_an_objection_in_time_stops_the_effect_and_the_contract_is_submitted_anew(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2026, 3, 20))
    path = await signed(client, enterprise)
    await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    assert await cases.wake() == 1
    assert (await client.get(path))[1]["state"] == "effective"
    # Entered late, but served in time: it never took effect.
    await client.made(f"{path}/objection", {"on": "2026-03-12"})
    assert (await client.get(path))[1]["state"] == "objected"
    assert await cases.wake() == 1
    name, _, data = (await cases.said(f"enterprise/{enterprise}"))[-1]
    assert (name, data["fact"], "replacement" in data) == ("fact-corrected", "parkunion.contract-effective.v1", False)
    assert await cases.wake() == 0
    await client.made(f"{path}/submission", {"on": "2026-03-13"})
    await client.made(f"{path}/receipt", {"on": "2026-03-16"})
    await cases.turn(date(2026, 4, 1))
    assert await cases.wake() == 1
    assert (await names(cases, enterprise))[-1] == ("contract-effective", "2026-03-31")
    status, refused = await client.post(f"{path}/objection", {"on": "2026-04-01"})
    assert (status, refused["allowed"]) == (409, ["publication", "termination"])


async def test_an_objection_on_the_day_of_effect_is_in_time(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2026, 3, 21))
    path = await signed(client, enterprise)
    await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    status, refused = await client.post(f"{path}/objection", {"on": "2026-03-21"})
    assert (status, refused["allowed"]) == (409, ["publication", "termination"])
    await client.made(f"{path}/objection", {"on": "2026-03-20"})
    assert await cases.wake() == 0
    assert "contract-effective" not in dict(await names(cases, enterprise))


async def test_a_contract_that_was_terminated_does_not_expire(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2027, 3, 2))
    path = await signed(client, enterprise, term_until="2027-03-01")
    await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    assert await cases.wake() == 1
    assert (await client.get(path))[1]["state"] == "expired"
    status, refused = await client.post(f"{path}/termination", {"on": "2026-03-01"})
    assert (status, refused["errors"][0]["field"], refused["code"]) == (422, "on", "DATE_OUT_OF_RANGE")
    await client.made(f"{path}/termination", {"on": "2026-06-01", "reason": "agreed"})
    assert await cases.wake() == 1
    _, found = await client.get(path)
    assert (found["state"], found["effective_on"], found["terminated_on"]) == ("terminated", "2026-03-20", "2026-06-01")
    assert [step["step"] for step in found["steps"]] == ["signed", "receipt", "effective", "termination"]
    assert found["steps"][3]["reason"] == "agreed"


async def test_a_correction_moves_what_the_service_said(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2026, 4, 1))
    path = await signed(client, enterprise)
    made = await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    await cases.wake()
    assert (await client.post("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "typo", "data": {"on": "2026-03-10"}}))[
        0
    ] == 201
    assert await cases.wake() == 1
    assert (await client.get(path))[1]["effective_on"] == "2026-03-25"
    signing = (await client.get(path))[1]["event_id"]
    late = {"corrects": signing, "reason": "typo", "data": {"signed_on": "2026-03-11"}}
    assert (await client.post("/v1/corrections", late))[1]["code"] == "OTHERS_REST_ON_IT"
    shorter = {"corrects": signing, "reason": "typo", "data": {"term_until": "2026-03-31", "workers": 5}}
    status, answer = await client.post("/v1/corrections", shorter)
    assert (status, [one["code"] for one in answer["warnings"]]) == (201, ["UNUSUAL_TERM"])
    assert await cases.wake() == 1
    _, found = await client.get(path)
    assert (found["state"], found["workers"], found["effective_on"]) == ("expired", 5, "2026-03-25")
    assert (await cases.said(f"enterprise/{enterprise}"))[-2][2]["until"] == "2026-03-31"


async def test_a_rule_of_the_place_decides_the_effect(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2026, 3, 20))
    path = await signed(client, enterprise)
    await client.made(f"{path}/receipt", {"on": "2026-03-05"})
    await cases.wake()
    rule = {"area": "D1", "valid_from": "2026-01-01", "value": {"days": 10, "day_kind": "calendar", "rolls": False}}
    await client.made("/v1/rules/contract_effect", rule)
    assert await cases.wake() == 1
    _, found = await client.get(path)
    assert found["effective_on"] == "2026-03-15"
    assert found["steps"][-1]["rule_version"].startswith("contract_effect/D1/")


@pytest.mark.parametrize(
    ("more", "status", "code", "field"),
    [
        ({"term_until": "2026-03-01"}, 422, "DATE_OUT_OF_RANGE", "term_until"),
        ({"kind": "unknown"}, 422, "NOT_ONE_OF", "kind"),
        ({"enterprises": []}, 422, "TOO_FEW", "enterprises"),
        ({"enterprises": ["01938c5e-7f00-4000-8000-0000000000e1"]}, 422, "UNKNOWN_ENTERPRISE", "enterprises.0"),
        ({"approval_notified_on": "2999-01-01"}, 422, "DATE_OUT_OF_RANGE", "approval_notified_on"),
        ({"signed_on": "2999-01-01"}, 422, "DATE_OUT_OF_RANGE", "signed_on"),
    ],
)
async def test_what_a_contract_cannot_be(client: Client, cases: Cases, more: dict[str, Any], status: int, code: str, field: str) -> None:
    enterprise = await cases.enterprise()
    answered, refused = await client.post("/v1/contracts", contract_of(enterprise, **more))
    assert (answered, refused["code"], refused["errors"][0]["field"]) == (status, code, field)
    assert await cases.count("entries") == 0


async def test_an_enterprise_is_named_once(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    status, refused = await client.post("/v1/contracts", contract_of(enterprise, enterprise))
    assert (status, refused["code"], refused["errors"][0]["field"]) == (422, "ENTERPRISE_TWICE", "enterprises.1")


async def test_a_term_of_more_than_three_years_is_entered_with_a_warning(client: Client, cases: Cases) -> None:
    made = await client.made("/v1/contracts", contract_of(await cases.enterprise(), term_until="2030-03-01"))
    assert [one["code"] for one in made["warnings"]] == ["UNUSUAL_TERM"]


async def test_pacts_meetings_and_congresses_are_entered_and_listed(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    own = {"signed_on": "2026-03-02", "workers": 40, "until": "2026-12-31", "enterprise_id": str(enterprise)}
    pact = await client.made("/v1/pacts", own)
    of_area = await client.made("/v1/pacts", {"area": "D1", "signed_on": "2026-03-03"})
    again = await client.made("/v1/pacts", {"area": "D1", "signed_on": "2026-03-04"})
    assert (pact["subject"], of_area["subject"]) == (f"enterprise/{enterprise}", "area/D1")
    assert [one["id"] for one in (await client.get("/v1/pacts", area="D1"))[1]["items"]] == [pact["id"], of_area["id"], again["id"]]
    assert [one["id"] for one in (await client.get("/v1/pacts", area="P1"))[1]["items"]] == [pact["id"]]
    assert [one["id"] for one in (await client.get("/v1/pacts", enterprise=str(enterprise)))[1]["items"]] == [pact["id"]]
    _, found = await client.get(f"/v1/pacts/{pact['id']}")
    assert (found["workers"], found["until"], found["area"]) == (40, "2026-12-31", "P1")
    meeting = await client.made("/v1/tripartite-meetings", {"area": "D1", "held_on": "2026-03-04"})
    assert (await client.get(f"/v1/tripartite-meetings/{meeting['id']}"))[1]["held_on"] == "2026-03-04"
    assert [one["id"] for one in (await client.get("/v1/tripartite-meetings", area="ROOT"))[1]["items"]] == [meeting["id"]]
    congress = await client.made("/v1/workers-congresses", {"enterprise_id": str(enterprise), "held_on": "2026-03-05", "delegates": 35})
    assert (await client.get(f"/v1/workers-congresses/{congress['id']}"))[1]["delegates"] == 35
    assert len((await client.get("/v1/workers-congresses", area="P1"))[1]["items"]) == 1
    correction = {"corrects": congress["event_ids"][0], "reason": "typo", "data": {"delegates": 36, "held_on": "2026-03-06"}}
    await client.made("/v1/corrections", correction)
    _, found = await client.get(f"/v1/workers-congresses/{congress['id']}")
    assert (found["delegates"], found["held_on"]) == (36, "2026-03-06")
    await client.made("/v1/corrections", {"corrects": of_area["event_ids"][0], "reason": "never_was", "data": None})
    assert (await client.get(f"/v1/pacts/{of_area['id']}"))[0] == 404
    assert [name for name, _, _ in await cases.said("area/D1")][:3] == ["pact-signed", "pact-signed", "tripartite-held"]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("pacts", {"signed_on": "2026-03-02"}, "FIELD_REQUIRED"),
        ("pacts", {"signed_on": "2026-03-02", "area": "D1", "enterprise_id": "01938c5e-7f00-4000-8000-0000000000e1"}, "ENTERPRISE_OR_AREA"),
        ("pacts", {"signed_on": "2026-03-02", "area": "X9"}, "UNKNOWN_AREA"),
        ("pacts", {"signed_on": "2026-03-02", "area": "D1", "until": "2026-03-01"}, "DATE_OUT_OF_RANGE"),
        ("tripartite-meetings", {"area": "D1", "held_on": "2999-01-01"}, "DATE_OUT_OF_RANGE"),
        ("workers-congresses", {"enterprise_id": "01938c5e-7f00-4000-8000-0000000000e1", "held_on": "2026-03-02"}, "UNKNOWN_ENTERPRISE"),
    ],
)
async def test_what_cannot_be_entered(client: Client, cases: Cases, path: str, body: dict[str, Any], code: str) -> None:
    status, refused = await client.post(f"/v1/{path}", body)
    assert (status, refused["code"]) == (422, code)
    assert await cases.count("entries") == 0


async def test_a_caller_sees_and_enters_what_lies_in_its_areas(client: Client, cases: Cases) -> None:
    here, there = await cases.enterprise("P1"), await cases.enterprise("P2")
    path, other = await signed(client, here, there), await signed(client, there)
    pact = await client.made("/v1/pacts", {"area": "D2", "signed_on": "2026-03-03"})
    client.be("D1")
    assert (await client.get(path))[0] == 200
    assert (await client.get(other))[0] == 403
    assert (await client.get(f"/v1/pacts/{pact['id']}"))[0] == 403
    assert (await client.post(f"{path}/receipt", {"on": "2026-03-05"}))[0] == 403
    assert (await client.post("/v1/contracts", contract_of(here, there)))[0] == 403
    assert (await client.post("/v1/pacts", {"area": "D2", "signed_on": "2026-03-03"}))[0] == 403
    assert (await client.post("/v1/tripartite-meetings", {"area": "ROOT", "held_on": "2026-03-03"}))[0] == 403
    assert (await client.post("/v1/pacts", {"area": "P1", "signed_on": "2026-03-03"}))[0] == 201
    assert (await client.get("/v1/contracts", area="P2"))[0] == 403
