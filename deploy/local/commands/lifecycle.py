"""`up`, `down`, `status`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.local import stack as stacks
from deploy.local.child import POLL, end, last_lines
from deploy.local.errors import NotRunningError, UserError
from deploy.local.folder import ROOT, Folder, folder_of
from deploy.local.status import Status, failing_checks, status_of, without_passwords
from deploy.local.supervising.processes import GRACE, PARTITIONS
from deploy.local.supervising.supervisor import Supervisor

AllowNetwork = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-network",
        help="Webhook 可发往的非公网网段,可多次,仅限本次启动 / a network to which webhooks may go although it is not public, and over http; "
        "may be said several times, is good for this start only; default: none",
        metavar="CIDR",
    ),
]
START_TIMEOUT = 120.0
STOP_TIMEOUT = 3 * GRACE + 10
"""Seconds."""


def register(app: typer.Typer) -> None:
    app.command(help="启动平台 / start the stack")(up)
    app.command(help="停止平台 / stop the stack")(down)
    app.command(help="平台状态 / what runs, and how far behind it is")(status)


def up(
    context: typer.Context,
    detach: Annotated[bool, typer.Option("--detach", help="就绪后返回 / return when it is ready")] = False,
    test_clock: Annotated[bool, typer.Option("--test-clock", help="允许拨动时钟 / let `clock advance` turn the clock")] = False,
    workers: Annotated[
        int, typer.Option("--workers", help="投影进程数,分担各分片 / projector processes, which divide the shards", metavar="N")
    ] = 1,
    allow_network: AllowNetwork = None,
) -> None:
    networks = networks_of(allow_network)
    if not 1 <= workers <= PARTITIONS:
        raise UserError(f"--workers 须为 1 至 {PARTITIONS}", f"--workers must be 1 to {PARTITIONS}", 2)
    data = folder_of(context.obj)
    if detach:
        allowed = [word for network in networks for word in ("--allow-network", network)]
        _detach(data, ["--workers", str(workers), *(["--test-clock"] if test_clock else []), *allowed])
        stack = stacks.load(data)
        _print_addresses(stack)
        for service in stack.services:
            if message := stacks.incomplete_log(stack.readiness(service)):
                print(stacks.incomplete_log_line(service, message), file=sys.stderr)
        return
    supervisor = Supervisor(data, test_clock, workers=workers, allow_networks=networks)
    asyncio.run(supervisor.run(on_ready=lambda: _print_addresses(stacks.load(data))))


def networks_of(values: Sequence[str] | None) -> list[str]:
    """The networks of `--allow-network`, each once. Raises UserError (exit 2) for one that is none, or has bits behind its prefix."""
    networks = []
    for text in values or ():
        try:
            networks.append(str(ip_network(text)))
        except ValueError:
            raise UserError(
                f"--allow-network {text}:不是网段,例:10.0.0.0/8、127.0.0.0/8、fd00::/8",
                f"--allow-network {text}: no network; examples: 10.0.0.0/8, 127.0.0.0/8, fd00::/8",
                2,
            ) from None
    return list(dict.fromkeys(networks))


def _detach(data: Path, options: list[str]) -> None:
    folder = Folder(data)
    folder.prepare()
    # Checked here too: the child's message would go to the log of the running stack.
    folder.lock()
    folder.unlock()
    # SIGTERM would end this process alone, a background job of a shell ignores SIGINT, and an exception inside `Popen` would lose the child.
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: received.append(number))
    log = folder.logs / "supervisor.log"
    program = [sys.executable, "-P", "-m", "deploy.local", "--data", str(data), "up", *options]
    with log.open("ab") as output:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        child = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", env=env, start_new_session=True)
    deadline = time.monotonic() + START_TIMEOUT
    stack = stacks.Stack(data)
    try:
        while not (stack.content.get("ready") and (supervisor := stack.supervisor()) and supervisor.pid == child.pid):
            if received:
                raise SystemExit(128 + received[0])
            if child.poll() is not None:
                raise UserError(*_both(last_lines(log, 1)))
            if time.monotonic() > deadline:
                raise UserError(f"平台未能就绪;日志在 {folder.logs}", f"the stack did not become ready; logs are in {folder.logs}")
            time.sleep(POLL)
    except BaseException:
        end(child, signal.SIGTERM, STOP_TIMEOUT)
        raise


def _both(line: str) -> tuple[str, str]:
    zh, _, en = line.partition(" / ")
    return zh, en or zh


def _print_addresses(stack: stacks.Stack) -> None:
    for service in stack.services:
        print(f"{service}\t{stack.url(service)}/docs")
    print(f"dashboard\t{stack.dashboard()}", flush=True)


def down(context: typer.Context) -> None:
    stack = stacks.load(context.obj)
    supervisor = stack.supervisor()
    if supervisor is None:
        raise NotRunningError(stack.data)
    if not supervisor.end(signal.SIGTERM, STOP_TIMEOUT):
        raise UserError(f"监管进程 {supervisor.pid} 未能停止", f"the supervisor {supervisor.pid} did not stop")
    print(f"已停止 / stopped: {stack.data}", file=sys.stderr)


def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="JSON")] = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="JSON 含数据库密码 / the JSON has the passwords of the databases")] = False,
) -> None:
    stack = stacks.load(context.obj)
    found = status_of(stack)
    if not secrets:
        found = without_passwords(found)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print_status(found, failing_checks(stack))


def _print_status(found: Status, failing: list[str]) -> None:
    table = Table("服务 / service", "进程 / processes", "就绪 / ready", "落后 / lag", "outbox", "held")
    for name, service in found["services"].items():
        processes = " ".join(f"{role}:{','.join(map(str, pids)) or '-'}" for role, pids in service["roles"].items())
        lag = "-" if service["lag_events"] is None else f"{service['lag_events']} ({service['lag_seconds']:.1f} s)"
        ready = "✓" if service["ready"] else "✗"
        table.add_row(name, processes, ready, lag, _figure(service["outbox"]), _figure(service["held"]))
    console = Console()
    console.print(table)
    for line in failing:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(
        f"PostgreSQL {found['postgres']['pid']} · Kafka {found['kafka']['pid']} ({found['kafka']['bootstrap']}) · {found['today']}"
    )
    for name, address in [
        *((name, f"{service['url']}/docs") for name, service in found["services"].items()),
        ("dashboard", found["dashboard"]),
    ]:
        console.print(f"{name}: {address}", soft_wrap=True)


def _figure(value: int | None) -> str:
    return "-" if value is None else str(value)
