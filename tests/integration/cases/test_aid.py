"""Hardship files and employment help over HTTP: decided by the rule of place and day, paid, ended, corrected; refusals; who sees them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from tests.integration.cases.service import EVERY, Cases, cases_of_a_test, client_of_a_test
from tests.integration.client import Client

__all__ = ["cases_of_a_test", "client_of_a_test"]

NUMBER = "11010519491231002X"
LINE = {"line_fen": 100_000, "deep": {"operator": "<="}, "accidental": {"cost_percent_of_income": 80}}
RELATIVE_INCOME = 12 * 3 * 150_000
"""Half again the line of 1,000 yuan a month, of three persons."""


def file(area: str = "P1", on: str = "2026-03-02", income: int = 12 * 3 * 100_000, **more: Any) -> dict[str, Any]:
    person = {"document": {"kind": "resident_id", "number": NUMBER}, "name": "样例"}
    return {"person": person, "area": area, "on": on, **household(income), **more}


def household(income: int = 12 * 3 * 100_000, **more: Any) -> dict[str, Any]:
    return {"persons": 3, "annual_income_fen": income, "rigid_expenditure_fen": 0, **more}


def another(number: int) -> dict[str, Any]:
    return {"person": {"document": {"kind": "passport", "number": f"E{number:08}"}}}


async def rule(client: Client, value: Any = None, area: str = "D1", valid_from: str = "2026-01-01") -> None:
    said = {"area": area, "valid_from": valid_from, "value": LINE if value is None else value}
    await client.made("/v1/rules/hardship", said)


async def refused(client: Client, path: str, body: Any) -> tuple[int, str, str | None]:
    status, answer = await client.post(path, body)
    errors = answer.get("errors") or [answer]
    return status, errors[0]["code"], errors[0].get("field")


async def persons(client: Client, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.http.get(f"{path}/persons", headers={"Purpose": "review of the file"})).json()
    return found


async def test_a_file_is_decided_reviewed_paid_and_ended(client: Client, cases: Cases) -> None:
    await rule(client)
    enterprise = await cases.enterprise()
    shock = {"kind": "illness", "cost_fen": 9_000_000, "compensated_fen": 1_000_000}
    made = await client.made("/v1/hardships", file(enterprise_id=str(enterprise), shock=shock))
    path = f"/v1/hardships/{made['id']}"
    assert made["subject"] == f"hardship/{made['id']}"
    _, found = await client.get(path)
    assert (found["classification"], found["state"], found["area"], found["reason"]) == ("deep", "open", "P1", None)
    assert found["rule_version"].startswith("hardship/D1/2026-01-01/")
    assert (found["enterprise_id"], found["allowed"]) == (None, ["reviews", "payments", "end"])
    await client.made(f"{path}/payments", {"on": "2026-03-10", "amount_fen": 200_000, "fund": "local"})
    await client.made(f"{path}/reviews", {"on": "2026-06-01", **household(RELATIVE_INCOME)})
    await client.made(f"{path}/payments", {"on": "2026-06-10", "amount_fen": 50_000, "fund": "donated"})
    await client.made(f"{path}/end", {"on": "2026-07-01", "reason": "relieved"})
    _, found = await client.get(path)
    assert (found["classification"], found["decided_on"], found["state"], found["paid_fen"]) == ("relative", "2026-06-01", "ended", 250_000)
    assert [(one["review"], one["classification"]) for one in found["decisions"]] == [(False, "deep"), (True, "relative")]
    assert (found["end"]["reason"], found["allowed"]) == ("relieved", [])
    _, page = await client.get("/v1/hardships", area="D1", kind="relative", state="ended")
    assert [one["id"] for one in page["items"]] == [made["id"]]
    assert (await client.get("/v1/hardships", area="D1", kind="deep"))[1]["items"] == []
    shown = await persons(client, path)
    assert (shown["items"][0]["document"]["number"], shown["enterprise_id"]) == (NUMBER, str(enterprise))
    assert [(one["on"], one["annual_income_fen"]) for one in shown["figures"]] == [("2026-03-02", 3_600_000), ("2026-06-01", 5_400_000)]
    assert shown["figures"][0]["shock"] == shock
    said = await cases.said(made["subject"])
    names = ["hardship-classified", "aid-paid", "hardship-classified", "aid-paid", "hardship-ended"]
    assert [name for name, _, _ in said] == names
    assert {key for _, _, data in said for key in data} == {
        *("hardship_id", "area", "classification", "review", "shock", "rule_version", "amount_fen", "fund", "reason")
    }


async def test_a_file_is_decided_by_the_rule_of_its_place_and_day(client: Client, cases: Cases) -> None:
    await rule(client, area="ROOT")
    await rule(client, {"line_fen": 60_000}, area="P1", valid_from="2026-05-01")
    expected = {
        ("P1", "2025-12-31"): ("none", "NO_RULE", None),
        ("P1", "2026-04-30"): ("deep", None, "hardship/ROOT/2026-01-01/"),
        ("P1", "2026-05-01"): ("relative", None, "hardship/P1/2026-05-01/"),
        ("P2", "2026-05-01"): ("deep", None, "hardship/ROOT/2026-01-01/"),
    }
    for number, ((area, on), (classification, reason, version)) in enumerate(expected.items()):
        made = await client.made("/v1/hardships", file(area, on, **another(number)))
        _, found = await client.get(f"/v1/hardships/{made['id']}")
        assert (found["classification"], found["reason"]) == (classification, reason), (area, on)
        assert (found["rule_version"] or "")[: len(version or "x")] == (version or ""), (area, on)


async def test_no_aid_is_paid_without_a_class(client: Client, cases: Cases) -> None:
    made = await client.made("/v1/hardships", file())
    path = f"/v1/hardships/{made['id']}"
    payment = {"on": "2026-03-10", "amount_fen": 1, "fund": "own"}
    assert await refused(client, f"{path}/payments", payment) == (409, "NOT_IN_HARDSHIP", "hardship_id")
    assert (await client.get(path))[1]["allowed"] == ["reviews", "end"]
    await rule(client)
    await client.made(f"{path}/reviews", {"on": "2026-03-09", **household()})
    await client.made(f"{path}/payments", payment)
    assert await refused(client, f"{path}/reviews", {"on": "2026-03-09", **household(10**9)}) == (409, "OTHERS_REST_ON_IT", "on")
    assert await refused(client, f"{path}/end", {"on": "2026-03-09", "reason": "relieved"}) == (409, "OTHERS_REST_ON_IT", "on")
    await client.made(f"{path}/end", {"on": "2026-03-11", "reason": "relieved"})
    for step, body in (("payments", payment | {"on": "2026-03-12"}), ("reviews", {"on": "2026-03-12", **household()})):
        assert await refused(client, f"{path}/{step}", body) == (409, "STEP_NOT_ALLOWED", "on")


async def test_one_open_file_per_person_and_area(client: Client, cases: Cases) -> None:
    made = await client.made("/v1/hardships", file())
    status, answer = await client.post("/v1/hardships", file())
    assert (status, answer["code"], answer["errors"][0]["field"]) == (409, "FILE_IS_OPEN", "person")
    assert made["id"] in answer["errors"][0]["message_en"]
    lines = [{"op": "hardship", "body": file("P2")}, {"op": "hardship", "body": file("P2")}]
    assert [one["status"] for one in await client.batch(*lines)] == [201, 409]
    await client.made(f"/v1/hardships/{made['id']}/end", {"on": "2026-04-01", "reason": "left_city"})
    await client.made("/v1/hardships", file(on="2026-05-01"))
    assert await cases.pool.fetchval("SELECT count(*) FROM persons") == 1


async def test_wrong_bodies(client: Client, cases: Cases) -> None:
    path = "/v1/hardships"
    nobody = {"person": {"phone": "12351"}}
    assert await refused(client, path, {**file(), **nobody}) == (422, "FIELD_REQUIRED", "person.name")
    assert await refused(client, path, {**file(), "persons": 0}) == (422, "OUT_OF_RANGE", "persons")
    assert await refused(client, path, {**file(), "annual_income_fen": -1}) == (422, "BELOW_ZERO", "annual_income_fen")
    assert await refused(client, path, {**file(), "annual_income_fen": 0.5}) == (422, "NOT_A_WHOLE_NUMBER", "annual_income_fen")
    assert await refused(client, path, file("NOWHERE")) == (422, "UNKNOWN_AREA", "area")
    assert await refused(client, path, file(on="2999-01-01")) == (422, "DATE_OUT_OF_RANGE", "on")
    assert await refused(client, path, file(enterprise_id=str(uuid4()))) == (422, "UNKNOWN_ENTERPRISE", "enterprise_id")
    assert await refused(client, path, file(shock={"kind": "lottery", "cost_fen": 1})) == (422, "NOT_ONE_OF", "shock.kind")
    too_much = {"kind": "fire", "cost_fen": 1, "compensated_fen": 2}
    assert await refused(client, path, file(shock=too_much)) == (422, "OUT_OF_RANGE", "shock.compensated_fen")
    assert await refused(client, f"{path}/{uuid4()}/end", {"on": "2026-03-02", "reason": "died"}) == (
        404,
        "UNKNOWN_HARDSHIP",
        "hardship_id",
    )
    made = await client.made(path, file())
    own = f"{path}/{made['id']}"
    assert await refused(client, f"{own}/reviews", {"on": "2026-03-01", **household()}) == (422, "DATE_OUT_OF_RANGE", "on")
    paying = {"on": "2026-03-10", "amount_fen": 0, "fund": "own"}
    assert await refused(client, f"{own}/payments", paying) == (422, "OUT_OF_RANGE", "amount_fen")
    assert await refused(client, f"{own}/payments", {**paying, "amount_fen": 1, "fund": "mine"}) == (422, "NOT_ONE_OF", "fund")
    assert await refused(client, f"{own}/end", {"on": "2026-03-10", "reason": "bored"}) == (422, "REASON_NOT_LISTED", "reason")
    helped = {"kind": "juggling", "person": {"name": "样例"}, "on": "2026-03-02"}
    assert await refused(client, "/v1/employment-help", helped) == (422, "NOT_ONE_OF", "kind")
    assert await cases.pool.fetchval("SELECT count(*) FROM persons") == 1, "what was refused left nothing"


async def test_what_was_entered_wrong_is_corrected_and_decided_anew(client: Client, cases: Cases) -> None:
    await rule(client)
    made = await client.made("/v1/hardships", file(on="2026-02-02"))
    path = f"/v1/hardships/{made['id']}"
    paid = await client.made(f"{path}/payments", {"on": "2026-03-10", "amount_fen": 200_000, "fund": "local"})
    await correct(client, paid, {"amount_fen": 150_000, "fund": "central", "on": "2026-03-11"})
    _, found = await client.get(path)
    shown = found["payments"][0]
    assert (shown["amount_fen"], shown["fund"], shown["on"], found["paid_fen"]) == (150_000, "central", "2026-03-11", 150_000)
    await rule(client, {"line_fen": 60_000}, valid_from="2026-02-10")
    opening = found["decisions"][0]["event_id"]
    await correct(client, {"event_ids": [opening]}, {"on": "2026-02-10"})
    _, found = await client.get(path)
    assert (found["classification"], found["on"]) == ("relative", "2026-02-10")
    assert found["rule_version"].startswith("hardship/D1/2026-02-10/")
    again = found["decisions"][0]["event_id"]
    for change, code in (({"on": "2026-03-12"}, "OTHERS_REST_ON_IT"), ({"on": "2025-12-31"}, "OTHERS_REST_ON_IT")):
        body = {"corrects": again, "reason": "typo", "data": change}
        assert await refused(client, "/v1/corrections", body) == (409, code, "corrects"), change
    body = {"corrects": again, "reason": "typo", "data": {"annual_income_fen": 1}}
    assert await refused(client, "/v1/corrections", body) == (422, "NOT_CORRECTABLE", "data.annual_income_fen")


async def test_a_file_that_never_was_is_withdrawn_whole(client: Client, cases: Cases) -> None:
    await rule(client)
    made = await client.made("/v1/hardships", file())
    path = f"/v1/hardships/{made['id']}"
    await client.made(f"{path}/payments", {"on": "2026-03-10", "amount_fen": 200_000, "fund": "local"})
    withdrawal = {"subject": made["subject"], "from": 1, "to": 1, "reason": "test_data"}
    assert (await refused(client, "/v1/withdrawals", withdrawal))[:2] == (409, "OTHERS_REST_ON_IT")
    await client.made("/v1/withdrawals", {**withdrawal, "to": 2})
    assert (await client.get(path))[1]["code"] == "UNKNOWN_HARDSHIP"
    await client.made("/v1/hardships", file())


async def correct(client: Client, made: dict[str, Any], data: dict[str, Any]) -> None:
    await client.made("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "typo", "data": data})


async def test_a_withdrawn_review_takes_its_figures_with_it(client: Client, cases: Cases) -> None:
    made = await client.made("/v1/hardships", file())
    path = f"/v1/hardships/{made['id']}"
    await client.made(f"{path}/reviews", {"on": "2026-06-01", **household(7_777_777)})
    await client.made("/v1/withdrawals", {"subject": made["subject"], "from": 2, "to": 2, "reason": "test_data"})
    assert len((await persons(client, path))["figures"]) == 1
    assert "7777777" not in str((await cases.entry(UUID(made["id"]))).private)


async def test_a_person_is_helped_to_work(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise("P2")
    said = {"kind": "placement", "person": {"name": "样例"}, "on": "2026-03-02", "enterprise_id": str(enterprise)}
    made = await client.made("/v1/employment-help", said)
    path = f"/v1/employment-help/{made['id']}"
    _, found = await client.get(path)
    assert (found["kind"], found["area"], found["state"], found["result"], found["enterprise_id"]) == (
        "placement",
        "P2",
        "open",
        None,
        None,
    )
    shown = await persons(client, path)
    assert (shown["items"][0]["name"], shown["enterprise_id"]) == ("样例", str(enterprise))
    assert await refused(client, f"{path}/result", {"on": "2026-03-01", "result": "employed"}) == (422, "DATE_OUT_OF_RANGE", "on")
    await client.made(f"{path}/result", {"on": "2026-05-06", "result": "employed"})
    again = {"on": "2026-05-07", "result": "completed"}
    assert await refused(client, f"{path}/result", again) == (409, "STEP_NOT_ALLOWED", "on")
    _, found = await client.get(path)
    assert (found["state"], found["result"]["result"], found["result"]["on"]) == ("ended", "employed", "2026-05-06")
    _, page = await client.get("/v1/employment-help", area="D2", kind="placement")
    assert [one["id"] for one in page["items"]] == [made["id"]]
    body = {"corrects": found["event_id"], "reason": "typo", "data": {"kind": "training"}}
    assert await refused(client, "/v1/corrections", body) == (409, "OTHERS_REST_ON_IT", "corrects")
    said_of = await cases.said(made["subject"])
    assert [name for name, _, _ in said_of] == ["employment-helped", "employment-help-ended"]
    assert "enterprise_id" not in {key for _, _, data in said_of for key in data}


async def test_files_are_seen_by_scope_and_area(client: Client, cases: Cases) -> None:
    here, there = await client.made("/v1/hardships", file("P1")), await client.made("/v1/hardships", file("P2"))
    whole = await client.made("/v1/employment-help", {"kind": "training", "person": {"name": "样例"}, "on": "2026-03-02"})
    for path in ("/v1/hardships", f"/v1/hardships/{here['id']}", "/v1/employment-help", f"/v1/employment-help/{whole['id']}"):
        client.be("*", scopes=frozenset(EVERY) - {"cases:persons"})
        assert (await client.get(path))[1]["code"] == "SCOPE_MISSING", path
    client.be("D1")
    assert (await client.get(f"/v1/hardships/{here['id']}"))[0] == 200
    assert [one["id"] for one in (await client.get("/v1/hardships", area="D1"))[1]["items"]] == [here["id"]]
    for path in (f"/v1/hardships/{there['id']}", f"/v1/employment-help/{whole['id']}", "/v1/hardships"):
        assert (await client.get(path))[1]["code"] == "AREA_NOT_GRANTED", path
    assert (await client.get("/v1/events", subject=there["subject"]))[0] == 403
    assert (await client.get("/v1/events", subject=here["subject"]))[0] == 200
    assert (await client.post("/v1/hardships", file("P2", **another(1))))[0] == 403
    assert (await client.post(f"/v1/hardships/{there['id']}/end", {"on": "2026-03-10", "reason": "died"}))[0] == 403
    helped = {"kind": "training", "person": {"name": "样例"}, "on": "2026-03-02"}
    assert (await client.post("/v1/employment-help", helped))[0] == 403
    assert (await client.post("/v1/employment-help", {**helped, "area": "P1"}))[0] == 201
