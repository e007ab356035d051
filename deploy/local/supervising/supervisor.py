"""The supervisor: one process that starts a stack, restarts what dies, and stops everything it started.

    supervisor = Supervisor(folder)
    await supervisor.start(); await supervisor.wait_ready()
    ...
    await supervisor.stop()

Start it from the main thread: children die with the thread that started them (a rule of the kernel that we use).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.local import stack as stacks
from deploy.local.folder import Folder, read_json, write_private
from deploy.local.servers.issuer import Issuer
from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.postgres import PostgresServer, database_of
from deploy.local.stack import Stack, Written, lacks_log, without_log
from deploy.local.supervising.child import Known, Running, StartFailed, end, free_port, last_lines
from deploy.local.supervising.fork_server import Nursery
from deploy.local.supervising.outdated_rules import bring_rules_up
from deploy.local.supervising.processes import (
    SERVICES,
    ZONE,
    Addresses,
    ServiceProcess,
    base_environment,
    imported,
    processes_of,
    put_aside,
    service_environment,
)
from deploy.local.supervising.restarting import Kept, Server
from deploy.local.trouble import Trouble

LOOK = 0.1
"""Seconds between two looks at the children."""
PAUSED = 3.0
"""Seconds between two looks after which it was this process, or the machine, that stood still."""
HOPELESS = 6
"""Failures in a row, three seconds of them, after which a start is given up; a stack that was ready once is never given up."""


class Supervisor:
    """One stack in one folder. `say` gets progress lines (default: stderr)."""

    def __init__(
        self,
        data: Path,
        test_clock: bool = False,
        say: Callable[[str], None] | None = None,
        services: Sequence[str] = SERVICES,
        label: Mapping[str, str] | None = None,
        workers: int = 1,
    ) -> None:
        self.folder = Folder(data.expanduser().resolve())
        self.services = services
        self.test_clock = test_clock
        self.label = dict(label or {})
        self.workers = workers
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))
        self._kept: list[Kept] = []
        self._watch: asyncio.Task[None] | None = None
        self._issuer: Issuer | None = None
        self._nursery = Nursery(imported(services), self.folder.logs / "nursery.log", base_environment())
        self._upgrade: asyncio.Task[None] | None = None
        self._ready = False

    async def start(self) -> None:
        """Start everything; Trouble says in one line why not, and leaves nothing running."""
        self.folder.prepare()
        self.folder.lock()
        try:
            await self._start()
        except BaseException as error:
            await self.stop()
            if isinstance(error, StartFailed | OSError):
                raise _as_trouble(error, self.folder) from error
            raise

    async def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until every service says that it is ready and every process stays; Trouble after `timeout` seconds.

        A service whose log lacks what was read of it is not waited for: that is mended by commands, which need the stack.
        """
        lacking: dict[str, str] = {}
        deadline = time.monotonic() + timeout
        stack = Stack(self.folder.path)
        waiting = list(self.services)
        while waiting or not all(kept.settled() for kept in self._kept):
            answers = await asyncio.gather(*(asyncio.to_thread(stack.readiness, service) for service in waiting))
            if any(answer.get("checks", {}).get("rules") == "older" for answer in answers) and self._upgrade is None:
                owner = self.postgres.dsn(database_of("metrics"), "metrics_owner")
                log = self.folder.logs / "upgrade.log"
                self._upgrade = asyncio.create_task(bring_rules_up(owner, self.kafka.bootstrap, log, self._say))
            asked = list(zip(waiting, answers, strict=True))
            lacking |= {service: said for service, answer in asked if (said := lacks_log(answer))}
            waiting = [service for service, answer in asked if not answer.get("ready") and service not in lacking]
            self._refuse_crash_loop()
            if time.monotonic() > deadline:
                names = ", ".join(waiting or [kept.server.name for kept in self._kept if not kept.settled()])
                raise Trouble(
                    f"{names} 未能就绪;请看 {self.folder.logs} 中的日志",
                    f"{names} did not become ready; see the logs in {self.folder.logs}",
                )
            await asyncio.sleep(LOOK)
        for service, said in lacking.items():
            self._say(without_log(service, said))
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
        servers = [kept.server for kept in self._kept]
        for group in ([s for s in servers if isinstance(s, ServiceProcess)], [s for s in servers if not isinstance(s, ServiceProcess)]):
            await asyncio.gather(*(asyncio.to_thread(server.stop) for server in group))
        self._kept = []
        self._nursery.close()
        if self._issuer is not None:
            await asyncio.to_thread(self._issuer.stop)
            self._issuer = None
        if self.folder.owns_lock():
            self.folder.stack.unlink(missing_ok=True)
            self.folder.unlock()

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start, call `on_ready`, and stay until SIGINT or SIGTERM; then stop."""
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, asked.set)
        stopping = asyncio.create_task(asked.wait())
        working = asyncio.create_task(self._start_and_tell(on_ready))
        await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if working.done():
                working.result()
                await stopping
            else:
                working.cancel()
                await asyncio.wait({working})
        finally:
            stopping.cancel()
            if self.folder.owns_lock():
                self._say("正在停止 / stopping")
            await self.stop()

    async def _start_and_tell(self, on_ready: Callable[[], None]) -> None:
        began = time.monotonic()
        await self.start()
        await self.wait_ready()
        self._say(f"已就绪 / ready ({time.monotonic() - began:.1f} s): {self.folder.path}")
        on_ready()

    async def _start(self) -> None:
        self._end_strays()
        self._remember_settings()
        ports = read_json(self.folder.ports)
        postgres = PostgresServer(self.folder.path / "postgres", ports.get("postgres"), self.folder.keys, self.folder.logs / "postgres.log")
        kafka = KafkaServer(self.folder.path / "kafka", ports.get("kafka"), ports.get("kafka_controller"), self.folder.logs / "kafka.log")
        self.postgres, self.kafka = postgres, kafka
        put_aside(postgres.log)
        put_aside(kafka.log)
        kafka.prepare()
        self._keep(kafka)
        self._nursery.open()
        await asyncio.to_thread(postgres.prepare)
        ports = {name: free_port(ports.get(name)) for name in ("issuer", *self.services)}
        self._issuer = Issuer(self.folder, ports["issuer"])
        self._issuer.start()
        fixed = {"postgres": postgres.port, "kafka": kafka.port, "kafka_controller": kafka.controller_port}
        write_private(self.folder.ports, json.dumps({**ports, **fixed}))
        self._keep(postgres)
        await asyncio.to_thread(postgres.wait_ready)
        for service in self.services:
            await asyncio.to_thread(postgres.provide, service)
        preparing = await asyncio.to_thread(self._prepare)
        try:
            await asyncio.to_thread(kafka.wait_ready)
            while (failed := preparing.poll()) is None:
                await asyncio.sleep(0.02)
            if failed:
                raise StartFailed(f"migrations: {last_lines(self.folder.logs / 'prepare.log')}")
        finally:
            await asyncio.to_thread(end, preparing, signal.SIGTERM, 2.0)
        for service in self.services:
            for process in processes_of(service, self._environment(service, ports[service]), self.folder.logs, self.workers, self._nursery):
                self._keep(process)
        self._write()
        self._watch = asyncio.create_task(self._keep_running())

    def _keep(self, server: Server) -> None:
        server.spawn()
        self._kept.append(Kept(server))

    async def _keep_running(self) -> None:
        looked = time.monotonic()
        while True:
            if time.monotonic() - looked > PAUSED:
                for server in (kept.server for kept in self._kept):
                    if isinstance(server, ServiceProcess):
                        server.give_time(time.monotonic())
            looked = time.monotonic()
            for kept in self._kept:
                kept.end_if_frozen(self._say)
            changed = [kept.look(self._say) for kept in self._kept]
            if any(changed):
                self._write()
            await asyncio.sleep(LOOK)

    def _refuse_crash_loop(self) -> None:
        """Trouble if a process ends by itself again and again, with its last words."""
        for server in (kept.server for kept in self._kept if kept.failures >= HOPELESS):
            words = last_lines(self.folder.logs / f"{server.name}.log", 1)
            raise Trouble(f"{server.name} 无法启动:{words}", f"{server.name} does not start: {words}")

    def _prepare(self) -> Running:
        migrations = {service: self.postgres.dsn(database_of(service), f"{service}_owner") for service in self.services}
        wanted = json.dumps({"migrations": migrations, "kafka": self.kafka.bootstrap})
        log = self.folder.logs / "prepare.log"
        return self._nursery.begin("deploy.local.supervising.prepare", [], log, {**base_environment(), "PARKUNION_PREPARE": wanted})

    def _environment(self, service: str, port: int) -> dict[str, str]:
        assert self._issuer is not None
        dsn = self.postgres.dsn(database_of(service), f"{service}_app")
        addresses = Addresses(dsn, self.kafka.bootstrap, self._issuer.url, self._issuer.jwks_url, port)
        return service_environment(service, self.folder, addresses, self.label)

    def _remember_settings(self) -> None:
        """Properties of the folder: the test clock (its databases may be days ahead) and the label ({language: whose data this is})."""
        kept = read_json(self.folder.settings)
        self.test_clock = self.test_clock or bool(kept.get("test_clock"))
        self.label = self.label or kept.get("label", {})
        write_private(self.folder.settings, json.dumps({"test_clock": self.test_clock, "zone": ZONE, "label": self.label}))

    def _end_strays(self) -> None:
        """End what a killed supervisor of this folder may have left: only processes with the same pid and start time."""
        for pid, started in reversed(read_json(self.folder.stack).get("processes", [])):
            Known(int(pid), float(started)).end(signal.SIGINT, 5.0)

    def _write(self) -> None:
        """Tell the other commands: DIR/stack.json."""
        assert self._issuer is not None
        told = Written(
            services=self.services,
            ready=self._ready,
            test_clock=self.test_clock,
            zone=ZONE,
            postgres={"pid": self.postgres.pid, "port": self.postgres.port},
            kafka={"pid": self.kafka.pid, "bootstrap": self.kafka.bootstrap},
            issuer=self._issuer.url,
            jwks=self._issuer.jwks_url,
        )
        stacks.write(self.folder, told, [kept.server for kept in self._kept])


def _as_trouble(error: Exception, folder: Folder) -> Trouble:
    if "No space left" in str(error) or "ENOSPC" in str(error):
        return Trouble(f"{folder.path} 所在磁盘已满;请腾出至少 200 MB", f"the disk of {folder.path} is full; free at least 200 MB")
    return Trouble(f"平台未能启动:{error};日志在 {folder.logs}", f"the stack did not start: {error}; logs are in {folder.logs}")
