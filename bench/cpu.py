"""CPU seconds of the processes of a running stack, by role; of PostgreSQL by the database role of the session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import psutil


def named(status: Mapping[str, Any]) -> dict[int, str]:
    """{pid: name} of the processes that `parkunion status --json` names: `<service>:<role>`, `postgres`, `kafka`."""
    found = {
        pid: f"{name}:{role}" for name, service in status["services"].items() for role, pids in service["roles"].items() for pid in pids
    }
    return found | {status["postgres"]["pid"]: "postgres", status["kafka"]["pid"]: "kafka"}


def seconds(status: Mapping[str, Any]) -> dict[str, float]:
    """{name: CPU seconds used so far}. Take both readings while the connection pools stay open: a session that ended counts as such."""
    found: dict[str, float] = {}
    for pid, name in named(status).items():
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            try:
                times, title = member.cpu_times(), " ".join(member.cmdline())
            except psutil.NoSuchProcess:
                continue
            label = _session(title) if name == "postgres" else name
            found[label] = found.get(label, 0.0) + times.user + times.system
        if name == "postgres":
            # Vacuum workers and sessions that ended.
            times = process.cpu_times()
            found["postgres:ended"] = times.children_user + times.children_system
    return found


def family_seconds(pid: int | None) -> float:
    """CPU seconds of a process and its descendants."""
    process = psutil.Process(pid)
    return sum(sum(member.cpu_times()[:2]) for member in [process, *process.children(recursive=True)])


def _session(title: str) -> str:
    """`postgres:<role>` of a session's process; `postgres:itself` of all others (writers, checkpointer, vacuum)."""
    words = title.split()
    return f"postgres:{words[1]}" if words[:1] == ["postgres:"] and len(words) > 1 and words[1].endswith("_app") else "postgres:itself"


def share_of_all_cores(before: Mapping[str, float], after: Mapping[str, float], wall: float) -> float:
    """The part of the machine that the stack used for `wall` seconds, from 0 to 1."""
    return round((sum(after.values()) - sum(before.values())) / (wall * (os.cpu_count() or 1)), 3)


def milliseconds_each(before: Mapping[str, float], after: Mapping[str, float], commands: int) -> dict[str, float]:
    """{name: CPU milliseconds per command} between two readings, the greatest first, and their sum."""
    used = {name: (after[name] - before.get(name, 0.0)) * 1000 / commands for name in after}
    rounded = {name: round(value, 3) for name, value in sorted(used.items(), key=lambda item: -item[1]) if value >= 0.0005}
    return {**rounded, "sum": round(sum(used.values()), 3)}
