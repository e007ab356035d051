"""What the parts of a projector can do at most on this machine, each alone, on the same log."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Mapping
from datetime import date
from uuid import UUID

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.speed.stack import METRICS, BenchStack
from shared import contracts
from shared.broker.protocol import Extent, Place

SAMPLE = 100_000
"""Records that are kept to be decoded."""
MOST_FETCHED = 2_000_000
MOST_ROWS = 300_000
MAKE = "DROP TABLE IF EXISTS ceiling; CREATE TABLE ceiling (LIKE g1.ledger_rows INCLUDING ALL)"
ROWS = f"SELECT * FROM g1.ledger_open LIMIT {MOST_ROWS}"


class Light(msgspec.Struct):
    """The attributes of an event without which no reader can fold it."""

    id: str
    source: str
    type: str
    subject: str
    sequence: str
    time: str
    occurredon: str
    data: msgspec.Raw


class WireOfEvent(msgspec.Struct):
    """The attributes, typed."""

    id: UUID
    source: str
    type: str
    subject: str
    sequence: str
    occurredon: date
    data: msgspec.Raw


async def ceilings(stack: BenchStack, ends: Mapping[Place, Extent]) -> dict[str, int]:
    """{name: events, records or rows a second}. The database of metrics must hold the ledger of a run."""
    fetched, values = await _fetch(stack.bootstrap, ends)
    light, typed = msgspec.json.Decoder(Light).decode, msgspec.json.Decoder(WireOfEvent).decode
    return {
        "aiokafka_getmany_records_per_s": fetched,
        "msgspec_envelope_as_text_per_s": _decoded(values, light),
        "msgspec_envelope_typed_per_s": _decoded(values, typed),
        "contracts_decode_per_s": _decoded(values, contracts.decode),
        "copy_ledger_rows_per_s": await _copied(stack),
    }


async def _fetch(bootstrap: str, ends: Mapping[Place, Extent]) -> tuple[int, list[bytes]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2**20,
        fetch_max_bytes=50 * 2**20,
    )
    await consumer.start()
    try:
        places = [TopicPartition(*place) for place, extent in ends.items() if extent.end]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        total, count, values = min(MOST_FETCHED, sum(extent.end for extent in ends.values())), 0, list[bytes]()
        began = time.perf_counter()
        while count < total:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                count += len(records)
                if len(values) < SAMPLE:
                    values += [record.value for record in records]
        return round(count / (time.perf_counter() - began)), values[:SAMPLE]
    finally:
        await consumer.stop()


def _decoded(values: list[bytes], decode: object) -> int:
    assert callable(decode)
    began = time.perf_counter()
    for value in values:
        decode(value)
    return round(len(values) / (time.perf_counter() - began))


async def _copied(stack: BenchStack) -> int:
    """Rows a second of one binary COPY of real rows of the ledger, committed."""
    conn = await asyncpg.connect(stack.dsn(METRICS))
    try:
        rows = io.BytesIO()
        await conn.copy_from_query(ROWS, output=rows, format="binary")
        await conn.execute(MAKE)
        rows.seek(0)
        began = time.perf_counter()
        status = await conn.copy_to_table("ceiling", source=rows, format="binary")
        seconds = time.perf_counter() - began
        await conn.execute("DROP TABLE ceiling")
        return round(int(status.split()[1]) / seconds)
    finally:
        await conn.close()


def measured(stack: BenchStack, ends: Mapping[Place, Extent]) -> dict[str, int]:
    """As `ceilings`, from a program without an event loop."""
    return asyncio.run(ceilings(stack, ends))
