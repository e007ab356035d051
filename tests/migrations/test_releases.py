"""What every kept release left behind is read by this one: rows, topics and figures; and the old code runs on the new schema."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from deploy.local.child import free_port
from deploy.local.servers.postgres import PostgresServer
from shared import contracts
from shared.contracts import Envelope
from shared.persons.sealing import PersonKeys, Sealed
from shared.process.db import create_pool
from shared.process.migrate import migrate
from tests.conftest import Database, NewDatabase
from tests.integration.metrics.server import server_of
from tests.integration.metrics.service import Metrics
from tests.migrations.kept import SECRET, SERVICES, Issuer, environment_of, knows_days, of, program_of, records, restore, unpack
from tests.patience import PATIENCE

pytestmark = pytest.mark.invariant("I8")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def restored(kept: Path, postgres_server: PostgresServer) -> AsyncIterator[dict[str, Database]]:
    """Its databases, brought up to this release; for tests that only read what the release wrote."""
    async with _brought_up(kept, postgres_server, *SERVICES) as found:
        yield found


@pytest.fixture
async def registry(kept: Path, postgres_server: PostgresServer) -> AsyncIterator[Database]:
    """The registry's database alone, brought up to this release, for a test that writes."""
    async with _brought_up(kept, postgres_server, "registry") as found:
        yield found["registry"]


@asynccontextmanager
async def _brought_up(kept: Path, postgres_server: PostgresServer, *services: str) -> AsyncIterator[dict[str, Database]]:
    found = restore(kept, postgres_server, *services)
    for service, database in found.items():
        await migrate(database.owner_dsn, service)
    yield found
    for database in found.values():
        postgres_server.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)')


def events(kept: Path) -> list[Envelope]:
    """In the order in which they were recorded."""
    return sorted((contracts.decode(record["value"].encode()) for record in records(kept)), key=lambda event: (event.time, event.sequence))


def figures(kept: Path) -> list[dict[str, Any]]:
    text = (kept / "figures.json").read_text("utf-8")
    answers: list[dict[str, Any]] = json.loads(text, object_hook=_rate_in_full)
    assert any(row["members"] for answer in answers if answer.get("path") != "/v1/durations" for row in answer["rows"])
    return answers


