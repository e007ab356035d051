"""From a kept release to this one without a pause, in the order of docs/how-to/upgrade.md: under load, nothing is lost, counted twice or held."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.postgres import PostgresServer
from services.metrics.folding.coverage import FOLD_VERSION
from services.metrics.measures import MEASURES
from shared import contracts
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Extent
from shared.contracts import Envelope
from shared.contracts.ids import uuid7
from tests import oracle
from tests.e2e.platform import until
from tests.migrations.kept import (
    NEW,
    OPERATOR_SCOPES,
    PARTITIONS,
    SERVICES,
    TOPICS,
    Issuer,
    knows_days,
    of,
    point_to,
    records,
    restore,
    restore_topics,
    unpack,
)
from tests.migrations.rolling import Deployment, Load, Process
from tests.settings import ChaosSettings

pytestmark = [pytest.mark.slow, pytest.mark.invariant("I8"), pytest.mark.invariant("I1")]

Key = tuple[str, str, int]
"""(source, subject, sequence)"""
Part = tuple[str, str]
"""(service, role)"""


@pytest.fixture
def deployment(
    kept: Path, postgres_server: PostgresServer, kafka_server: KafkaServer, issuer: Issuer, tmp_path: Path
) -> Iterator[Deployment]:
    """The kept release's databases and topics, and nobody at work on them."""
    prefix = f"rolling-{uuid7().hex[-8:]}."
    databases = restore(kept, postgres_server)
    kafka_server.create_topics([prefix + name for name in TOPICS], PARTITIONS)
    point_to(kept, databases, postgres_server, prefix, restore_topics(kept, kafka_server.bootstrap, prefix))
    found = Deployment(kept, tmp_path, databases, kafka_server.bootstrap, prefix, issuer, (postgres_server, kafka_server))
    yield found
    found.stop_all()
    for database in databases.values():
        postgres_server.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)')


@of("0.2")
def test_a_rolling_upgrade_under_load_loses_nothing(kept: Path, deployment: Deployment, tmp_path: Path) -> None:
    _upgraded_under_load(kept, deployment, unpack(kept, tmp_path / "old"), _from_0_2)


@of("0.1")
@pytest.mark.endurance
def test_a_rolling_upgrade_over_two_releases_loses_nothing(kept: Path, deployment: Deployment, tmp_path: Path) -> None:
    """What it has besides: the figures are folded anew under load, and no day closes before the last old process has gone."""
    _upgraded_under_load(kept, deployment, unpack(kept, tmp_path / "old"), _from_0_1)


def _upgraded_under_load(kept: Path, deployment: Deployment, old: Path, steps: Callable[[Upgrade], None]) -> None:
    seed = ChaosSettings().seed
    print(f"PARKUNION_TEST_SEED={seed}")
    roles = {"registry": ["api", "relay"], "membership": ["api", "relay", "consumer"], "metrics": ["api", "projector"]}
    before = {(service, role): deployment.start(old, service, role) for service in SERVICES for role in roles[service]}
    token = deployment.issuer.token(OPERATOR_SCOPES) if knows_days(kept) else deployment.issuer.token()
    with Load(deployment, token, seed, withdraws=knows_days(kept)) as load:
        load.goes_on()
        steps(Upgrade(deployment, load, before, old))
    until(deployment.settled, "all is told", 120)
    print(f"{len(load.said)} commands, {load.repeated} of them sent again, {load.asked} questions, {dict(load.errors)}")
    assert not load.trouble, load.trouble
    asyncio.run(_nothing_is_lost(kept, deployment, load))
    audited = deployment.operate(NEW, "audit", "--json")
    report = json.loads(audited.stdout)
    assert (audited.returncode, report["differences"], report["parked"]) == (0, 0, []), audited.stderr or report
    for process in deployment.running:
        assert process.child.poll() is None, process.log.read_text()[-2000:]


@of("0.1")
@pytest.mark.endurance
def test_a_source_that_is_replaced_before_its_readers_holds_them_up_and_loses_nothing(
    kept: Path, deployment: Deployment, tmp_path: Path
) -> None:
    old = unpack(kept, tmp_path / "old")
    for service in ("registry", "membership"):
        deployment.migrate(service)
    reader = deployment.start(old, "membership", "consumer")
    deployment.start(NEW, "registry", "relay")
    until(lambda: len(_held(deployment)) == PARTITIONS, "what is not understood is held", 400)
    assert {row["kind"] for row in _held(deployment)} == {"unreadable"}
    deployment.stop(reader)
    deployment.start(NEW, "membership", "consumer")
    until(lambda: not _held(deployment), "the next release takes what was held", 120)


def _held(deployment: Deployment) -> list[Any]:
    async def ask() -> list[Any]:
        conn = await asyncpg.connect(deployment.databases["membership"].owner_dsn)
        try:
            return await conn.fetch("SELECT subject, kind FROM held")
        finally:
            await conn.close()

    return asyncio.run(ask())


