"""The results of a run: rows, their medians, a table, and the file in `bench/out/`."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

OUT = Path(__file__).parents[1] / "out"
HEAD = ("system", "task", "workload", "events", "workers", "kills", "warm", "events/s", "right", "MB", "CPU µs/event")


@dataclass(frozen=True)
class Result:
    """One cell: `system` at `task` (`plain`, `ledger`, or a command of the operator) on `workload`.

    `events_per_s` is the median of `runs`; `right`: whether every run's figures were those of the generator's truth. `cpu_us` = {kind of
    process: CPU microseconds per event}. `warm`: it is of the second fold of the same processes.
    """

    system: str
    task: str
    workload: str
    events: int
    workers: int
    events_per_s: int
    right: bool
    kills: int
    rss_mb: int
    runs: Sequence[int] = ()
    cpu_us: dict[str, float] = field(default_factory=dict)
    wrong: Sequence[str] = ()
    warm: bool = False


def median(results: Sequence[Result]) -> Result:
    """One result of several runs of one cell."""
    middle = sorted(results, key=lambda one: one.events_per_s)[len(results) // 2]
    return Result(
        **{
            **asdict(middle),
            "events_per_s": round(statistics.median(one.events_per_s for one in results)),
            "right": all(one.right for one in results),
            "rss_mb": max(one.rss_mb for one in results),
            "runs": [one.events_per_s for one in results],
            "wrong": [what for one in results for what in one.wrong],
        }
    )


def machine() -> dict[str, Any]:
    """What it was measured on; `load` is that of the last minute, other work included."""
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return {
        "cpus": os.cpu_count(),
        "model": model,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(value, 1) for value in os.getloadavg()],
    }


def table(results: Sequence[Result], ceilings: dict[str, int]) -> str:
    """The results as lines of text, the head first."""
    rows = [HEAD]
    for one in results:
        used = " ".join(f"{kind} {value:g}" for kind, value in one.cpu_us.items())
        figures = (
            f"{one.events:,}",
            str(one.workers),
            str(one.kills),
            "yes" if one.warm else "",
            f"{one.events_per_s:,}",
            "yes" if one.right else "NO",
            str(one.rss_mb),
        )
        rows.append((one.system, one.task, one.workload, *figures, used))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"ceiling {name}: {value:,}" for name, value in ceilings.items()]
    lines += [f"WRONG {one.system} {one.workload}: {what}" for one in results for what in one.wrong[:5]]
    return "\n".join(lines)


def write(name: str, seed: int, results: Sequence[Result], ceilings: dict[str, int]) -> Path:
    """Write `bench/out/<name>.json`."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    content = {"seed": seed, "machine": machine(), "results": [asdict(one) for one in results], "ceilings": ceilings}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return path
