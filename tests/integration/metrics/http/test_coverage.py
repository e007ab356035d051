"""Coverage over HTTP: figures, what makes them up, why they changed, and who may ask."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from deploy.local.folder import ROOT
from services.metrics.app import _readiness
from services.metrics.explaining.measures import DERIVED
from services.metrics.folding.projector import Projector
from services.metrics.http import coverage_routes, finding_routes
from services.metrics.http.explaining import enterprises as enterprise_routes
from services.metrics.http.explaining import routes as explain_routes
from services.metrics.measures import MEASURES, PUBLISHED, RATES
from services.metrics.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageStarted, MemberJoined, UnionFounded, UnionKind
from shared.contracts.registry import EnterpriseClosed, EnterpriseMoved, EnterpriseReclassified, EnterpriseRegistered, HeadcountReported
from shared.http.pages import Cursors
from shared.http.web import create_app
from shared.process.clock import utc_now
from tests import oracle
from tests.histories import history, interleaved, refused
from tests.integration import client as http
from tests.integration.client import settings_of
from tests.integration.metrics.service import CLOCK, Metrics, enterprise, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

AS_OF = "2024-06-01"


class Client(http.Client):
    """Questions under `/v1/`."""

    async def get(self, path: str, **params: Any) -> tuple[int, dict[str, Any]]:
        return await super().get(f"/v1/{path}", **params)

    async def ok(self, path: str, **params: Any) -> dict[str, Any]:
        status, body = await self.get(path, **params)
        assert status == 200, body
        return body

    async def text(self, path: str, language: str = "en", **params: Any) -> tuple[int, str]:
        """(status, body as text)"""
        answer = await self.http.get(f"/v1/{path}", params=params, headers={"Accept-Language": language})
        return answer.status_code, answer.content.decode()

    async def pages(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """The items of all pages."""
        items: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            body = await self.ok(path, **params, **after)
            items += body["items"]
            if body["next"] is None:
                return items
            after = {"after": body["next"]}


@pytest.fixture(name="client")
async def client_of_a_test(metrics: Metrics) -> AsyncIterator[Client]:
    settings = settings_of(Settings)
    app = create_app(
        settings,
        title="figures alone",
        routers=[coverage_routes.router, finding_routes.router, explain_routes.router, enterprise_routes.router],
        lifespan=lambda _: contextlib.nullcontext(),
        readiness=lambda: _readiness(metrics.pool, KafkaBroker("127.0.0.1:1"), settings),
    )
    app.state.questions, app.state.cursors = metrics.questions, Cursors(settings.cursor_key, "metrics")
    async with Client.of(app, "metrics:read") as made:
        yield made


def city(metrics: Metrics) -> None:
    """A city C with the districts D1 and D2 (D2 is only a level, 市辖区), and three parks."""
    metrics.area("C", None, "示例市")
    metrics.area("D1", "C", "东区")
    metrics.area("D2", "C", "市辖区", level=True)
    metrics.area("D1-P001", "D1", "东园")
    metrics.area("D1-P002", "D1", "南园")
    metrics.area("D2-P001", "D2", "西园")


def settle(
    metrics: Metrics, park: str, workers: int | None, members: int = 0, covered: UnionKind | None = None, name: str = "某厂"
) -> UUID:
    """An enterprise settled in 2020, reported, covered and joined in 2024."""
    made, subject = enterprise()
    data = EnterpriseRegistered(enterprise_id=made, name=name, park=park, district=park[:2], industry="C27", ownership="170")
    metrics.append(subject, data, "2020-01-01")
    if workers is not None:
        metrics.append(subject, HeadcountReported(workers=workers, size="small"), "2024-01-10")
    if covered is not None:
        union = uuid7()
        metrics.append(f"union/{union}", UnionFounded(union_id=union, kind=covered, seat_area=park), "2024-02-01")
        metrics.append(subject, CoverageStarted(enterprise_id=made, union_id=union, kind=covered), "2024-02-01")
        for _ in range(members):
            metrics.append(subject, MemberJoined(membership_id=uuid7(), enterprise_id=made, union_id=union), "2024-03-01")
    return made


FINAL_QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("coverage", {"by": "district"}),
    ("coverage", {"by": "size", "area": "D1"}),
    ("coverage/explain", {"measure": "workers"}),
    ("coverage/explain", {"measure": "worker_joining_rate_all", "by": "park", "group": "D1-P001"}),
)


async def final_answers(client: Client, known_at: date, enterprise: UUID) -> list[str]:
    """What a closed day answers; the closed day itself goes on."""
    found = []
    for path, params in FINAL_QUESTIONS:
        body = await client.ok(path, **params, as_of=AS_OF, known_at=known_at.isoformat())
        assert body.pop("provisional") == []
        assert body.pop("closed_day") >= known_at.isoformat()
        found.append(json.dumps(body))
    body = await client.ok("coverage/explain", measure="members", enterprise=str(enterprise), as_of=AS_OF, known_at=known_at.isoformat())
    found.append(json.dumps([body["figure"], body["items"][0]["contribution"], body["events"]]))
    changed = await client.ok(
        "coverage/changes", known_from=(known_at - timedelta(days=2)).isoformat(), known_to=known_at.isoformat(), as_of=AS_OF
    )
    assert changed["provisional"] == []
    found.append(json.dumps([changed[name] for name in ("before", "after", "delta", "items")]))
    return found


@pytest.mark.invariant("I4")
async def test_a_figure_known_at_a_closed_day_is_the_same_for_ever(metrics: Metrics, client: Client) -> None:
    city(metrics)
    settle(metrics, "D1-P002", 5)
    await metrics.fold()
    metrics.next_day()
    chosen = settle(metrics, "D1-P001", 30, 3, UnionKind.ENTERPRISE_UNION)
    report, joined = metrics.events[-6], metrics.events[-1]
    assert isinstance(report.data, HeadcountReported)
    known = metrics.today
    subject = f"enterprise/{chosen}"
    metrics.correct(report, "2024-01-11", workers=32)
    await metrics.fold()
    metrics.next_day()
    await metrics.close(known)
    before = await final_answers(client, known, chosen)
    for step in range(5):
        metrics.append(subject, HeadcountReported(workers=100 + step), "2024-02-02")
        metrics.append(subject, EnterpriseMoved(park="D2-P001", district="D2"), "2024-01-05")
        metrics.correct(joined, "2024-05-05") if step == 1 else None
        metrics.correct(metrics.events[0], "1900-01-01", name="另一市") if step == 2 else None
        settle(metrics, "D1-P001", 44)
        await metrics.fold()
        assert await final_answers(client, known, chosen) == before
        await metrics.close(metrics.today)
        metrics.next_day()
        if step == 3:
            metrics.projector = Projector(metrics.pool, CLOCK)
    assert await final_answers(client, known, chosen) == before
    today = await client.ok("coverage", by="district", as_of=AS_OF, known_at=metrics.today.isoformat())
    assert today["provisional"] == ["DAY_NOT_CLOSED"]
    assert today["closed_day"] == (metrics.today - timedelta(days=1)).isoformat()


async def test_an_answer_says_why_its_figures_may_still_change(metrics: Metrics, client: Client) -> None:
    city(metrics)
    await metrics.fold()
    day = metrics.today

    async def said(known_at: date) -> tuple[list[str], str | None]:
        body = await client.ok("coverage", known_at=known_at.isoformat())
        return body["provisional"], body["closed_day"]

    assert await said(day) == (["NO_CLOSED_DAYS"], None)
    await metrics.pool.execute("INSERT INTO shards (generation, shard) VALUES (1, 1)")
    await metrics.close(day, 0)
    assert await said(day) == (["NO_CLOSED_DAYS"], None)
    await metrics.close(day - timedelta(days=1), 1)
    assert await said(day) == (["DAY_NOT_CLOSED"], (day - timedelta(days=1)).isoformat())
    assert await said(day - timedelta(days=1)) == ([], (day - timedelta(days=1)).isoformat())
    hold = (
        'INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, kind, event, known_day) '
        "VALUES (1, 1, 't', $1, '', '', 0, 'unreadable', '', $2)"
    )
    await metrics.pool.execute(hold, 1, day + timedelta(days=3))
    assert (await said(day))[0] == ["DAY_NOT_CLOSED"]
    assert (await said(day + timedelta(days=3)))[0] == ["DAY_NOT_CLOSED", "HELD_EVENTS"]
    await metrics.pool.execute(hold, 2, None)
    assert (await said(day))[0] == ["DAY_NOT_CLOSED", "HELD_EVENTS"]


async def test_a_deployment_without_all_its_shards_has_no_closed_day(metrics: Metrics, client: Client) -> None:
    city(metrics)
    await metrics.fold()
    await metrics.close(metrics.today)
    metrics.questions._shards = 2
    body = await client.ok("coverage", known_at=metrics.today.isoformat())
    assert (body["provisional"], body["closed_day"]) == (["NO_CLOSED_DAYS"], None)


async def test_readiness_tells_the_closed_day_and_its_age(metrics: Metrics, client: Client) -> None:
    ready = (await client.http.get("/readyz")).json()
    assert (ready["closed_day"], ready["closed_day_age_days"]) == (None, None)
    assert "parkunion_closed_day_age_days" not in (await client.http.get("/metrics")).text
    city(metrics)
    await metrics.fold()
    today = await metrics.pool.fetchval("SELECT (parkunion_now() AT TIME ZONE 'Asia/Shanghai')::date")
    await metrics.close_everywhere(today - timedelta(days=2), shards=12)
    ready = (await client.http.get("/readyz")).json()
    assert ready["closed_day"] == (today - timedelta(days=2)).isoformat()
    text = (await client.http.get("/metrics")).text
    assert "parkunion_closed_day_age_days 2.0" in text
    ours = set(re.findall(r"^# TYPE (parkunion_\w+) \w+$", text, re.MULTILINE))
    documented = re.findall(r"^\| `(parkunion_\w+)` \|", (ROOT / "docs" / "how-to" / "observe.md").read_text("utf-8"), re.MULTILINE)
    assert {name for name in ours if not name.endswith("_created")} == set(documented)


async def test_a_row_has_the_fields_of_the_fixed_interface_and_the_figures_of_its_facts(metrics: Metrics, client: Client) -> None:
    city(metrics)
    settle(metrics, "D1-P001", 30, 10, UnionKind.ENTERPRISE_UNION)
    settle(metrics, "D1-P001", 10)
    settle(metrics, "D1-P002", None, 2, UnionKind.JOINT_UNION)
    settle(metrics, "D2-P001", 0)
    await metrics.fold()
    body = await client.ok("coverage", by="district", as_of=AS_OF)
    assert list(body) == ["as_of", "known_at", "provisional", "closed_day", "rule_version", "fold_version", "rows", "left_out", "findings"]
    assert body["provisional"] == ["NO_CLOSED_DAYS"]
    assert [(row["area"], row["name"]) for row in body["rows"]] == [("D1", "东区"), ("D2", "示例市"), ("all", "全部")]
    east = body["rows"][0]
    assert list(east) == ["area", "name", *PUBLISHED, *RATES, "findings"]
    counts = {
        "units": 3,
        "units_headcount_known": 2,
        "should_organise_all": 2,
        "covered_all": 1,
        "should_organise_ge25": 1,
        "covered_ge25": 1,
        "covered_units": 2,
        "workers": 40,
        "members": 12,
        "members_headcount_unknown": 2,
        "workers_unionised": 30,
        "members_unionised": 12,
    }
    assert {name: east[name] for name in PUBLISHED if east[name]} == counts
    assert east["unit_founding_rate_all"] == {"numerator": 1, "denominator": 2, "rate": 0.5, "reason": None}
    assert east["worker_joining_rate_unionised"] == {"numerator": 12, "denominator": 30, "rate": 0.4, "reason": None}
    assert body["rows"][1]["worker_joining_rate_all"] == {"numerator": 0, "denominator": 0, "rate": None, "reason": "NO_BASE"}
    assert body["rows"][-1]["units"] == 4


async def test_every_grouping_adds_up_to_the_total_and_hides_empty_rows(metrics: Metrics, client: Client) -> None:
    city(metrics)
    settle(metrics, "D1-P001", 30, 10, UnionKind.ENTERPRISE_UNION)
    gone = settle(metrics, "D1-P002", 5)
    settle(metrics, "X-P009", 7)
    metrics.append(f"enterprise/{gone}", EnterpriseClosed(reason="bankrupt"), "2024-05-01")
    await metrics.fold()
    codes = {}
    for by in ("district", "park", "industry", "size", "ownership"):
        rows = (await client.ok("coverage", by=by, as_of=AS_OF))["rows"]
        codes[by] = [row["area"] for row in rows]
        for name in PUBLISHED:
            assert sum(row[name] for row in rows[:-1]) == rows[-1][name]
    assert codes["district"] == ["D1", "unknown", "all"]
    assert codes["park"] == ["D1-P001", "X-P009", "all"]
    assert codes["industry"] == ["C", "all"]
    total = (await client.ok("coverage", as_of=AS_OF))["rows"]
    assert [row["area"] for row in total] == ["all"]
    assert (await client.ok("coverage", area="D1", as_of=AS_OF))["rows"][0]["units"] == 1


async def test_both_dates_are_asked_for_and_before_the_first_fact_is_zero(metrics: Metrics, client: Client) -> None:
    city(metrics)
    first = metrics.today
    made = settle(metrics, "D1-P001", 30)
    await metrics.fold()
    metrics.next_day(10)
    metrics.append(f"enterprise/{made}", HeadcountReported(workers=90), "2024-02-01")
    await metrics.fold()

    async def workers(**days: Any) -> int:
        return int((await client.ok("coverage", **days))["rows"][-1]["workers"])

    assert await workers(as_of=AS_OF, known_at=first) == 30
    assert await workers(as_of=AS_OF, known_at=metrics.today) == 90
    assert await workers(as_of="2024-01-15", known_at=metrics.today) == 30
    assert await workers(as_of=AS_OF, known_at=first - timedelta(days=1)) == 0
    future = (await client.ok("coverage", as_of=utc_now().date() + timedelta(days=800)))["rows"][-1]
    assert (future["workers"], future["units_headcount_stale"]) == (90, 1)


async def test_a_level_moved_in_the_tree_moves_figures_only_from_the_day_it_is_known(metrics: Metrics, client: Client) -> None:
    city(metrics)
    settle(metrics, "D1-P002", 30)
    await metrics.fold()
    before = metrics.today
    after = metrics.next_day(3)
    metrics.area("D1-P002", "D2", "南园", on="2024-01-01")
    await metrics.fold()
    for known, district in ((before, "D1"), (after, "D2")):
        rows = (await client.ok("coverage", by="district", as_of=AS_OF, known_at=known))["rows"]
        assert [row["area"] for row in rows] == [district, "all"]
    body = await client.ok("coverage/changes", area="D2", as_of=AS_OF, known_from=before, known_to=after)
    assert body["delta"]["units"] == 1
    assert [(item["kind"], item["subject"], item["measures"]["workers"]["delta"]) for item in body["items"]] == [
        ("area", "area/D1-P002", 30)
    ]
    assert body["items"][0]["event"]["sequence"] == 2


@pytest.mark.invariant("I6")
async def test_a_token_for_one_district_gets_403_for_all_others_on_every_route(metrics: Metrics, client: Client) -> None:
    city(metrics)
    made = settle(metrics, "D2-P001", 30)
    await metrics.fold()
    client.be("D1")
    paths: list[tuple[str, dict[str, Any]]] = [
        ("coverage", {}),
        ("coverage/explain", {"measure": "units"}),
        ("coverage/explain", {"measure": "units", "enterprise": made}),
        ("coverage/changes", {"known_from": "2024-01-01"}),
    ]
    for path, params in paths:
        for area in ({}, {"area": "C"}, {"area": "D2"}, {"area": "D2-P001"}, {"area": "nowhere"}):
            status, problem = await client.get(path, **params, **area)
            assert (status, problem["code"]) == (403, "AREA_NOT_GRANTED"), (path, area)
    for parent in ({}, {"parent": "C"}, {"parent": "D2"}):
        assert (await client.get("areas", **parent))[0] == 403
    assert (await client.get("coverage/explain", measure="units", area="D1", enterprise=made))[0] == 404
    assert (await client.get("coverage", area="D1-P001"))[0] == 200
    client.be("*", scopes=frozenset({"registry:read"}))
    for path, params in [*paths, ("areas", {}), ("definitions", {})]:
        status, problem = await client.get(path, **params)
        assert (status, problem["code"]) == (403, "SCOPE_MISSING"), path
    client.be("*")
    status, problem = await client.get("coverage", area="nowhere")
    assert (status, problem["code"]) == (404, "UNKNOWN_AREA")


@pytest.mark.invariant("I7")
async def test_bad_questions_name_the_parameter(client: Client) -> None:
    cases: list[tuple[str, dict[str, Any], str, str]] = [
        ("coverage", {"as_of": "yesterday"}, "INVALID_DATE", "as_of"),
        ("coverage", {"as_of": "2024-02-30"}, "INVALID_DATE", "as_of"),
        ("coverage", {"known_at": ""}, "INVALID_DATE", "known_at"),
        ("coverage", {"as_of": "1899-12-31"}, "DATE_OUT_OF_RANGE", "as_of"),
        ("coverage", {"as_of": "2999-12-31"}, "DATE_OUT_OF_RANGE", "as_of"),
        ("coverage", {"by": "colour"}, "NOT_ONE_OF", "by"),
        ("coverage", {"area": "../x"}, "BAD_AREA_CODE", "area"),
        ("coverage/explain", {"measure": "happiness"}, "NOT_ONE_OF", "measure"),
        ("coverage/explain", {}, "FIELD_REQUIRED", "measure"),
        ("coverage/explain", {"measure": "units", "enterprise": "x"}, "INVALID_ID", "enterprise"),
        ("coverage/explain", {"measure": "units", "group": "P1"}, "FIELD_REQUIRED", "by"),
        ("coverage", {"asof": "2024-01-01"}, "UNKNOWN_FIELD", "asof"),
        ("areas", {"zzz": "1"}, "UNKNOWN_FIELD", "zzz"),
        ("coverage", {"by": ["park", "district"]}, "DUPLICATE_FIELD", "by"),
        ("coverage/changes", {}, "FIELD_REQUIRED", "known_from"),
        ("coverage/changes", {"known_from": "2024-02-01", "known_to": "2024-01-01"}, "DATE_OUT_OF_RANGE", "known_from"),
    ]
    for path, params, code, field in cases:
        status, problem = await client.get(path, **params)
        assert (status, problem["code"]) == (422, code), (path, params, problem)
        assert [error["field"] for error in problem["errors"]] == [field], problem
    status, problem = await client.get("coverage/explain", measure="zzz")
    for language in ("zh", "en"):
        assert all(measure in problem["errors"][0][f"message_{language}"] for measure in (*MEASURES, *RATES))
    status, problem = await client.get("coverage/explain", measure="units", after="forged")
    assert (status, problem["code"]) == (400, "BAD_CURSOR")


@pytest.mark.parametrize("seed", range(3))
async def test_figures_are_the_oracles_and_explanations_and_changes_add_up_to_them(metrics: Metrics, client: Client, seed: int) -> None:
    metrics.known -= timedelta(days=100)
    metrics.area("D", None)
    for park in ("P1", "P2"):
        metrics.area(park, "D")
    await metrics.fold()
    events = oracle.counted(interleaved(history(seed, enterprises=12, length=12, mistakes=True), seed), refused)
    await metrics.fold_batch(0, events)
    days = sorted({oracle.known_day(event) for event in events})
    first, last, as_of = days[len(days) // 3], days[-1], date(2024, 9, 1)
    for area, parks in ((None, ("P1", "P2", "P3")), ("D", ("P1", "P2")), ("P2", ("P2",))):
        scope = {"area": area} if area else {}
        figures: dict[date, Counter[str]] = {}
        for known in (first, last):
            figures[known] = Counter()
            for cell, measures in oracle.coverage_by_cell(events, as_of, known).items():
                if cell[0] in parks:
                    figures[known].update(measures)
            row = (await client.ok("coverage", **scope, as_of=as_of, known_at=known))["rows"][-1]
            assert {name: row[name] for name in PUBLISHED if row[name]} == {
                name: n for name, n in figures[known].items() if n and name in PUBLISHED
            }
        for measure in MEASURES:
            items = await client.pages("coverage/explain", **scope, measure=measure, as_of=as_of, known_at=last, limit=5)
            assert sum(item["contribution"] for item in items) == figures[last][measure], measure
        for rate, (n, d) in RATES.items():
            items = await client.pages("coverage/explain", **scope, measure=rate, as_of=as_of, known_at=last)
            assert sum(item["contribution"]["numerator"] for item in items) == figures[last][n]
            assert sum(item["contribution"]["denominator"] for item in items) == figures[last][d]
        items = await client.pages("coverage/changes", **scope, as_of=as_of, known_from=first, known_to=last, limit=7)
        deltas: Counter[str] = Counter()
        for item in items:
            for name, share in item["measures"].items():
                deltas[name] += share["delta"]
        assert {name: deltas[name] for name in MEASURES} == {name: figures[last][name] - figures[first][name] for name in MEASURES}
        only = await client.pages("coverage/changes", **scope, as_of=as_of, known_from=first, known_to=last, measure="members", limit=3)
        assert sum(item["measures"]["members"]["delta"] for item in only) == figures[last]["members"] - figures[first]["members"]


async def test_a_figure_leads_to_its_enterprises_and_their_events(metrics: Metrics, client: Client) -> None:
    city(metrics)
    made = settle(metrics, "D1-P001", 30, 3, UnionKind.ENTERPRISE_UNION, name="东方厂")
    settle(metrics, "D1-P002", 10, name="南方厂")
    wrong = metrics.append(f"enterprise/{made}", HeadcountReported(workers=300), "2024-05-01")
    right = metrics.correct(wrong, "2024-05-01", workers=31)
    await metrics.fold()
    body = await client.ok("coverage/explain", measure="workers", area="D1", by="park", group="D1-P001", as_of=AS_OF)
    assert body["figure"] == 31
    assert [(item["id"], item["name"], item["park"], item["contribution"]) for item in body["items"]] == [
        (str(made), "东方厂", "D1-P001", 31)
    ]
    body = await client.ok("coverage/explain", measure="workers", enterprise=made, as_of=AS_OF)
    assert [(event["type"].split(".")[1], event["in_force"]) for event in body["events"]] == [
        ("enterprise-registered", True),
        ("headcount-reported", True),
        ("headcount-reported", False),
        ("fact-corrected", True),
    ]
    assert body["events"][-1]["id"] == str(right.id)
    first = await client.ok("coverage/explain", measure="members", enterprise=made, as_of=AS_OF, limit=2)
    second = await client.ok("coverage/explain", measure="members", enterprise=made, as_of=AS_OF, limit=2, after=first["next"])
    assert [event["sequence"] for event in first["events"] + second["events"]] == [1, 2, 3, 4]
    assert second["next"] is None


async def test_changes_are_told_by_kind(metrics: Metrics, client: Client) -> None:
    city(metrics)
    made = settle(metrics, "D1-P001", 30)
    subject = f"enterprise/{made}"
    await metrics.fold()
    before, after = metrics.today, metrics.next_day(5)
    metrics.append(subject, HeadcountReported(workers=40), "2024-02-10")
    metrics.append(subject, EnterpriseMoved(park="D1-P002", district="D1"), "2024-03-01")
    metrics.append(subject, EnterpriseReclassified(industry="I65"), "2024-03-01")
    late = metrics.append(subject, HeadcountReported(workers=50), after.isoformat())
    metrics.correct(late, after.isoformat(), workers=45)
    await metrics.fold()
    body = await client.ok("coverage/changes", as_of=after, known_from=before, known_to=after)
    told = [(item["kind"], {name: share["delta"] for name, share in item["measures"].items()}) for item in body["items"]]
    assert told == [("late", {"workers": 10}), ("new", {"workers": 10}), ("correction", {"workers": -5})]
    assert body["delta"]["workers"] == 15
    park = await client.ok("coverage/changes", area="D1-P002", as_of=after, known_from=before, known_to=after, measure="units")
    assert [(item["kind"], item["measures"]) for item in park["items"]] == [("move", {"units": {"before": 0, "after": 1, "delta": 1}})]


async def test_areas_definitions_and_the_version_header(metrics: Metrics, client: Client) -> None:
    city(metrics)
    await metrics.fold()
    roots = await client.ok("areas")
    assert [(area["code"], area["children"]) for area in roots["items"]] == [("C", 2)]
    inside = await client.ok("areas", parent="D2")
    assert [area["code"] for area in inside["path"]] == ["C", "D2"]
    assert [area["name"] for area in inside["path"] + inside["items"]] == ["示例市", "示例市", "西园"]
    items = (await client.ok("definitions"))["items"]
    assert [item["measure"] for item in items] == [*MEASURES, *RATES, "time_to_found", *DERIVED]
    assert all(item["text_zh"] and item["text_en"] and item["formula"] for item in items)
    answer = await client.http.get("/v1/coverage", headers={"Accept-Language": "en"})
    assert answer.headers["X-Parkunion-Version"] == "1:1"
    assert answer.json()["rows"][-1]["name"] == "All"
    assert (await client.http.get("/readyz")).json()["outbox"] == 0
