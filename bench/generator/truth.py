"""What the figures of a log are, computed from its facts by the definitions of docs/design/DOMAIN.md, without any code of the product."""

from __future__ import annotations

from array import array
from calendar import isleap
from collections import Counter, defaultdict
from datetime import date

from bench.generator.facts import Kind, facts, park_code, places
from bench.generator.workload import INDUSTRIES, Workload

UNKNOWN = "unknown"
Cell = tuple[str, str]
"""(code of the park, section letter of the industry or UNKNOWN)"""
Figures = dict[str, int]
"""{measure: count}; a measure that is 0 may be left out"""


class Truth:
    """The facts of a workload, kept for questions about any day."""

    def __init__(self, workload: Workload) -> None:
        self.known = workload.known
        self.cells = [(park_code(place.park), INDUSTRIES[place.industry] if place.industry >= 0 else UNKNOWN) for place in places(workload)]
        self.settled: dict[int, int] = {}
        self.headcounts: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self.covered: dict[int, int] = {}
        self.who, self.on, self.net = array("i"), array("i"), array("b")
        for fact in facts(workload):
            match fact.kind:
                case Kind.REGISTERED:
                    self.settled[fact.who] = fact.day
                case Kind.HEADCOUNT:
                    self.headcounts[fact.who].append((fact.day, fact.value))
                case Kind.COVERED:
                    self.covered[fact.who] = fact.day
                case Kind.JOINED | Kind.LEFT:
                    self.who.append(fact.who)
                    self.on.append(fact.day)
                    self.net.append(1 if fact.kind is Kind.JOINED else -1)

    def coverage(self, as_of: date, known_at: date) -> dict[Cell, Figures]:
        """{cell: figures} as of a business day, as known at the end of a day: all facts became known on one day."""
        if known_at < self.known:
            return {}
        day = as_of.toordinal()
        members: Counter[int] = Counter()
        for who, on, net in zip(self.who, self.on, self.net, strict=True):
            if on <= day:
                members[who] += net
        found: defaultdict[Cell, Counter[str]] = defaultdict(Counter)
        for who, settled in self.settled.items():
            if settled <= day:
                found[self.cells[who]].update(self._of(who, as_of, members[who]))
        return {cell: dict(figures) for cell, figures in found.items()}

    def _of(self, who: int, as_of: date, members: int) -> Figures:
        """What one operating enterprise adds to the figures."""
        covered = self.covered.get(who, date.max.toordinal()) <= as_of.toordinal()
        figures = {"units": 1, "covered_units": covered, "members": members, "members_unionised": members * covered}
        # Of two headcounts of one day the later one in the log holds; `max` with a key takes the first of equals.
        known = [one for one in reversed(self.headcounts.get(who, ())) if one[0] <= as_of.toordinal()]
        if not known:
            return figures | {"members_headcount_unknown": members}
        reported, workers = max(known, key=lambda one: one[0])
        return figures | {
            "units_headcount_known": 1,
            "units_headcount_stale": _is_stale(date.fromordinal(reported), as_of),
            "should_organise_all": workers >= 1,
            "covered_all": workers >= 1 and covered,
            "should_organise_ge25": workers >= 25,
            "covered_ge25": workers >= 25 and covered,
            "workers": workers,
            "workers_unionised": workers * covered,
        }


def _is_stale(reported: date, as_of: date) -> bool:
    """Whether `as_of` is more than twelve months after `reported`."""
    if reported.month == 2 and reported.day == 29 and not isleap(reported.year + 1):
        return as_of > date(reported.year + 1, 2, 28)
    return as_of > reported.replace(year=reported.year + 1)
