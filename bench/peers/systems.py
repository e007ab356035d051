"""The peers, by name, and the command of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bench.peers import environment


def handwritten(job: Mapping[str, object]) -> Sequence[str]:
    """The command of a worker of `handwritten.py`."""
    return [str(environment.provide()), "-P", str(environment.LOCK.with_name("handwritten.py")), json.dumps(job)]


def quix(job: Mapping[str, object]) -> Sequence[str]:
    """The command of a worker of `quix.py`: all are of one group, and each keeps its state in a folder of its own."""
    every = {**job, "group": job["run"], "state": f"{job['folder']}/quix-{job['worker']}"}
    return [str(environment.provide()), "-P", "-W", "ignore", str(environment.LOCK.with_name("quix.py")), json.dumps(every)]


SYSTEMS = {"handwritten": handwritten, "quix": quix}
"""{system: the command of a worker for its job}"""
