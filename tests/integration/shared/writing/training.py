"""The service of tests/training_service at work: its processes between a database of its own and two topics of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.child import free_port
from deploy.local.servers.kafka import KafkaServer, create_topics
from deploy.local.servers.postgres import PostgresServer
from shared import contracts
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Message, partition_of
from shared.contracts import Envelope, Event, type_of
from shared.contracts.ids import uuid7
from shared.contracts.registry import SOURCE, AreaKind, AreaRegistered, EnterpriseClosed, EnterpriseRegistered
from shared.process.migrate import migrate
from tests.migrations.kept import NEW, Issuer, environment_of, serving
from tests.patience import PATIENCE

PARTITIONS = 4
DEADLINE = PATIENCE
SCOPES = "training:read training:write training:operate"
MIGRATIONS = Path(__file__).parents[3] / "training_service" / "migrations"


def until(condition: Callable[[], Any], what: str) -> Any:
    """Poll until true, and return the value; fails naming `what`."""
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


@dataclass
class Training:
    """The running service; `token` has all scopes and areas."""

    owner_dsn: str = field(repr=False)
    bootstrap: str
    prefix: str
    issuer: Issuer
    http: httpx.Client
    sequences: dict[str, int] = field(default_factory=dict)

    def post(self, path: str, body: dict[str, Any], *, areas: tuple[str, ...] = ("*",), **headers: str) -> httpx.Response:
        """A command; `If_Match` is the header If-Match."""
        return self.http.post(path, json=body, headers=self._headers(areas, headers))

    def made(self, path: str, body: dict[str, Any], areas: tuple[str, ...] = ("*",), **headers: str) -> dict[str, Any]:
        """The answer of a command that must be carried out."""
        answer = self.post(path, body, areas=areas, **headers)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def batch(self, *lines: dict[str, Any]) -> list[dict[str, Any]]:
        """The answers to the lines of a batch."""
        content = "\n".join(map(json.dumps, lines))
        headers = {**self._headers(("*",), {}), "Content-Type": "application/x-ndjson"}
        answer = self.http.post("/v1/batch", content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def get(self, path: str, *, areas: tuple[str, ...] = ("*",)) -> httpx.Response:
        return self.http.get(path, headers=self._headers(areas, {}))

    def course(self, enterprise: UUID, planned_on: str = "2024-05-01") -> dict[str, Any]:
        """The answer of a command that plans a course."""
        return self.made("/v1/courses", {"enterprise_id": str(enterprise), "topic": "safety", "planned_on": planned_on})

    def events(self, subject: str) -> list[dict[str, Any]]:
        """A stream, as the API has it."""
        return list(self.get(f"/v1/events?subject={subject}&limit=500").json()["items"])

    def _headers(self, areas: tuple[str, ...], more: dict[str, str]) -> dict[str, str]:
        token = self.issuer.token(SCOPES, areas)
        return {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in more.items()}}

    def publish(self, *facts: tuple[str, Event, str]) -> None:
        """Publish facts `(subject, data, date)` as the registry's relay would."""
        events = [self._event(*fact) for fact in facts]

        async def send() -> None:
            broker = KafkaBroker(self.bootstrap)
            producer = broker.producer()
            messages = [Message(partition_of(e.partitionkey, PARTITIONS), e.partitionkey.encode(), contracts.encode(e)) for e in events]
            await producer.publish(f"{self.prefix}registry.v1", messages)
            await producer.close()
            await broker.close()

        asyncio.run(send())

    def _event(self, subject: str, data: Event, on: str) -> Envelope:
        self.sequences[subject] = self.sequences.get(subject, 0) + 1
        return Envelope(
            id=uuid7(),
            source=SOURCE,
            subject=subject,
            partitionkey=subject.partition("/")[2],
            sequence=self.sequences[subject],
            type=type_of(data),
            time=datetime.now(UTC),
            occurredon=date.fromisoformat(on),
            actor="registrar",
            origin="api",
            data=data,
        )

    def areas(self) -> None:
        """Two divisions D1 and D2, in each a park: P1, P2."""
        tree = {"D1": None, "D2": None, "P1": "D1", "P2": "D2"}
        kinds = {"D": AreaKind.DIVISION, "P": AreaKind.PARK}
        self.publish(
            *(
                (f"area/{code}", AreaRegistered(code=code, name=code, kind=kinds[code[0]], parent=parent), "1900-01-01")
                for code, parent in tree.items()
            )
        )

    def settle(self, enterprise: UUID, park: str = "P1") -> None:
        """The registry registers an enterprise."""
        data = EnterpriseRegistered(enterprise_id=enterprise, name="示例", park=park, district=f"D{park[1:]}")
        self.publish((f"enterprise/{enterprise}", data, "2020-01-01"))

    def enterprise(self, park: str = "P1") -> UUID:
        """An enterprise that the service knows."""
        enterprise = uuid7()
        self.settle(enterprise, park)
        until(lambda: self.sql("SELECT id FROM enterprises WHERE id = $1", enterprise), "the enterprise is known")
        return enterprise

    def close(self, enterprise: UUID) -> None:
        """The registry closes an enterprise, and the service knows."""
        self.publish((f"enterprise/{enterprise}", EnterpriseClosed(reason="bankrupt"), "2023-01-01"))
        until(lambda: self.sql("SELECT id FROM enterprises WHERE id = $1 AND closed_on IS NOT NULL", enterprise), "the closure is known")

    def sql(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of its database, as its owner."""

        async def fetch() -> list[asyncpg.Record]:
            conn = await asyncpg.connect(self.owner_dsn)
            try:
                return list(await conn.fetch(statement, *arguments))
            finally:
                await conn.close()

        return asyncio.run(fetch())

    def topic(self) -> list[tuple[int, str, dict[str, Any]]]:
        """(partition, key, event) of everything on the service's topic, each partition in order."""

        async def read() -> list[tuple[int, str, dict[str, Any]]]:
            consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
            await consumer.start()
            places = [TopicPartition(f"{self.prefix}training.v1", partition) for partition in range(PARTITIONS)]
            consumer.assign(places)
            left = sum((await consumer.end_offsets(places)).values())
            found: list[tuple[int, str, dict[str, Any]]] = []
            while len(found) < left:
                record = await asyncio.wait_for(consumer.getone(), DEADLINE)
                found.append((record.partition, record.key.decode(), json.loads(record.value)))
            await consumer.stop()
            return found

        return asyncio.run(read())


@contextlib.contextmanager
def at_work(postgres: PostgresServer, kafka: KafkaServer, folder: Path) -> Iterator[Training]:
    """The service in the two processes of its declaration, with areas."""
    name, owner, app = f"training_{uuid7().hex[-8:]}", "training_owner", "training_app"
    postgres.create_role(owner)
    postgres.create_role(app)
    postgres.create_database(name, owner)
    asyncio.run(migrate(postgres.dsn(name, owner), "training", folder=MIGRATIONS))
    prefix = f"test-{uuid7().hex[-12:]}."
    asyncio.run(create_topics(kafka.bootstrap, [f"{prefix}registry.v1", f"{prefix}training.v1"], PARTITIONS))
    port = free_port()
    with contextlib.contextmanager(serving)(Issuer()) as issuer:
        environment = environment_of(
            NEW,
            DSN=postgres.dsn(name, app),
            KAFKA=kafka.bootstrap,
            PARTITIONS=str(PARTITIONS),
            TOPIC_PREFIX=prefix,
            PORT=str(port),
            ISSUER=issuer.name,
            JWKS_URL=issuer.jwks,
            FINGERPRINT_KEY="ab" * 32,
            CURSOR_KEY="cd" * 32,
        )
        running: list[subprocess.Popen[bytes]] = []
        with (folder / "log").open("w") as log, contextlib.ExitStack() as processes:
            for role in ("api", "relay,consumer"):
                program = [sys.executable, "-m", "tests.training_service", "--role", role]
                process = subprocess.Popen(program, env=environment, cwd=NEW, stdout=log, stderr=log)
                processes.callback(process.wait, 20)
                processes.callback(process.terminate)
                running.append(process)
            http = processes.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE))
            training = Training(postgres.dsn(name, owner), kafka.bootstrap, prefix, issuer, http)
            until(lambda: _ready(http) or any(process.poll() is not None for process in running), f"ready; see {folder / 'log'}")
            assert all(process.poll() is None for process in running), (folder / "log").read_text()
            training.areas()
            yield training
    postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
