"""Cost of a single joining member in membership's API: `.venv/bin/python -m bench.membership_single [--commands N] [--profile]`.

A PostgreSQL of its own in a temporary folder and the service's whole application in this process, as its own process runs it (uvloop, frozen
garbage, JSON logs to nowhere); new persons, one request after the other over one connection of a client in another process. Prints one line
of JSON: CPU milliseconds a command of this process (`http`), of it the command alone without HTTP (`command`), and of PostgreSQL, medians of
rounds. On a busy machine compare runs of the same minutes.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import multiprocessing
import os
import pstats
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import uvloop
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from bench import command
from bench.cpu import family_seconds
from bench.membership_batch import KEYS, WORK, prepare
from deploy.local.servers.postgres import PostgresServer
from services.membership.app import api
from services.membership.facts import TABLE
from services.membership.settings import Settings
from shared.journal import idempotency
from shared.process.db import Pool
from shared.process.logs import setup_logs
from shared.process.memory import COLLECT_AFTER
from shared.process.migrate import migrate
from shared.process.telemetry import setup_traces
from shared.process.web.limits import ConnectionLimits
from shared.process.web.server import web_server
from shared.writing import commands
from shared.writing.commands import Line
from shared.writing.lines.bodies import command_of, models

ROUNDS = 5
MODEL = models(TABLE)["member"]
Pairs = list[tuple[UUID, UUID]]


def settings_of(dsn: str) -> Settings:
    """Settings with keys of the bench."""
    keys: dict[str, Any] = {
        "fingerprint_key": bytes(32),
        "cursor_key": bytes(32),
        "encryption_keys": {1: bytes(32)},
        "hash_keys": {1: bytes(32)},
    }
    return Settings(dsn=dsn, kafka="127.0.0.1:1", partitions=12, issuer="https://issuer", jwks_url="https://issuer/jwks", **keys)


def body_of(union: UUID, enterprise: UUID) -> dict[str, Any]:
    """A new person joins."""
    document = {"kind": "sample", "number": uuid4().hex}
    return {"union_id": str(union), "enterprise_id": str(enterprise), "document": document, "joined_on": "2021-02-03"}


def request_of(token: str, union: UUID, enterprise: UUID) -> bytes:
    """The request as a client sends it."""
    body = json.dumps(body_of(union, enterprise)).encode()
    head = (
        "POST /v1/members HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\nUser-Agent: bench\r\n"
        f"Authorization: Bearer {token}\r\nIdempotency-Key: {uuid4().hex}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def client(port: int, pipe: Any) -> None:
    """The client's process: each list of requests that comes through the pipe, one after the other; then says so."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while requests := pipe.recv():
            for request in requests:
                connection.sendall(request)
                answer = b""
                while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
                    answer += connection.recv(65536)
                assert answer.startswith(b"HTTP/1.1 201"), answer
            pipe.send(len(requests))


async def alone(pool: Pool, bodies: list[dict[str, Any]]) -> None:
    """The commands without HTTP."""
    for body in bodies:
        command = command_of(TABLE, "member", MODEL.model_validate(body))
        line = Line(command, uuid4().hex, idempotency.fingerprint(bytes(32), "POST", "/v1/members", body))
        await commands.one(pool, KEYS, "bench", line, WORK)


async def rounds(server: PostgresServer, number: int, work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """CPU milliseconds a command, of this process and of PostgreSQL: medians."""
    own, database = [], []
    for _ in range(ROUNDS):
        before, cpu = family_seconds(server.pid), time.process_time()
        await work()
        own.append(1000 * (time.process_time() - cpu) / number)
        database.append(1000 * (family_seconds(server.pid) - before) / number)
    return statistics.median(own), statistics.median(database)


def token_of(settings: Settings, key: ECKey) -> str:
    """A token that may write everywhere."""
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": "bench",
        "exp": int(time.time()) + 36_000,
        "iat": int(time.time()),
        "jti": uuid4().hex,
    }
    return jwt.encode({"alg": "ES256", "kid": "k"}, {**claims, "scope": "membership:write", "areas": ["*"]}, key)


async def measure(server: PostgresServer, number: int, profile: bool) -> dict[str, float]:
    """Medians over the rounds."""
    await migrate(server.dsn("parkunion_membership", "membership_owner"), "membership")
    settings = settings_of(server.dsn("parkunion_membership", "membership_app"))
    app: FastAPI = api(settings)
    key = ECKey.generate_key("P-256", {"kid": "k", "use": "sig", "alg": "ES256"})

    async def published() -> Any:
        return {"keys": [key.as_dict(private=False)]}

    app.state.verifier._fetch = published
    token = token_of(settings, key)
    listener = socket.create_server(("127.0.0.1", 0))
    web = web_server(app, ConnectionLimits())
    serving = asyncio.create_task(web.serve(sockets=[listener]))
    while not web.started:
        await asyncio.sleep(0.01)
    pool: Pool = app.state.pool
    pairs = await prepare(pool)
    own_end, other_end = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=client, args=(listener.getsockname()[1], other_end))
    process.start()

    async def over_http() -> None:
        own_end.send([request_of(token, *pairs[n % len(pairs)]) for n in range(number)])
        await asyncio.to_thread(own_end.recv)

    async def without() -> None:
        await alone(pool, [body_of(*pairs[n % len(pairs)]) for n in range(number)])

    await over_http()
    await without()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    http, database = await rounds(server, number, over_http)
    profiler.disable()
    command, _ = await rounds(server, number, without)
    own_end.send([])
    process.join()
    web.should_exit = True
    await serving
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(70)
    return {"http": round(http, 3), "command": round(command, 3), "postgres": round(database, 3)}


def main() -> None:
    """Run and print."""
    parser = command.options("bench.membership_single", __doc__)
    parser.add_argument("--commands", type=command.positive, default=300, help="a round")
    parser.add_argument("--profile", action="store_true")
    options = command.begin(parser)
    shown = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    setup_traces("membership", None)
    setup_logs("INFO", "membership", "api")
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder))
        Path(folder).chmod(0o755)
        server.start()
        try:
            server.provide("membership")
            found = uvloop.run(measure(server, options.commands, options.profile))
        finally:
            server.stop()
    os.write(shown, json.dumps(found).encode() + b"\n")


if __name__ == "__main__":
    main()