@dataclass
class Upgrade:
    """Processes that are replaced one after the other, under load, by this release or again by the old one."""

    deployment: Deployment
    load: Load
    running: dict[Part, Process]
    old: Path

    def schema(self) -> None:
        """The migrations of this release, while the old one runs."""
        for service in SERVICES:
            self.deployment.migrate(service)
        self.load.goes_on()

    def replace(self, service: str, role: str, code: Path = NEW, number: int = signal.SIGTERM, **settings: str) -> None:
        """Start the process that follows, then stop the one before."""
        process = self.deployment.start(code, service, role, **settings)
        self.load.goes_on()
        self.deployment.stop(self.running[service, role], number)
        self.running[service, role] = process

    def nothing_is_held(self) -> None:
        assert self.deployment.readiness("metrics")["held"] == 0


def _from_0_2(upgrade: Upgrade) -> None:
    """Schema, readers, writers. Each release knows the other's events: days close all the time, and there is a way back from every step but the switch:
    the old projector feeds nothing that this release's rules have folded."""
    deployment = upgrade.deployment
    upgrade.schema()
    deployment.add("cases", "relay")
    assert _serving(deployment)["fold_version"] < FOLD_VERSION, "the figures are folded anew, as from 0.1"
    projector = _rebuild_and_switch(deployment)
    deployment.stop(upgrade.running["metrics", "projector"], signal.SIGKILL)
    upgrade.running["metrics", "projector"] = projector
    upgrade.replace("metrics", "api")
    upgrade.replace("membership", "consumer", number=signal.SIGKILL)
    upgrade.replace("registry", "relay", number=signal.SIGKILL)
    deployment.a_day_passes()
    upgrade.replace("membership", "relay")
    upgrade.replace("membership", "api", number=signal.SIGKILL)
    upgrade.replace("registry", "api")
    upgrade.nothing_is_held()

    parts = [part for part in upgrade.running if part != ("metrics", "projector")]
    for number in range(ChaosSettings().rounds - 1):
        print(f"back and forth, {number + 1}")
        for part in reversed(parts):
            upgrade.replace(*part, code=upgrade.old)
        deployment.a_day_passes()
        upgrade.load.goes_on()
        upgrade.nothing_is_held()
        for part in (("metrics", "api"), ("membership", "consumer"), ("registry", "relay")):
            upgrade.replace(*part)
        for part in (("membership", "relay"), ("membership", "api"), ("registry", "api")):
            upgrade.replace(*part, number=signal.SIGKILL)
        upgrade.nothing_is_held()
    assert not _guarded(deployment), "that waits until no projector of the old release is connected"
    upgrade.schema()
    assert _guarded(deployment)
    deployment.a_day_passes()
    upgrade.load.goes_on()


def _guarded(deployment: Deployment) -> bool:
    """Whether the facts of metrics are read through the view that shows what the areas grant."""

    async def ask() -> bool:
        conn = await asyncpg.connect(deployment.databases["metrics"].owner_dsn)
        try:
            statement = (
                "SELECT bool_and(relkind = 'v') FROM pg_class WHERE relname = 'facts' AND relnamespace::regnamespace::text ~ '^g[0-9]+$'"
            )
            return bool(await conn.fetchval(statement))
        finally:
            await conn.close()

    return asyncio.run(ask())


def _from_0_1(upgrade: Upgrade) -> None:
    """docs/how-to/upgrade.md, step by step; before days are closed some of it back, and forth again, where rounds are asked for."""
    deployment, load, replace = upgrade.deployment, upgrade.load, upgrade.replace
    upgrade.schema()
    deployment.add("cases", "relay")
    projector = _rebuild_and_switch(deployment)
    replace("metrics", "api")
    replace("membership", "consumer")
    replace("registry", "relay", number=signal.SIGKILL, CLOSE_DAYS="false")
    replace("membership", "relay", CLOSE_DAYS="false")
    replace("membership", "api", number=signal.SIGKILL)
    replace("registry", "api", number=signal.SIGKILL)
    upgrade.nothing_is_held()

    for number in range(ChaosSettings().rounds - 1):
        print(f"back and forth, {number + 1}")
        for part in (("registry", "api"), ("registry", "relay"), ("membership", "consumer"), ("metrics", "api")):
            replace(*part, code=upgrade.old)
        load.goes_on()
        replace("metrics", "api")
        replace("membership", "consumer")
        replace("registry", "relay", CLOSE_DAYS="false")
        replace("registry", "api")
        upgrade.nothing_is_held()
    assert deployment.closed_day() is None, "no day closes while somebody would not understand it"

    deployment.stop(upgrade.running["metrics", "projector"])
    upgrade.running["metrics", "projector"] = projector
    replace("registry", "relay")
    replace("membership", "relay")
    until(lambda: deployment.closed_day() is not None, "a day is closed", 400)
    load.goes_on()


def _serving(deployment: Deployment) -> dict[str, Any]:
    """The generation that answers."""
    listed = json.loads(deployment.operate(NEW, "generations", "--json").stdout)
    (found,) = [row for row in listed if row["status"] == "serving"]
    return dict(found)


