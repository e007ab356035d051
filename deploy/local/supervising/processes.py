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

from deploy.local.folder import ROOT, Folder
from deploy.local.servers.issuer import AUDIENCE
from deploy.local.supervising.child import Running, end
from deploy.local.supervising.fork_server import Nursery
from shared.contracts import services

SERVICES = tuple(services.SERVICES)
TOPICS = tuple(services.published())
PARTITIONS = 12
ZONE = "Asia/Shanghai"
GRACE = 8.0
"""Seconds a service may take to stop before SIGKILL."""
FROZEN_AFTER = 7.0
"""Seconds without a heartbeat, and without any work of the processor, after which a process is killed, and started again."""
SILENT_AFTER = 60.0
"""Seconds that a process that works has until its next heartbeat: on a machine with too much to do, nothing is frozen that is only slow."""
LARGEST_LOG = 32 * 2**20
"""Bytes; a larger log is put aside (one generation) when its process starts."""

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "USER", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class Addresses(NamedTuple):
    """Where a service finds what it needs, and the port on which it answers itself."""

    dsn: str
    kafka: str
    issuer: str
    jwks: str
    port: int


def base_environment() -> dict[str, str]:
    """What every Python child gets: no PARKUNION_*, PG* or proxy variable of the caller's, but OTEL_* and PARKUNION_FAULT."""
    kept = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("OTEL_") or name == "PARKUNION_FAULT"}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2", "NO_PROXY": "127.0.0.1,localhost"}


def operator_environment(owner_dsn: str, kafka: str) -> dict[str, str]:
    """What `services.metrics.operate` is told."""
    settings = {"MIGRATION_DSN": owner_dsn, "KAFKA": kafka, "PARTITIONS": str(PARTITIONS), "ZONE": ZONE}
    return {**base_environment(), **{f"PARKUNION_{name}": value for name, value in settings.items()}}


def service_environment(service: str, folder: Folder, addresses: Addresses, label: Mapping[str, str]) -> dict[str, str]:
    """What a service's processes are told; `label` = {language: whose data this is}."""
    keys = {f"{name.upper()}_KEYS": folder.versions(name) for name in services.SERVICES[service].key_rings}
    labels = {f"DATA_LABEL_{language.upper()}": text for language, text in label.items()}
    settings = {
        "DSN": addresses.dsn,
        "KAFKA": addresses.kafka,
        "PARTITIONS": str(PARTITIONS),
        "HOST": "127.0.0.1",
        "PORT": str(addresses.port),
        "ISSUER": addresses.issuer,
        "JWKS_URL": addresses.jwks,
        "AUDIENCE": AUDIENCE,
        "ZONE": ZONE,
        "FINGERPRINT_KEY": folder.secret(f"fingerprint-{service}"),
        "CURSOR_KEY": folder.secret(f"cursor-{service}"),
        **keys,
        **labels,
    }
    return {**base_environment(), **{f"PARKUNION_{name}": value for name, value in settings.items()}}


def operate_program(*words: str) -> list[str]:
    """The command line of `services.metrics.operate`."""
    return [sys.executable, "-P", "-m", "services.metrics.operate", *words]


@dataclass
class ServiceProcess:
    """One process of a service."""

    service: str
    roles: Sequence[str]
    env: Mapping[str, str]
    log: Path
    nursery: Nursery
    _beaten: float = field(default=0.0, init=False)
    _working: float = field(default=0.0, init=False)
    _worked: str = field(default="", init=False)
    _process: Running | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.log.stem

    @property
    def beat(self) -> Path:
        """Where it writes its heartbeat."""
        return self.log.with_suffix(".beat")

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The last exit code, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def spawn(self) -> None:
        put_aside(self.log)
        self.beat.unlink(missing_ok=True)
        self._beaten = self._working = time.monotonic()
        env = {**self.env, "PARKUNION_HEARTBEAT": str(self.beat), "PARKUNION_INSTANCE": self.name}
        module, words = f"services.{self.service}", ["--role", ",".join(self.roles)]
        self._process = self.nursery.begin(module, words, self.log, env)

    def frozen(self, now: float) -> bool:
        """Whether it runs and has stood still for too long; `now` by the monotonic clock, which all processes share."""
        worked = _worked(self.pid)
        if worked != self._worked:
            self._worked, self._working = worked, now
        # Not there yet, or cut short for the next one to be written: then the last one that was read still counts.
        with contextlib.suppress(OSError, ValueError):
            self._beaten = max(self._beaten, float(self.beat.read_text()))
        return now - self._beaten > SILENT_AFTER or now - max(self._beaten, self._working) > FROZEN_AFTER

    def give_time(self, now: float) -> None:
        """It could not beat while the machine itself stood still."""
        self._beaten = self._working = now

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, signal.SIGTERM, GRACE)
            self._process = None


def _worked(pid: int | None) -> str:
    """How much a process has worked so far, as the kernel counts it (nanoseconds on a processor, and more); empty: it is gone."""
    try:
        return Path(f"/proc/{pid}/schedstat").read_text()
    except OSError:
        return ""


def processes_of(service: str, env: Mapping[str, str], logs: Path, workers: int, nursery: Nursery) -> list[ServiceProcess]:
    """The processes of a service; `workers` of those that divide their work."""
    return [
        ServiceProcess(service, roles, env, logs / f"{service}.{'+'.join(roles)}{f'-{number}' if number > 1 else ''}.log", nursery)
        for roles in services.SERVICES[service].processes
        for number in range(1, (workers if services.SERVICES[service].divided in roles else 1) + 1)
    ]


def imported(names: Sequence[str]) -> list[str]:
    """Modules that the nursery imports: nearly all that the processes of these services do."""
    shared = ["uvloop", "uvicorn.protocols.http.httptools_impl", "shared.http.parked_routes", "shared.http.web"] if names else []
    own = [f"services.{name}.{module}" for name in names for module in ("app", *services.SERVICES[name].modules)]
    return ["deploy.local.supervising.prepare", *shared, *own]


def put_aside(log: Path) -> None:
    if log.is_file() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
