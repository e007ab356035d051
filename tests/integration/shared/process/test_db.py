"""Pools, transactions and migrations on a real database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from deploy.local.servers.postgres import PostgresServer
from shared.process.db import Connection, Pool, UnsafeSessionError, create_pool, run_command, transaction
from shared.process.migrate import MigrationChangedError, migrate
from tests.conftest import Database
from tests.patience import PATIENCE


class Areas:
    def __init__(self, text: str) -> None:
        self.text = text

    def setting(self) -> str:
        return self.text


async def test_every_session_has_the_timeouts_that_free_what_a_frozen_process_holds(pool: Pool) -> None:
    wanted = {
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "10s",
        "transaction_timeout": "1min",
        "tcp_keepalives_idle": "10",
        "TimeZone": "UTC",
        "transaction_isolation": "read committed",
        "synchronous_commit": "on",
    }
    assert {name: await pool.fetchval(f"SHOW {name}") for name in wanted} == wanted


async def test_a_superuser_is_refused(dummy: Database, postgres_server: PostgresServer) -> None:
    with pytest.raises(UnsafeSessionError, match="BYPASSRLS"):
        await create_pool(postgres_server.dsn(dummy.name), application_name="dummy.tests")


async def test_commits_that_may_be_lost_are_refused(dummy: Database) -> None:
    owner = await asyncpg.connect(dummy.owner_dsn)
    await owner.execute(f'ALTER DATABASE "{dummy.name}" SET synchronous_commit = off')
    await owner.close()
    with pytest.raises(UnsafeSessionError, match="synchronous_commit"):
        await create_pool(dummy.app_dsn, application_name="dummy.tests")


async def test_areas_hold_for_one_transaction_and_nothing_means_none(pool: Pool) -> None:
    async def areas(conn: Connection) -> str:
        return str(await conn.fetchval("SELECT coalesce(current_setting('parkunion.areas', true), '')"))

    async with pool.acquire() as conn, conn.transaction():
        assert await areas(conn) == ""
    async with transaction(pool, areas=Areas("a,b")) as some:
        assert await areas(some) == "a,b"
    async with transaction(pool, areas=Areas("it's; ROLLBACK; --")) as quoted:
        assert await areas(quoted) == "it's; ROLLBACK; --"
    async with transaction(pool) as none:
        assert await areas(none) == ""
    assert await run_command(pool, areas, areas=Areas("*")) == "*"


async def test_lists_are_planned_for_their_values_and_commands_are_not(dummy: Database) -> None:
    pool = await create_pool(dummy.app_dsn, application_name="dummy.tests", max_size=1, by_key=True)

    async def plans(conn: Connection) -> str:
        return str(await conn.fetchval("SHOW plan_cache_mode"))

    async with transaction(pool, areas=Areas("a")) as conn:
        assert await plans(conn) == "auto"
    assert await run_command(pool, plans, areas=Areas("a")) == "force_generic_plan"
    await pool.close()


async def test_what_is_cancelled_or_fails_in_a_transaction_leaves_nothing_and_the_session_is_fit_again(dummy: Database) -> None:
    pool = await create_pool(dummy.app_dsn, application_name="dummy.tests", max_size=1)
    begun = asyncio.Event()

    async def work() -> None:
        async with transaction(pool, areas=Areas("a")) as conn:
            await conn.execute("SELECT pg_advisory_xact_lock(8)")
            begun.set()
            await conn.fetchval("SELECT pg_sleep(20)")

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with transaction(pool, areas=Areas("a")) as conn:
            await conn.fetchval("SELECT 1 / 0")
    async with transaction(pool, areas=Areas("b")) as conn:
        assert await conn.fetchval("SELECT current_setting('parkunion.areas')") == "b"
        assert await conn.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    await pool.close()


async def test_json_comes_back_as_it_went_in(pool: Pool) -> None:
    values: list[object] = [{"名": ["a", 1, 2.5, None, True]}, [], "text", 10**15]
    for value in values:
        assert await pool.fetchval("SELECT $1::jsonb", value) == value
    assert await pool.fetchval("SELECT $1::jsonb[]", [{"a": 1}, {"b": 2}]) == [{"a": 1}, {"b": 2}]


async def test_a_command_that_deadlocks_is_done_again_as_a_whole(pool: Pool) -> None:
    await pool.execute("INSERT INTO notes (note_id, text) SELECT gen_random_uuid(), n FROM unnest('{a,b}'::text[]) AS n")
    both_hold_one = asyncio.Barrier(2)
    runs = 0

    def swap(first: str, second: str) -> asyncio.Task[None]:
        async def work(conn: Connection) -> None:
            nonlocal runs
            runs += 1
            await conn.execute("UPDATE notes SET text = text WHERE text = $1", first)
            if runs <= 2:
                await both_hold_one.wait()
            await conn.execute("UPDATE notes SET text = text WHERE text = $1", second)

        return asyncio.create_task(run_command(pool, work, areas=None))

    await asyncio.wait_for(asyncio.gather(swap("a", "b"), swap("b", "a")), PATIENCE)
    assert runs == 3


async def test_serialization_failures_are_repeated_three_times_only(pool: Pool) -> None:
    runs = 0

    async def work(conn: Connection) -> None:
        nonlocal runs
        runs += 1
        raise asyncpg.SerializationError("again")

    with pytest.raises(asyncpg.SerializationError):
        await run_command(pool, work, areas=None)
    assert runs == 4


@pytest.fixture
async def bare(dummy: Database, postgres_server: PostgresServer) -> str:
    """The owner's DSN of an empty database."""
    name = f"{dummy.name}_bare"
    postgres_server.create_database(name, "dummy_owner")
    return postgres_server.dsn(name, "dummy_owner")


