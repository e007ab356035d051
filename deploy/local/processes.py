"""Which processes a local stack has, and the settings they get."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.child import end, spawn
from deploy.local.folder import ROOT

PROCESSES: Mapping[str, Sequence[Sequence[str]]] = {
    "registry": (("api",), ("relay",)),
    "membership": (("api",), ("relay", "consumer")),
    "metrics": (("api",), ("projector",)),
}
"""Per service its processes, each with the roles it has."""

SERVICES = tuple(PROCESSES)
TOPICS = ("parkunion.registry.v1", "parkunion.membership.v1")
PARTITIONS = 12
ZONE = "Asia/Shanghai"
GRACE = 8.0
"""Seconds a service may take to stop before SIGKILL."""
LARGEST_LOG = 32 * 2**20
"""Bytes; a larger log is put aside (one generation) when its process starts."""

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "USER", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


def base_environment() -> dict[str, str]:
    """What every Python child gets: no PARKUNION_*, PG* or proxy variable of the caller's, but OTEL_* and PARKUNION_FAULT."""
    kept = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("OTEL_") or name == "PARKUNION_FAULT"}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2", "NO_PROXY": "127.0.0.1,localhost"}


def operator_environment(owner_dsn: str, kafka: str) -> dict[str, str]:
    """What `services.metrics.operate` is told."""
    settings = {"MIGRATION_DSN": owner_dsn, "KAFKA": kafka, "PARTITIONS": str(PARTITIONS), "ZONE": ZONE}
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
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return f"{self.service}.{'+'.join(self.roles)}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The last exit code, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def spawn(self) -> None:
        put_aside(self.log)
        program = [sys.executable, "-P", "-m", f"services.{self.service}", "--role", ",".join(self.roles)]
        self._process = spawn(program, self.log, env=self.env, cwd=ROOT)

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, signal.SIGTERM, GRACE)
            self._process = None


def put_aside(log: Path) -> None:
    if log.is_file() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
