"""I6: whatever route is asked, a token of one district finds nothing of what happened to an enterprise while it was in another.

Every route of every service is asked, a new one by itself; a route whose parameters this test cannot fill in fails it. `make test` asks with every
two values of parameters together, `make chaos` with all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import httpx
import pytest

from services.metrics.figures.findings import Finding
from shared.contracts.services import SERVICES
from tests.e2e.city import routes
from tests.e2e.city.conftest import City
from tests.e2e.city.routes import Route, Values
from tests.e2e.platform import Platform, run_in_process, until
from tests.patience import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.invariant("I6")]

MEASURES = ("workers", "members", "unions", "units_without_union_all", "time_to_found")
FIRST_OF_A_STREAM = ("event: coverage", '"deliverynumber"')
QUIET = ("/static/", "/swagger/")
CARRIED = ("changes", "trend")
"""Routes with figures of the days just after the move: what an enterprise brings with it (its headcount) counts in its new park from then on."""


@dataclass(frozen=True)
class District:
    """One of the two districts. `entries`: {key in paths: id} of cases and agreements of its time. `own`: texts that its own officers find somewhere; `traces`: those of its time, which the other must not find."""

    code: str
    token: str
    union: str
    member: str
    entries: dict[str, str]
    own: tuple[str, ...]
    traces: tuple[str, ...]


@dataclass(frozen=True)
class Moved:
    platform: Platform
    enterprise: str
    first: District
    second: District
    grants: tuple[str, ...]
    subscriptions: tuple[str, ...]


def _says(text: str, trace: str) -> bool:
    """Whether a text holds a trace as a word of its own: random ids hold any five digits now and then."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(trace)}(?![0-9A-Za-z])", text) is not None


def _number(value: int) -> tuple[str, str]:
    return str(value), f"{value:,}"


@pytest.fixture(scope="module")
def moved(city: City) -> Moved:
    """An enterprise of MA with 70,707 workers, a union, a member and a visit; it moves to MB, where it has 80,808, and all of these again."""
    platform = city.platform
    # Both before either is asked for: the service keeps for a moment whom the issuer knows.
    for code in ("MA", "MB"):
        assert run_in_process("client", "add", f"bureau-{code}", "--data", platform.data).returncode == 0
    areas = (("M", "division", None), ("MA", "division", "M"), ("MB", "division", "M"), ("MA-P7", "park", "MA"), ("MB-P7", "park", "MB"))
    for code, kind, parent in areas:
        platform.accepted("registry", "/v1/areas", {"code": code, "name": f"名{code}", "kind": kind, "parent": parent})
    grants, subscriptions = zip(*(_subscribed(platform, code) for code in ("MA", "MB")), strict=True)
    registered = {"name": "示例迁移厂", "park": "MA-P7", "settled_on": "2023-01-17"}
    firm = platform.accepted("registry", "/v1/enterprises", registered)["id"]
    first = _year(
        platform, firm, "MA", "甲区示例工会", 70707, ("2023-03-13", "2023-04-14", "2023-05-15", "2023-06-16", "2023-07-18"), "E00000071"
    )
    platform.accepted("membership", f"/v1/members/{first.member}/leave", {"on": "2023-09-19", "reason": "resigned"})
    ended = {"enterprise_id": firm, "on": "2023-10-20", "ended": True}
    platform.accepted("membership", f"/v1/unions/{first.union}/coverage", ended)
    platform.accepted("registry", f"/v1/enterprises/{firm}/moves", {"on": "2024-06-01", "park": "MB-P7"})
    until(platform.settled, "the move is known everywhere")
    second = _year(
        platform, firm, "MB", "乙区示例工会", 80808, ("2024-08-18", "2024-07-17", "2024-07-21", "2024-08-23", "2024-08-27"), "E00000072"
    )
    until(platform.settled, "everything projected")
    return Moved(platform, firm, first, second, grants, subscriptions)


def _subscribed(platform: Platform, code: str) -> tuple[str, str]:
    """A bureau of a district gets everything of it, with all fields: (grant, subscription)."""
    bureau = f"bureau-{code}"
    fields = {one["type"]: one["fields"] for one in platform.get("subscriptions", "/v1/types").json()["items"]}
    wanted = {"client": bureau, "areas": [code], "types": list(fields), "fields": fields, "purpose": "检查", "legal_basis": "工会法"}
    grant = platform.accepted("subscriptions", "/v1/grants", wanted)["id"]
    token = run_in_process("token", "--client", bureau, "--data", platform.data).stdout.strip()
    made = platform.post("subscriptions", "/v1/subscriptions", {"grant_id": grant, "channel": {"kind": "pull"}}, token)
    assert made.status_code == 201, made.text
    return grant, made.json()["id"]


