"""CPU and memory of processes that come and go during a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

TICKS = os.sysconf("SC_CLK_TCK")
WITH_CHILDREN = frozenset(("postgres", "command", "peer"))
"""The kinds whose processes have children that count with them, as the sessions of PostgreSQL."""


class Usage:
    """Sums of CPU seconds by kind since the first `look`. What a process used between the last look and its end is missing."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], float] = {}
        self._last: dict[tuple[int, int], tuple[str, float]] = {}
        self.peak_mb: dict[str, float] = {}
        self._looked = False

    def look(self, families: Mapping[str, Sequence[int]]) -> None:
        """Read the processes; `families` = {kind: pids}."""
        for kind, pids in families.items():
            for pid in pids:
                for one in (pid, *(_children(pid) if kind in WITH_CHILDREN else ())):
                    self._read(kind, one)
        self._looked = True

    def _read(self, kind: str, pid: int) -> None:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        used, key = (int(fields[11]) + int(fields[12])) / TICKS, (pid, int(fields[19]))
        # A process that began after the first look has all its seconds counted.
        self._first.setdefault(key, 0.0 if self._looked else used)
        self._last[key] = kind, used
        peak = next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0.0)
        self.peak_mb[kind] = max(self.peak_mb.get(kind, 0.0), peak)

    def seconds(self) -> dict[str, float]:
        """{kind: CPU seconds}"""
        found: dict[str, float] = {}
        for key, (kind, used) in self._last.items():
            found[kind] = found.get(kind, 0.0) + used - self._first[key]
        return found


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
