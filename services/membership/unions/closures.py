"""The unit ends → its union ends (Trade Union Law 2021, art. 13); and when that closure is corrected, so is what it led to.

`follow_closure` compares what should be with what is. So it may be asked again at any time, after any fact, in any order of arrival:
closures that come before the founding, corrections, and repeats give the same end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from services.membership.unions import coverage, periods
from services.membership.world import (
    ENTERPRISE_CLOSED,
    LAST_UNIT_CLOSED,
    UNION_DISSOLVED,
    CoverageFact,
    Dissolution,
    Union,
    World,
    union_subject,
)
from shared.contracts import plain, type_of
from shared.contracts.membership import UnionDissolved
from shared.contracts.streams import FactCorrected, Placed
from shared.journal.reasons import Reason
from shared.writing.facts import Fact

CLOSURE_CORRECTED = Reason("closure_corrected")


def follow_closure(world: World, enterprise_id: UUID, cause_id: UUID | None) -> list[Fact]:
    """The facts that follow from the closure of an enterprise as it is known now.

    Needs the enterprise's coverage, its unions, and all coverage of those unions. `cause_id` is the registry's event behind it.
    """
    followed: list[Fact] = []
    enterprise = world.enterprises.get(enterprise_id)
    closed_on = enterprise.closed_on if enterprise else None
    for union_id in sorted({fact.union_id for fact in world.coverage.get(enterprise_id, ())}):
        changes = _end_of_coverage(world, world.unions[union_id], enterprise_id, closed_on, cause_id)
        if changes:
            world = world.after(changes)
            ends = _end_of_union(world, world.unions[union_id], cause_id)
            world = world.after(ends)
            followed += changes + ends
    return followed


def after_closures(world: World, facts: list[Fact], enterprise_ids: Iterable[UUID]) -> list[Fact]:
    """These facts about enterprises, and what follows if some of the enterprises have closed."""
    closed = [e for e in enterprise_ids if world.enterprises[e].closed_on is not None]
    if not closed:
        return facts
    world = world.after(facts)
    for enterprise_id in closed:
        followed = follow_closure(world, enterprise_id, world.enterprises[enterprise_id].closing)
        world = world.after(followed)
        facts = facts + followed
    return facts


def dissolved(union_id: UUID, on: date, reason: Reason, cause_id: UUID | None = None) -> Fact:
    """The union's end as a fact."""
    data = UnionDissolved(union_id=union_id, reason=reason.code, note_id=reason.note_id)
    return Fact(union_subject(union_id), data, on, cause_id)


def _end_of_coverage(world: World, union: Union, enterprise_id: UUID, closed_on: date | None, cause_id: UUID | None) -> list[Fact]:
    own = periods.facts_between(world, union.id, enterprise_id)
    last, before = own[-1], own[-2] if len(own) > 1 else None
    if last.started:
        return (
            [] if closed_on is None else [coverage.end(union, enterprise_id, max(closed_on, last.on), ENTERPRISE_CLOSED, cause_id=cause_id)]
        )
    if last.reason == UNION_DISSOLVED and before is not None and closed_on is not None and closed_on < last.on:
        return [coverage.corrected_end(last, max(closed_on, before.on), CLOSURE_CORRECTED, ends_by=ENTERPRISE_CLOSED, cause_id=cause_id)]
    if last.reason != ENTERPRISE_CLOSED or before is None:
        return []
    if (
        union.dissolved is not None
        and union.dissolved.reason != LAST_UNIT_CLOSED
        and closed_on is not None
        and closed_on > union.dissolved.on
    ):
        # The union ended before the enterprise did.
        return [_corrected(last, max(union.dissolved.on, before.on), cause_id, UNION_DISSOLVED)]
    if closed_on is None and union.dissolved is not None and union.dissolved.reason != LAST_UNIT_CLOSED:
        return [_corrected(last, max(union.dissolved.on, before.on), cause_id, UNION_DISSOLVED)]
    if closed_on is None:
        return [_corrected(last, None, cause_id)]
    wanted = max(closed_on, before.on)
    return [] if wanted == last.on else [_corrected(last, wanted, cause_id)]


def end_of_union(world: World, union_id: UUID) -> list[Fact]:
    """What follows for the union from a change of its coverage: units of it have closed before, and this was the last, or is one more."""
    return _end_of_union(world, world.unions[union_id], None)


def _end_of_union(world: World, union: Union, cause_id: UUID | None) -> list[Fact]:
    """A union some of whose units closed ends with its last unit, on the day on which the last of them ended."""
    facts = world.coverage_of(union.id)
    still = any(periods.active(world, union.id, enterprise) for enterprise in {fact.enterprise_id for fact in facts})
    closed = any(fact.reason == ENTERPRISE_CLOSED for fact in facts)
    wanted = None if still or not closed else max((fact.on for fact in facts if not fact.started), default=None)
    if union.dissolved is None:
        return [] if wanted is None else [dissolved(union.id, wanted, Reason(LAST_UNIT_CLOSED), cause_id)]
    if union.dissolved.reason != LAST_UNIT_CLOSED or union.dissolved.on == wanted:
        return []
    return [corrected_dissolution(union, union.dissolved, wanted, Reason(LAST_UNIT_CLOSED), CLOSURE_CORRECTED, cause_id)]


def corrected_dissolution(
    union: Union, end: Dissolution, on: date | None, ends_by: Reason, why: Reason, cause_id: UUID | None = None
) -> Fact:
    """The correction of a union's end that followed from closures: another date and reason, or (`on` None) no end."""
    assert end.event_id is not None
    before = UnionDissolved(union_id=union.id, reason=end.reason, note_id=end.note_id)
    after = UnionDissolved(union_id=union.id, reason=ends_by.code, note_id=ends_by.note_id)
    corrected = FactCorrected(
        corrects=end.event_id,
        fact=type_of(before),
        rank=end.rank,
        reason=why.code,
        withdrawn=Placed(end.on, plain(before)),
        replacement=Placed(on, plain(after)) if on else None,
    )
    return Fact(union_subject(union.id), corrected, on or end.on, cause_id)


def _corrected(end: CoverageFact, on: date | None, cause_id: UUID | None, ends_by: str = ENTERPRISE_CLOSED) -> Fact:
    return coverage.corrected_end(end, on, CLOSURE_CORRECTED, ends_by=ends_by, cause_id=cause_id)
