"""The time to found over HTTP: medians and curves, and who may ask."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.metrics.figures.survival import curve, median
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageStarted, UnionFounded, UnionKind
from shared.contracts.registry import EnterpriseClosed, EnterpriseRegistered, HeadcountReported
from tests import oracle
from tests.conftest import NewDatabase
from tests.histories import PARKS, history, interleaved
from tests.integration.metrics.server import MetricsServer, server_of
from tests.integration.metrics.service import Metrics, enterprise

AS_OF = "2024-06-01"


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[MetricsServer]:
    async with server_of(await database("metrics")) as found:
        yield found


async def ask(server: MetricsServer, path: str = "", status: int = 200, areas: tuple[str, ...] = (), **params: Any) -> Any:
    async with server.client(*areas) as client:
        answer = await client.get(f"/v1/durations{path}", params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


def city(metrics: Metrics) -> None:
    metrics.area("C", None, "示例市")
    metrics.area("D1", "C", "东区")
    metrics.area("D1-P001", "D1", "东园")
    metrics.area("D1-P002", "D1", "南园")


def settle(metrics: Metrics, park: str, covered_on: str | None = None, closed_on: str | None = None) -> None:
    """An enterprise settled on 1 January 2024 with 30 workers."""
    made, subject = enterprise()
    metrics.append(subject, EnterpriseRegistered(enterprise_id=made, name="某厂", park=park, district="D1"), "2024-01-01")
    metrics.append(subject, HeadcountReported(workers=30), "2024-01-01")
    if covered_on:
        union = uuid7()
        metrics.append(f"union/{union}", UnionFounded(union_id=union, kind=UnionKind.ENTERPRISE_UNION, seat_area=park), covered_on)
        metrics.append(subject, CoverageStarted(enterprise_id=made, union_id=union, kind=UnionKind.ENTERPRISE_UNION), covered_on)
    if closed_on:
        metrics.append(subject, EnterpriseClosed(reason="moved_away"), closed_on)


async def test_a_median_counts_those_who_are_waiting_still(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    for park, covered_on in (("D1-P001", "2024-01-11"), ("D1-P001", "2024-01-31"), ("D1-P001", None), ("D1-P002", None)):
        settle(metrics, park, covered_on)
    settle(metrics, "D1-P002", "2024-01-02", closed_on="2024-02-01")
    await metrics.fold()
    body = await ask(server, by="park", as_of=AS_OF)
    assert list(body) == ["as_of", "known_at", "provisional", "closed_day", "rule_version", "fold_version", "rows", "left_out"]
    assert body["fold_version"] == 3
    assert body["rows"] == [
        {"area": "D1-P001", "name": "东园", "founded": 2, "waiting": 1, "median": 30, "median_lower": 10, "median_upper": None, "reason": None},
        {"area": "D1-P002", "name": "南园", "founded": 0, "waiting": 1, "median": None, "median_lower": None, "median_upper": None, "reason": "NOT_REACHED"},
        {"area": "all", "name": "All", "founded": 2, "waiting": 2, "median": 30, "median_lower": 10, "median_upper": None, "reason": None},
    ]  # fmt: skip
    early = (await ask(server, as_of="2023-12-31"))["rows"]
    assert [(row["founded"], row["waiting"], row["median"], row["reason"]) for row in early] == [(0, 0, None, "NO_BASE")]
    steps = (await ask(server, "/curve", area="C", as_of=AS_OF))["steps"]
    assert steps == [
        {"day": 10, "at_risk": 4, "founded": 1, "censored": 0, "survival": 0.75},
        {"day": 30, "at_risk": 3, "founded": 1, "censored": 0, "survival": 0.5},
        {"day": 152, "at_risk": 2, "founded": 0, "censored": 2, "survival": 0.5},
    ]
    one = await ask(server, "/curve", area="C", by="park", group="D1-P002", as_of=AS_OF)
    assert (one["row"]["waiting"], [step["survival"] for step in one["steps"]]) == (1, [1.0])


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_answers_are_those_of_the_oracle(server: MetricsServer, seed: int) -> None:
    metrics = server.metrics
    events = interleaved(history(seed, enterprises=8, length=20), seed)
    await metrics.fold_batch(0, events[: len(events) // 2])
    await metrics.fold_batch(0, events[len(events) // 2 :])
    known = sorted({oracle.known_day(event) for event in events})
    for t in (min(event.occurredon for event in events) + timedelta(days=300), max(event.occurredon for event in events)):
        for k in (known[len(known) // 2], known[-1]):
            expected: defaultdict[str, dict[str, list[int]]] = defaultdict(lambda: {"founded": [], "waiting": []})
            for cell, kind, days in oracle.waits(events, t, k):
                for group in (cell[0], "all"):
                    expected[group or "unknown"][kind].append(days)
            rows = (await ask(server, by="park", as_of=t, known_at=k))["rows"]
            assert {row["area"] for row in rows} == {*expected, "all"}
            for row in rows:
                told = expected[row["area"]]
                steps = curve(Counter(told["founded"]), Counter(told["waiting"]))
                assert (row["founded"], row["waiting"]) == (len(told["founded"]), len(told["waiting"]))
                assert (row["median"], row["median_lower"], row["median_upper"]) == tuple(median(steps))
                if row["area"] in PARKS:
                    answer = await ask(server, "/curve", by="park", group=row["area"], as_of=t, known_at=k)
                    assert [list(step.values())[:4] for step in answer["steps"]] == [list(step[:4]) for step in steps]


@pytest.mark.invariant("I7")
async def test_durations_are_told_to_those_who_may_ask(server: MetricsServer) -> None:
    city(server.metrics)
    await server.metrics.fold()
    for path in ("", "/curve"):
        assert (await ask(server, path, 403, areas=("D1-P001",)))["code"] == "AREA_NOT_GRANTED"
        assert (await ask(server, path, 403, areas=("D1-P001",), area="D1"))["code"] == "AREA_NOT_GRANTED"
        assert (await ask(server, path, areas=("D1-P001",), area="D1-P001"))["provisional"]
        refused: list[tuple[dict[str, Any], str, str]] = [
            ({"as_of": "yesterday"}, "INVALID_DATE", "as_of"),
            ({"known_at": "2999-01-01"}, "KNOWN_IN_FUTURE", "known_at"),
            ({"as_of": "2999-01-01"}, "DATE_OUT_OF_RANGE", "as_of"),
            ({"by": "colour"}, "NOT_ONE_OF", "by"),
        ]
        for params, code, field in refused:
            problem = await ask(server, path, 422, **params)
            assert (problem["code"], problem["errors"][0]["field"]) == (code, field)
    assert (await ask(server, "/curve", 422, by="park"))["errors"][0]["field"] == "group"
    async with server.client(scope="registry:read") as client:
        assert (await client.get("/v1/durations")).json()["code"] == "SCOPE_MISSING"


@pytest.mark.parametrize(
    ("language", "said"), [("zh", ["中位数 30 天", "2 家已建会", "2 家等待中"]), ("en", ["median 30 days", "2 founded", "2 waiting"])]
)
async def test_the_page_of_an_area_shows_the_median_its_curve_and_the_list_behind_it(
    server: MetricsServer, language: str, said: list[str]
) -> None:
    metrics = server.metrics
    city(metrics)
    for covered_on in ("2024-01-11", "2024-01-31", None, None):
        settle(metrics, "D1-P001", covered_on)
    await metrics.fold()
    async with server.client() as client:
        client.timeout = 60
        for area in ("C", "D1-P001"):
            page = (await client.get(f"/areas/{area}", params={"lang": language, "as_of": AS_OF})).raise_for_status().text
            panel = page[page.index('aria-labelledby="waits-title"') :]
            assert [text for text in said if text not in panel] == []
        csv = (await client.get("/areas/C/waiting.csv", params={"as_of": AS_OF})).text.lstrip("\ufeff").splitlines()
        assert [line.split(",")[:5] for line in csv[1:]] == [
            ["10", "4", "1", "0", "0.750000"], ["30", "3", "1", "0", "0.500000"], ["152", "2", "0", "2", "0.500000"]
        ]  # fmt: skip
        listed = (await client.get("/explain", params={"measure": "time_to_found", "area": "C", "lang": language, "as_of": AS_OF})).text
        assert '<p class="big">30<small>' in listed
        assert listed.count('<th role="rowheader" scope="row">') == 4
        empty = (await client.get("/areas/D1-P002", params={"lang": language})).text
        assert "waiting.svg" not in empty
