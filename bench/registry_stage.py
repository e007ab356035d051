"""A registry of its own to measure: PostgreSQL in a temporary folder, two divisions with ten parks each, and made-up enterprises."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from deploy.local.servers.postgres import PostgresServer
from services.registry.facts import TABLE
from services.registry.needs import Context
from shared.http.auth import Areas
from shared.journal.idempotency import Keys, Result
from shared.journal.journal import Actor
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Pool
from shared.process.migrate import migrate
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line
from shared.writing.lines.batch import NdjsonBatch
from shared.writing.lines.bodies import command_of, models
from shared.writing.routes import line_fingerprint

CONTEXT = Context(Clock(ZoneInfo("Asia/Shanghai")), bytes(32))
ACTOR = Actor("bench", "api", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
PARKS = [f"D{division}-P{park:03}" for division in (1, 2) for park in range(1, 11)]
PLACES = ["杭州", "宁波", "温州", "嘉兴", "湖州", "绍兴", "金华", "衢州", "台州", "丽水", "Ningbo", "Springfield", "Riverside", "Franklin"]
TRADES = ["电子", "机械", "纺织", "物流", "食品", "化工", "医药", "软件", "Tooling", "Freight", "Foods", "Castings", "Hospital", "Paper"]
SYLLABLES = "华兴盛达远恒泰新宏丰瑞祥合力科创联众信诚益民嘉禾天元东方明德鼎"
FORMS = ["有限公司", "股份有限公司", "有限责任公司", " Ltd", " Inc", " Company"]


def names(seed: int = 1) -> Iterator[str]:
    """Made-up names, Chinese and Latin, without end."""
    dice = random.Random(seed)
    while True:
        word = "".join(dice.choices(SYLLABLES, k=dice.choice((2, 2, 3)))) if dice.random() < 0.7 else f"Acme {dice.randrange(10**6)} "
        yield dice.choice(PLACES) + word + dice.choice(TRADES) + dice.choice(FORMS)


def lines_of(raw: bytes) -> list[Line[Any]]:
    """A batch as the route reads it."""
    _, lines, refused = NdjsonBatch(models(TABLE)).read(raw)
    assert not refused
    key = CONTEXT.fingerprint_key
    return [Line(command_of(TABLE, line.op, line.body), line.key, line_fingerprint(TABLE, key, line.op, line.values)) for line in lines]


async def carry_out(pool: Pool, raw: bytes) -> list[Result]:
    """One batch from its bytes to its commit, all lines of which are good."""
    outcomes = await commands.many(
        pool, Keys(CONTEXT.fingerprint_key), "bench", lines_of(raw), carrying_out(TABLE, CONTEXT, Areas.all(), ACTOR)
    )
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    assert len(results) == len(outcomes), next(outcome for outcome in outcomes if not isinstance(outcome, Result))
    return results


def ndjson(op: str, bodies: list[dict[str, object]], start: int = 0) -> bytes:
    """A batch's bytes, its keys numbered from `start`."""
    return b"\n".join(msgspec.json.encode({"op": op, "key": f"{op}-{start + n}", "body": body}) for n, body in enumerate(bodies))


@asynccontextmanager
async def stage() -> AsyncIterator[tuple[PostgresServer, Pool]]:
    """The server and a pool of the service's own role, the areas being there."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the server may run as another user
        server = PostgresServer(Path(folder))
        server.start()
        try:
            server.provide("registry")
            await migrate(server.dsn("parkunion_registry", "registry_owner"), "registry")
            pool = await db.create_pool(server.dsn("parkunion_registry", "registry_app"), application_name="bench", by_key=True)
            divisions: list[dict[str, object]] = [{"code": f"D{n}", "name": f"D{n}", "kind": "division"} for n in (1, 2)]
            parks: list[dict[str, object]] = [{"code": code, "name": code, "kind": "park", "parent": code[:2]} for code in PARKS]
            await carry_out(pool, ndjson("area", divisions + parks))
            yield server, pool
            await pool.close()
        finally:
            server.stop()
