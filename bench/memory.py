"""Memory of an idle stack: the sum of the PSS of its processes. `.venv/bin/python -m bench.memory [--data DIR]`."""

from __future__ import annotations

import json
from pathlib import Path

import psutil

from bench import command, cpu
from bench.stacks import parkunion


def family(pids: set[int]) -> dict[int, psutil.Process]:
    """The processes and all their descendants."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            found[member.pid] = member
    return found


def main() -> None:
    """Print one line of JSON: MiB by process and the sum."""
    options = command.options("bench.memory", __doc__)
    options.add_argument("--data", type=Path)
    status = json.loads(parkunion(command.begin(options).data, "status", "--json"))
    named = cpu.named(status)
    pids = set(named)
    supervisor = psutil.Process(status["kafka"]["pid"]).parent()
    if supervisor is not None and supervisor.pid > 1:
        named.setdefault(supervisor.pid, "supervisor")
        pids.add(supervisor.pid)
    sums: dict[str, float] = {}
    for pid, process in family(pids).items():
        name = named.get(pid) or next(
            (named[p.pid] for p in process.parents() if p.pid in named and named[p.pid] != "supervisor"), "supervisor"
        )
        sums[name] = sums.get(name, 0.0) + process.memory_full_info().pss / 2**20
    print(json.dumps({"mib": {name: round(value, 1) for name, value in sorted(sums.items())}, "sum_mib": round(sum(sums.values()), 1)}))


if __name__ == "__main__":
    main()
