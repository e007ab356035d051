"""The unit ends → its union ends (Trade Union Law 2021, art. 13); and when that closure is corrected, so is what it led to.

`follow_closure` compares what should be with what is. So it may be asked again at any time, after any fact, in any order of arrival:
closures that come before the founding, corrections, and repeats give the same end.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.membership.domain import coverage
from services.membership.domain.evolve import evolve
from services.membership.domain.state import (
    ENTERPRISE_CLOSED,
    LAST_UNIT_CLOSED,
    UNION_DISSOLVED,
    CoverageFact,
    Fact,
    Union,
    World,
    enterprise_subject,
    union_subject,
)
from services.membership.domain.unions import dissolved
from shared.contracts import plain, type_of
from shared.contracts.membership import CoverageEnded, UnionDissolved
from shared.contracts.streams import FactCorrected, Placed
from shared.journal.reasons import Reason

CLOSURE_CORRECTED = "closure_corrected"


def follow_closure(world: World, enterprise_id: UUID, cause_id: UUID | None) -> list[Fact]:
    """What follows from the closure of an enterprise as it is known now: evolved into `world` already, and returned to be said.

    Needs the enterprise's coverage, its unions, and all coverage of those unions. `cause_id` is the registry's event behind it.
    """
    said: list[Fact] = []
    enterprise = world.enterprises.get(enterprise_id)
    closed_on = enterprise.closed_on if enterprise else None
    for union_id in sorted({fact.union_id for fact in world.coverage.get(enterprise_id, ())}):
        union = world.unions[union_id]
        changes = _end_of_coverage(world, union, enterprise_id, closed_on, cause_id)
        _say(world, said, changes)
        if changes:
            _say(world, said, _end_of_union(world, world.unions[union_id], cause_id))
    return said


def _say(world: World, said: list[Fact], facts: list[Fact]) -> None:
    for fact in facts:
        evolve(world, fact)
    said.extend(facts)


def _end_of_coverage(world: World, union: Union, enterprise_id: UUID, closed_on: date | None, cause_id: UUID | None) -> list[Fact]:
    own = coverage.facts_between(world, union.id, enterprise_id)
    last, before = own[-1], own[-2] if len(own) > 1 else None
    if last.started:
        return (
            [] if closed_on is None else [coverage.end(union, enterprise_id, max(closed_on, last.on), ENTERPRISE_CLOSED, cause_id=cause_id)]
        )
    if last.reason != ENTERPRISE_CLOSED or before is None:
        return []
    if closed_on is None and union.dissolved is not None and union.dissolved.reason != LAST_UNIT_CLOSED:
        return [_moved_end(last, max(union.dissolved.on, before.on), UNION_DISSOLVED, cause_id)]
    if closed_on is None:
        return [_moved_end(last, None, ENTERPRISE_CLOSED, cause_id)]
    wanted = max(closed_on, before.on)
    return [] if wanted == last.on else [_moved_end(last, wanted, ENTERPRISE_CLOSED, cause_id)]


def _end_of_union(world: World, union: Union, cause_id: UUID | None) -> list[Fact]:
    """The union ends with its last unit, on the day on which the last of them ended."""
    facts = world.coverage_of(union.id)
    still = any(coverage.active(world, union.id, enterprise) for enterprise in {fact.enterprise_id for fact in facts})
    wanted = None if still else max((fact.on for fact in facts if not fact.started), default=None)
    if union.dissolved is None:
        return [] if wanted is None else [dissolved(union.id, wanted, Reason(LAST_UNIT_CLOSED), cause_id)]
    if union.dissolved.reason != LAST_UNIT_CLOSED or union.dissolved.on == wanted:
        return []
    data = plain(UnionDissolved(union_id=union.id, reason=LAST_UNIT_CLOSED))
    corrected = FactCorrected(
        corrects=_said_by(union.dissolved.event_id),
        fact=type_of(UnionDissolved(union_id=union.id, reason=LAST_UNIT_CLOSED)),
        rank=union.dissolved.rank,
        reason=CLOSURE_CORRECTED,
        withdrawn=Placed(union.dissolved.on, data),
        replacement=Placed(wanted, data) if wanted else None,
    )
    return [Fact(union_subject(union.id), corrected, wanted or union.dissolved.on, cause_id)]


def _moved_end(end: CoverageFact, on: date | None, reason: str, cause_id: UUID | None) -> Fact:
    """The correction of an end of coverage: another date, or (`on` None) no end at all."""
    before = CoverageEnded(
        enterprise_id=end.enterprise_id, union_id=end.union_id, kind=end.kind, reason=end.reason or "", note_id=end.note_id
    )
    after = CoverageEnded(enterprise_id=end.enterprise_id, union_id=end.union_id, kind=end.kind, reason=reason, note_id=end.note_id)
    corrected = FactCorrected(
        corrects=_said_by(end.event_id),
        fact=type_of(before),
        rank=end.rank,
        reason=CLOSURE_CORRECTED,
        withdrawn=Placed(end.on, plain(before)),
        replacement=Placed(on, plain(after)) if on else None,
    )
    return Fact(enterprise_subject(end.enterprise_id), corrected, on or end.on, cause_id)


def _said_by(event_id: UUID | None) -> UUID:
    if event_id is None:
        raise ValueError("only what was said before this batch can be corrected")
    return event_id
