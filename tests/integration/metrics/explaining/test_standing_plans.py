"""What became known after a day is found by when it was recorded: not by all pages that no vacuum has seen."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import asyncpg

from services.metrics.figures.stores import set_store
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined
from shared.contracts.registry import EnterpriseRegistered, HeadcountReported
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

DAY = timedelta(days=1)
FACTS, NEW = 6000, 20
SEED = """
INSERT INTO g1.fact_rows (shard, subject, source, sequence, event_id, type, occurred_on, known_day, recorded_at)
SELECT 0, 'enterprise/' || n, 's', 1, gen_random_uuid(), 't', day, day, day + time '12:00'
FROM generate_series(1, $1::int) n, LATERAL (SELECT date '2026-01-02' - ($1::int - n) / $2::int AS day) d
"""


def rows_read(plan: Any) -> Iterator[float]:
    """How many rows each scan of facts returned or threw away."""
    if plan.get("Relation Name", "").startswith("fact_r"):
        yield plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    for below in plan.get("Plans", ()):
        yield from rows_read(below)


async def test_what_became_known_after_a_day_is_found_by_when_it_was_recorded(metrics: Metrics, metrics_database: Any) -> None:
    owner = await asyncpg.connect(metrics_database.owner_dsn, server_settings={"timezone": "UTC"})
    await owner.execute("ALTER TABLE g1.fact_rows DISABLE TRIGGER USER")
    await owner.execute(SEED, FACTS, NEW)
    await owner.execute("ANALYZE g1.fact_rows")
    day = date(2026, 1, 1)
    (explained,) = await owner.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {set_store.CHANGED.format(g=1)}", day, day + DAY, None, None)
    assert NEW <= sum(rows_read(json.loads(explained[0])[0]["Plan"])) <= 5 * NEW
    await owner.close()


async def test_all_is_found_that_became_known_in_days(metrics: Metrics) -> None:
    """Around midnight too, of the deployment's zone and of UTC."""
    random_ = random.Random(1)
    known: dict[str, set[date]] = {}
    enterprises = [uuid7() for _ in range(5)]
    for enterprise in enterprises:
        registered = EnterpriseRegistered(enterprise_id=enterprise, name="厂", park="P1", district="D")
        metrics.append(f"enterprise/{enterprise}", registered, "2024-01-01")
    await metrics.fold()
    first = metrics.today
    for _ in range(60):
        metrics.known += timedelta(hours=random_.choice((0, 1, 5, 11)))
        enterprise = random_.choice(enterprises)
        said = random_.choice(
            (HeadcountReported(workers=9), MemberJoined(membership_id=uuid7(), enterprise_id=enterprise, union_id=uuid7()))
        )
        metrics.append(f"enterprise/{enterprise}", said, "2024-05-01")
        known.setdefault(f"enterprise/{enterprise}", set()).add(metrics.today)
        await metrics.fold()
    async with metrics.snapshot() as snapshot:
        for since in range((metrics.today - first).days + 1):
            for many in (1, 3):
                after, until = first + since * DAY, first + (since + many) * DAY
                wanted = {subject for subject, days in known.items() if any(after < day <= until for day in days)}
                for parks in (None, ["P1"]):
                    assert {*await set_store.subjects_changed(snapshot.conn, 1, after, until, parks)} == wanted
