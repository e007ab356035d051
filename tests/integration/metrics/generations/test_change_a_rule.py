"""docs/how-to/change-a-rule.md, step by step: the release with other rules is a process of its own, the log is Kafka."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.servers.kafka import KafkaServer
from services.metrics import app
from services.metrics.folding import coverage
from services.metrics.generations import lifecycle
from services.metrics.generations.lifecycle import GenerationRefused
from services.metrics.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.contracts import Envelope
from shared.contracts.registry import EnterpriseRegistered, HeadcountReported
from shared.process import db
from shared.process.db import create_pool
from tests.conftest import Database, NewDatabase, NewTopics
from tests.integration.client import settings_of
from tests.integration.metrics.folding.test_kafka import PARTITIONS, publish
from tests.integration.metrics.service import Metrics, enterprise
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[4]
DEADLINE = PATIENCE
SUMS = """
SELECT coalesce(sum(should_organise_all), 0), coalesce(sum(in_grace), 0)
FROM (TABLE g{g}.ledger UNION ALL TABLE g{g}.ledger_open) l WHERE effective_day <= $1
"""


def said(metrics: Metrics) -> tuple[str, list[Envelope]]:
    """An enterprise that settled on 10 January with 40 workers."""
    made, subject = enterprise()
    metrics.known = datetime(2024, 6, 3, 2, tzinfo=UTC)
    metrics.append(subject, EnterpriseRegistered(enterprise_id=made, name="示例", park="P1", district="D"), "2024-01-10")
    metrics.append(subject, HeadcountReported(workers=40), "2024-01-10")
    return subject, metrics.events


@asynccontextmanager
async def projecting(metrics_database: Database, kafka: KafkaServer, prefix: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    settings = settings_of(Settings, metrics_database, kafka=kafka.bootstrap, partitions=PARTITIONS, topic_prefix=prefix)
    task = asyncio.ensure_future(app.roles(settings)["projector"](stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def counted(conn: asyncpg.Connection[asyncpg.Record], generation: int, *days: str) -> list[tuple[int, ...]]:
    """(should organise, in grace) as of days."""
    rows = [await conn.fetchrow(SUMS.format(g=generation), date.fromisoformat(day)) for day in days]
    return [tuple(row) for row in rows if row is not None]


async def test_a_rule_is_changed_by_a_rebuild_whose_differences_are_read_and_accepted(
    kafka: KafkaBroker, kafka_server: KafkaServer, database: NewDatabase, new_topics: NewTopics, topic_prefix: str
) -> None:
    metrics_database = await database("metrics")
    await new_topics("registry.v1", "membership.v1", "cases.v1", partitions=PARTITIONS)
    pool = await create_pool(metrics_database.app_dsn, application_name="metrics.tests")
    owner = await db.connect(metrics_database.owner_dsn, application_name="metrics.tests")
    subject, events = said(Metrics(pool))
    await publish(kafka, topic_prefix, events)

    def other(*words: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "MIGRATION_DSN": metrics_database.owner_dsn,
            "KAFKA": kafka_server.bootstrap,
            "PARTITIONS": str(PARTITIONS),
            "TOPIC_PREFIX": topic_prefix,
        }
        env = {**os.environ, **{f"PARKUNION_{name}": value for name, value in settings.items()}}
        return subprocess.run(
            [sys.executable, "-m", "tests.integration.metrics.generations.other_rules", *words],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    async with projecting(metrics_database, kafka_server, topic_prefix):
        async with asyncio.timeout(DEADLINE):
            while await owner.fetchval("SELECT count(*) FROM g1.facts") < len(events):
                await asyncio.sleep(0.05)
        assert await counted(owner, 1, "2024-01-10", "2024-02-08", "2024-02-09") == [(1, 0), (1, 0), (1, 0)]

        refused = await asyncio.to_thread(other, "audit")
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (4, "", 1)
        assert "this release folds 4" in refused.stderr

        built = await asyncio.to_thread(other, "rebuild", "--json")
        assert built.returncode == 1, built.stderr
        report: dict[str, Any] = json.loads(built.stdout)
        ledger = [row for row in report["different"] if row["table"] == "ledger"]
        assert [(row["effective_day"], row["enterprises"]) for row in ledger] == [
            ("2024-01-10", [subject]),
            ("2024-02-09", [subject]),
        ]
        assert ledger[0]["refolded"]["in_grace"] == 1
        made = report["generation"]

        refused = await asyncio.to_thread(other, "switch", str(made))
        assert refused.returncode == 4
        assert f"switch {made} --accept {report['id']}" in refused.stderr
        switched = await asyncio.to_thread(other, "switch", str(made), "--accept", str(report["id"]))
        assert switched.returncode == 0, switched.stderr
        assert await counted(owner, made, "2024-01-10", "2024-02-08", "2024-02-09") == [(0, 1), (0, 1), (1, 0)]
        audited = await asyncio.to_thread(other, "audit", "--json")
        assert (audited.returncode, json.loads(audited.stdout)["differences"]) == (0, 0)

        # The release with the old rules goes on feeding its own generation, which is the way back.
        assert (await asyncio.to_thread(other, "rollback")).returncode == 4
        assert await lifecycle.rollback(owner) == (made, 1)
        with pytest.raises(GenerationRefused, match="fed no longer"):
            await lifecycle.switch(owner, made, None)
    assert coverage.FOLD_VERSION != 4
    await owner.close()
    pool.terminate()
