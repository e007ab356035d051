"""How long commands do not reach the figures after one process is killed or stopped; each process in turn.

The time runs from the signal until a command sent after it was answered, read by membership, projected and fanned out in every shard, and all
APIs are ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID, uuid4

import asyncpg
import httpx

from deploy.local.stack import Stack
from shared.contracts.services import SERVICES
from tests.chaos.disturbances import Disturbances
from tests.e2e.platform import Platform

T = TypeVar("T")
KINDS = tuple(f"{service.name}.{roles[0]}" for service in SERVICES.values() for roles in service.processes)
PATIENCE = 60.0
LOOK = 0.02
DAY = "2025-07-01"


async def recovery_times(platform: Platform, disturbances: Disturbances, enterprises: list[str]) -> dict[str, float]:
    """{"killed metrics.projector": seconds, …}; `enterprises` lie in all shards, and there is no other load."""
    found: dict[str, float] = {}
    probe = _Probe(platform, enterprises)
    found["nothing"] = await probe.recovered_after(lambda: None)
    for how, number in (("killed", signal.SIGKILL), ("froze", signal.SIGSTOP)):
        for kind in KINDS:
            process = disturbances.processes(kind)[0]
            found[f"{how} {kind}"] = await probe.recovered_after(lambda pid=process.pid, number=number: os.kill(pid, number))  # type: ignore[misc]
    for server in ("postgres", "kafka"):
        pid = int(disturbances.stack.content[server]["pid"])
        found[f"killed {server}"] = await probe.recovered_after(lambda pid=pid: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]
    await probe.close()
    return found


class _Probe:
    """Sends a command and waits until it is projected."""

    def __init__(self, platform: Platform, enterprises: list[str]) -> None:
        self._stack = Stack(platform.data)
        self._enterprises = enterprises
        self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {platform.token}"}, timeout=1.0, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def recovered_after(self, disturb: Callable[[], None]) -> float:
        began = time.monotonic()
        disturb()
        events = await self._until_true(self._send(str(uuid4())), began)
        for query, service in (
            ("SELECT count(*) FROM seen WHERE event_id = ANY($1)", "membership"),
            ("SELECT count(*) FROM g1.facts WHERE event_id = ANY($1)", "metrics"),
            ("SELECT count(*) FROM seen WHERE event_id = ANY($1)", "subscriptions"),
        ):
            await self._until_true(self._arrived(service, query, [UUID(event) for event in events]), began)
        for service in self._stack.services:
            await self._until_true(self._ready(service), began)
        return time.monotonic() - began

    def _send(self, key: str) -> Callable[[], Awaitable[list[str]]]:
        lines = [
            {"op": "headcount", "key": f"{key}/{enterprise}", "body": {"enterprise_id": enterprise, "on": DAY, "workers": 7}}
            for enterprise in self._enterprises
        ]
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

        async def send() -> list[str]:
            answer = await self._http.post(
                self._stack.url("registry") + "/v1/batch", content=content, headers={"Content-Type": "application/x-ndjson"}
            )
            if answer.status_code >= 500:
                return []
            return [json.loads(line)["event_ids"][0] for line in answer.content.splitlines()]

        return send

    def _arrived(self, service: str, query: str, events: list[UUID]) -> Callable[[], Awaitable[bool]]:
        async def arrived() -> bool:
            conn = await asyncpg.connect(self._stack.dsn(service), timeout=1, command_timeout=2)
            try:
                await conn.execute("SET parkunion.areas = '*'")
                return bool(await conn.fetchval(query, events) == len(events))
            finally:
                conn.terminate()

        return arrived

    def _ready(self, service: str) -> Callable[[], Awaitable[bool]]:
        async def ready() -> bool:
            return (await self._http.get(self._stack.url(service) + "/readyz")).status_code == 200

        return ready

    async def _until_true(self, ask: Callable[[], Awaitable[T]], began: float) -> T:
        while True:
            with contextlib.suppress(httpx.TransportError, asyncpg.PostgresError, OSError, TimeoutError):
                if answer := await ask():
                    return answer
            assert time.monotonic() - began < PATIENCE, "nobody took over"
            await asyncio.sleep(LOOK)
