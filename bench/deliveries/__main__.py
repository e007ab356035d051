"""Measure: `.venv/bin/python -m bench.deliveries [--only PART] [--seconds N] [--seed N]`.

Everything that it needs is started in a temporary folder, and stopped. A table on the output, and `bench/out/deliveries.json`.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from datetime import datetime

from bench import command
from bench.deliveries.house import DeliveryStack, own_stack
from bench.deliveries.latency import hanging, latency
from bench.deliveries.matching import matching
from bench.deliveries.report import Result, as_json, table
from bench.deliveries.rest import at_rest
from bench.deliveries.streams import streams
from bench.deliveries.sustained import sustained
from bench.generator.records import ZONE
from bench.provenance import provenance
from bench.speed.report import OUT

ALONE: Mapping[str, Callable[[Namespace], Result]] = {
    "sustained": lambda given: sustained(given.seconds, given.seed),
    "matching": lambda given: matching(given.events, given.subscriptions, given.workers, given.seed),
}
"""The parts that run processes of subscriptions alone, so that nothing else reads the same log."""
IN_STACK: Mapping[str, Callable[[DeliveryStack, Namespace], Result]] = {
    "rest": lambda stack, _: at_rest(stack),
    "streams": lambda stack, given: streams(stack, given.clients),
    "latency": lambda stack, given: latency(stack, given.seconds, given.rate),
    "hanging": lambda stack, given: hanging(stack, given.seconds, given.rate, given.endpoints),
}
"""The parts of a whole stack, one after the other in the same."""


def options() -> ArgumentParser:
    found = command.options("bench.deliveries", __doc__)
    found.add_argument("--only", choices=[*ALONE, *IN_STACK], action="append", help="this part alone; several times")
    found.add_argument("--seconds", type=float, default=20, help="of the parts that last: of `hanging` that of each of four phases")
    found.add_argument("--seed", type=int, default=7)
    found.add_argument("--rate", type=float, default=300, help="events a second of `latency` and `hanging`")
    found.add_argument("--endpoints", type=command.positive, default=200, help="of `hanging`")
    found.add_argument("--clients", type=command.positive, default=2_000, help="of `streams`")
    found.add_argument("--events", type=command.positive, default=100_000, help="of `matching`")
    found.add_argument("--subscriptions", type=command.positive, default=10_000, help="of `matching`")
    found.add_argument("--workers", type=command.positive, default=1, help="processes of the fan-out in `matching`")
    return found


def main() -> None:
    """Run the parts, print, write; exit 1 if something that was delivered was not right."""
    given = command.begin(options())
    wanted, results = given.only or [*ALONE, *IN_STACK], list[Result]()

    def done(result: Result) -> None:
        results.append(result)
        print(table([result]), flush=True)

    for name, part in ALONE.items():
        if name in wanted:
            done(part(given))
    if any(name in wanted for name in IN_STACK):
        with own_stack() as stack:
            for name, within in IN_STACK.items():
                if name in wanted:
                    done(within(stack, given))
    shares = {one.part: one.cpu_share["receivers"] for one in results if "receivers" in one.cpu_share}
    OUT.mkdir(exist_ok=True)
    file = OUT / "deliveries.json"
    content = {"seed": given.seed, **provenance(datetime.now(ZONE).date()), "results": as_json(results), "receivers_cpu_share": shares}
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    print(f"written: {file}")
    if wrong := [one.part for one in results if one.wrong]:
        sys.exit(f"NOT RIGHT: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