def _rebuild_and_switch(deployment: Deployment) -> Process:
    """The projector of the new generation, which serves."""
    rebuilt = deployment.operate(NEW, "rebuild", "--json")
    report = json.loads(rebuilt.stdout)
    assert rebuilt.returncode in (0, 1), rebuilt.stderr
    assert {row["table"] for row in report["different"]} <= {"durations", "tallies"}, "only what the rules of this release add"
    projector = deployment.start(NEW, "metrics", "projector")
    until(lambda: _switched(deployment, report), "the new generation serves", 120)
    return projector


def _switched(deployment: Deployment, report: dict[str, Any]) -> bool:
    accept = ["--accept", str(report["id"])] if report["differences"] else []
    return deployment.operate(NEW, "switch", str(report["generation"]), *accept).returncode == 0


async def _nothing_is_lost(kept: Path, deployment: Deployment, load: Load) -> None:
    log = await _log(deployment)
    journal: dict[Key, str] = {}
    said = Counter[str]()
    for service in ("registry", "membership"):
        conn = await asyncpg.connect(deployment.databases[service].owner_dsn)
        for row in await conn.fetch("SELECT subject, sequence, event_id::text AS id, actor, origin FROM journal"):
            journal[f"/services/{service}", row["subject"], row["sequence"]] = row["id"]
            said.update([row["id"]] if (row["actor"], row["origin"]) == ("tester", "api") else [])
        await conn.close()
    acknowledged = Counter(event for command in load.said for event in command.event_ids)
    assert acknowledged == said, "each acknowledged command is in the journal once, and no other"
    assert {key: str(event.id) for key, event in log.items()} == journal
    old = [contracts.decode(record["value"].encode()) for record in records(kept)]
    assert {(event.source, event.subject, event.sequence): event.id for event in old}.items() <= {
        key: event.id for key, event in log.items()
    }.items()
    told, told_before = ({event.type.split(".")[1] for event in events} for events in (log.values(), old))
    assert told == told_before | {"day-closed"}
    assert told_before >= {"member-joined"}
    assert knows_days(kept) or told > told_before, "days are closed after the last process of 0.1 has gone"
    closed = {(event.source, event.subject) for event in log.values() if event.type == "parkunion.day-closed.v1"}
    assert len(closed) == 2 * PARTITIONS
    withdrawn = {event.id for event in log.values() if event.type == "parkunion.event-withdrawn.v1"} - {event.id for event in old}
    assert bool(withdrawn) == knows_days(kept)
    assert len(withdrawn) == sum(command.path == "/v1/withdrawals" for command in load.said)
    conn = await asyncpg.connect(deployment.databases["metrics"].owner_dsn)
    assert await conn.fetchval("SELECT count(*) FROM held WHERE generation = (SELECT id FROM generations WHERE status = 'serving')") == 0
    assert await _ledger(conn) == oracle.ledger(log.values())
    assert await _durations(conn) == oracle.durations(log.values())
    await conn.close()
    conn = await asyncpg.connect(deployment.databases["membership"].owner_dsn)
    assert await conn.fetchval("SELECT count(*) FROM held") == 0
    await conn.close()


async def _log(deployment: Deployment) -> dict[Key, Envelope]:
    """Every event of both topics; the same event twice is one."""
    broker = KafkaBroker(deployment.kafka)
    extents = await broker.extents([deployment.prefix + name for name in TOPICS])
    found: dict[Key, Envelope] = {}
    async for batch in broker.read({place: Extent(0, extent.end) for place, extent in extents.items()}):
        for record in batch:
            event = contracts.decode(record.value)
            key = (event.source, event.subject, event.sequence)
            assert found.setdefault(key, event).id == event.id
    await broker.close()
    return found


async def _ledger(conn: asyncpg.Connection[asyncpg.Record]) -> dict[tuple[oracle.Cell, date, date], Counter[str]]:
    """The serving generation's rows as the oracle writes them."""
    g = await conn.fetchval("SELECT 'g' || id FROM generations WHERE status = 'serving'")
    assert g != "g1"
    columns = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES)
    rows = await conn.fetch(
        f"SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, {columns} "
        f"FROM (TABLE {g}.ledger UNION ALL TABLE {g}.ledger_open) l JOIN {g}.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6"
    )
    found = defaultdict[tuple[oracle.Cell, date, date], Counter[str]](Counter)
    for row in rows:
        key = ((row["park"], row["industry"], row["size"], row["ownership"]), row["effective_day"], row["known_day"])
        found[key] = Counter({name: row[name] for name in MEASURES if row[name]})
    return {key: deltas for key, deltas in found.items() if deltas}


async def _durations(conn: asyncpg.Connection[asyncpg.Record]) -> dict[tuple[oracle.Cell, date, date, str, int], int]:
    g = await conn.fetchval("SELECT 'g' || id FROM generations WHERE status = 'serving'")
    rows = await conn.fetch(
        f"SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, kind, value, sum(count)::bigint AS count "
        f"FROM (TABLE {g}.durations UNION ALL TABLE {g}.durations_open) d JOIN {g}.cells c ON c.id = d.cell GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
    )
    return {((row["park"], row["industry"], row["size"], row["ownership"]), *row[4:8]): row["count"] for row in rows if row["count"]}
