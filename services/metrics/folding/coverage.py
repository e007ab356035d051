"""C(F, t): what one enterprise, or one union, adds to the figures on business day t, as a step function of its facts.

Pure, and defined for any set of facts. It depends on the facts and the constants of its `fold_version` alone: no areas, no settings, no
clock (docs/design/ENGINE.md, Folding; docs/design/DOMAIN.md, "Coverage: exact definitions"). Days are ordinals (`date.toordinal()`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from services.metrics.attributes import (
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
from services.metrics.tables.rows import Cell

FOLD_VERSION = 3
RULE_VERSION = "coverage-2026.1"
FOREVER = date.max.toordinal() + 1

OWN = frozenset(("enterprise_union",))
JOINT = frozenset(("joint_union", "park_union"))
FEDERATION = frozenset(("regional_federation", "industry_federation", "grassroots_federation"))


@dataclass(frozen=True, slots=True)
class Rules:
    """The constants of one fold_version: days of grace after settling, workers of the basis GE25, months until a headcount is stale."""

    grace_days: int = 0
    ge25: int = 25
    stale_months: int = 12


RULES = {1: Rules(), 2: Rules(), 3: Rules()}
"""{fold_version: its constants}. 2 has the constants of 1, and durations beside the ledger; 3 has those of 2, and tallies of cases."""


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
        _APPLY[type(fact.content)](self, fact.occurred, fact.content)

    def classify(self, industry: str | None, ownership: str | None) -> None:
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
            return Segment(day, None, 0, 0) if self.dissolved else Segment(day, (self.seat, None, None, None), OF_UNION, 0)
        if self.settled is None or self.closed:
            return Segment(day, None, 0, 0)
        covering, workers = frozenset(self.covering.values()), self.workers
        cell = (self.park, self.industry, self.size, self.ownership)
        each = each_member(bool(covering), workers is None)
        if workers is None:
            return Segment(day, cell, of_enterprise(covering, None), each)
        in_grace = day < self.settled + rules.grace_days
        stale = day >= stale_from(self.reported, rules.stale_months)
        base = of_enterprise(covering, workers, in_grace=in_grace, stale=stale, rules=rules)
        return Segment(day, cell, base + workers * (_WORKERS_COVERED if covering else _WORKERS), each)


def _headcount(now: Situation, occurred: int, fact: Headcount) -> None:
    now.reported, now.workers, now.size = occurred, fact.workers, fact.size


def _start(now: Situation, _occurred: int, fact: CoverageStart) -> None:
    now.covering[fact.union_id] = fact.kind


def _end(now: Situation, _occurred: int, fact: CoverageEnd) -> None:
    now.covering.pop(fact.union_id, None)


def _register(now: Situation, occurred: int, fact: Registration) -> None:
    now.settled, now.park = occurred, fact.park
    now.classify(fact.industry, fact.ownership)


def _move(now: Situation, _occurred: int, fact: Move) -> None:
    now.park = fact.park


def _reclassify(now: Situation, _occurred: int, fact: Classification) -> None:
    now.classify(fact.industry, fact.ownership)
    now.size = fact.size


def _close(now: Situation, _occurred: int, _fact: Closure) -> None:
    now.closed = True


def _found(now: Situation, _occurred: int, fact: Founding) -> None:
    now.seat = fact.seat_area


def _dissolve(now: Situation, _occurred: int, _fact: Dissolution) -> None:
    now.dissolved = True


_APPLY: Mapping[type[AttributeContent], Callable[[Situation, int, Any], None]] = {
    Headcount: _headcount,
    CoverageStart: _start,
    CoverageEnd: _end,
    Registration: _register,
    Move: _move,
    Classification: _reclassify,
    Closure: _close,
    Founding: _found,
    Dissolution: _dissolve,
}
"""What each fact changes. By type: `match` asks `isinstance` of each class in turn, which for structs costs a microsecond each."""

_WORKERS = vector(workers=1)
_WORKERS_COVERED = vector(workers=1, workers_unionised=1)
OF_UNION = vector(unions=1)
"""What a union adds."""


@cache
def each_member(covered: bool, headcount_unknown: bool) -> Vector:
    """What one member adds."""
    return vector(members=1, members_unionised=covered, members_headcount_unknown=headcount_unknown)


def of_enterprise(
    covering: frozenset[str], workers: int | None, *, in_grace: bool = False, stale: bool = False, rules: Rules = RULES[FOLD_VERSION]
) -> Vector:
    """What an operating enterprise adds, but for its workers and members; `covering` = the kinds of the unions that cover it."""
    if workers is None:
        return _without_headcount(covering)
    return _with_headcount(covering, workers >= 1, workers >= rules.ge25, in_grace, stale)


@lru_cache(maxsize=1024)
def _without_headcount(covering: frozenset[str]) -> Vector:
    """What an operating enterprise adds whatever its headcount; `covering` = the kinds of the unions that cover it."""
    return vector(units=1, covered_units=bool(covering), second_covered=bool(covering & FEDERATION) and bool(covering & (OWN | JOINT)))


@lru_cache(maxsize=4096)
def _with_headcount(covering: frozenset[str], some: bool, ge25: bool, in_grace: bool, stale: bool) -> Vector:
    """What it adds if its headcount is known, but for the workers; `some`: it is not 0, `ge25`: it is at least that of the basis GE25."""
    covered = bool(covering)
    should, should_ge25 = some and not in_grace, ge25 and not in_grace
    counted = should and covered
    own, joint = bool(covering & OWN), bool(covering & JOINT)
    return _without_headcount(covering) + vector(
        units_headcount_known=1,
        units_headcount_stale=stale,
        should_organise_all=should,
        covered_all=counted,
        should_organise_ge25=should_ge25,
        covered_ge25=should_ge25 and covered,
        covered_all_own=counted and own,
        covered_all_joint=counted and joint and not own,
        covered_all_federation=counted and not own and not joint,
        in_grace=some and in_grace,
    )


@lru_cache(maxsize=16_384)
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


_in_order = attrgetter("occurred", "rank")


def segments(facts: Iterable[AttributeFact], rules: Rules = RULES[FOLD_VERSION]) -> list[Segment]:
    """The step function of a set of facts, in order. It is empty before the first segment; the last segment has no end."""
    ordered = sorted(facts, key=_in_order)
    situation, found, before = Situation(), list[Segment](), NOTHING
    ends = [*(fact.occurred for fact in ordered[1:]), FOREVER]
    for fact, end in zip(ordered, ends, strict=False):
        situation.apply(fact)
        day = fact.occurred
        if day == end:
            continue
        starts = [day]
        if situation.workers is not None or rules.grace_days:
            starts += sorted(turn for turn in situation.turning_days(rules) if day < turn < end)
        for start in starts:
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
