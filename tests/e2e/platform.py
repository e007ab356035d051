"""A whole stack, used as its users do: by the `parkunion` command and the public APIs."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from deploy.local.__main__ import main
from deploy.local.folder import ROOT
from deploy.local.stack import Stack
from deploy.local.status import status_of
from deploy.local.supervising.processes import PARTITIONS
from tests.patience import PATIENCE

IN_PROCESS = {"client", "clock", "coverage", "dashboard", "logs", "parked", "status", "token"}
"""Commands whose work is done by the process that they run in, which a test can be as well: half a CPU second less. The others start programs."""
LONGEST_PAUSE = 0.25
"""Seconds between two questions at most."""
SAMPLE = ROOT / "samples" / "nlrb" / "nlrb_union_elections_regions_01_18.csv"


def parkunion(
    *words: str | Path, check: bool = True, timeout: float = 300, fault: str | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command; its output as text. `fault` is armed in the processes that it starts (shared/process/faults.py)."""
    if words[0] in IN_PROCESS and "--data" in words and not environment and _has_no_loop():
        done = run_in_process(*words)
        if check:
            done.check_returncode()
        return done
    env = {name: value for name, value in os.environ.items() if name != "PARKUNION_DATA"} | dict(environment or {})
    env |= {"PARKUNION_FAULT": fault} if fault else {}
    command = [str(ROOT / "parkunion"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout, check=check)


def _has_no_loop() -> bool:
    """Whether this is the main thread, outside of any event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return threading.current_thread() is threading.main_thread()
    return False


def run_in_process(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command inside this process, which is faster; not within an event loop."""
    output, errors, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["parkunion", *map(str, words)]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as exited:
            main()
    finally:
        sys.argv = before
    code = exited.value.code or 0
    return subprocess.CompletedProcess(words, code if isinstance(code, int) else 1, output.getvalue(), errors.getvalue())


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Poll until true, ever more seldom, since a question may cost more than what is waited for; fails naming `what` after `seconds`."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE)


def rows_of_the_sample(path: Path, every: int) -> Path:
    """A smaller file of the same form: every n-th case with all its rows."""
    lines = SAMPLE.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines[1:] if sum(line.split(",")[0].encode()) % every == 0]
    path.write_text("".join([lines[0], *kept]), "utf-8")
    return path


@dataclass
class Platform:
    """A running stack in `data`; `token` has every scope and the root area."""

    data: Path
    token: str

    @classmethod
    def start(cls, data: Path, *options: str, fault: str | None = None, environment: Mapping[str, str] | None = None) -> Platform:
        """Start a stack in a folder and wait until it is ready; `options` of `up`, `fault` of every process, also of one started again."""
        parkunion("up", "--detach", "--data", data, *options, fault=fault, environment=environment)
        return cls(data, Stack(data).token())

    def stop(self) -> None:
        """Stop it, as whoever goes on with its folder does."""
        parkunion("down", "--data", self.data, check=False)

    def discard(self) -> None:
        """End it by force, with its folder not looked at again: an orderly stop takes some seconds, of Kafka above all."""
        supervisor = Stack(self.data).supervisor()
        if supervisor is None or not supervisor.alive():
            return
        process = psutil.Process(supervisor.pid)
        running = process.children(recursive=True)
        for each in [process, *(child for child in running if child.name() == "java")]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        # The others end with the supervisor (deploy/local/guard.py), PostgreSQL in good order.
        _, left = psutil.wait_procs([process, *running], PATIENCE)
        assert not left, left

    def status(self) -> dict[str, Any]:
        """The answer of `status --json` without a process for each call; in a thread, since it runs an event loop."""
        with ThreadPoolExecutor(1) as thread:
            return dict(thread.submit(status_of, Stack(self.data)).result())

    def url(self, service: str) -> str:
        """Base URL of a service; ports stay the same when a process is restarted."""
        stack = json.loads((self.data / "stack.json").read_text("utf-8"))
        return str(stack["services"][service]["url"])

    def get(self, service: str, path: str, token: str | None = None, **params: str) -> httpx.Response:
        """GET."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.get(self.url(service) + path, params=params, headers=headers, timeout=30, trust_env=False)

    def post(self, service: str, path: str, body: Any, token: str | None = None, method: str = "POST", **headers: str) -> httpx.Response:
        """POST, or another method with a body."""
        headers["Authorization"] = f"Bearer {token or self.token}"
        return httpx.request(method, self.url(service) + path, json=body, headers=headers, timeout=30, trust_env=False)

    def batch(self, service: str, lines: str) -> bytes:
        """The answer to an NDJSON batch."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/x-ndjson"}
        return httpx.post(f"{self.url(service)}/v1/batch", content=lines, headers=headers, timeout=30, trust_env=False).content

    def accepted(self, service: str, path: str, body: Any) -> dict[str, Any]:
        """The answer of a command that succeeds; 409 is tried again, since a service learns from the others a little later."""
        answers: list[httpx.Response] = []

        def answered() -> bool:
            answers.append(self.post(service, path, body))
            return answers[-1].status_code != 409

        until(answered, f"{path} accepted")
        assert answers[-1].status_code == 201, answers[-1].text
        content: dict[str, Any] = answers[-1].json()
        return content

    def settled(self) -> bool:
        """Whether every event has been projected."""
        services = self.status()["services"].values()
        return all(service["ready"] and service["outbox"] == 0 and service["lag_events"] == 0 for service in services)

    def figures(self, **params: str) -> dict[str, dict[str, Any]]:
        """{area: row} of the coverage answer."""
        answer = self.get("metrics", "/v1/coverage", **params)
        assert answer.status_code == 200, answer.text
        return {row["area"]: row for row in answer.json()["rows"]}

    def divided(self, workers: int) -> bool:
        """Whether all shards are owned, by this number of projectors that have database sessions."""
        with ThreadPoolExecutor(1) as thread:
            owned = thread.submit(asyncio.run, _owned(Stack(self.data).dsn("metrics"))).result()
        return len(owned) == workers and sum(owned) == PARTITIONS


async def _owned(dsn: str) -> list[int]:
    """How many shards each projector owns."""
    conn = await asyncpg.connect(dsn)
    try:
        rows = await conn.fetch(
            "SELECT count(*) AS n FROM shards JOIN pg_stat_activity ON application_name = owner AND datname = current_database() "
            "WHERE generation = (SELECT id FROM generations WHERE status = 'serving') GROUP BY owner"
        )
    finally:
        await conn.close()
    return [row["n"] for row in rows]
