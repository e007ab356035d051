"""I6: a token for one district reads and writes nothing of another, on any route and any stream."""

from __future__ import annotations

import re

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
