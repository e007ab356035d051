"""C(F, t): what one enterprise, or one union, adds to the figures on business day t, as a step function of its facts.

Pure, and total on any set of facts. It reads the facts and the constants of its `fold_version`, and nothing else: no areas, no settings, no
clock (docs/design/ENGINE.md, Folding; docs/design/DOMAIN.md, "Coverage: exact definitions"). Days are ordinals (`date.toordinal()`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

import msgspec

from services.metrics.folding.measures import Vector, vector

FOLD_VERSION = 2
RULE_VERSION = "coverage-2026.1"
FOREVER = date.max.toordinal() + 1

Cell: TypeAlias = tuple[str | None, str | None, str | None, str | None]
"""(park, industry, size, ownership); None = unknown."""

OWN = frozenset(("enterprise_union",))
JOINT = frozenset(("joint_union", "park_union"))
FEDERATION = frozenset(("regional_federation", "industry_federation", "grassroots_federation"))


@dataclass(frozen=True, slots=True)
class Rules:
    """The constants of one fold_version: days of grace after settling, workers of the basis GE25, months until a headcount is stale."""

    grace_days: int = 0
    ge25: int = 25
    stale_months: int = 12


RULES = {1: Rules(), 2: Rules()}
"""2 has the constants of 1, and durations beside the ledger."""


class Fact(msgspec.Struct, array_like=True, frozen=True):
    """One fact that shapes the step function: everything but members.

    `kind` is the event's name without prefix and version, `rank` the sequence of the event that said it first, `says` the fields that count.
    It is part of the set at every known day from `known` until before `until`.
    """

    kind: str
    occurred: int
    rank: int
    known: int
    until: int
    says: dict[str, Any]


class Segment(NamedTuple):
    """The contribution from `start` until the next segment: `base`, and `each` for every member, in `cell` (None: nothing)."""

    start: int
    cell: Cell | None
    base: Vector
    each: Vector


NOTHING = Segment(0, None, 0, 0)


@dataclass(slots=True)
class Situation:
    """What the facts up to a day come to, each attribute by its last fact."""

    park: str | None = None
    industry: str | None = None
    ownership: str | None = None
    size: str | None = None
    settled: int | None = None
    closed: bool = False
    reported: int = 0
    workers: int | None = None
    covering: dict[str, str] = field(default_factory=dict)
    seat: str | None = None
    dissolved: bool = False

    def take(self, fact: Fact) -> None:
        """Facts are taken in the order of (occurred, rank), so that the last one wins (docs/adr/0003 says which facts speak of what)."""
        says = fact.says
        match fact.kind:
            case "enterprise-registered":
                self.settled = fact.occurred
                self._place(says)
                self._classify(says)
            case "enterprise-moved":
                self._place(says)
            case "enterprise-reclassified":
                self._classify(says)
                self.size = says.get("size")
            case "headcount-reported":
                self.reported, self.workers, self.size = fact.occurred, says["workers"], says.get("size")
            case "enterprise-closed":
                self.closed = True
            case "coverage-started":
                self.covering[says["union_id"]] = says["kind"]
            case "coverage-ended":
                self.covering.pop(says["union_id"], None)
            case "union-founded":
                self.seat = says["seat_area"]
            case "union-dissolved":
                self.dissolved = True

    def _place(self, says: Mapping[str, Any]) -> None:
        self.park = _said(says, "park", self.park)

    def _classify(self, says: Mapping[str, Any]) -> None:
        self.industry = _said(says, "industry", self.industry)
        self.ownership = _said(says, "ownership", self.ownership)

    def turning_days(self, rules: Rules) -> set[int]:
        """Days on which the contribution changes although nothing happens."""
        days = set()
        if self.workers is not None:
            days.add(stale_from(self.reported, rules.stale_months))
        if self.settled is not None and rules.grace_days:
            days.add(self.settled + rules.grace_days)
        return days

    def segment(self, day: int, rules: Rules) -> Segment:
        """The contribution on `day`, if no further fact has occurred by then."""
        if self.seat is not None:
            return Segment(day, None, 0, 0) if self.dissolved else Segment(day, (self.seat, None, None, None), vector(unions=1), 0)
        if self.settled is None or self.closed:
            return Segment(day, None, 0, 0)
        kinds = set(self.covering.values())
        covered = bool(kinds)
        base = vector(units=1, covered_units=covered, second_covered=bool(kinds & FEDERATION) and bool(kinds & (OWN | JOINT)))
        each = vector(members=1, members_unionised=covered, members_headcount_unknown=self.workers is None)
        if self.workers is not None:
            base += self._with_headcount(day, self.workers, kinds, rules)
        cell = (self.park, self.industry, self.size, self.ownership)
        return Segment(day, cell, base, each)

    def _with_headcount(self, day: int, workers: int, kinds: set[str], rules: Rules) -> Vector:
        in_grace = self.settled is not None and day < self.settled + rules.grace_days
        covered = bool(kinds)
        should = workers >= 1 and not in_grace
        should_ge25 = workers >= rules.ge25 and not in_grace
        counted = should and covered
        own, joint = bool(kinds & OWN), bool(kinds & JOINT)
        return vector(
            units_headcount_known=1,
            units_headcount_stale=day >= stale_from(self.reported, rules.stale_months),
            should_organise_all=should,
            covered_all=counted,
            should_organise_ge25=should_ge25,
            covered_ge25=should_ge25 and covered,
            workers=workers,
            workers_unionised=workers if covered else 0,
            covered_all_own=counted and own,
            covered_all_joint=counted and joint and not own,
            covered_all_federation=counted and not own and not joint,
            in_grace=workers >= 1 and in_grace,
        )


def _said(says: Mapping[str, Any], name: str, before: str | None) -> str | None:
    value = says.get(name)
    return before if value is None else value


def stale_from(day: int, months: int) -> int:
    """The first day on which a headcount of `day` is stale: the day after the anniversary (of 29 February: 28 February)."""
    reported = date.fromordinal(day)
    years, month = divmod(reported.month - 1 + months, 12)
    if reported.year + years > date.max.year:
        return FOREVER
    for last in (reported.day, 30, 29, 28):
        try:
            return date(reported.year + years, month + 1, last).toordinal() + 1
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def segments(facts: Iterable[Fact], rules: Rules = RULES[FOLD_VERSION]) -> list[Segment]:
    """The step function of a set of facts, in order; before the first segment there is nothing, and the last one has no end."""
    ordered = sorted(facts, key=lambda fact: (fact.occurred, fact.rank))
    days = [(day, list(same)) for day, same in groupby(ordered, key=lambda fact: fact.occurred)]
    situation, found, before = Situation(), list[Segment](), NOTHING
    for index, (day, same) in enumerate(days):
        for fact in same:
            situation.take(fact)
        end = days[index + 1][0] if index + 1 < len(days) else FOREVER
        turns = sorted(turn for turn in situation.turning_days(rules) if day < turn < end)
        for start in (day, *turns):
            segment = situation.segment(start, rules)
            if segment[1:] != before[1:]:
                found.append(segment)
                before = segment
    return found


def at(found: list[Segment], day: int) -> Segment:
    """The segment in force on `day`."""
    last = NOTHING
    for segment in found:
        if segment.start > day:
            break
        last = segment
    return last
