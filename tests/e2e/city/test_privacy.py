"""I5: no document number leaves the tables of the service that owns it, and there it is encrypted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.supervising.processes import PARTITIONS, TOPICS
from tests.e2e.city.conftest import RESIDENT_ID, City

NUMBERS = (RESIDENT_ID, "E00000001")
pytestmark = pytest.mark.invariant("I5")


async def topics(bootstrap: str) -> bytes:
    """Every key, value and header of every record."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="none", enable_auto_commit=False)
    await consumer.start()
    found = b""
    try:
        places = [TopicPartition(topic, partition) for topic in TOPICS for partition in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += b"".join(repr((r.key, r.value, r.headers)).encode() for r in records)
    finally:
        await consumer.stop()
    return found


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def test_no_document_number_is_in_topics_logs_metrics_spans_or_errors(city: City) -> None:
    platform = city.platform
    refused = platform.post(
        "membership",
        "/v1/members",
        {
            "union_id": city.union,
            "enterprise_id": city.enterprise,
            "document": {"kind": "resident_id", "number": RESIDENT_ID},
            "joined_on": "2024-03-05",
        },
    )
    wrong = platform.post(
        "membership",
        "/v1/members",
        {
            "union_id": city.union,
            "enterprise_id": city.enterprise,
            "document": {"kind": "resident_id", "number": RESIDENT_ID[:-1] + "0"},
            "joined_on": "2024-03-05",
        },
    )
    assert refused.status_code == 409
    assert wrong.status_code == 422
    places = {
        "topics": asyncio.run(topics(platform.status()["kafka"]["bootstrap"])),
        "answers": refused.content + wrong.content + platform.get("membership", f"/v1/members/{city.member}").content,
        **{f"{name} /metrics": platform.get(name, "/metrics").content for name in ("registry", "membership", "metrics")},
        "spans": bytes(city.collector.raw),
        **dict(files_of(platform.data / "logs")),
    }
    assert len(places["topics"]) > 1000, "the topics were not read"
    leaks = [
        (place, number) for place, content in places.items() for number in (*NUMBERS, RESIDENT_ID[:-1] + "0") if number.encode() in content
    ]
    assert leaks == []


async def test_databases_hold_it_only_encrypted(city: City) -> None:
    for service, dsn in city.platform.status()["postgres"]["dsn"].items():
        conn = await asyncpg.connect(dsn)
        try:
            tables = await conn.fetch(
                "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            for table in tables:
                if await conn.fetchval("SELECT has_table_privilege($1, 'SELECT')", table["name"]):
                    rows = "\n".join(str(row) for row in await conn.fetch(f"SELECT t::text FROM {table['name']} AS t"))
                    assert not [number for number in NUMBERS if number in rows], (service, table["name"])
        finally:
            await conn.close()
