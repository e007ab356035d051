"""What is measured: on which logs, how often, by whom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from bench.generator.workload import Workload, workloads
from bench.peers.systems import SYSTEMS


@dataclass(frozen=True)
class Cell:
    """Runs of a system's `workers` on one log, each with `kills` SIGKILLs of a worker at work.

    `optional`: it is left out, and the bench says so, if the plan has taken its `optional_until` seconds. `warm`: the second fold of the same
    processes is timed. Raises ValueError if the system has none, or if kills would end its warmth.
    """

    workers: int = 2
    kills: int = 0
    times: int = 1
    system: str = "parkunion"
    warm: bool = False
    optional: bool = False

    def __post_init__(self) -> None:
        if self.warm and (self.kills or not (self.system in SYSTEMS and SYSTEMS[self.system].warm)):
            raise ValueError(f"{self.system} with {self.kills} kills cannot be warm")


@dataclass(frozen=True)
class Log:
    """A log and what is measured on it. `operator`: whether audit, rebuild, republish and reconcile are timed too. `enterprises`, `years`: those of the
    log, if not those of its workload (`bench.generator.workload`)."""

    events: int
    workload: str
    cells: Sequence[Cell]
    operator: bool = False
    enterprises: int | None = None
    years: int | None = None

    def generated(self, seed: int, known: date) -> Workload:
        """What the generator writes."""
        found = workloads(seed, self.events, known)[self.workload]
        return replace(found, enterprises=self.enterprises or found.enterprises, years=self.years or found.years)


@dataclass(frozen=True)
class Plan:
    """The ceilings are measured on the first log, after its first cell, which is the product's. `name` is that of the file; `optional_until` in seconds."""

    name: str
    logs: Sequence[Log]
    optional_until: float = math.inf


PLANS = {
    "quick": Plan(
        "quick",
        [
            Log(
                400_000,
                "in-order",
                [
                    Cell(),
                    *(Cell(system=system) for system in ("handwritten", "flink", "kafka-streams", "quix")),
                    Cell(kills=2, optional=True),
                ],
            )
        ],
        optional_until=200.0,
    ),
    "full": Plan(
        "speed",
        [
            Log(
                1_000_000,
                "in-order",
                [
                    Cell(times=3),
                    Cell(kills=2, times=3),
                    Cell(1, times=3),
                    Cell(system="handwritten", times=3),
                    Cell(system="handwritten", kills=2),
                    Cell(system="kafka-streams", times=3),
                    Cell(system="kafka-streams", kills=2),
                    Cell(system="kafka-streams", warm=True, times=3),
                    Cell(system="flink", times=3),
                    Cell(system="flink", kills=2),
                    Cell(system="flink", warm=True, times=3),
                    Cell(system="quix", times=3),
                    Cell(system="quix", kills=2),
                ],
                operator=True,
            ),
            Log(1_000_000, "backdated", [Cell(times=3)]),
            Log(1_000_000, "many-enterprises", [Cell(times=3)]),
            Log(4_000_000, "in-order", [Cell()]),
        ],
    ),
}


def one(log: Log) -> Plan:
    """A plan of one log."""
    return Plan("one", [log])
