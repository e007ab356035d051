"""What the file of a bench says besides its figures: where, when and of which tree they were measured."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.stacks import ROOT


def provenance(known_day: date) -> dict[str, Any]:
    """`machine`, `commit` (as `commit()` says), `measured_on` (an instant in UTC) and `known_day`, on which the last events of the log became known."""
    return {
        "machine": machine(),
        "commit": commit(),
        "measured_on": datetime.now(UTC).isoformat(timespec="seconds"),
        "known_day": known_day.isoformat(),
    }


def commit(root: Path = ROOT) -> str | None:
    """The commit of a tree, with `+changes` if files of it differ from it; None outside a repository."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True).stdout.strip()
        changes = subprocess.run(["git", "status", "--porcelain"], cwd=root, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{found}+changes" if changes else found


def machine() -> dict[str, Any]:
    """What it was measured on; `load` is that of the last minute, other work included. `interpreter`: of the same release one may be 1.4 times as fast as another."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return {
        "cpus": os.cpu_count(),
        "model": model,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "interpreter": os.path.realpath(sys.executable),
        "load": [round(value, 1) for value in os.getloadavg()],
    }
