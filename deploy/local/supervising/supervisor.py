"""The supervisor: one process that starts the servers of a stack, restarts those that end, and stops all.

    supervisor = Supervisor(folder)
    await supervisor.start(); await supervisor.wait_ready()
    ...
    await supervisor.stop()

Start it from the main thread: the kernel ends children with the thread that started them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from deploy.local.child import ChildProcess, ProcessIdentity, StartError, end, free_port, last_lines
from deploy.local.errors import UserError
from deploy.local.folder import Folder, read_json, write_private
from deploy.local.servers.issuer import Issuer
from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.officers import officers_of
from deploy.local.servers.postgres import PostgresServer, database_of
from deploy.local.stack import Stack, incomplete_log, incomplete_log_line
from deploy.local.supervising.fork_server import ForkServer
from deploy.local.supervising.outdated_rules import upgrade_rules
from deploy.local.supervising.processes import (
    SERVICES,
    ZONE,
    Addresses,
    Choices,
    ServiceProcess,
    base_environment,
    imported,
    processes_of,
    rotate_log,
    service_environment,
)
from deploy.local.supervising.restarting import Server, SupervisedProcess
from deploy.local.supervising.stack_file import StackDescription, write_stack_file
from deploy.local.supervising.stop_signal import StopSignal
from deploy.local.turning import turn

POLL_PAUSE = 0.1
"""Seconds between two checks of the children."""
HEARTBEATS_EVERY = 0.5
"""Seconds between two looks at their heartbeats. A look at every check, ten times a second, took a fortieth of a core."""
SUSPENDED_AFTER = 3.0
"""Seconds between two checks which mean that this process, or the machine, was suspended."""
MOST_FAILURES = 6
"""Failures in a row (about three seconds) after which a start fails; a stack that was ready is never given up."""


class Supervisor:
    """One stack in one folder. `report` gets progress lines (default: stderr). `first_shift`: where the test clock of a new folder starts.

    `allow_networks`: networks (CIDR) to which webhooks may go although they are not public, until this supervisor stops.
    """

    def __init__(
        self,
        data: Path,
        test_clock: bool = False,
        report: Callable[[str], None] | None = None,
        services: Sequence[str] = SERVICES,
        label: Mapping[str, str] | None = None,
        workers: int = 1,
        first_shift: timedelta = timedelta(),
        allow_networks: Sequence[str] = (),
    ) -> None:
        self.folder = Folder(data.expanduser().resolve())
        self.services = services
        self.test_clock = test_clock
        self.label = dict(label or {})
        self.workers = workers
        self._first_shift = first_shift
        self._allow_networks = tuple(allow_networks)
        self._report = report or (lambda line: print(line, file=sys.stderr, flush=True))
        self._supervised: list[SupervisedProcess] = []
        self._watch: asyncio.Task[None] | None = None
        self._issuer: Issuer | None = None
        self._sign_in = ""
        self._fork_server = ForkServer(imported(services), self.folder.logs / "nursery.log", base_environment())
        self._upgrade: asyncio.Task[None] | None = None
        self._ready = False

    async def start(self) -> None:
        """Start all servers. Raises UserError after stopping them if one fails."""
        self.folder.prepare()
        self.folder.lock()
        try:
            await self._start()
        except BaseException as error:
            await self.stop()
            if isinstance(error, StartError | OSError):
                raise _user_error(error, self.folder) from error
            raise

    async def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until every service is ready and every process has settled. Raises UserError after `timeout` seconds.

        A service whose log is incomplete is not waited for: the commands that repair it need a running stack.
        """
        incomplete: dict[str, str] = {}
        deadline = time.monotonic() + timeout
        stack = Stack(self.folder.path)
        waiting = list(self.services)
        while waiting or not all(process.settled() for process in self._supervised):
            answers = await asyncio.gather(*(asyncio.to_thread(stack.readiness, service) for service in waiting))
            if any(answer.get("checks", {}).get("rules") == "older" for answer in answers) and self._upgrade is None:
                owner = self.postgres.dsn(database_of("metrics"), "metrics_owner")
                log = self.folder.logs / "upgrade.log"
                self._upgrade = asyncio.create_task(upgrade_rules(owner, self.kafka.bootstrap, log, self._report))
            answered = list(zip(waiting, answers, strict=True))
            incomplete |= {service: message for service, answer in answered if (message := incomplete_log(answer))}
            waiting = [service for service, answer in answered if not answer.get("ready") and service not in incomplete]
            self._refuse_crash_loop()
            if time.monotonic() > deadline:
                names = ", ".join(waiting or [process.server.name for process in self._supervised if not process.settled()])
                raise UserError(
                    f"{names} 未能就绪;请看 {self.folder.logs} 中的日志",
                    f"{names} did not become ready; see the logs in {self.folder.logs}",
                )
            await asyncio.sleep(POLL_PAUSE)
        for service, message in incomplete.items():
            self._report(incomplete_log_line(service, message))
        self._ready = True
        self._write()

    async def stop(self) -> None:
        """Stop services, then Kafka and PostgreSQL; safe to call at any time and twice."""
        for task in (self._upgrade, self._watch):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._upgrade = self._watch = None
        servers = [process.server for process in self._supervised]
        for group in ([s for s in servers if isinstance(s, ServiceProcess)], [s for s in servers if not isinstance(s, ServiceProcess)]):
            await asyncio.gather(*(asyncio.to_thread(server.stop) for server in group))
        self._supervised = []
        self._fork_server.close()
        if self._issuer is not None:
            await asyncio.to_thread(self._issuer.stop)
            self._issuer = None
        if self.folder.owns_lock():
            self.folder.stack.unlink(missing_ok=True)
            self.folder.unlock()

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start, call `on_ready`, and stay until SIGINT or SIGTERM; then stop."""
        stop = StopSignal()
        try:
            await stop.interruptible(self._start_and_report(on_ready))
            await stop.wait()
        finally:
            if self.folder.owns_lock():
                self._report("正在停止 / stopping")
            await self.stop()

    async def _start_and_report(self, on_ready: Callable[[], None]) -> None:
        began = time.monotonic()
        await self.start()
        await self.wait_ready()
        self._report(f"已就绪 / ready ({time.monotonic() - began:.1f} s): {self.folder.path}")
        on_ready()

    async def _start(self) -> None:
        officers = officers_of(self.folder)
        self._end_strays()
        is_new = not self.folder.settings.is_file()
        self._remember_settings()
        ports = read_json(self.folder.ports)
        postgres = PostgresServer(self.folder.path / "postgres", ports.get("postgres"), self.folder.keys, self.folder.logs / "postgres.log")
        kafka = KafkaServer(self.folder.path / "kafka", ports.get("kafka"), ports.get("kafka_controller"), self.folder.logs / "kafka.log")
        self.postgres, self.kafka = postgres, kafka
        rotate_log(postgres.log)
        rotate_log(kafka.log)
        kafka.prepare()
        self._supervise(kafka)
        self._fork_server.open()
        await asyncio.to_thread(postgres.prepare)
        ports = {name: free_port(ports.get(name)) for name in ("issuer", *self.services)}
        self._issuer = Issuer(self.folder, ports["issuer"], officers)
        self._issuer.return_to(*(f"http://127.0.0.1:{ports[name]}/sign-in/callback" for name in self.services))
        self._sign_in = self._issuer.url if officers else ""
        self._issuer.start()
        fixed = {"postgres": postgres.port, "kafka": kafka.port, "kafka_controller": kafka.controller_port}
        write_private(self.folder.ports, json.dumps({**ports, **fixed}))
        self._supervise(postgres)
        await asyncio.to_thread(postgres.wait_ready)
        for service in self.services:
            await asyncio.to_thread(postgres.provide, service)
        preparing = await asyncio.to_thread(self._prepare)
        try:
            await asyncio.to_thread(kafka.wait_ready)
            while (failed := preparing.poll()) is None:
                await asyncio.sleep(0.02)
            if failed:
                raise StartError(f"migrations: {last_lines(self.folder.logs / 'prepare.log')}")
        finally:
            await asyncio.to_thread(end, preparing, signal.SIGTERM, 2.0)
        if self.test_clock and self.services:
            # Also of a folder that an earlier release has filled: the database of a new service starts without a shift.
            dsns = [self.postgres.dsn(database_of(service), f"{service}_owner") for service in self.services]
            await turn(dsns, self._first_shift if is_new else timedelta())
        for service in self.services:
            for process in processes_of(
                service, self._environment(service, ports[service]), self.folder.logs, self.workers, self._fork_server
            ):
                self._supervise(process)
        self._write()
        self._watch = asyncio.create_task(self._restart_ended())

    def _supervise(self, server: Server) -> None:
        server.spawn()
        self._supervised.append(SupervisedProcess(server))

    async def _restart_ended(self) -> None:
        checked, looked = time.monotonic(), 0.0
        while True:
            if time.monotonic() - checked > SUSPENDED_AFTER:
                for process in self._supervised:
                    if isinstance(process.server, ServiceProcess):
                        process.server.reset_timeouts(time.monotonic())
            checked = time.monotonic()
            if checked - looked > HEARTBEATS_EVERY:
                looked = checked
                for process in self._supervised:
                    process.kill_if_frozen(self._report)
            changed = [process.restart_if_due(self._report) for process in self._supervised]
            if any(changed):
                self._write()
            await asyncio.sleep(POLL_PAUSE)

    def _refuse_crash_loop(self) -> None:
        """Raise UserError with the last line of the log if a process keeps ending by itself."""
        for server in (process.server for process in self._supervised if process.failures >= MOST_FAILURES):
            line = last_lines(self.folder.logs / f"{server.name}.log", 1)
            raise UserError(f"{server.name} 无法启动:{line}", f"{server.name} does not start: {line}")

    def _prepare(self) -> ChildProcess:
        migrations = {service: self.postgres.dsn(database_of(service), f"{service}_owner") for service in self.services}
        job = json.dumps({"migrations": migrations, "kafka": self.kafka.bootstrap})
        log = self.folder.logs / "prepare.log"
        return self._fork_server.start("deploy.local.supervising.prepare", [], log, {**base_environment(), "PARKUNION_PREPARE": job})

    def _environment(self, service: str, port: int) -> dict[str, str]:
        assert self._issuer is not None
        dsn = self.postgres.dsn(database_of(service), f"{service}_app")
        addresses = Addresses(dsn, self.kafka.bootstrap, self._issuer.url, self._issuer.jwks_url, self._issuer.clients_url, port)
        return service_environment(service, self.folder, addresses, Choices(self.label, self._sign_in, self._allow_networks))

    def _remember_settings(self) -> None:
        """Keep the test clock (the databases may be days ahead) and the label ({language: whose data this is}) with the folder."""
        stored = read_json(self.folder.settings)
        self.test_clock = self.test_clock or bool(stored.get("test_clock"))
        self.label = self.label or stored.get("label", {})
        write_private(self.folder.settings, json.dumps({"test_clock": self.test_clock, "zone": ZONE, "label": self.label}))

    def _end_strays(self) -> None:
        """End the processes that a killed supervisor of this folder left, identified by pid and start time."""
        for pid, started in reversed(read_json(self.folder.stack).get("processes", [])):
            ProcessIdentity(int(pid), float(started)).end(signal.SIGINT, 5.0)

    def _write(self) -> None:
        assert self._issuer is not None
        description = StackDescription(
            services=self.services,
            ready=self._ready,
            test_clock=self.test_clock,
            zone=ZONE,
            postgres={"pid": self.postgres.pid, "port": self.postgres.port},
            kafka={"pid": self.kafka.pid, "bootstrap": self.kafka.bootstrap},
            issuer=self._issuer.url,
            jwks=self._issuer.jwks_url,
        )
        write_stack_file(self.folder, description, [process.server for process in self._supervised])


def _user_error(error: Exception, folder: Folder) -> UserError:
    if "No space left" in str(error) or "ENOSPC" in str(error):
        return UserError(f"{folder.path} 所在磁盘已满;请腾出至少 200 MB", f"the disk of {folder.path} is full; free at least 200 MB")
    return UserError(f"平台未能启动:{error};日志在 {folder.logs}", f"the stack did not start: {error}; logs are in {folder.logs}")
