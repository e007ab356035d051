"""A command costs the same after years: statements prepared while the tables were empty still find their rows by key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from services.membership import loading
from services.membership.facts import TABLE
from shared.contracts.registry import HeadcountReported
from shared.http.auth import Areas
from shared.journal import idempotency, journal
from shared.journal.idempotency import Keys, Result
from shared.journal.journal import Actor, Draft
from shared.process import db
from shared.process.db import Connection, Pool
from shared.reading import heads
from shared.reading.batches import planning
from shared.relaying import store as sending
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line, Work
from tests.conftest import NewDatabase
from tests.integration.membership.service import Membership
from tests.integration.membership.service import command as command_of

KEYS = Keys(b"plans")
ROWS = 20_000
FEW = 60
"""Rows that one command may look at."""

FILL = f"""
INSERT INTO idempotency (client, key, fingerprint) SELECT 'tester', 'old' || n, '' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO streams (subject, kind, id, sequence) SELECT 'enterprise/old' || n, 'enterprise', 'old' || n, 1 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO journal (subject, sequence, event_id, type, recorded_at, occurred_on, actor, origin, partition_key, data)
    SELECT 'enterprise/old' || n, 1, gen_random_uuid(), 't', parkunion_now(), '2024-01-01', 'a', 'api', 'k', '{{}}' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO persons (id, document_kind, hash, hash_version, document, key_version)
    SELECT gen_random_uuid(), 'sample', decode(md5(n::text), 'hex'), 1, '', 1 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
    SELECT 1, 0, 's', 'enterprise/old' || n, 1, gen_random_uuid(), parkunion_now() FROM generate_series(1, {ROWS}) AS n;
"""
READ = """
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint FROM pg_stat_xact_user_tables
"""


@pytest.fixture
async def by_key(database: NewDatabase) -> AsyncIterator[Pool]:
    database_of_membership = await database("membership")
    pool = await db.create_pool(database_of_membership.app_dsn, application_name="plans.tests", max_size=1, by_key=True)
    yield pool
    pool.terminate()


async def command(conn: Connection, n: int) -> None:
    """What every command does, and what relay and reader do with its event."""
    key, subject = f"key{n}", f"enterprise/{n}"
    await idempotency.look_up(conn, KEYS, "tester", [(key, b"f")])
    await journal.lock(conn, [subject])
    (written,) = await journal.append(conn, [Draft(subject, HeadcountReported(workers=n), date(2024, 1, 1))], Actor("tester", "api"))
    await idempotency.record(conn, KEYS, "tester", {(key, b"f"): Result("id", subject, 1, [written.event_id])})
    await loading.snapshot(conn, [], [], [], [(1, n.to_bytes(16, "big"))])
    await conn.fetch(heads.HEADS, 1, 0, db.text_array(["s"]), db.text_array([subject]))
    await conn.fetch(planning.KEPT, 1, 0, ["s"], [subject])
    await conn.fetch(sending.OLDEST, 10)
    await conn.fetch(sending.KNOWN, [subject], [1], [written.event_id])


async def test_a_command_reads_a_few_rows_however_many_there_are(by_key: Pool) -> None:
    read: list[Any] = []
    for n in range(12):
        async with by_key.acquire() as conn, conn.transaction():
            await command(conn, n)
            read.append(await conn.fetchval(READ))
    async with by_key.acquire() as conn:
        await conn.execute("DELETE FROM outbox")
        await conn.execute(FILL)
        async with conn.transaction():
            before = await conn.fetchval(READ)
            await command(conn, 100)
            after = await conn.fetchval(READ) - before
    assert after < FEW, f"{after} rows read, {read} while the tables were empty"


async def test_a_single_command_makes_nine_round_trips_and_no_plan_is_made_anew(by_key: Pool) -> None:
    membership = Membership(by_key)
    await membership.areas()
    enterprise = str(await membership.enterprise())
    union = await membership.do("union", kind="enterprise_union", seat_area="P1", approved_on="2021-01-01", enterprises=[enterprise])
    asked: list[str] = []
    for n in range(7):
        asked.clear()
        async with by_key.acquire() as conn:
            conn.add_query_logger(log := lambda record: asked.append(record.query))
        document = {"kind": "sample", "number": f"round-trips-{n}"}
        await commands.one(by_key, KEYS, "tester", *joining(membership, union.id, enterprise, document, key=f"key-{n}"))
        async with by_key.acquire() as conn:
            conn.remove_query_logger(log)
    assert len(asked) == 9, asked
    async with by_key.acquire() as conn:
        planned = "SELECT statement FROM pg_prepared_statements WHERE custom_plans > 0 AND statement LIKE '%enterprises%'"
        assert await conn.fetch(planned) == []


def joining(membership: Membership, union: str, enterprise: str, document: dict[str, str], key: str) -> tuple[Line[Any], Work[Any]]:
    """A join as `POST /v1/members` does it."""
    body = {"union_id": union, "enterprise_id": enterprise, "document": document, "joined_on": "2024-01-02"}
    line = Line(command_of("member", body), key, idempotency.fingerprint(b"f", "POST", "member", body))
    return line, carrying_out(TABLE, membership.context, Areas.all(), Actor("tester", "api"))
