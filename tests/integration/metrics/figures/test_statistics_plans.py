"""No statistic reads a large table from end to end: the plans on a city's tallies, and what the answers take."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import asyncpg
import pytest

from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.statistics import aid, answers, sql
from services.metrics.figures.statistics.answers import Question
from services.metrics.figures.statistics.catalogue import StatisticName
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

PARKS = 40
CELLS = PARKS * 20
CASES = 20_000
AS_OF = date(2024, 6, 1)
SEED = f"""
INSERT INTO g1.cells (park, industry, size, ownership)
SELECT 'P' || n % {PARKS}, chr(65 + n % 20), (ARRAY['large', 'medium', 'small', 'micro'])[n / {PARKS} % 4 + 1], NULL FROM generate_series(0, {CELLS - 1}) n
ON CONFLICT DO NOTHING;
INSERT INTO g1.tallies (shard, cell, effective_day, known_day, name, code, value, count)
SELECT n % 6, c.id, s.day, s.day, s.name, (ARRAY['wage_arrears', 'labour_dispute', 'other'])[n % 3 + 1], s.value, s.count
FROM generate_series(1, {CASES}) n
CROSS JOIN LATERAL (SELECT DATE '2014-01-01' + n % 3650 AS on) o
JOIN LATERAL (SELECT min(id) + n % {CELLS} AS id FROM g1.cells) c ON true
CROSS JOIN LATERAL (VALUES
    (o.on, 'case_opened', 0, 1), (o.on, 'case_open', n % 3650, 1), (o.on + n % 90 + 1, 'case_open', n % 3650, -1), (o.on + n % 90 + 1, 'case_closed', n % 90, 1)
) s(day, name, value, count)
ON CONFLICT DO NOTHING;
"""


@pytest.fixture
async def city(metrics: Metrics) -> Metrics:
    metrics.area("C", None)
    for number in range(PARKS):
        metrics.area(f"P{number}", "C")
    await metrics.fold()
    return metrics


def scans(plan: Any) -> Iterator[tuple[str, str]]:
    """(node, table) of every scan of a plan."""
    if "Relation Name" in plan:
        yield plan["Node Type"], plan["Relation Name"]
    for below in plan.get("Plans", ()):
        yield from scans(below)


@pytest.mark.parametrize("area", [None, "P7"])
async def test_the_statistics_of_a_city_are_read_by_an_index(city: Metrics, metrics_database: Any, area: str | None) -> None:
    owner = await asyncpg.connect(metrics_database.owner_dsn)
    await owner.execute(SEED)
    await owner.execute("ANALYZE g1.tallies, g1.cells")
    parks = None if area is None else [area]
    rows = await owner.fetchval("SELECT count(*) FROM g1.tallies")
    arguments = (AS_OF, AS_OF, parks, ["case_opened"], answers.window(AS_OF))
    (explained,) = await owner.fetch(f"EXPLAIN (FORMAT JSON) {sql._tallies(1, 'c.park', False, area is not None)}", *arguments)
    await owner.close()
    plan = json.loads(explained[0])[0]["Plan"]
    assert rows > 60_000
    assert [node for node, table in scans(plan) if table == "tallies" and node == "Seq Scan"] == []
    async with city.snapshot() as snapshot:
        for name in StatisticName:
            await _timed(snapshot, Question(name, area, None, AS_OF, AS_OF, answers.window(AS_OF)))


async def _timed(snapshot: Snapshot, question: Question) -> None:
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        if question.name is StatisticName.AID_BY_KIND:
            await aid.published(snapshot, question)
        else:
            await answers.answer(snapshot, question)
        taken.append(time.perf_counter() - began)
    print(f"{question.name} {question.area or 'all'}: {taken[0] * 1000:.1f} ms, again {taken[1] * 1000:.1f} ms")
