"""The results of a run: rows, their medians, a table, and the file in `bench/out/`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from bench.provenance import provenance

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


def wrong_of(system: str, results: Sequence[Result]) -> list[str]:
    """What was not right of this system, for the exit code; what others do wrong is a result of the bench."""
    return [f"{one.task} {one.workload}: {', '.join(one.wrong[:5])}" for one in results if one.system == system and not one.right]


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


def write(name: str, seed: int, known: date, results: Sequence[Result], ceilings: dict[str, int]) -> Path:
    """Write `bench/out/<name>.json`; `known`: the known day of the log."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    content = {"seed": seed, **provenance(known), "results": [asdict(one) for one in results], "ceilings": ceilings}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return path
