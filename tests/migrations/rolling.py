"""A deployment whose processes are of two releases at once, and clients that do not notice: they repeat what failed, with its key.

`Deployment` starts and stops processes, `Load` says things through the addresses that `Deployment` has open at the moment, as a load
balancer would choose them.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from deploy.local.child import ChildProcess, end, free_port, spawn
from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.postgres import PostgresServer
from deploy.local.supervising.fork_server import ForkServer
from deploy.local.supervising.processes import imported
from shared.contracts.ids import uuid7
from shared.contracts.services import SERVICES
from tests.conftest import Database
from tests.e2e.platform import until
from tests.migrations.kept import NEW, PARTITIONS, SECRET, Issuer, environment_of, key_ring, program_of

GRACE = 8.0
PATIENCE = 90.0
"""Seconds in which a command must be taken, whoever is being replaced."""

BREATH = 0.05
"""Seconds between two commands of a client: two cores have processes to start besides."""


@dataclass
class Process:
    """One process of a service, of the release whose program is in `code`."""

    code: Path
    service: str
    role: str
    child: ChildProcess
    log: Path
    url: str = ""


@dataclass
class Deployment:
    """Databases, a log and the processes on them; `addresses` are those of the APIs that take requests."""

    kept: Path
    folder: Path
    databases: dict[str, Database]
    kafka: str
    prefix: str
    issuer: Issuer
    servers: tuple[PostgresServer, KafkaServer]
    addresses: dict[str, list[str]] = field(default_factory=dict)
    running: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        # As a stack starts them: what all import is imported once.
        self._forks = ForkServer(imported(["registry", "membership", "cases", "metrics"]), self.folder / "forks.log", environment_of(NEW))

    def start(self, code: Path, service: str, role: str, **settings: str) -> Process:
        """Start a process; an API takes requests when it is ready."""
        port = free_port(None) if role == "api" else 0
        told = {
            "DSN": self.databases[service].app_dsn,
            **self._shared(),
            "PORT": str(port),
            "ISSUER": self.issuer.name,
            "JWKS_URL": self.issuer.jwks,
            "FINGERPRINT_KEY": SECRET,
            "CURSOR_KEY": SECRET,
            **settings,
        }
        if SERVICES[service].key_rings == ("encryption", "hash"):
            told |= {"ENCRYPTION_KEYS": key_ring(self.kept, "encryption"), "HASH_KEYS": key_ring(self.kept, "hash")}
        child, log = self._spawn(code, service, role, environment_of(code, **told))
        made = Process(code, service, role, child, log, f"http://127.0.0.1:{port}" if port else "")
        self.running.append(made)
        if port:
            until(lambda: self._answers(made), f"{log.name} answers", 60)
            self.addresses[service] = [*self.addresses.get(service, []), made.url]
        return made

    def _spawn(self, code: Path, service: str, role: str, env: dict[str, str]) -> tuple[ChildProcess, Path]:
        log = self.folder / f"{len(self.running):02}-{code.name}-{service}.{role}.log"
        if code == NEW:
            return self._forks.fork(f"services.{service}", ["--role", role], log, env), log
        return spawn(program_of(code, f"services.{service}", "--role", role), log, env=env, cwd=code), log

    def stop(self, process: Process, number: int = signal.SIGTERM) -> None:
        """End a process, an API after it takes no more new requests. It must have lived until now."""
        assert process.child.poll() is None, f"{process.log.name}: {process.log.read_text()[-2000:]}"
        self.running.remove(process)
        if process.url:
            self.addresses[process.service] = [url for url in self.addresses[process.service] if url != process.url]
        end(process.child, number, GRACE)

    def add(self, service: str, role: str) -> Process:
        """Begin a service of this release that the old one did not have: its database, its topic, and a process of it."""
        postgres, kafka = self.servers
        name, owner, app = f"kept_{service}_{uuid7().hex[-8:]}", f"{service}_owner", f"{service}_app"
        postgres.create_role(owner)
        postgres.create_role(app)
        postgres.create_database(name, owner)
        self.databases[service] = Database(name, service, postgres.dsn(name, app), postgres.dsn(name, owner))
        self.migrate(service)
        asyncio.run(self._turn(timedelta(0)))
        kafka.create_topics([f"{self.prefix}{service}.v1"], PARTITIONS)
        return self.start(NEW, service, role)

    def migrate(self, service: str) -> None:
        """The role `migrate` of this release, as the owner."""
        child, log = self._spawn(NEW, service, "migrate", environment_of(NEW, MIGRATION_DSN=self.databases[service].owner_dsn))
        assert child.wait(120) == 0, log.read_text()[-2000:]

    def operate(self, code: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """`python -m services.metrics.operate`."""
        env = environment_of(code, MIGRATION_DSN=self.databases["metrics"].owner_dsn, **self._shared())
        program = program_of(code, "services.metrics.operate", *words)
        return subprocess.run(program, env=env, cwd=code, capture_output=True, text=True, timeout=300, check=False)

    def stop_all(self) -> None:
        for process in self.running:
            end(process.child, signal.SIGTERM, GRACE)
        self.running.clear()
        self._forks.close()

    def readiness(self, service: str) -> dict[str, Any]:
        """`/readyz` of the API that was started last."""
        answer: dict[str, Any] = httpx.get(self.addresses[service][-1] + "/readyz", timeout=PATIENCE, trust_env=False).json()
        return answer

    def closed_day(self) -> date | None:
        """The last day that metrics has closed."""
        found: str | None = self.readiness("metrics")["closed_day"]
        return None if found is None else date.fromisoformat(found)

    def a_day_passes(self) -> None:
        """Turn the clock of every service's database a day on, as `./parkunion clock advance 1d` does, until one more day is closed."""
        before = self.closed_day() or date.min
        asyncio.run(self._turn(timedelta(days=1)))
        until(lambda: (self.closed_day() or date.min) > before, "one more day is closed", 400)

    async def _turn(self, step: timedelta) -> None:
        connections = [await asyncpg.connect(database.owner_dsn) for database in self.databases.values()]
        shift = max([await conn.fetchval("SELECT shift FROM clock_shift") for conn in connections]) + step
        for conn in connections:
            await conn.execute("UPDATE clock_shift SET shift = $1", shift)
            await conn.close()

    def settled(self) -> bool:
        """Whether everything that was said has been read by the services whose APIs answer."""
        found = [self.readiness(service) for service in ("registry", "membership", "metrics")]
        return all(not state.get("outbox") and not state.get("lag_events") and state["ready"] for state in found)

    def _shared(self) -> dict[str, str]:
        return {"KAFKA": self.kafka, "PARTITIONS": str(PARTITIONS), "TOPIC_PREFIX": self.prefix, "ZONE": "Asia/Shanghai"}

    @staticmethod
    def _answers(process: Process) -> bool:
        assert process.child.poll() is None, process.log.read_text()[-2000:]
        try:
            return httpx.get(process.url + "/healthz", timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@dataclass(frozen=True)
class Acknowledged:
    """A command that was answered with 201."""

    service: str
    path: str
    event_ids: tuple[str, ...]


class Load:
    """Clients that found, join, move, correct and close, while `with` lasts; each repeats until it is answered, and sometimes once more.

    With `withdraws` they also say what never was, and withdraw it: the token is an operator's then, and every process knows withdrawals.
    `said` is everything that was acknowledged, `trouble` every answer that no client should get, `repeated` how many commands were sent
    once more, with their key, after they had been answered.
    """

    def __init__(self, deployment: Deployment, token: str, seed: int, clients: int = 2, *, withdraws: bool = False) -> None:
        self._deployment = deployment
        self._token = token
        self._withdraws = withdraws
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=(random.Random(seed + n), n), daemon=True) for n in range(clients)]
        self._threads.append(threading.Thread(target=self._ask, args=(random.Random(seed - 1),), daemon=True))
        self.said: list[Acknowledged] = []
        self.trouble: list[str] = []
        self.errors: Counter[str] = Counter()
        self.repeated = 0
        self.asked = 0

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE + 10)
        assert not any(thread.is_alive() for thread in self._threads)

    def goes_on(self, commands: int = 12) -> None:
        """Wait until so many more commands have been acknowledged, and figures were asked for once more."""
        more, asked = len(self.said) + commands, self.asked
        until(lambda: bool(self.trouble) or (len(self.said) >= more and self.asked > asked), f"{commands} more commands", 120)
        assert not self.trouble, self.trouble

    def _live(self, chance: random.Random, client: int) -> None:
        try:
            with httpx.Client(headers={"Authorization": f"Bearer {self._token}"}, timeout=PATIENCE, trust_env=False) as web:
                number = 0
                while not self._stop.is_set():
                    number += 1
                    self._one_enterprise(web, chance, f"{client}/{number}")
        except Exception as error:
            self.trouble.append(repr(error))

    def _one_enterprise(self, web: httpx.Client, chance: random.Random, name: str) -> None:
        def say(service: str, path: str, **body: Any) -> dict[str, Any]:
            return self._say(web, chance, service, path, body)

        def say_what_never_was(service: str, path: str, **body: Any) -> None:
            made = say(service, path, **body)
            say(
                service,
                "/v1/withdrawals",
                subject=made["subject"],
                reason="never_was",
                **{"from": made["sequence"], "to": made["sequence"]},
            )

        firm = say("registry", "/v1/enterprises", name=f"滚动厂{name}", park="K1-P001", settled_on="2024-01-05")["id"]
        headcount = say("registry", f"/v1/enterprises/{firm}/headcounts", on="2024-02-01", workers=chance.randrange(5, 90))
        union = say("membership", "/v1/unions", kind="enterprise_union", seat_area="K1-P001", approved_on="2024-03-03", enterprises=[firm])[
            "id"
        ]
        if self._withdraws and chance.random() < 0.4:
            say_what_never_was("registry", f"/v1/enterprises/{firm}/headcounts", on="2024-02-02", workers=9000)
            never = {"kind": "sample", "number": f"rolling/{name}/never"}
            say_what_never_was("membership", "/v1/members", union_id=union, enterprise_id=firm, document=never, joined_on="2024-04-01")
        for n in range(chance.randrange(1, 4)):
            document = {"kind": "sample", "number": f"rolling/{name}/{n}"}
            member = say("membership", "/v1/members", union_id=union, enterprise_id=firm, document=document, joined_on="2024-04-01")["id"]
            if chance.random() < 0.3:
                say("membership", f"/v1/members/{member}/leave", on="2024-05-05", reason="resigned")
        if chance.random() < 0.3:
            data = {"workers": chance.randrange(100, 190)}
            say("registry", "/v1/corrections", corrects=headcount["event_ids"][0], reason="typo", data=data)
        if chance.random() < 0.3:
            say("registry", f"/v1/enterprises/{firm}/moves", on="2024-06-01", park="K2-P001")
        if chance.random() < 0.2:
            say("registry", f"/v1/enterprises/{firm}/closure", on="2024-09-30", reason="moved_away")

    def _say(self, web: httpx.Client, chance: random.Random, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._stop.wait(BREATH)
        key = str(uuid7())
        answer = self._until_answered(web, chance, service, path, body, key)
        told: dict[str, Any] = answer.json()
        self.said.append(Acknowledged(service, path, tuple(told["event_ids"])))
        if chance.random() < 0.3:
            again = self._until_answered(web, chance, service, path, body, key)
            self.repeated += 1
            if again.json() != told:
                self.trouble.append(f"{path}: {again.text} instead of {answer.text}")
        return told

    def _until_answered(
        self, web: httpx.Client, chance: random.Random, service: str, path: str, body: dict[str, Any], key: str
    ) -> httpx.Response:
        deadline, refused = time.monotonic() + PATIENCE, ""
        while time.monotonic() < deadline:
            url = chance.choice(self._deployment.addresses[service])
            try:
                answer = web.post(url + path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                self.errors[type(error).__name__] += 1
            else:
                if answer.status_code == 201:
                    return answer
                if answer.status_code < 500 and answer.status_code not in (409, 429):
                    raise AssertionError(f"{path}: {answer.status_code} {answer.text}")
                refused = answer.text
                self.errors[str(answer.status_code)] += 1
            time.sleep(0.05)
        raise AssertionError(f"{path} was not taken within {PATIENCE:.0f} s: {dict(self.errors)} {body} {refused}")

    def _ask(self, chance: random.Random) -> None:
        """Somebody looks at the figures all the time; the answer never fails but where a process has just gone."""
        headers = {"Authorization": f"Bearer {self._token}"}
        while not self._stop.is_set():
            url = chance.choice(self._deployment.addresses["metrics"])
            try:
                answer = httpx.get(url + "/v1/coverage", params={"by": "district"}, headers=headers, timeout=PATIENCE, trust_env=False)
            except httpx.TransportError:
                continue
            if answer.status_code != 200 or not answer.json()["rows"]:
                self.trouble.append(f"coverage: {answer.status_code} {answer.text}")
            self.asked += 1
            time.sleep(0.2)
