"""docs/operations.md lists every table of every database, and what trims it; the services do it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg
import pytest

from services.cases.settings import Settings as CasesSettings
from services.metrics.cleaning import cleaner_of as metrics_cleaner
from services.metrics.settings import Settings as MetricsSettings
from services.registry.settings import Settings as RegistrySettings
from shared.browser import cleaning as browser
from shared.contracts.services import SERVICES
from shared.process import db
from shared.process.pause import beside
from shared.service.roles import cleaner_of
from tests.conftest import Database, NewDatabase
from tests.integration.client import settings_of
from tests.patience import PATIENCE

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
TABLES = """
SELECT CASE WHEN schemaname = 'public' THEN tablename ELSE 'g<N>.' || tablename END AS name FROM pg_tables
WHERE schemaname = 'public' OR schemaname ~ '^g[0-9]+$'
"""


def documented(service: str) -> dict[str, str]:
    """{table: what trims it} of a service, by the page."""
    declared = SERVICES[service]
    sections = ["Every service", service]
    sections += ["Services that write"] if declared.contracts else []
    sections += ["Services that read"] if declared.reads else []
    found: dict[str, str] = {}
    for section in sections:
        text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
        found |= {row[1]: row[2] for row in re.finditer(r"^\| `(\S+)` \|[^|]*\| ([^|]+) \|$", text, re.MULTILINE)}
    return found


@pytest.mark.parametrize("service", sorted(SERVICES))
async def test_every_table_is_on_the_page_with_what_trims_it(database: NewDatabase, service: str) -> None:
    made = await database(service)
    conn = await asyncpg.connect(made.owner_dsn)
    tables = {row["name"] for row in await conn.fetch(TABLES)}
    await conn.close()
    assert tables == documented(service).keys()
    assert all(documented(service).values())


async def turned(made: Database, by: str) -> None:
    """The platform's clock, turned on as `./parkunion clock advance` does."""
    conn = await asyncpg.connect(made.owner_dsn)
    await conn.execute("UPDATE clock_shift SET shift = shift + $1::text::interval", by)
    await conn.close()


async def gone(made: Database, statement: str) -> None:
    conn = await asyncpg.connect(made.owner_dsn)
    async with asyncio.timeout(PATIENCE):
        while await conn.fetchval(statement):
            await asyncio.sleep(0.05)
    await conn.close()


@pytest.mark.invariant("I5")
async def test_the_service_forgets_idempotency_keys_after_thirty_days(database: NewDatabase) -> None:
    made = await database("registry")
    pool = await db.create_pool(made.app_dsn, application_name="tests", max_size=2)
    fill = """
    INSERT INTO idempotency (client, key, fingerprint, result, created_at)
    SELECT 'c', 'hmac ' || n, '', '{}'::jsonb, parkunion_now() - make_interval(days => n % 2 * 5) FROM generate_series(1, 4500) AS n
    """
    await pool.execute(fill)
    settings = settings_of(RegistrySettings, made)
    stop = asyncio.Event()
    async with pool.acquire() as conn:
        assert await cleaner_of(settings).clean(conn, stop) == {"idempotency": 0}
    async with beside(cleaner_of(settings).run(stop)), beside(cleaner_of(settings).run(stop)), pool.acquire() as writer:
        async with writer.transaction():
            # A command that uses one of the keys just now holds nobody up.
            await writer.execute("SELECT FROM idempotency WHERE key = 'hmac 1' FOR UPDATE")
            await turned(made, "26 days")
            await gone(made, "SELECT count(*) > 2251 FROM idempotency")
        await turned(made, "5 days")
        await gone(made, "SELECT EXISTS (SELECT FROM idempotency)")
    pool.terminate()


async def test_cases_removes_codes_and_sessions_that_have_expired(database: NewDatabase) -> None:
    made = await database("cases")
    owner = await asyncpg.connect(made.owner_dsn)
    when = "clock_timestamp() + make_interval(hours => n) FROM generate_series(-2, 1) AS n"
    codes = "login_codes (code_hash, client, scopes, areas, expires_at, valid_until)"
    await owner.execute(
        f"INSERT INTO {codes} SELECT int8send(n), 'c', '{{}}', '{{}}', clock_timestamp() + make_interval(hours => n), {when}"
    )
    await owner.execute(
        f"INSERT INTO sessions (id_hash, client, scopes, areas, expires_at) SELECT int8send(n), 'c', '{{}}', '{{}}', {when}"
    )
    async with beside(cleaner_of(settings_of(CasesSettings, made), browser.TRIMS).run(asyncio.Event())):
        await gone(made, "SELECT count(*) <> 1 FROM sessions")
        await gone(made, "SELECT count(*) <> 1 FROM login_codes")
    await owner.close()


async def test_metrics_removes_what_has_expired_and_the_generation_that_served_before(database: NewDatabase) -> None:
    made = await database("metrics")
    owner = await asyncpg.connect(made.owner_dsn)
    await owner.execute("SELECT clone_generation(1, 2), clone_generation(1, 3), clone_generation(1, 4)")
    await owner.execute(
        """
        INSERT INTO login_codes SELECT int8send(n), 'c', '{}', '{}', clock_timestamp() + make_interval(hours => n) FROM generate_series(-2, 1) AS n;
        INSERT INTO sessions (id_hash, client, scopes, areas, expires_at) SELECT code_hash, client, scopes, areas, expires_at FROM login_codes;
        INSERT INTO reports (generation, kind, differences, report) VALUES (1, 'audit', 0, '{}'), (1, 'rebuild', 0, '{}');
        UPDATE generations SET status = 'retired', retired_at = parkunion_now();
        INSERT INTO generations (id, fold_version, status, created_at, built_at) VALUES (2, 2, 'serving', parkunion_now(), parkunion_now()),
            (3, 2, 'building', parkunion_now(), NULL), (4, 2, 'building', parkunion_now(), parkunion_now());
        INSERT INTO shards (generation, shard) VALUES (1, 0), (2, 0), (3, 0);
        """
    )
    stop = asyncio.Event()
    async with beside(metrics_cleaner(settings_of(MetricsSettings, made)).run(stop)):
        await gone(made, "SELECT EXISTS (SELECT FROM sessions WHERE expires_at < clock_timestamp())")
        await gone(made, "SELECT count(*) <> 1 FROM login_codes")
        assert await owner.fetchval("SELECT count(*) FROM generations") == 4
        await turned(made, "26 hours")
        await gone(made, "SELECT count(*) <> 2 FROM generations")
        assert [row["id"] for row in await owner.fetch("SELECT id FROM generations ORDER BY id")] == [2, 4]
        assert [row["generation"] for row in await owner.fetch("SELECT generation FROM shards")] == [2]
        assert await owner.fetchval("SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace WHERE nspname ~ '^g[0-9]'") == [
            "g2",
            "g4",
        ]
        await turned(made, "400 days")
        await gone(made, "SELECT EXISTS (SELECT FROM reports WHERE kind = 'audit')")
    assert await owner.fetchval("SELECT kind FROM reports") == "rebuild"
    await owner.close()