async def test_migrations_are_applied_once_in_order_and_by_one_at_a_time(bare: str, tmp_path: Path) -> None:
    (tmp_path / "_shared.txt").write_text("clock  # first\n\njournal.sql\n")
    (tmp_path / "0002_second.sql").write_text("INSERT INTO things VALUES (2);")
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE things (n int); GRANT SELECT ON things TO {app};")
    (tmp_path / "notes.txt").write_text("no migration")
    runs = await asyncio.gather(*(migrate(bare, "dummy", folder=tmp_path) for _ in range(4)))
    assert sorted(runs, key=len)[:3] == [[], [], []]
    assert max(runs, key=len) == ["shared/clock.sql", "shared/journal.sql", "0001_first.sql", "0002_second.sql"]
    (tmp_path / "0003_third.sql").write_text("INSERT INTO things VALUES (3);")
    assert await migrate(bare, "dummy", folder=tmp_path) == ["0003_third.sql"]


async def test_a_changed_migration_is_refused(bare: str, tmp_path: Path) -> None:
    (tmp_path / "_shared.txt").write_text("")
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE things (n int);")
    await migrate(bare, "dummy", folder=tmp_path)
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE things (n bigint);")
    with pytest.raises(MigrationChangedError, match="0001_first"):
        await migrate(bare, "dummy", folder=tmp_path)


async def test_a_migration_that_fails_leaves_nothing_behind_and_can_be_run_again(bare: str, tmp_path: Path) -> None:
    (tmp_path / "_shared.txt").write_text("")
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE things (n int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(bare, "dummy", folder=tmp_path)
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE things (n int);")
    assert await migrate(bare, "dummy", folder=tmp_path) == ["0001_first.sql"]


@pytest.mark.invariant("I8")
async def test_a_migration_that_the_old_release_would_not_survive_waits_until_it_has_gone(bare: str, tmp_path: Path) -> None:
    (tmp_path / "_shared.txt").write_text("")
    (tmp_path / "0001_first.sql").write_text("-- waits for: dummy.old\nCREATE TABLE things (n int);")
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE others (n int);")
    old = await asyncpg.connect(bare, server_settings={"application_name": "dummy.old"})
    assert await migrate(bare, "dummy", folder=tmp_path) == ["0002_second.sql"]
    await old.close()
    assert await migrate(bare, "dummy", folder=tmp_path) == ["0001_first.sql"]
    assert await migrate(bare, "dummy", folder=tmp_path) == []


@pytest.mark.invariant("I8")
async def test_a_migration_that_waits_for_a_table_lets_others_use_it_meanwhile(bare: str, tmp_path: Path) -> None:
    (tmp_path / "_shared.txt").write_text("")
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE things (n int);")
    await migrate(bare, "dummy", folder=tmp_path)
    (tmp_path / "0002_second.sql").write_text("ALTER TABLE things ADD COLUMN m int;")
    slow, others = await asyncpg.connect(bare), await asyncpg.connect(bare)
    reading = slow.transaction()
    await reading.start()
    await slow.fetch("SELECT n FROM things")
    migrating = asyncio.create_task(migrate(bare, "dummy", folder=tmp_path))
    async with asyncio.timeout(PATIENCE):
        while not await others.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'things'::regclass)"):
            await asyncio.sleep(0.02)
        # The migration stands in the queue before this one, and does not give up its place for ever.
        await others.fetch("SELECT n FROM things")
    assert not migrating.done()
    await reading.rollback()
    assert await migrating == ["0002_second.sql"]
    await slow.close()
    await others.close()


@pytest.mark.invariant("I8")
async def test_a_migration_whose_locks_cross_those_of_others_is_tried_again(bare: str, tmp_path: Path) -> None:
    (tmp_path / "_shared.txt").write_text("")
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE a (n int); CREATE TABLE b (n int);")
    await migrate(bare, "dummy", folder=tmp_path)
    (tmp_path / "0002_second.sql").write_text("ALTER TABLE a ADD COLUMN m int; ALTER TABLE b ADD COLUMN m int;")
    at_work = await asyncpg.connect(bare)
    reading = at_work.transaction()
    await reading.start()
    await at_work.fetch("SELECT n FROM b")
    migrating = asyncio.create_task(migrate(bare, "dummy", folder=tmp_path))
    watching = await asyncpg.connect(bare)
    async with asyncio.timeout(PATIENCE):
        while not await watching.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'b'::regclass)"):
            await asyncio.sleep(0.02)
        await at_work.fetch("SELECT n FROM a")
    await reading.rollback()
    assert await migrating == ["0002_second.sql"]
    await at_work.close()
    await watching.close()
