"""Lists behind figures: ranked, searched, complete as CSV; who recorded a fact and why; unions by name; no list ends silently."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from services.metrics.explaining.measures import COMPARED, EXPLAINED
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.http import coverage_routes, duration_routes
from services.metrics.http.explaining import enterprises, routes
from services.metrics.settings import Settings
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageEnded, CoverageStarted, MemberJoined, UnionFounded, UnionKind
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered, HeadcountReported
from shared.http.pages import Cursors
from shared.http.web import create_app
from tests.integration.client import settings_of
from tests.integration.metrics.http.test_coverage import Client
from tests.integration.metrics.service import Metrics, enterprise, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

AS_OF = "2024-06-01"
PARK = "D1-P001"


@pytest.fixture(name="client")
async def client_of_a_test(metrics: Metrics) -> AsyncIterator[Client]:
    settings = settings_of(Settings)
    app = create_app(
        settings,
        title="lists alone",
        routers=[coverage_routes.router, routes.router, enterprises.router, duration_routes.router],
        lifespan=lambda _: contextlib.nullcontext(),
        readiness=lambda: None,  # type: ignore[arg-type,return-value]
    )
    app.state.questions, app.state.cursors = metrics.questions, Cursors(settings.cursor_key, "metrics")
    async with Client.of(app, "metrics:read") as made:
        yield made


def settle(metrics: Metrics, name: str, workers: int | None, settled: str, code: str | None = None) -> UUID:
    made, subject = enterprise()
    metrics.append(subject, EnterpriseRegistered(enterprise_id=made, name=name, park=PARK, district="D1", credit_code=code), settled)
    if workers is not None:
        metrics.append(subject, HeadcountReported(workers=workers), settled)
    return made


def cover(metrics: Metrics, made: UUID, on: str, name: str | None) -> UUID:
    union = uuid7()
    founded = UnionFounded(union_id=union, kind=UnionKind.ENTERPRISE_UNION, seat_area=PARK, name=name)
    metrics.append(f"union/{union}", founded, on)
    metrics.append(f"enterprise/{made}", CoverageStarted(enterprise_id=made, union_id=union, kind=UnionKind.ENTERPRISE_UNION), on)
    return union


@pytest.fixture(name="firms")
async def firms_of_a_test(metrics: Metrics) -> dict[str, UUID]:
    """Four without a union (one lost it), one with, one of unknown headcount."""
    for code, parent in (("C", None), ("D1", "C"), (PARK, "D1")):
        metrics.area(code, parent)
    found = {
        "big": settle(metrics, "恒力机械", 300, "2024-05-01", "91330201MA2AH0001X"),
        "old": settle(metrics, "东方厂", 30, "2021-06-01", "91330201MA2AH0002X"),
        "lost": settle(metrics, "ＡＢＣ电子", 30, "2020-01-01"),
        "small": settle(metrics, "小铺", 3, "2024-03-01"),
        "covered": settle(metrics, "有会公司", 80, "2022-01-01"),
        "unknown": settle(metrics, "无数厂", None, "2023-01-01"),
    }
    cover(metrics, found["covered"], "2022-02-01", "有会公司工会委员会")
    ended = cover(metrics, found["lost"], "2020-03-01", "电子工会")
    metrics.append(
        f"enterprise/{found['lost']}",
        CoverageEnded(enterprise_id=found["lost"], union_id=ended, kind=UnionKind.ENTERPRISE_UNION, reason="merged"),
        "2023-06-01",
    )
    for _ in range(3):
        member = MemberJoined(membership_id=uuid7(), enterprise_id=found["covered"], union_id=uuid7())
        metrics.append(f"enterprise/{found['covered']}", member, "2022-03-01")
    await metrics.fold()
    return found


def names(body: dict[str, Any]) -> list[str]:
    return [item["name"] for item in body["items"]]


async def test_the_enterprises_without_a_union_are_ranked_by_workers_then_days_waited(client: Client, firms: dict[str, UUID]) -> None:
    body = await client.ok("coverage/explain", measure="units_without_union_all", area="D1", as_of=AS_OF)
    assert body["figure"] == body["total"] == 4
    assert [(item["name"], item["workers"], item["days_waited"]) for item in body["items"]] == [
        ("恒力机械", 300, 31),
        ("东方厂", 30, 1096),
        ("ＡＢＣ电子", 30, 366),
        ("小铺", 3, 92),
    ]
    large = await client.ok("coverage/explain", measure="units_without_union_ge25", as_of=AS_OF)
    assert (large["figure"], names(large)) == (3, ["恒力机械", "东方厂", "ＡＢＣ电子"])
    covered = await client.ok("coverage/explain", measure="covered_units", as_of=AS_OF)
    assert [(item["name"], item["days_waited"]) for item in covered["items"]] == [("有会公司", None)]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("days_waited", ["东方厂", "ＡＢＣ电子", "小铺", "恒力机械"]),
        ("name", ["东方厂", "小铺", "恒力机械", "ＡＢＣ电子"]),
        ("contribution", ["恒力机械", "东方厂", "ＡＢＣ电子", "小铺"]),
    ],
)
async def test_pages_of_every_order_give_each_item_once(client: Client, firms: dict[str, UUID], sort: str, expected: list[str]) -> None:
    items = await client.pages("coverage/explain", measure="units_without_union_all", as_of=AS_OF, sort=sort, limit=1)
    if sort == "contribution":
        # Two of them have 30 workers.
        items[1:3] = sorted(items[1:3], key=lambda item: item["name"])
    assert [item["name"] for item in items] == expected


async def test_a_cursor_of_another_order_is_refused(client: Client, firms: dict[str, UUID]) -> None:
    first = await client.ok("coverage/explain", measure="units", as_of=AS_OF, limit=1)
    status, problem = await client.get("coverage/explain", measure="units", as_of=AS_OF, limit=1, after=first["next"], sort="name")
    assert (status, problem["code"]) == (400, "BAD_CURSOR")


@pytest.mark.parametrize(("q", "expected"), [("恒力", ["恒力机械"]), ("abc", ["ＡＢＣ电子"]), ("ma2ah0002", ["东方厂"]), ("none", [])])
async def test_a_list_is_searched_by_name_and_credit_code(client: Client, firms: dict[str, UUID], q: str, expected: list[str]) -> None:
    body = await client.ok("coverage/explain", measure="units_without_union_all", as_of=AS_OF, q=q)
    assert (names(body), body["total"], body["figure"]) == (expected, len(expected), 4)


@pytest.mark.parametrize("measure", EXPLAINED)
async def test_every_figure_that_a_page_links_to_is_explained(client: Client, firms: dict[str, UUID], measure: str) -> None:
    for scope in ({}, {"area": "D1"}, {"by": "park", "group": PARK}):
        body = await client.ok("coverage/explain", measure=measure, as_of=AS_OF, **scope)
        items = await client.pages("coverage/explain", measure=measure, as_of=AS_OF, limit=2, **scope)
        assert len(items) == body["total"]
        figure = body["figure"]
        if isinstance(figure, int):
            assert figure == sum(item["contribution"] for item in items)
        elif measure == "time_to_found":
            assert (figure["founded"], figure["waiting"]) == (2, 3)
            assert sorted(item["days_waited"] for item in items if item["amounts"]["waiting"]) == [31, 92, 1096]
        elif not measure.endswith("_lag"):
            parts = {name: sum(item["contribution"][name] for item in items) for name in ("numerator", "denominator")}
            assert {name: figure[name] for name in parts} == parts
        else:
            # At 2023-06-30: four units, one of them covered; now six and one. Members 3 and 3, workers 140 and 443.
            lags = {"founding_lag": (1 * 4 - 6 * 1, 1 * 4), "joining_lag": (3 * 140 - 443 * 3, 3 * 140)}
            assert (figure["numerator"], figure["denominator"]) == lags[measure]
    status, answer = await client.text("coverage/explain", measure=measure, as_of=AS_OF, format="csv")
    assert status == 200
    assert len(rows_of(answer)) == body["total"]
    one = await client.ok("coverage/explain", measure=measure, as_of=AS_OF, enterprise=items[0]["id"]) if items else None
    assert one is None or (one["items"][0]["id"] == items[0]["id"] and one["events"])


def rows_of(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


async def test_the_csv_holds_the_whole_list_in_its_order_and_says_its_basis(client: Client, firms: dict[str, UUID]) -> None:
    status, answer = await client.text("coverage/explain", measure="units_without_union_all", as_of=AS_OF, format="csv", limit=1)
    assert status == 200
    rows = rows_of(answer)
    assert [(row["name"], row["workers"], row["days_waited"]) for row in rows] == [
        ("恒力机械", "300", "31"), ("东方厂", "30", "1096"), ("ＡＢＣ电子", "30", "366"), ("小铺", "3", "92")
    ]  # fmt: skip
    assert {(row["as_of"], row["rule_version"], row["measure"], row["rounding"]) for row in rows} == {
        (AS_OF, RULE_VERSION, "units_without_union_all", "percent, half-up to 1 decimal")
    }
    _, chinese = await client.text("coverage/explain", measure="units_without_union_all", as_of=AS_OF, format="csv", language="zh")
    header = next(csv.reader(io.StringIO(chinese[1:])))
    assert {"名称", "职工人数", "未建会天数", "应建未建单位（全部）", "规则版本"} <= set(header)
    assert not [name for name in header if name.isascii()]


async def test_rates_in_csv_stand_beside_numerator_and_denominator_rounded_half_up(client: Client, firms: dict[str, UUID]) -> None:
    _, answer = await client.text("coverage", as_of=AS_OF, by="park", format="csv")
    total = rows_of(answer)[-1]
    name = "worker_joining_rate_all"
    assert (total[f"{name}_numerator"], total[f"{name}_denominator"], total[f"{name}_percent"]) == ("3", "443", "0.7")
    _, chinese = await client.text("coverage", as_of=AS_OF, by="park", format="csv", language="zh")
    assert "入会率(全部)%" in next(csv.reader(io.StringIO(chinese[1:])))
    for path in ("durations", "durations/curve"):
        status, text = await client.text(path, as_of=AS_OF, format="csv")
        assert (status, {row["rule_version"] for row in rows_of(text)}) == (200, {RULE_VERSION})


async def test_an_enterprise_says_its_union_by_name_or_since_when_it_has_none(
    metrics: Metrics, client: Client, firms: dict[str, UUID]
) -> None:
    body = await client.ok(f"enterprises/{firms['covered']}", as_of=AS_OF)
    assert [(one["name"], one["kind"], one["since"]) for one in body["unions"]] == [
        ("有会公司工会委员会", "enterprise_union", "2022-02-01")
    ]
    assert (body["without_union_since"], body["days_waited"]) == (None, None)
    body = await client.ok(f"enterprises/{firms['lost']}", as_of=AS_OF)
    assert (body["unions"], body["without_union_since"], body["days_waited"]) == ([], "2023-06-01", 366)
    body = await client.ok(f"enterprises/{firms['unknown']}", as_of=AS_OF)
    assert (body["unions"], body["days_waited"]) == ([], None)
    union = await client.ok("coverage/explain", measure="unions", as_of="2021-01-01")
    assert names(union) == ["电子工会"]
    founded = next(event for event in metrics.events if isinstance(event.data, UnionFounded) and event.data.name == "电子工会")
    metrics.correct(founded, "2020-03-01", name="电子公司工会")
    await metrics.fold()
    assert names(await client.ok("coverage/explain", measure="unions", as_of="2021-01-01")) == ["电子公司工会"]
    facts = (await client.ok(f"enterprises/{firms['lost']}/facts", as_of=AS_OF))["items"]
    assert [fact["union_name"] for fact in facts if fact["type"].startswith("parkunion.coverage-")] == ["电子公司工会", "电子公司工会"]


async def test_actor_and_reason_stand_beside_every_event(metrics: Metrics, client: Client, firms: dict[str, UUID]) -> None:
    before, after = metrics.today, metrics.next_day()
    subject = f"enterprise/{firms['big']}"
    report = next(event for event in metrics.events if event.subject == subject and isinstance(event.data, HeadcountReported))
    metrics.correct(report, "2024-05-01", workers=310)
    await metrics.fold()
    changes = await client.ok("coverage/changes", as_of=AS_OF, known_from=before, known_to=after, measure="workers")
    assert [(item["name"], item["event"]["actor"], item["event"]["reason"]) for item in changes["items"]] == [
        ("恒力机械", "tester", "typo")
    ]
    behind = await client.ok("coverage/explain", measure="workers", enterprise=firms["big"], as_of=AS_OF)
    assert {(event["actor"], event["reason"]) for event in behind["events"]} == {("tester", None), ("tester", "typo")}
    facts = await client.ok(f"enterprises/{firms['big']}/facts", as_of=AS_OF)
    assert (facts["items"][0]["reason"], facts["items"][0]["reason_text"]) == ("typo", "录入错误")
    status, text = await client.text("coverage/changes", as_of=AS_OF, known_from=before, known_to=after, format="csv")
    assert status == 200
    lines = [(row["figure"], row["before"], row["after"], row["actor"], row["reason"]) for row in rows_of(text)]
    assert ("workers", "300", "310", "tester", "typo") in lines
    assert {row["rule_version"] for row in rows_of(text)} == {RULE_VERSION}


async def test_what_looks_like_a_document_number_is_no_reason(metrics: Metrics, client: Client, firms: dict[str, UUID]) -> None:
    subject, union = f"enterprise/{firms['covered']}", uuid7()
    ended = CoverageEnded(enterprise_id=firms["covered"], union_id=union, kind=UnionKind.JOINT_UNION, reason="11010519491231002X")
    metrics.append(subject, ended, "2024-05-01")
    await metrics.fold()
    assert await metrics.pool.fetchval("SELECT count(*) FROM g1.facts WHERE reason LIKE '%1101%'") == 0


@pytest.mark.parametrize("measure", COMPARED)
async def test_changes_of_every_compared_figure_add_up(metrics: Metrics, client: Client, firms: dict[str, UUID], measure: str) -> None:
    before, after = metrics.today, metrics.next_day()
    cover(metrics, firms["big"], "2024-05-20", "恒力工会")
    metrics.append(f"enterprise/{firms['old']}", EnterpriseMoved(park="X", district="D"), "2024-05-01")
    metrics.append(f"enterprise/{firms['unknown']}", HeadcountReported(workers=9), "2024-05-01")
    await metrics.fold()
    for scope in ({}, {"area": "D1"}):
        body = await client.ok("coverage/changes", as_of=AS_OF, known_from=before, known_to=after, measure=measure, **scope)
        items = await client.pages("coverage/changes", as_of=AS_OF, known_from=before, known_to=after, measure=measure, limit=1, **scope)
        deltas = dict.fromkeys(body["delta"], 0)
        for item in items:
            for name, change in item["measures"].items():
                deltas[name] += change["delta"]
        assert deltas == body["delta"]


async def test_all_facts_of_an_enterprise_are_listed_however_many(metrics: Metrics, client: Client, firms: dict[str, UUID]) -> None:
    made = firms["covered"]
    for number in range(5200):
        joined = MemberJoined(membership_id=uuid7(), enterprise_id=made, union_id=uuid7())
        metrics.append(f"enterprise/{made}", joined, f"2023-{number % 12 + 1:02d}-01")
    newest = metrics.append(f"enterprise/{made}", HeadcountReported(workers=81), "2019-01-01")
    await metrics.fold(2000)
    items = await client.pages(f"enterprises/{made}/facts", as_of=AS_OF, limit=500)
    assert len(items) == len({item["id"] for item in items}) == 5200 + 3 + 3 + 1
    assert items[-1]["id"] == str(newest.id)
    assert [item["occurred_on"] for item in items] == sorted((item["occurred_on"] for item in items), reverse=True)
    _, text = await client.text(f"enterprises/{made}/facts", as_of=AS_OF, format="csv")
    assert [row["event"] for row in rows_of(text)] == [item["id"] for item in items]


async def test_days_waited_is_the_time_to_found_while_waiting(metrics: Metrics, client: Client, firms: dict[str, UUID]) -> None:
    for as_of in ("2022-01-15", "2023-01-01", AS_OF):
        waiting = {
            item["id"]: item["days_waited"]
            for item in await client.pages("coverage/explain", measure="time_to_found", as_of=as_of)
            if item["amounts"]["waiting"]
        }
        listed = {
            item["id"]: item["days_waited"]
            for item in await client.pages("coverage/explain", measure="units_without_union_all", as_of=as_of)
        }
        assert waiting.items() <= listed.items()
