"""`python -m services.subscriptions.operate audit DAY` on a real Kafka, after the fan-out as a process runs it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.servers.kafka import KafkaServer
from services.subscriptions import app
from services.subscriptions.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Message, partition_of
from shared.contracts import Envelope, encode, membership
from shared.process import db
from shared.process.clock import utc_now
from shared.reading.lag import lag
from tests.conftest import Database, NewDatabase, NewTopics
from tests.histories import history, interleaved
from tests.integration.client import settings_of
from tests.integration.subscriptions.house import CLOCK, House, house_of
from tests.patience import PATIENCE

PARTITIONS = 4
NAMES = (
    "enterprise-registered",
    "enterprise-moved",
    "headcount-reported",
    "coverage-started",
    "member-joined",
    "member-left",
    "visit-made",
)


async def publish(kafka: KafkaBroker, prefix: str, events: Sequence[Envelope]) -> None:
    producer = kafka.producer()
    for event in events:
        topic = f"{prefix}{'membership' if event.source == membership.SOURCE else 'registry'}.v1"
        message = Message(partition_of(event.partitionkey, PARTITIONS), event.partitionkey.encode(), encode(event))
        await producer.publish(topic, [message])
    await producer.close()


async def operate(database: Database, kafka: str, *words: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)"""
    env = {**os.environ, "PARKUNION_MIGRATION_DSN": database.owner_dsn, "PARKUNION_KAFKA": kafka, "PARKUNION_ZONE": "Asia/Shanghai"}
    program = (sys.executable, "-m", "services.subscriptions.operate", *words)
    process = await asyncio.create_subprocess_exec(*program, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def read_to_the_end(house: House, settings: Settings, kafka: KafkaBroker) -> None:
    stop = asyncio.Event()
    fan_out = asyncio.ensure_future(app.roles(settings)["fanout"](stop))
    async with asyncio.timeout(PATIENCE):
        while (await lag(house.pool, kafka, 1, settings.topics)).events or not await house.pool.fetchval("SELECT count(*) FROM batches"):
            await asyncio.sleep(0.05)
    stop.set()
    await fan_out


@pytest.mark.invariant("I6")
async def test_a_city_that_was_fanned_out_from_kafka_is_audited(
    database: NewDatabase, kafka: KafkaBroker, kafka_server: KafkaServer, new_topics: NewTopics, topic_prefix: str
) -> None:
    own = await database("subscriptions")
    await new_topics("registry.v1", "membership.v1", "cases.v1", partitions=PARTITIONS)
    settings = settings_of(Settings, own, kafka=kafka_server.bootstrap, partitions=PARTITIONS, topic_prefix=topic_prefix, fanout_batch=23)
    async with house_of(own) as house:
        await house.pool.execute("DELETE FROM shards")
        whole = await house.subscribe(await house.grant(["*"], NAMES), kind="webhook")
        await house.subscribe(await house.grant(["D1"], NAMES, client="one"), client="one")
        narrow = await house.grant(["P2", "P3"], NAMES, {"headcount-reported": ["workers", "size"]}, client="two")
        await house.subscribe(narrow, client="two", min_workers=20)
        for area, around in (("P1", "D1"), ("P2", "D2"), ("P3", "D2"), ("D1", "D"), ("D2", "D"), ("D", None)):
            house.area(area, around)
        events = [*house.events, *interleaved(history(11, enterprises=15, mistakes=True, visits=True), 11)]
        half = len(events) // 2
        await publish(kafka, topic_prefix, events[:half])
        await read_to_the_end(house, settings, kafka)
        await house.revoke(narrow)
        await publish(kafka, topic_prefix, events[half:])
        await read_to_the_end(house, settings, kafka)
        async with house.pool.acquire() as conn:
            today = await CLOCK.today(conn)

        code, out, err = await operate(own, kafka_server.bootstrap, "audit", str(today), "--json")
        report: dict[str, Any] = json.loads(out)
        assert (report["different"], report["held"], err) == ([], [], "")
        assert len(report["waiting"]) == await house.pool.fetchval("SELECT count(*) FROM waiting")
        assert code == (2 if report["waiting"] else 0)
        assert report["deliveries"] == report["expected"] > 100
        assert report["deliveries"] == await house.pool.fetchval("SELECT count(*) FROM deliveries")

        code, out, _ = await operate(own, kafka_server.bootstrap, "audit", str(today - timedelta(days=1)))
        assert code in (0, 2)
        assert "nothing of that day to audit" in out

        owner = await db.connect(own.owner_dsn, application_name="subscriptions.tests")
        await owner.execute("DELETE FROM deliveries WHERE subscription = $1 AND number = 5", whole)
        await owner.close()
        code, out, _ = await operate(own, kafka_server.bootstrap, "audit", str(today), "--json")
        assert code == 1
        assert {one["kind"] for one in json.loads(out)["different"]} >= {"missing", "numbering"}
        code, out, _ = await operate(own, kafka_server.bootstrap, "audit", str(today))
        assert code == 1
        assert f"subscription={whole}" in out


@pytest.mark.parametrize("words", [("audit", "2026-02-30"), ("audit", "20260701", "--json"), ("audit", "yesterday", "--json")])
async def test_a_day_that_is_none_is_told_in_both_languages(database: NewDatabase, words: Sequence[str]) -> None:
    code, out, err = await operate(await database("subscriptions"), "127.0.0.1:1", *words)
    assert code == 4
    assert "日期须写作" in err
    assert "a date is written YYYY-MM-DD" in err
    if "--json" in words:
        assert json.loads(out)["error"]["code"] == "INVALID_DATE"


async def test_a_kafka_that_does_not_answer_is_told(database: NewDatabase) -> None:
    own = await database("subscriptions")
    async with house_of(own) as house:
        house.city()
        await house.fan()
    code, out, err = await operate(own, "127.0.0.1:1", "audit", str(CLOCK.day_of(utc_now())), "--json")
    assert code == 4, out
    assert "Kafka" in err
