"""Which processes a local stack has, and the settings they get."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from deploy.local.child import ServerProcess
from deploy.local.folder import ROOT, Folder
from deploy.local.servers.issuer import AUDIENCE
from deploy.local.supervising.fork_server import ForkServer
from shared.contracts import services

SERVICES = tuple(services.SERVICES)
TOPICS = tuple(services.published())
PARTITIONS = 12
ZONE = "Asia/Shanghai"
GRACE = 8.0
"""Seconds a service may take to stop before SIGKILL."""
FROZEN_AFTER = 7.0
"""Seconds without heartbeat and without CPU use after which a process is killed and restarted."""
SILENT_AFTER = 60.0
"""Seconds without heartbeat after which a process that uses the CPU is killed; longer, since it may only be slow."""
LARGEST_LOG = 32 * 2**20
"""Bytes; a larger log is rotated (one old file) when its process starts."""

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "USER", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
SIGN_IN = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_CLAIM", "SCOPE", "ALGORITHMS")
PASSED_ON = ("PARKUNION_FAULT", "PARKUNION_MORE_CODES", "PARKUNION_CLIENTS", *(f"PARKUNION_SIGN_IN_{name}" for name in SIGN_IN))


class Addresses(NamedTuple):
    """Addresses that a service needs, and its own port. `clients`: where the issuer lists its clients."""

    dsn: str
    kafka: str
    issuer: str
    jwks: str
    clients: str
    port: int


class Choices(NamedTuple):
    """What was chosen at the start. `label` = {language: whose data this is}; `sign_in`: the provider, if people can sign in.

    `allow_networks`: networks in CIDR notation to which webhooks may go although they are not public.
    """

    label: Mapping[str, str]
    sign_in: str = ""
    allow_networks: Sequence[str] = ()


def base_environment() -> dict[str, str]:
    """The environment of every Python child: no PARKUNION_*, PG* or proxy variable of the caller, except OTEL_* and those of PASSED_ON."""
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("OTEL_") or name in PASSED_ON}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2", "NO_PROXY": "127.0.0.1,localhost"}


def operator_environment(owner_dsn: str, kafka: str) -> dict[str, str]:
    """The environment of a service's program for operators."""
    settings = {"MIGRATION_DSN": owner_dsn, "KAFKA": kafka, "PARTITIONS": str(PARTITIONS), "ZONE": ZONE}
    return {**base_environment(), **{f"PARKUNION_{name}": value for name, value in settings.items()}}


def service_environment(service: str, folder: Folder, addresses: Addresses, choices: Choices) -> dict[str, str]:
    """The environment of a service's processes."""
    keys = {f"{name.upper()}_KEYS": folder.versions(name) for name in services.SERVICES[service].key_rings}
    labels = {f"DATA_LABEL_{language.upper()}": text for language, text in choices.label.items()}
    settings = {
        "DSN": addresses.dsn,
        "KAFKA": addresses.kafka,
        "PARTITIONS": str(PARTITIONS),
        "HOST": "127.0.0.1",
        "HOSTS": "127.0.0.1,::1,localhost",
        "PORT": str(addresses.port),
        "ISSUER": addresses.issuer,
        "JWKS_URL": addresses.jwks,
        "AUDIENCE": AUDIENCE,
        "CLIENTS_URL": addresses.clients,
        "ALLOW_NETWORKS": ",".join(choices.allow_networks),
        "ZONE": ZONE,
        "FINGERPRINT_KEY": folder.secret(f"fingerprint-{service}"),
        "CURSOR_KEY": folder.secret(f"cursor-{service}"),
        **keys,
        **labels,
        **({"SIGN_IN_ISSUER": choices.sign_in} if choices.sign_in else {}),
    }
    return {**base_environment(), **{f"PARKUNION_{name}": value for name, value in settings.items()}}


def operate_program(service: str, *words: str) -> list[str]:
    """The command line of a service's program for operators."""
    return [sys.executable, "-P", "-m", f"services.{service}.operate", *words]


@dataclass
class ServiceProcess(ServerProcess):
    """One process of a service, with a heartbeat."""

    service: str
    roles: Sequence[str]
    env: Mapping[str, str]
    log: Path
    fork_server: ForkServer
    _last_beat: float = field(default=0.0, init=False)
    _last_work: float = field(default=0.0, init=False)
    _cpu: str = field(default="", init=False)

    @property
    def name(self) -> str:
        return self.log.stem

    @property
    def beat(self) -> Path:
        """The file of its heartbeat."""
        return self.log.with_suffix(".beat")

    def spawn(self) -> None:
        rotate_log(self.log)
        self.beat.unlink(missing_ok=True)
        self.reset_timeouts(time.monotonic())
        env = {**self.env, "PARKUNION_HEARTBEAT": str(self.beat), "PARKUNION_INSTANCE": self.name}
        self._process = self.fork_server.start(f"services.{self.service}", ["--role", ",".join(self.roles)], self.log, env)

    def frozen(self, now: float) -> bool:
        """Whether it has neither beaten nor used the CPU for too long; `now` by the monotonic clock, which all processes share."""
        cpu = _cpu_usage(self.pid)
        if cpu != self._cpu:
            self._cpu, self._last_work = cpu, now
        # While the file is missing or being written, the last heartbeat counts.
        with contextlib.suppress(OSError, ValueError):
            self._last_beat = max(self._last_beat, float(self.beat.read_text()))
        return now - self._last_beat > SILENT_AFTER or now - max(self._last_beat, self._last_work) > FROZEN_AFTER

    def reset_timeouts(self, now: float) -> None:
        """Count from `now`: after a start, or after the machine was suspended."""
        self._last_beat = self._last_work = now

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        self._stop(signal.SIGTERM, GRACE)


def _cpu_usage(pid: int | None) -> str:
    """The kernel's scheduler statistics of a process (nanoseconds on a CPU and more); empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/schedstat").read_text()
    except OSError:
        return ""


def processes_of(service: str, env: Mapping[str, str], logs: Path, workers: int, fork_server: ForkServer) -> list[ServiceProcess]:
    """The processes of a service; `workers` of those that divide their work."""
    return [
        ServiceProcess(service, roles, env, logs / f"{service}.{'+'.join(roles)}{f'-{number}' if number > 1 else ''}.log", fork_server)
        for roles in services.SERVICES[service].processes
        for number in range(1, (workers if services.SERVICES[service].divided in roles else 1) + 1)
    ]


def imported(names: Sequence[str]) -> list[str]:
    """Modules that the fork server imports: nearly all that the processes of these services need."""
    shared = ["uvloop", "shared.process.web.server", "shared.http.parked_routes", "shared.service.api"] if names else []
    own = [f"services.{name}.{module}" for name in names for module in ("app", *services.SERVICES[name].modules)]
    # What `prepare` imports. It runs as `__main__`, and runpy warns of a module that was imported before.
    prepared = ["aiokafka.errors", "deploy.local.servers.kafka", "shared.process.migrate"]
    return [*prepared, *shared, *own]


def rotate_log(log: Path) -> None:
    if log.is_file() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
