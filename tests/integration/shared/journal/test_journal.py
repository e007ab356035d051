"""The journal on a real database: order, contiguity, limits, and that nothing in it can ever be changed."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from shared import contracts
from shared.contracts.registry import EnterpriseClosed, HeadcountReported
from shared.journal import journal
from shared.journal.journal import Actor, Draft, StreamHead
from shared.process.clock import Clock
from shared.process.db import BY_KEY, Connection, Pool, run_command, transaction
from tests.conftest import Database

ACTOR = Actor("tester", "api", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
DAY = date(2026, 3, 3)


def draft(subject: str, workers: int = 1) -> Draft:
    return Draft(subject, HeadcountReported(workers=workers), DAY)


async def say(conn: Connection, *subjects: str) -> list[journal.Appended]:
    await journal.lock(conn, subjects)
    return await journal.append(conn, [draft(subject) for subject in subjects], ACTOR)


async def test_facts_are_appended_in_the_order_of_their_drafts(pool: Pool) -> None:
    async with transaction(pool) as conn:
        heads = await journal.lock(conn, ["enterprise/b", "union/a", "enterprise/b"])
        assert heads == {"enterprise/b": StreamHead(0, None), "union/a": StreamHead(0, None)}
        written = await journal.append(conn, [draft("enterprise/b", 5), draft("union/a", 6), draft("enterprise/b", 7)], ACTOR)
    assert [(row.subject, row.sequence) for row in written] == [("enterprise/b", 1), ("union/a", 1), ("enterprise/b", 2)]
    async with transaction(pool) as conn:
        assert (await journal.lock(conn, ["enterprise/b"]))["enterprise/b"] == StreamHead(2, written[2].recorded_at)
        rows = await journal.events_of(conn, "enterprise/b")
        assert [row.data for row in rows] == [{"workers": 5}, {"workers": 7}]
        assert [row.sequence for row in await journal.events_of(conn, "enterprise/b", 1, 10)] == [2]
    assert [row.event_id for row in rows] == [written[0].event_id, written[2].event_id]
    assert await pool.fetch("SELECT id FROM outbox ORDER BY id") == await pool.fetch("SELECT id FROM journal ORDER BY id")


async def test_an_event_may_have_a_trace_of_its_own(pool: Pool) -> None:
    own = "00-11111111111111111111111111111111-b7ad6b7169203331-01"
    data = HeadcountReported(workers=1)
    async with transaction(pool) as conn:
        await journal.lock(conn, ["enterprise/a", "enterprise/b"])
        drafts = [
            draft("enterprise/a"),
            Draft("enterprise/b", data, DAY, traceparent=own),
            Draft("enterprise/a", data, DAY, traceparent=own),
        ]
        await journal.append(conn, drafts, ACTOR)
        found = [(row.subject, row.traceparent) for row in await journal.events_of(conn, "enterprise/a")]
        found += [(row.subject, row.traceparent) for row in await journal.events_of(conn, "enterprise/b")]
    assert found == [("enterprise/a", ACTOR.traceparent), ("enterprise/a", own), ("enterprise/b", own)]


async def test_appending_to_many_streams_compares_no_draft_with_each_of_them(pool: Pool) -> None:
    """Sessions of commands have no hash joins: a join of two lists is a loop over both, of a thousand streams a million comparisons."""
    nothing: list[object] = [*["{}"] * 6, "tester", "api", None]
    async with pool.acquire() as conn, conn.transaction():
        for name, value in BY_KEY.items():
            await conn.execute(f"SET LOCAL {name} = {value}")
        plan = "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN {journal.APPEND_HASHED}", *nothing))
    assert "CTE Scan on raised" in plan
    assert "Join Filter" not in plan


async def test_a_row_travels_as_the_cloud_event_that_its_contract_reads(pool: Pool) -> None:
    async with transaction(pool) as conn:
        (written,) = await say(conn, "enterprise/b")
        (row,) = await journal.events_of(conn, "enterprise/b")
    event = contracts.decode(journal.cloud_event(row, "/services/dummy"))
    assert event == contracts.Envelope(
        id=written.event_id,
        source="/services/dummy",
        subject="enterprise/b",
        partitionkey="b",
        sequence=1,
        type="parkunion.headcount-reported.v1",
        time=written.recorded_at,
        occurredon=DAY,
        actor="tester",
        origin="api",
        data=HeadcountReported(workers=1),
        traceparent=ACTOR.traceparent,
    )


@pytest.mark.invariant("I2")
async def test_what_the_outbox_shows_is_always_a_prefix_of_each_stream(pool: Pool) -> None:
    """Mixed transactions race; a watcher that deletes what it sees, as the relay does, never meets a break (0 in 14.9k, ENGINE Writing 4)."""
    streams = [f"enterprise/{n}" for n in range(8)] + [f"union/{n}" for n in range(4)]
    seen: dict[str, list[int]] = {subject: [] for subject in streams}
    running = True

    async def membership(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(60):
            wanted = [chance.choice(streams) for _ in range(chance.randint(1, 8))]

            async def work(conn: Connection, wanted: list[str] = wanted) -> None:
                await journal.lock(conn, wanted)
                await journal.append(conn, [draft(subject) for subject in wanted], ACTOR)
                if chance.random() < 0.1:
                    raise LookupError("refused after all")

            try:
                await run_command(pool, work, areas=None)
            except LookupError:
                continue

    async def watch() -> None:
        while running or await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
            rows = await pool.fetch("SELECT id, subject, sequence FROM outbox JOIN journal USING (id) ORDER BY id LIMIT 50")
            for row in rows:
                seen[row["subject"]].append(row["sequence"])
            await pool.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", [row["id"] for row in rows])

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(membership(seed) for seed in range(7)))
    running = False
    await watcher
    assert all(found == list(range(1, len(found) + 1)) for found in seen.values())
    assert sum(map(len, seen.values())) == await pool.fetchval("SELECT count(*) FROM journal") > 1000


async def test_streams_are_locked_in_one_order_whatever_the_commands_ask(pool: Pool) -> None:
    """Unions before enterprises before areas, then by id: commands over the same streams never deadlock."""
    streams = ["area/x", "enterprise/b", "union/z", "union/a", "enterprise/a"]

    async def membership(seed: int) -> None:
        for _ in range(15):
            async with transaction(pool) as conn:
                await say(conn, *random.Random(seed).sample(streams, 5))

    await asyncio.gather(*(membership(seed) for seed in range(8)))
    assert {row["sequence"] for row in await pool.fetch("SELECT sequence FROM streams")} == {120}


@pytest.mark.parametrize("statement", ["UPDATE journal SET actor = 'x'", "DELETE FROM journal", "TRUNCATE journal", "TRUNCATE outbox"])
async def test_the_services_role_cannot_change_the_journal(pool: Pool, statement: str) -> None:
    async with transaction(pool) as conn:
        await say(conn, "enterprise/b")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)


async def test_appending_to_a_stream_without_its_row_is_a_fault(pool: Pool) -> None:
    with pytest.raises(journal.StreamNotLockedError):
        async with transaction(pool) as conn:
            await journal.append(conn, [draft("enterprise/b")], ACTOR)
    assert await pool.fetchval("SELECT count(*) FROM journal") == 0


async def test_an_event_larger_than_256_kib_is_refused(pool: Pool) -> None:
    large = Draft("enterprise/b", EnterpriseClosed(reason="x" * 262_000), DAY)

    async def work(conn: Connection) -> None:
        await journal.lock(conn, ["enterprise/b"])
        await journal.append(conn, [large], ACTOR)

    with pytest.raises(journal.EventTooLargeError):
        await run_command(pool, work, areas=None)


async def test_only_streams_with_an_event_are_locked_as_existing_and_none_begins(pool: Pool) -> None:
    async with transaction(pool) as conn:
        await say(conn, "enterprise/b", "union/a")
        await journal.lock(conn, ["enterprise/empty"])
    async with transaction(pool) as conn:
        asked = ["enterprise/none", "enterprise/b", "enterprise/empty", "union/a", "enterprise/b"]
        assert await journal.lock_existing(conn, asked) == ["union/a", "enterprise/b"]
        assert await journal.lock_existing(conn, []) == []
        assert not await conn.fetchval("SELECT count(*) FROM streams WHERE subject = 'enterprise/none'")
        async with transaction(pool) as other:
            await other.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await journal.lock_existing(other, ["union/a"])


async def test_time_never_goes_back_in_a_stream_and_a_clock_far_behind_is_refused(dummy: Database, pool: Pool) -> None:
    async def shift(interval: str) -> None:
        owner = await asyncpg.connect(dummy.owner_dsn)
        await owner.execute(f"UPDATE clock_shift SET shift = interval '{interval}'")
        await owner.close()

    clock = Clock(ZoneInfo("Asia/Shanghai"))
    await shift("2 days")
    async with transaction(pool) as conn:
        (first,) = await say(conn, "enterprise/b")
        now = await clock.now(conn)
        assert await clock.today(conn) == clock.day_of(now)
    assert now - datetime.now(UTC) > timedelta(days=1, hours=23)
    await shift("2 days -30 seconds")
    async with transaction(pool) as conn:
        (second,) = await say(conn, "enterprise/b")
    assert second.recorded_at == first.recorded_at
    await shift("0")
    with pytest.raises(journal.ClockAheadError):
        async with transaction(pool) as conn:
            await say(conn, "enterprise/b")
    async with transaction(pool) as conn:
        await say(conn, "enterprise/other")


async def test_the_services_role_cannot_move_the_clock(pool: Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("UPDATE clock_shift SET shift = interval '1 day'")