def without_findings(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as the releases before had them: without what is odd about their data."""
    return [{name: value for name, value in row.items() if name != "findings"} for row in rows]


def _rate_in_full(value: dict[str, Any]) -> dict[str, Any]:
    """0.1 and 0.2 named the parts of a rate `n` and `d`."""
    names = {"n": "numerator", "d": "denominator"}
    return {names.get(name, name): part for name, part in value.items()} if "n" in value else value


async def test_every_record_can_be_read_and_is_what_the_journals_say(kept: Path, restored: dict[str, Database]) -> None:
    told = {(event.source, event.subject, event.sequence): event.id for event in events(kept)}
    assert len(told) == len(records(kept))
    types = {event.type.split(".")[1] for event in events(kept)}
    assert types >= {
        *("area-registered", "enterprise-registered", "headcount-reported", "enterprise-moved", "enterprise-reclassified"),
        *("enterprise-closed", "union-founded", "coverage-started", "coverage-ended", "union-dissolved", "member-joined", "member-left"),
        "fact-corrected",
    }
    assert {"event-withdrawn", "day-closed"} <= types or not knows_days(kept)
    journals = {}
    for service in ("registry", "membership"):
        conn = await asyncpg.connect(restored[service].owner_dsn)
        for row in await conn.fetch("SELECT subject, sequence, event_id FROM journal"):
            journals[f"/services/{service}", row["subject"], row["sequence"]] = row["event_id"]
        await conn.close()
    assert journals == told


async def test_the_rows_still_answer_what_they_answered(kept: Path, restored: dict[str, Database]) -> None:
    async with server_of(restored["metrics"]) as server, server.client() as client:
        client.headers["Accept-Language"] = "zh"
        for answer in figures(kept):
            found = (await client.get(answer.get("path", "/v1/coverage"), params=answer["params"])).raise_for_status().json()
            assert without_findings(found["rows"]) == answer["rows"], answer["params"]
            assert "provisional" not in answer or found["provisional"] == answer["provisional"], answer["params"]


@of("0.1")
async def test_figures_that_were_folded_before_there_were_durations_say_that_a_rebuild_is_needed(
    kept: Path, restored: dict[str, Database]
) -> None:
    async with server_of(restored["metrics"]) as server, server.client() as client:
        for path in ("/v1/durations", "/v1/durations/curve"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "REBUILD_NEEDED")
            assert "parkunion rebuild" in answer.json()["errors"][0]["message_zh"]


async def test_the_events_fold_to_the_same_figures(kept: Path, database: NewDatabase) -> None:
    fresh = await database("metrics")
    pool = await create_pool(fresh.app_dsn, application_name="metrics.tests")
    metrics = Metrics(pool)
    # The reader keeps what closes a day to itself.
    said = [event for event in events(kept) if event.type != "parkunion.day-closed.v1"]
    for start in range(0, len(said), 200):
        await metrics.fold_batch(0, said[start : start + 200])
    async with server_of(fresh) as server, server.client() as client:
        client.headers["Accept-Language"] = "zh"
        today = str(await pool.fetchval("SELECT (parkunion_now() AT TIME ZONE 'Asia/Shanghai')::date"))
        # The kept figures are of a turned clock; what will be known on a day to come cannot be asked.
        for answer in [answer for answer in figures(kept) if answer["params"].get("known_at", today) <= today]:
            found = (await client.get(answer.get("path", "/v1/coverage"), params=answer["params"])).raise_for_status().json()
            assert without_findings(found["rows"]) == answer["rows"], answer["params"]
    pool.terminate()


async def test_the_documents_can_be_opened_with_their_keys(kept: Path, restored: dict[str, Database]) -> None:
    keys = json.loads((kept / "keys.json").read_text("utf-8"))
    rings: dict[str, dict[int, bytes]] = {"encryption": {}, "hash": {}}
    for name, key in keys.items():
        ring, _, version = name.rpartition("-")
        rings[ring][int(version)] = bytes.fromhex(key)
    documents = PersonKeys(rings["encryption"], rings["hash"])
    conn = await asyncpg.connect(restored["membership"].owner_dsn)
    rows = await conn.fetch("SELECT id, document_kind, document, key_version, hash FROM persons")
    await conn.close()
    opened = {}
    for row in rows:
        number = documents.open(row["id"], Sealed(row["document"], row["key_version"]))
        assert row["hash"] in [found for _, found in documents.hashes(row["document_kind"], number)]
        opened[row["document_kind"], number] = row["id"]
    assert {("resident_id", "11010519491231002X"), ("passport", "E00000001"), ("sample", "KEEP/1")} <= set(opened)


def test_the_old_registry_takes_commands_on_the_new_schema(kept: Path, registry: Database, issuer: Issuer, tmp_path: Path) -> None:
    code = unpack(kept, tmp_path)
    port = free_port(None)
    settings = {
        "DSN": registry.app_dsn,
        "KAFKA": "127.0.0.1:1",
        "PORT": str(port),
        "ISSUER": issuer.name,
        "JWKS_URL": issuer.jwks,
        "FINGERPRINT_KEY": SECRET,
        "CURSOR_KEY": SECRET,
    }
    program, env = program_of(code, "services.registry", "--role", "api"), environment_of(code, **settings)
    with subprocess.Popen(program, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as old:
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {issuer.token()}"},
                timeout=PATIENCE,
                trust_env=False,
            ) as client:
                deadline = time.monotonic() + PATIENCE
                while True:
                    try:
                        client.get("/healthz").raise_for_status()
                        break
                    except httpx.TransportError:
                        assert time.monotonic() < deadline
                        assert old.poll() is None, old.stdout.read() if old.stdout else ""
                        time.sleep(0.05)
                body = {"name": "旧版登记厂", "park": "K1-P001", "settled_on": "2024-05-05"}
                made = client.post("/v1/enterprises", json=body)
                assert made.status_code == 201, made.text
                firms = client.get("/v1/enterprises", params={"q": "旧版登记"}).json()["items"]
                assert [firm["id"] for firm in firms] == [made.json()["id"]]
                journal = client.get("/v1/events", params={"subject": f"enterprise/{made.json()['id']}"}).json()["items"]
                assert contracts.decode(json.dumps(journal[0]).encode()).sequence == 1
        finally:
            old.terminate()