def _year(platform: Platform, firm: str, code: str, name: str, workers: int, days: tuple[str, ...], passport: str) -> District:
    """What happens in a district: a headcount that is corrected, a union, a member, a visit, cases and agreements; on these days."""
    counted, founded, joined, visited, reported = days
    wrong = platform.accepted("registry", f"/v1/enterprises/{firm}/headcounts", {"on": counted, "workers": workers + 1})
    correction = {"corrects": wrong["event_ids"][0], "reason": "typo", "data": {"workers": workers}}
    platform.accepted("registry", "/v1/corrections", correction)
    body: dict[str, Any] = {
        "kind": "enterprise_union",
        "seat_area": f"{code}-P7",
        "approved_on": founded,
        "enterprises": [firm],
        "name": name,
    }
    union = platform.accepted("membership", "/v1/unions", body)["id"]
    member = {"union_id": union, "enterprise_id": firm, "document": {"kind": "passport", "number": passport}, "joined_on": joined}
    member_id = platform.accepted("membership", "/v1/members", member)["id"]
    platform.accepted("membership", "/v1/visits", {"enterprise_id": firm, "visited_on": visited, "purpose": "founding"})
    token = run_in_process("token", "--area", code, "--data", platform.data).stdout.strip()
    entries = _entries(platform, firm, code, reported)
    own = (*_number(workers), name, member_id, *entries.values())
    traces = (*own, *_number(workers + 1), f"{code}-P7", union, *days, f"{code}示例投诉人", f"handler-{code}")
    return District(code, token, union, member_id, entries, own, traces)


def _entries(platform: Platform, firm: str, code: str, on: str) -> dict[str, str]:
    """Cases, an aid file, agreements, an assessment and an award that begin and end on a day."""
    said, year = {"enterprise_id": firm}, on[:4]
    at_end, person = f"{year}-12-30", {"name": f"{code}示例投诉人", "document": {"kind": "passport", "number": f"E000000{ord(code[1])}"}}
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "case_id": (
            "cases",
            {**said, "kind": "wage_arrears", "occurred_on": on, "reported_on": on, "reporter": person, "assigned_to": f"handler-{code}"},
        ),
        "negotiation_id": ("negotiations", {**said, "kind": "wage", "invited_on": on, "received_on": on, "invited_by": "workers"}),
        "contract_id": ("contracts", {"kind": "collective", "enterprises": [firm], "signed_on": on, "term_until": at_end}),
        "pact_id": ("pacts", {**said, "signed_on": on, "until": at_end}),
        "congress_id": ("workers-congresses", {**said, "held_on": on}),
        "assessment_id": (
            "assessments",
            {**said, "subject": "enterprise", "on": on, "level": "district", "grade": "a", "valid_until": at_end},
        ),
        "award_id": ("awards", {**said, "title": f"{code}示例奖", "level": "district", "on": on, "until": at_end}),
        "hardship_id": (
            "hardships",
            {**said, "person": person, "area": f"{code}-P7", "on": on, "persons": 3, "annual_income_fen": 1, "rigid_expenditure_fen": 0},
        ),
        "help_id": ("employment-help", {"kind": "training", "person": person, "area": f"{code}-P7", "on": on}),
        "meeting_id": ("tripartite-meetings", {"area": f"{code}-P7", "held_on": on}),
    }
    made = {key: platform.accepted("cases", f"/v1/{plural}", body)["id"] for key, (plural, body) in bodies.items()}
    platform.accepted("cases", f"/v1/cases/{made['case_id']}/outcome", {"on": on, "outcome": "paid", "recovered_fen": 100})
    platform.accepted("cases", f"/v1/negotiations/{made['negotiation_id']}/result", {"on": on, "result": "agreed"})
    return made


def _values(moved: Moved, asking: District) -> Values:
    """What the parameters of routes may be."""
    both = (moved.first, moved.second)
    parks = [f"{one.code}-P7" for one in both]
    others = [f"{one.code}-P7" for one in both if one is not asking]
    return {
        "enterprise": [moved.enterprise, None],
        "enterprise_id": [moved.enterprise],
        "union_id": [one.union for one in both],
        **{key: [one.entries[key] for one in both] for key in asking.entries},
        "entry_id": [entry for one in both for entry in one.entries.values()],
        "person_id": [moved.enterprise],
        "year": ["2027"],
        "member_id": [one.member for one in both],
        "area": [asking.code, f"{asking.code}-P7", *others, None],
        "code": [*parks, *(one.code for one in both), "M", "AREA_NOT_GRANTED"],
        "name": ["dashboard.css"],
        "measure": MEASURES,
        "finding": [finding.value for finding in Finding],
        "as_of": [None, "2023-07-01", "2024-09-01"],
        "known_from": ["2020-01-01"],
        "subject": [
            f"enterprise/{moved.enterprise}",
            *(f"union/{one.union}" for one in both),
            *(f"area/{one.code}" for one in both),
            *(f"hardship/{one.entries['hardship_id']}" for one in both),
        ],
        "source": ["/services/registry"],
        "format": [None, "csv"],
        "id": [moved.enterprise, *moved.subscriptions],
        "grant_id": [*moved.grants],
        "subscription_id": [*moved.subscriptions],
        "number": ["1"],
        "day": ["2023-07-01"],
    }


