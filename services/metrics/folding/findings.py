"""What is odd about the facts of one enterprise on some business day: more members than workers, facts dated before settling (pure).

Unlike the measures these do not follow from the steps of C alone (members over workers is not linear in members), so the ledger holds no sum of
them. The projector notes with each set of facts which of them it has, or had at any known day (`noted`, in `states`); a question about a day
reads only the sets that are so noted and decides by `found_on` (`explaining.findings`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntFlag

from services.metrics.attributes import CoverageStart, Headcount, Registration
from services.metrics.folding.coverage import AttributeFact, Segment, segments
from services.metrics.folding.facts import FactSet
from services.metrics.measures import INDEX, unpacked

_KNOWN, _WORKERS = INDEX["units_headcount_known"], INDEX["workers"]


class Noted(IntFlag):
    """The bits of `states.findings`."""

    NONE = 0
    MEMBERS_OVER_WORKERS = 1
    BEFORE_SETTLED = 2


_OF_A_UNIT = (Headcount, CoverageStart)

ALL = Noted.MEMBERS_OVER_WORKERS | Noted.BEFORE_SETTLED


def noted(facts: FactSet, since: int = 0) -> Noted:
    """What holds on some business day as known at some known day from `since` on, of those that the set remembers."""
    may_be_over, found = _may_be_over(facts), Noted.NONE
    if not may_be_over and facts.newest_attribute < since:
        return found
    turned = {day for day in facts.attribute_days() if day >= since}
    in_force = facts.in_force(since - 1)
    shape = segments(in_force) if may_be_over else []
    members = facts.members_known(since - 1) if may_be_over else {}
    days = turned | {day for day in facts.members if day >= since} if may_be_over else turned
    for known in sorted(days):
        if may_be_over:
            for day, net in facts.members.get(known, {}).items():
                members[day] = members.get(day, 0) + net
        if known in turned:
            in_force = facts.in_force(known)
            if before_settled(in_force):
                found |= Noted.BEFORE_SETTLED
            shape = segments(in_force) if may_be_over else []
        if may_be_over and not found & Noted.MEMBERS_OVER_WORKERS and ever_over(shape, members):
            found |= Noted.MEMBERS_OVER_WORKERS
        if found == ALL:
            break
    return found


def noted_of_members(facts: FactSet, since: int) -> Noted:
    """As `noted`, after a change of members alone: what other facts bring about was noted when they came."""
    return noted(facts, since) if _may_be_over(facts) else Noted.NONE


def _may_be_over(facts: FactSet) -> bool:
    """False where all who ever joined are no more than the least headcount: the usual case, told without looking at days."""
    headcounts = [fact.content.workers for fact in facts.attributes if type(fact.content) is Headcount]
    return bool(headcounts) and facts.joined > min(headcounts)


def ever_over(shape: Sequence[Segment], members: Mapping[int, int]) -> bool:
    """Whether there are more members than workers on some day of a step function."""
    days = sorted(members)
    position, count = 0, 0
    for index, segment in enumerate(shape):
        end = shape[index + 1].start if index + 1 < len(shape) else None
        counts = unpacked(segment.base)
        workers = counts[_WORKERS] if segment.cell is not None and counts[_KNOWN] else None
        while position < len(days) and days[position] <= segment.start:
            count += members[days[position]]
            position += 1
        if workers is not None and count > workers:
            return True
        while position < len(days) and (end is None or days[position] < end):
            count += members[days[position]]
            position += 1
            if workers is not None and count > workers:
                return True
    return False


def before_settled(facts: Iterable[AttributeFact], day: int | None = None) -> bool:
    """Whether a headcount or a coverage of these facts in force is dated before the settling that holds on `day` (None: the last)."""
    settled, of_units = list[tuple[int, int]](), list[int]()
    for fact in facts:
        kind = type(fact.content)
        if kind is Registration:
            if day is None or fact.occurred <= day:
                settled.append((fact.occurred, fact.rank))
        elif kind in _OF_A_UNIT:
            of_units.append(fact.occurred)
    return bool(settled and of_units) and min(of_units) < max(settled)[0]


def before_settled_from(facts: Iterable[AttributeFact]) -> int | None:
    """The first day on which `before_settled` holds of these facts, and on every later one; None: on none."""
    known = list(facts)
    earliest = min((fact.occurred for fact in known if type(fact.content) in _OF_A_UNIT), default=None)
    settled = (fact.occurred for fact in known if type(fact.content) is Registration)
    return None if earliest is None else min((day for day in settled if day > earliest), default=None)
