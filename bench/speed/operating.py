"""How long the operator's commands take on a log that is folded already."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping

from bench.speed.report import Result
from bench.speed.stack import BenchStack
from bench.speed.usage import Usage
from bench.stacks import ROOT
from shared.broker.protocol import Extent, Place

COMMANDS = {
    "audit": ["audit", "--json"],
    "reconcile": ["reconcile", "--json"],
    "rebuild": ["rebuild", "--json"],
    "republish": ["relay", "republish", "membership"],
}
"""{task: command}, in the order in which they run: a republish leaves a topic without second publications."""
COMMAND = "command"
POLL = 0.2


def operate(stack: BenchStack, workload: str, ends: Mapping[Place, Extent]) -> list[Result]:
    """One result a command. It is right if it ends with 0: then it found log, journal and figures equal."""
    return [_run(stack, workload, task, words, _events(task, ends)) for task, words in COMMANDS.items()]


def _events(task: str, ends: Mapping[Place, Extent]) -> int:
    """How many records the command reads or writes."""
    topics = {place[0] for place in ends}
    chosen = {topic for topic in topics if task != "republish" or "membership" in topic}
    return sum(extent.end for (topic, _), extent in ends.items() if topic in chosen)


def _run(stack: BenchStack, workload: str, task: str, words: list[str], events: int) -> Result:
    usage, began = Usage(), time.perf_counter()
    usage.look(stack.families())
    program = [str(ROOT / "parkunion"), "--data", str(stack.folder.path), *words]
    with (stack.folder.logs / "bench.log").open("w+") as output:
        process = subprocess.Popen(program, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            usage.look({**stack.families(), COMMAND: [process.pid]})
            time.sleep(POLL)
        seconds = time.perf_counter() - began
        output.seek(0)
        wrong = [] if process.returncode == 0 else [f"{task} ended with {process.returncode}: {output.read()[-300:]}"]
    used = {kind: round(1e6 * spent / events, 1) for kind, spent in usage.seconds().items()}
    return Result(
        *("parkunion", task, workload, events, 1, round(events / seconds), not wrong, 0),
        rss_mb=round(usage.peak_mb.get(COMMAND, 0.0)),
        cpu_us={**used, "sum": round(sum(used.values()), 1)},
        wrong=wrong,
    )
