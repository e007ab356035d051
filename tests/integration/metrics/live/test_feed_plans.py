"""What streams cost: the feed is read where it is new, however much of it is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import asyncpg

from services.metrics.tables import feed
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

SHARDS, KEPT = 12, 1500
SEED = f"""
INSERT INTO shards (generation, shard, version) SELECT 1, n, {KEPT} FROM generate_series(0, {SHARDS - 1}) AS n
ON CONFLICT (generation, shard) DO UPDATE SET version = excluded.version;
INSERT INTO g1.change_feed (shard, version, cells, deltas, oldest, traceparents)
SELECT s, v, '{{}}', '\\x90', now(), '{{}}' FROM generate_series(0, {SHARDS - 1}) AS s, generate_series(1, {KEPT}) AS v ON CONFLICT DO NOTHING;
"""


def rows_read(plan: Any, table: str) -> Iterator[float]:
    """How many rows of a table each scan of a plan returned or threw away, in all its loops."""
    if plan.get("Relation Name") == table:
        yield (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    for below in plan.get("Plans", ()):
        yield from rows_read(below, table)


async def test_a_read_of_the_feed_costs_by_what_is_new_in_it(metrics: Metrics, metrics_database: Any) -> None:
    owner = await asyncpg.connect(metrics_database.owner_dsn)
    await owner.execute(SEED)
    await owner.execute("ANALYZE g1.change_feed, shards")
    versions = dict.fromkeys(range(SHARDS), KEPT - 2)
    for plans in ("force_custom_plan", "force_generic_plan"):
        await owner.execute(f"SET plan_cache_mode = {plans}")
        statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {feed.ABOVE.format(g=1)}"
        (explained,) = await owner.fetch(statement, 1, list(versions), list(versions.values()))
        assert 2 * SHARDS <= sum(rows_read(json.loads(explained[0])[0]["Plan"], "change_feed")) <= 4 * SHARDS
    await owner.close()


async def test_the_feed_above_a_version_vector_is_what_each_shard_has_behind_its_version(metrics: Metrics) -> None:
    async with metrics.pool.acquire() as conn:
        await conn.execute(SEED)
        versions = {shard: KEPT - shard for shard in range(1, SHARDS)}
        found = await feed.batches_above(conn, 1, versions | {0: KEPT})
        above = [(one.shard, one.version) for one in found.changes]
        assert above == [(shard, version) for shard in range(1, SHARDS) for version in range(KEPT - shard + 1, KEPT + 1)]
        await conn.execute("DELETE FROM g1.change_feed WHERE shard <> 3 OR version > 5")
        assert [(one.shard, one.version) for one in (await feed.batches_above(conn, 1, {0: 0})).changes] == [(3, n) for n in range(1, 6)]
