"""What a kept release left behind, brought back: its databases, its topics, its program and tokens that it takes."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from joserfc import jwt
from joserfc.jwk import ECKey

from deploy.local.folder import ROOT
from deploy.local.servers import jars
from deploy.local.servers.postgres import PostgresServer
from shared.broker.kafka import KafkaBroker
from shared.contracts.ids import uuid7
from tests.conftest import Database

KEPT = sorted(path for path in Path(__file__).parent.iterdir() if re.fullmatch(r"\d+\.\d+", path.name))
KNOWS_DAYS = "0.2"
"""The first release that closes days, withdraws events, builds generations and answers durations."""
SERVICES = ("registry", "membership", "metrics")
TOPICS = ("registry.v1", "membership.v1")
PREFIX = "parkunion."
PARTITIONS = 12
SCOPES = "registry:read registry:write membership:read membership:write metrics:read"
OPERATOR_SCOPES = f"{SCOPES} registry:operate membership:operate"
"""Those of withdrawals, too; 0.1 knows none."""
SECRET = "00" * 32
NEW = ROOT
"""The program of this release."""


def of(*releases: str) -> pytest.MarkDecorator:
    """The test is of these kept releases only."""
    return pytest.mark.parametrize("kept", [Path(__file__).parent / name for name in releases], indirect=True, ids=releases)


def knows_days(kept: Path) -> bool:
    """Whether it is 0.2 or later."""
    return _number(kept.name) >= _number(KNOWS_DAYS)


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def restore(kept: Path, postgres: PostgresServer, *services: str) -> dict[str, Database]:
    """Its databases as they were, or those of some services, under names of their own."""
    found = {}
    for service in services or SERVICES:
        name, owner, app = f"kept_{service}_{uuid7().hex[-8:]}", f"{service}_owner", f"{service}_app"
        postgres.create_role(owner)
        postgres.create_role(app)
        postgres.create_database(name, owner)
        postgres.execute(gzip.decompress((kept / f"{service}.sql.gz").read_bytes()).decode(), name)
        found[service] = Database(name, service, postgres.dsn(name, app), postgres.dsn(name, owner))
    return found


def records(kept: Path) -> list[dict[str, Any]]:
    """Every record of its topics, per topic and partition in the order of the offsets."""
    return [json.loads(line) for line in gzip.decompress((kept / "topics.ndjson.gz").read_bytes()).decode().splitlines()]


def restore_topics(kept: Path, bootstrap: str, prefix: str) -> dict[str, str]:
    """Its records at the same offsets of the topics `<prefix>…`, which exist and are empty; {topic: id}."""

    async def publish() -> dict[str, str]:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
        await producer.start()
        try:
            waiting = []
            for record in records(kept):
                topic, key, value = prefix + record["topic"].removeprefix(PREFIX), record["key"].encode(), record["value"].encode()
                waiting.append((record["offset"], await producer.send(topic, value, key=key, partition=record["partition"])))
            for offset, sent in waiting:
                assert (await sent).offset == offset
        finally:
            await producer.stop()
        found = await KafkaBroker(bootstrap).describe([prefix + name for name in TOPICS])
        return {name: topic.id for name, topic in found.items()}

    return asyncio.run(publish())


def point_to(kept: Path, databases: dict[str, Database], postgres: PostgresServer, prefix: str, ids: dict[str, str]) -> None:
    """Its readers and relays stand in these topics: the same offsets, under other names and ids."""
    told = json.dumps(ids)
    for service in ("membership", "metrics"):
        assert postgres.execute("SELECT count(*) FROM held", databases[service].name).strip() == "0"
        by_topic = ("next", "newest", "ends", *(["closings"] if knows_days(kept) else []))
        renamed = ", ".join(f"{name} = replace({name}::text, '{PREFIX}', '{prefix}')::jsonb" for name in by_topic)
        mine = f"(SELECT jsonb_object_agg(key, value) FROM jsonb_each('{told}') AS t WHERE next ? replace(t.key, '{prefix}', '{PREFIX}'))"
        postgres.execute(f"UPDATE shards SET topic_ids = {mine}, owner = NULL, {renamed}", databases[service].name)
    for service in ("registry", "membership") if knows_days(kept) else ():
        postgres.execute(f"UPDATE relay_marks SET topic_id = '{ids[f'{prefix}{service}.v1']}'", databases[service].name)


def unpack(kept: Path, folder: Path) -> Path:
    """Its program, from the wheel. It runs on the broker that is installed: its own jars are not."""
    with zipfile.ZipFile(next(kept.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    lock = next(folder.glob("deploy/local/**/kafka-jars.lock"))
    lock.write_bytes(jars.LOCK.read_bytes())
    # Else each of the processes that start at the same time compiles it.
    subprocess.run([sys.executable, "-m", "compileall", "-q", *(folder / name for name in ("shared", "services", "deploy"))], check=True)
    return folder


def program_of(code: Path, module: str, *words: str) -> list[str]:
    """A command line that runs a module of a release; for the environment of `environment_of`."""
    assert (code / module.replace(".", "/")).exists() or (code / f"{module.replace('.', '/')}.py").exists()
    return [sys.executable, "-P", "-m", module, *words]


def environment_of(code: Path, **settings: str) -> dict[str, str]:
    """The environment of a process of the release whose program is in `code`, its settings without `PARKUNION_`."""
    return {**{f"PARKUNION_{name}": value for name, value in settings.items()}, "PATH": os.environ["PATH"], "PYTHONPATH": str(code)}


def key_ring(kept: Path, name: str) -> str:
    """A ring of keys as the setting has it."""
    keys = json.loads((kept / "keys.json").read_text("utf-8"))
    return ",".join(f"{key.rpartition('-')[2]}:{digits}" for key, digits in keys.items() if key.startswith(f"{name}-"))


@dataclass
class Issuer:
    """Signs tokens; `jwks` is the address of its public key while `serving`."""

    name: str = "https://issuer.test"
    jwks: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))

    def token(self, scope: str = SCOPES, areas: Sequence[str] = ("*",), lasts: int = 1800) -> str:
        claims = {"iss": self.name, "aud": "parkunion", "sub": "tester", "exp": int(time.time()) + lasts, "areas": list(areas)}
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, {**claims, "scope": scope}, self.key)


def serving(issuer: Issuer) -> Iterator[Issuer]:
    """The issuer with its address."""
    body = json.dumps({"keys": [issuer.key.as_dict(private=False)]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    issuer.jwks = f"http://127.0.0.1:{server.server_port}/jwks"
    yield issuer
    server.shutdown()
