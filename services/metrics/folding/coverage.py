"""C(F, t): what one enterprise, or one union, adds to the figures on business day t, as a step function of its facts.

Pure, and defined for any set of facts. It depends on the facts and the constants of its `fold_version` alone: no areas, no settings, no
clock (docs/design/ENGINE.md, Folding; docs/design/DOMAIN.md, "Coverage: exact definitions"). Days are ordinals (`date.toordinal()`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import NamedTuple, TypeAlias, assert_never

import msgspec

from services.metrics.counted import (
    AttributeContent,
    Classification,
    Closure,
    CoverageEnd,
    CoverageStart,
    Dissolution,
    Founding,
    Headcount,
    Move,
    Registration,
)
from services.metrics.measures import Vector, vector

FOLD_VERSION = 2
RULE_VERSION = "coverage-2026.1"
FOREVER = date.max.toordinal() + 1

Cell: TypeAlias = tuple[str | None, str | None, str | None, str | None]
"""(park, industry, size, ownership); None is unknown."""

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
"""{fold_version: its constants}. 2 has the constants of 1, and durations beside the ledger."""


class AttributeFact(msgspec.Struct, array_like=True, frozen=True):
    """One fact that shapes the step function: every counted fact but members. Stored in `states` as an array in this order.

    `kind` is the event's name without prefix and version, `rank` the sequence of the event that first stated the fact (a correction keeps
    it). The fact is in the set at every known day from `known` to before `until`.
    """

    kind: str
    occurred: int
    rank: int
    known: int
    until: int
    content: AttributeContent


class Segment(NamedTuple):
    """The contribution from `start` to the next segment: `base`, and `each` for every member, in `cell` (None: no contribution)."""

    start: int
    cell: Cell | None
    base: Vector
    each: Vector


NOTHING = Segment(0, None, 0, 0)


@dataclass(slots=True)
class Situation:
    """The attributes of an enterprise or a union on a day, each from the last fact that states it."""

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

    def apply(self, fact: AttributeFact) -> None:
        """Apply one fact; facts must come in the order of (occurred, rank). docs/adr/0003: which fact states which attribute."""
        match fact.content:
            case Headcount(workers=workers, size=size):
                self.reported, self.workers, self.size = fact.occurred, workers, size
            case CoverageStart(union_id=union, kind=kind):
                self.covering[union] = kind
            case CoverageEnd(union_id=union):
                self.covering.pop(union, None)
            case Registration(park=park, industry=industry, ownership=ownership):
                self.settled, self.park = fact.occurred, park
                self._classify(industry, ownership)
            case Move(park=park):
                self.park = park
            case Classification(industry=industry, ownership=ownership, size=size):
                self._classify(industry, ownership)
                self.size = size
            case Closure():
                self.closed = True
            case Founding(seat_area=area):
                self.seat = area
            case Dissolution():
                self.dissolved = True
            case content:
                assert_never(content)

    def _classify(self, industry: str | None, ownership: str | None) -> None:
        """An attribute that a fact leaves out stays as it was."""
        if industry is not None:
            self.industry = industry
        if ownership is not None:
            self.ownership = ownership

    def turning_days(self, rules: Rules) -> set[int]:
        """The days on which the contribution changes without a further fact."""
        days = set()
        if self.workers is not None:
            days.add(stale_from(self.reported, rules.stale_months))
        if self.settled is not None and rules.grace_days:
            days.add(self.settled + rules.grace_days)
        return days

    def segment(self, day: int, rules: Rules) -> Segment:
        """The contribution on `day` if no further fact occurs by then."""
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


def segments(facts: Iterable[AttributeFact], rules: Rules = RULES[FOLD_VERSION]) -> list[Segment]:
    """The step function of a set of facts, in order. It is empty before the first segment; the last segment has no end."""
    ordered = sorted(facts, key=lambda fact: (fact.occurred, fact.rank))
    days = [(day, list(same)) for day, same in groupby(ordered, key=lambda fact: fact.occurred)]
    situation, found, before = Situation(), list[Segment](), NOTHING
    for index, (day, same) in enumerate(days):
        for fact in same:
            situation.apply(fact)
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
