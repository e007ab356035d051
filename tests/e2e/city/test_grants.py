"""I6: a token for one district reads and writes nothing of another, on any route and any stream."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from deploy.local.commands.parked import READERS
from shared.contracts.services import SERVICES
from tests.e2e.city.conftest import City
from tests.e2e.platform import parkunion
from tests.patience import PATIENCE

pytestmark = pytest.mark.invariant("I6")


@pytest.fixture(scope="module")
def stranger(city: City) -> str:
    """A token with every scope for the second district alone."""
    return parkunion("token", "--area", "C2", "--data", city.platform.data).stdout.strip()


@pytest.fixture(scope="module")
def entries(city: City) -> dict[str, str]:
    """{plural: id} of a case, an aid file and agreements of the first district."""
    said, person = {"enterprise_id": city.enterprise}, {"document": {"kind": "passport", "number": "E00000003"}}
    bodies: dict[str, dict[str, Any]] = {
        "cases": {**said, "kind": "wage_arrears", "occurred_on": "2024-03-04", "reported_on": "2024-03-04"},
        "negotiations": {**said, "kind": "wage", "invited_on": "2024-03-04"},
        "contracts": {"kind": "collective", "enterprises": [city.enterprise], "signed_on": "2024-03-04", "term_until": "2026-03-03"},
        "pacts": {**said, "signed_on": "2024-03-04"},
        "workers-congresses": {**said, "held_on": "2024-03-04"},
        "tripartite-meetings": {"area": "C1-P001", "held_on": "2024-03-04"},
        "assessments": {**said, "subject": "enterprise", "on": "2024-03-04", "level": "district", "grade": "a"},
        "awards": {**said, "title": "示例奖", "level": "district", "on": "2024-03-04"},
        "hardships": {
            "person": person,
            "area": "C1-P001",
            "on": "2024-03-04",
            "persons": 1,
            "annual_income_fen": 0,
            "rigid_expenditure_fen": 0,
        },
        "employment-help": {"kind": "training", "person": person, "area": "C1-P001", "on": "2024-03-04"},
    }
    return {plural: city.platform.accepted("cases", f"/v1/{plural}", body)["id"] for plural, body in bodies.items()}


def test_every_route_of_cases_refuses_another_area(city: City, stranger: str, entries: dict[str, str]) -> None:
    day, one = {"on": "2024-06-01"}, city.enterprise
    reads: list[tuple[str, dict[str, str]]] = [
        *((f"/v1/{plural}", {"area": area}) for plural in entries for area in ("C", "C1", "C1-P001")),
        *((f"/v1/{plural}", {}) for plural in entries),
        *((f"/v1/{plural}", {"enterprise": one}) for plural in entries),
        *((f"/v1/{plural}/{entry}", {}) for plural, entry in entries.items()),
        *((f"/v1/{plural}/{entries[plural]}/clocks", {}) for plural in ("cases", "negotiations", "contracts")),
        *((f"/v1/{plural}/{entries[plural]}/persons", {}) for plural in ("cases", "hardships", "employment-help")),
        ("/v1/clocks", {}),
        ("/v1/clocks", {"area": "C1"}),
        ("/v1/readings", {}),
        ("/v1/readings", {"area": "C1"}),
        ("/v1/erasures", {}),
        ("/v1/events", {"subject": f"enterprise/{one}"}),
        ("/v1/events", {"subject": "area/C1-P001"}),
        ("/v1/events", {"subject": f"hardship/{entries['hardships']}"}),
    ]
    headers = {"Authorization": f"Bearer {stranger}", "Purpose": "audit"}
    with httpx.Client(base_url=city.platform.url("cases"), headers=headers, timeout=PATIENCE, trust_env=False) as http:
        answers = {f"{path} {params}": http.get(path, params=params).status_code for path, params in reads}
    assert {route: status for route, status in answers.items() if status != 403} == {}
    commands: list[tuple[str, dict[str, Any]]] = [
        ("/v1/cases", {"enterprise_id": one, "kind": "other", "occurred_on": "2024-06-01", "reported_on": "2024-06-01"}),
        (f"/v1/cases/{entries['cases']}/steps", {**day, "step": "mediation_applied"}),
        (f"/v1/cases/{entries['cases']}/outcome", {**day, "outcome": "paid"}),
        (f"/v1/cases/{entries['cases']}/assignment", {**day, "assigned_to": "handler-7"}),
        (f"/v1/negotiations/{entries['negotiations']}/reply", {**day, "agreed": True}),
        (
            "/v1/contracts",
            {"kind": "wage", "enterprises": [city.other_enterprise, one], "signed_on": "2024-06-01", "term_until": "2025-05-31"},
        ),
        (f"/v1/contracts/{entries['contracts']}/submission", day),
        (f"/v1/hardships/{entries['hardships']}/end", {**day, "reason": "relieved"}),
        (f"/v1/employment-help/{entries['employment-help']}/result", {**day, "result": "employed"}),
        ("/v1/awards", {**day, "enterprise_id": one, "title": "x", "level": "city"}),
        ("/v1/withdrawals", {"subject": f"enterprise/{one}", "from": 1, "to": 1, "reason": "other"}),
        ("/v1/rules/arbitration_award", {"area": "C1", "valid_from": "2024-01-01", "value": {"days": 30, "day_kind": "calendar"}}),
        ("/v1/rules/arbitration_award", {"valid_from": "2024-01-01", "value": {"days": 30, "day_kind": "calendar"}}),
    ]
    answers = {f"{path} {body}": city.platform.post("cases", path, body, stranger).status_code for path, body in commands}
    assert {command: status for command, status in answers.items() if status != 403} == {}


def test_every_reading_route_refuses_another_area(city: City, stranger: str) -> None:
    one, union = city.enterprise, city.union
    routes = [
        ("registry", "/v1/enterprises", {"area": "C1"}),
        ("registry", "/v1/enterprises", {"area": "C"}),
        ("registry", "/v1/enterprises", {}),
        ("registry", f"/v1/enterprises/{one}", {}),
        ("registry", "/v1/events", {"subject": f"enterprise/{one}"}),
        ("registry", "/v1/events", {"subject": "area/C1"}),
        ("membership", "/v1/unions", {"area": "C1"}),
        ("membership", f"/v1/unions/{union}", {}),
        ("membership", f"/v1/members/{city.member}", {}),
        ("membership", "/v1/events", {"subject": f"union/{union}"}),
        ("membership", "/v1/events", {"subject": f"enterprise/{one}"}),
        *(
            ("metrics", "/v1/coverage", {"area": area, "by": by})
            for area in ("C", "C1", "C1-P001")
            for by in ("district", "park", "industry", "size", "ownership")
        ),
        ("metrics", "/v1/coverage", {}),
        ("metrics", "/v1/coverage/explain", {"area": "C1", "measure": "members"}),
        ("metrics", "/v1/coverage/changes", {"area": "C1", "known_from": "2024-01-01", "known_to": "2026-01-01"}),
        ("metrics", "/v1/coverage/stream", {"area": "C1"}),
        ("metrics", "/v1/coverage/stream", {}),
        *((service, "/v1/parked", {}) for service in READERS),
        *((service, "/v1/parked/events", {"source": "/services/registry", "subject": f"enterprise/{one}"}) for service in READERS),
        ("metrics", "/areas/C1", {}),
        ("metrics", f"/enterprises/{one}", {}),
        ("metrics", "/explain", {"area": "C1", "measure": "members"}),
    ]
    answers = {
        f"{service} {path} {params}": city.platform.get(service, path, stranger, **params).status_code for service, path, params in routes
    }
    assert {route: status for route, status in answers.items() if status != 403} == {}


def test_every_command_refuses_another_area(city: City, stranger: str) -> None:
    one, union, day = city.enterprise, city.union, {"on": "2024-06-01"}
    document = {"kind": "passport", "number": "E00000002"}
    commands = [
        ("registry", "/v1/areas", {"code": "C1-P002", "name": "x", "kind": "park", "parent": "C1"}),
        *((service, "/v1/parked/retry", {}) for service in READERS),
        ("registry", "/v1/withdrawals", {"subject": f"enterprise/{one}", "from": 1, "to": 1, "reason": "other"}),
        ("membership", "/v1/withdrawals", {"subject": f"union/{union}", "from": 1, "to": 1, "reason": "other"}),
        ("registry", "/v1/areas", {"code": "Z", "name": "x", "kind": "division", "parent": None}),
        ("registry", "/v1/enterprises", {"name": "x", "park": "C1-P001", "settled_on": "2024-01-02"}),
        ("registry", f"/v1/enterprises/{one}/headcounts", {**day, "workers": 3}),
        ("registry", f"/v1/enterprises/{one}/moves", {**day, "park": "C2-P001"}),
        ("registry", f"/v1/enterprises/{city.other_enterprise}/moves", {**day, "park": "C1-P001"}),
        ("registry", f"/v1/enterprises/{one}/classifications", {**day, "industry": "C"}),
        ("registry", f"/v1/enterprises/{one}/closure", {**day, "reason": "other"}),
        ("registry", "/v1/corrections", {"corrects": city.event, "reason": "other", "data": {"workers": 1}}),
        ("membership", "/v1/unions", {"kind": "joint_union", "seat_area": "C1-P001", "approved_on": "2024-06-01", "enterprises": [one]}),
        ("membership", f"/v1/unions/{union}/coverage", {**day, "enterprise_id": one, "ended": True}),
        ("membership", f"/v1/unions/{union}/dissolution", {**day, "reason": "other"}),
        ("membership", "/v1/members", {"union_id": union, "enterprise_id": one, "document": document, "joined_on": "2024-06-01"}),
        ("membership", f"/v1/members/{city.member}/leave", {**day, "reason": "other"}),
        ("membership", f"/v1/members/{city.member}/transfer", {**day, "union_id": union, "enterprise_id": one}),
    ]
    answers = {
        f"{service} {path} {body}": city.platform.post(service, path, body, stranger).status_code for service, path, body in commands
    }
    assert {command: status for command, status in answers.items() if status != 403} == {}


def test_their_own_district_stays_open_to_them(city: City, stranger: str) -> None:
    assert city.platform.get("registry", f"/v1/enterprises/{city.other_enterprise}", stranger).status_code == 200
    assert city.platform.get("metrics", "/v1/coverage", stranger, area="C2").json()["rows"][0]["units"] == 1
    listed = city.platform.get("registry", "/v1/enterprises", stranger, area="C2").json()["items"]
    assert [item["id"] for item in listed] == [city.other_enterprise]


def test_without_a_token_every_route_says_401(city: City) -> None:
    for service in SERVICES:
        url = city.platform.url(service)
        document = httpx.get(f"{url}/openapi.json", timeout=PATIENCE, trust_env=False).json()
        for path in document["paths"]:
            if path.startswith("/v1/"):
                place = re.sub(r"\{\w+\}", city.enterprise, path.replace("{code}", "C1"))
                for method in document["paths"][path]:
                    assert httpx.request(method, url + place, timeout=PATIENCE, trust_env=False).status_code == 401, (method, path)