def _routes(platform: Platform) -> list[Route]:
    found = {
        str(route): route
        for service in SERVICES
        for route in routes.documented(
            service, httpx.get(platform.url(service) + "/openapi.json", timeout=PATIENCE, trust_env=False).json()
        )
    }
    found |= {str(route): route for route in routes.of_the_pages()}
    assert len(found) > 40
    return list(found.values())


def _answer(http: httpx.Client, route: Route, path: str, query: dict[str, str]) -> tuple[int, str]:
    """Status and text, headers included; of a stream up to its first figures."""
    body: dict[str, Any] | None = {} if route.method == "POST" else None
    with http.stream(route.method, path, params=query, json=body) as answer:
        read = []
        for part in answer.iter_text():
            read.append(part)
            if any(mark in part for mark in FIRST_OF_A_STREAM):
                break
        return answer.status_code, "".join(read) + str(answer.headers)


@pytest.mark.parametrize("side", ["first", "second"])
@pytest.mark.parametrize("asked_with", ["pairs", pytest.param("all", marks=pytest.mark.endurance)])
def test_no_route_tells_a_district_of_the_others_time(moved: Moved, side: str, asked_with: str) -> None:
    asking, other = (moved.first, moved.second) if side == "first" else (moved.second, moved.first)
    values, seen, leaks, broken = _values(moved, asking), set[str](), [], []
    for route in _routes(moved.platform):
        if route.path.startswith(QUIET):
            continue
        headers = {"Authorization": f"Bearer {asking.token}", "Accept-Language": "en", "Purpose": "audit"}
        with httpx.Client(base_url=moved.platform.url(route.service), headers=headers, timeout=30, trust_env=False) as http:
            for path, query in route.requests(values, pairs=asked_with == "pairs"):
                status, text = _answer(http, route, path, query)
                asked = f"{route.method} {path} {query}"
                told = text.replace(path, "").replace(str(httpx.QueryParams(query)), "")
                for value in query.values():
                    told = told.replace(value, "")
                carried = _number(int(other.own[0])) if any(part in route.path for part in CARRIED) else ()
                leaks += [
                    (asked, trace)
                    for trace in other.traces
                    if trace in told and trace not in carried and _says(told, trace) and trace not in path
                ]
                broken += [(asked, status)] if status >= 500 else []
                seen |= {text for text in asking.own if text in told}
    assert leaks == []
    assert broken == []
    assert set(asking.own) - seen == set(), "it asks so that it would find what is its own"


def test_every_two_values_are_asked_together() -> None:
    places = (("a", "query", True), ("b", "path", True), ("c", "query", False), ("d", "query", False))
    route = Route("service", "GET", "/{b}", tuple(routes.Parameter(*place) for place in places))
    values: Values = {"a": list("12345"), "b": list("678"), "c": [None, "x", "y"], "d": [None, "z"]}

    def met(*, pairs: bool) -> set[frozenset[object]]:
        asked = [{"b": path[1:], **query} for path, query in route.requests(values, pairs=pairs)]
        assert len(asked) == (15 if pairs else 90)
        return {frozenset(two) for one in asked for two in combinations([(name, one.get(name)) for name in values], 2)}

    assert met(pairs=True) == met(pairs=False)


def test_the_enterprise_is_of_the_district_where_it_is(moved: Moved) -> None:
    ask = moved.platform.get
    for service, path in (("registry", "/v1/enterprises"), ("metrics", "/enterprises"), ("metrics", "/v1/enterprises")):
        statuses = [ask(service, f"{path}/{moved.enterprise}", one.token).status_code for one in (moved.first, moved.second)]
        assert statuses == [403, 200], path
    assert [ask("membership", f"/v1/members/{one.member}", one.token).status_code for one in (moved.first, moved.second)] == [200, 200]
    assert ask("membership", f"/v1/members/{moved.first.member}", moved.second.token).status_code == 403


@pytest.mark.parametrize(("side", "kinds"), [("first", ["enterprise-registered", "headcount-reported", "fact-corrected", "enterprise-moved"]), ("second", ["enterprise-moved", "headcount-reported", "fact-corrected"])])  # fmt: skip
def test_each_side_sees_its_events_and_the_move(moved: Moved, side: str, kinds: list[str]) -> None:
    asking: District = getattr(moved, side)
    answer = moved.platform.get("registry", "/v1/events", asking.token, subject=f"enterprise/{moved.enterprise}").json()
    assert [item["type"].split(".")[1] for item in answer["items"]] == kinds
    (move,) = [item["data"] for item in answer["items"] if item["type"] == "parkunion.enterprise-moved.v1"]
    assert move == ({} if side == "first" else {"park": "MB-P7", "district": "MB"})
