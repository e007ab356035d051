"""From a kept release to this one without a pause, in the order of docs/how-to/upgrade.md: under load, nothing is lost, counted twice or held."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.postgres import PostgresServer
from services.metrics.folding.coverage import FOLD_VERSION
from shared.contracts.ids import uuid7
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
    restore,
    restore_topics,
    unpack,
)
from tests.migrations.nothing_lost import check_nothing_is_lost
from tests.migrations.rolling import Deployment, Load, Process
from tests.settings import ChaosSettings

pytestmark = [pytest.mark.slow, pytest.mark.invariant("I8"), pytest.mark.invariant("I1")]

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
    asyncio.run(check_nothing_is_lost(kept, deployment, load))
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
