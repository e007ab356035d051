"""What is published of a row, many at a time, has the bytes that `cloud_event` writes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import msgspec

from shared.broker.protocol import DAY, Message, partition_for
from shared.contracts import decode
from shared.contracts.ids import uuid7
from shared.journal import journal
from shared.process.db import Pool
from shared.relaying.messages import COLUMNS, messages
from tests.conftest import Database
from tests.contract.test_golden import SAMPLES
from tests.dummy_service.reading import SOURCE

PARTITIONS = 4
INSERT = """
INSERT INTO journal (subject, sequence, event_id, type, recorded_at, occurred_on, actor, origin, cause_id, traceparent, partition_key, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
TEXTS = [
    "plain",
    'quote " backslash \\ slash /',
    "tab\tline\nreturn\rform\fback\b",
    "\x01\x1f\x7f",
    "员工 🏭 \u2028\u2029",
    "",
    " : ",
    '", "',
]
TIMES = [
    datetime(2026, 7, 1, 1, 2, 3, tzinfo=UTC),
    datetime(2026, 7, 1, 1, 2, 3, 500_000, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1999, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
]
CONTENTS: list[dict[str, Any]] = [
    {},
    {"a": 1, "long_name": [1, -2, 10**15, 1.5, 1e30, None, True, False], "b": {"c": [{"d": text} for text in TEXTS]}},
    *({text: text} for text in TEXTS),
]


async def test_a_row_is_published_with_the_bytes_of_its_cloud_event(dummy: Database, pool: Pool) -> None:
    rows: list[tuple[object, ...]] = []
    for number, (text, content) in enumerate((text, content) for text in TEXTS for content in CONTENTS):
        key, cause, trace = f"{text}{number}", (None, uuid7())[number % 2], (None, text)[number % 3 > 0]
        when, day = TIMES[number % len(TIMES)], date(999 if number == 7 else 2026, 1, 1)
        rows.append(
            (f"enterprise/{key}", number + 1, uuid7(), f"type {text}", when, day, text, f"import:{text}", cause, trace, key, content)
        )
    rows += [(f"{DAY}/{n}", 1, uuid7(), "t", TIMES[0], date(2026, 1, 1), "a", "api", None, None, str(n), {}) for n in range(PARTITIONS)]
    for number, path in enumerate(SAMPLES):
        event = decode(path.read_bytes())
        data = msgspec.json.decode(msgspec.json.encode(event.data))
        trace = event.traceparent
        rows.append(
            (f"golden/{number}", 1, uuid7(), event.type, event.time, event.occurredon, "a", "api", event.causeid, trace, str(number), data)
        )
    owner = await asyncpg.connect(dummy.owner_dsn)
    await owner.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: msgspec.json.encode(value).decode(), decoder=msgspec.json.decode
    )
    await owner.executemany(INSERT, rows)
    await owner.close()

    asked = f"SELECT {COLUMNS}, NULL::int AS partition FROM journal AS j ORDER BY j.id"
    found = messages(await pool.fetch(asked), SOURCE, PARTITIONS)
    plain = [journal.JournalRow(*row) for row in await pool.fetch(f"SELECT {journal.COLUMNS} FROM journal ORDER BY id")]
    assert found == [
        Message(partition_for(row.subject, row.partition_key, PARTITIONS), row.partition_key.encode(), journal.cloud_event(row, SOURCE))
        for row in plain
    ]
    assert len(found) == len(rows)


async def test_a_given_partition_is_taken(dummy: Database, pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(INSERT, "enterprise/e", 1, uuid7(), "t", TIMES[0], date(2026, 1, 1), "a", "api", None, None, "e", {})
        found = messages(await conn.fetch(f"SELECT {COLUMNS}, 3 AS partition FROM journal AS j"), SOURCE, PARTITIONS)
    assert [one.partition for one in found] == [3]
