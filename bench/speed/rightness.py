"""Whether the figures that the product serves are those of the generator's truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from urllib.parse import urlencode

from bench.generator.facts import park_code
from bench.generator.truth import Cell, Figures, Truth
from bench.generator.workload import END, PARKS
from bench.speed.stack import METRICS, BenchStack
from deploy.local.stack import ask

MEASURES = (
    *("units", "units_headcount_known", "units_headcount_stale", "should_organise_all", "covered_all", "should_organise_ge25"),
    *("covered_ge25", "covered_units", "workers", "members", "members_headcount_unknown", "workers_unionised", "members_unionised"),
)
TOTAL = "total"
HELD = "SELECT count(*) FROM held"


def differences(stack: BenchStack, truth: Truth) -> list[str]:
    """What is wrong, in words; empty: all is right.

    Asked are all parks by industry on the last business day, and parks and industries on earlier days, known then and before.
    """
    found = [f"{held} events are held"] if (held := int(stack.postgres.execute(HELD, METRICS))) else []
    for as_of in (END, END - timedelta(days=400), END - timedelta(days=1300)):
        for by, place in (("park", 0), ("industry", 1)):
            for known_at in (truth.known, truth.known - timedelta(days=1)):
                wanted = _by(truth.coverage(as_of, known_at), place)
                found += _compare(f"as of {as_of}, known at {known_at}, by {by}", _served(stack, by, None, as_of, known_at), wanted)
    cells = truth.coverage(END, truth.known)
    for number in range(PARKS):
        park = park_code(number)
        wanted = _by({cell: figures for cell, figures in cells.items() if cell[0] == park}, 1)
        found += _compare(park, _served(stack, "industry", park, END, truth.known), wanted)
    return found


def _served(stack: BenchStack, by: str, area: str | None, as_of: date, known_at: date) -> dict[str, Figures]:
    query = {"by": by, "as_of": as_of, "known_at": known_at, **({"area": area} if area else {})}
    address = f"{stack.stack.url('metrics')}/v1/coverage?{urlencode(query)}"
    status, answer = ask(address, headers={"Authorization": f"Bearer {stack.token()}"}, timeout=60)
    if status != 200:
        raise RuntimeError(f"{address}: {status} {answer}")
    *rows, total = answer["rows"]
    found = {row["area"]: {measure: row[measure] for measure in MEASURES} for row in rows}
    return {**found, TOTAL: {measure: total[measure] for measure in MEASURES}}


def _by(cells: Mapping[Cell, Figures], place: int) -> dict[str, Figures]:
    """Sums by park (0) or industry (1), and the total."""
    sums: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for cell, figures in cells.items():
        for name in (cell[place], TOTAL):
            for measure, value in figures.items():
                sums[name][measure] += value
    return {name: dict(figures) for name, figures in sums.items()}


def _compare(what: str, served: Mapping[str, Figures], wanted: Mapping[str, Figures]) -> Iterator[str]:
    for name in served.keys() | wanted.keys():
        for measure in MEASURES:
            got, right = served.get(name, {}).get(measure, 0), wanted.get(name, {}).get(measure, 0)
            if got != right:
                yield f"{what}, {name}: {measure} is {got}, not {right}"
