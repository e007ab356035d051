"""Results: percentiles, CPU, the table, and the file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from bench.deliveries.house import House
from bench.speed.usage import Usage


@dataclass(frozen=True)
class Result:
    """One part. `figures`: what was measured; `wrong`: what was not right; `target`: what the figures are to be, and whether they are.

    `cpu_us` = {kind of process: CPU microseconds per delivery or event}; `cpu_share` = {kind: cores used}; `load`: of the last minute.
    """

    part: str
    figures: Mapping[str, Any]
    target: str
    reached: bool
    wrong: Sequence[str] = ()
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    cpu_share: Mapping[str, float] = field(default_factory=dict)
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))


class Used(TypedDict):
    """CPU as in a Result."""

    cpu_us: dict[str, float]
    cpu_share: dict[str, float]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """{p50, p90, p99, max} in milliseconds of values in seconds."""
    found = sorted(values)
    if not found:
        return {}
    at = {name: found[min(len(found) - 1, int(len(found) * share))] for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    return {f"{name}_ms": round(1000 * value, 1) for name, value in at.items()} | {"max_ms": round(1000 * found[-1], 1)}


class Spent:
    """CPU by kind of process from its making on. `more` = {kind: pids} of processes that are not of the house."""

    def __init__(self, house: House, more: Mapping[str, Sequence[int]]) -> None:
        self._house = house
        self._more = {**more, "bench": [os.getpid()]}
        self._usage = Usage()
        self._usage.look({**house.families(), **self._more})

    def end(self, count: int, seconds: float) -> Used:
        """`cpu_us` of each of `count`, and `cpu_share` of `seconds`."""
        self._usage.look({**self._house.families(), **self._more})
        used = self._usage.seconds()
        return {
            "cpu_us": {kind: round(1e6 * value / max(1, count), 1) for kind, value in used.items()},
            "cpu_share": {kind: round(value / seconds, 3) for kind, value in used.items()},
        }


def table(results: Sequence[Result]) -> str:
    """The results as lines of text."""
    lines: list[str] = []
    for one in results:
        lines.append(f"{one.part}: {'reached' if one.reached else 'NOT REACHED'} ({one.target}; load {one.load:g})")
        lines += [f"    {name:<28} {value}" for name, value in one.figures.items()]
        if one.cpu_us:
            lines.append("    CPU, µs each                 " + ", ".join(f"{kind} {value:g}" for kind, value in one.cpu_us.items()))
            lines.append("    CPU, cores                   " + ", ".join(f"{kind} {value:g}" for kind, value in one.cpu_share.items()))
        lines.append(f"    right                        {', '.join(one.wrong) if one.wrong else 'yes'}")
    return "\n".join(lines)


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The results for the file."""
    return [asdict(one) for one in results]
