"""Whom a union covers, and when: a step function made of starts and ends, in order of (date, rank)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.membership.world import (
    ENTERPRISE_CLOSED,
    LAST_UNIT_CLOSED,
    CoverageFact,
    Union,
    UnionId,
    World,
)
from shared.contracts.membership import UnionKind
from shared.directory.known import EnterpriseId
from shared.problems.errors import Conflict


@dataclass(frozen=True, slots=True)
class Period:
    """One union covers one enterprise, started ≤ t < ended."""

    enterprise_id: EnterpriseId
    union_id: UnionId
    started_on: date
    ended_on: date | None


def periods(facts: Iterable[CoverageFact]) -> list[Period]:
    """The periods that one (union, enterprise) pair's facts make, in order. Raises COVERAGE_ORDER (409) unless starts and ends alternate."""
    made: list[Period] = []
    for fact in sorted(facts, key=lambda fact: (fact.on, fact.rank)):
        active = bool(made) and made[-1].ended_on is None
        if fact.started == active:
            raise Conflict("COVERAGE_ORDER", field="on", params={"on": fact.on.isoformat()})
        if fact.started:
            made.append(Period(fact.enterprise_id, fact.union_id, fact.on, None))
        else:
            made[-1] = Period(fact.enterprise_id, fact.union_id, made[-1].started_on, fact.on)
    return made


def stated(world: World, union_id: UUID, enterprise_id: UUID) -> list[Period]:
    """The periods as they were entered: without the ends that followed from the enterprise's closure.

    What contradicts is decided by them, so it is refused alike before and after a closure becomes known.
    """
    union = world.unions.get(union_id)
    dissolved_on = None if union is None else own_end(union)
    made: list[Period] = []
    for fact in facts_between(world, union_id, enterprise_id):
        if fact.started:
            made.append(Period(fact.enterprise_id, fact.union_id, fact.on, None))
        elif made:
            made[-1] = replace(made[-1], ended_on=dissolved_on if fact.reason == ENTERPRISE_CLOSED else fact.on)
    return made


def own_end(union: Union) -> date | None:
    """The day of a dissolution that was entered, and did not follow from closures of the units."""
    return union.dissolved.on if union.dissolved is not None and union.dissolved.reason != LAST_UNIT_CLOSED else None


def facts_between(world: World, union_id: UUID, enterprise_id: UUID) -> list[CoverageFact]:
    """The facts of one union about one enterprise, in order of (date, rank)."""
    return [fact for fact in world.coverage.get(enterprise_id, ()) if fact.union_id == union_id]


def covers(world: World, union_id: UUID, enterprise_id: UUID, day: date) -> bool:
    """Whether the union covers the enterprise on a day."""
    active = False
    for fact in world.coverage.get(enterprise_id, ()):
        if fact.on > day:
            break
        if fact.union_id == union_id:
            active = fact.started
    return active


def began_by(world: World, union_id: UUID, enterprise_id: UUID, day: date) -> bool:
    """Whether the union covered the enterprise on a day or had done so before."""
    return any(fact.started and fact.on <= day and fact.union_id == union_id for fact in world.coverage.get(enterprise_id, ()))


def active(world: World, union_id: UUID, enterprise_id: UUID) -> CoverageFact | None:
    """The start of the coverage that has no end yet."""
    own = facts_between(world, union_id, enterprise_id)
    return own[-1] if own and own[-1].started else None


def require_free_for_own_union(world: World, enterprise_id: UUID, union_id: UUID, start: date, end: date | None) -> None:
    """An enterprise has at most one own union at a time. Raises ALREADY_COVERED (409)."""
    others = {f.union_id for f in world.coverage.get(enterprise_id, ()) if f.kind == UnionKind.ENTERPRISE_UNION and f.union_id != union_id}
    for other in others:
        for period in stated(world, other, enterprise_id):
            if (end is None or period.started_on < end) and (period.ended_on is None or start < period.ended_on):
                raise Conflict("ALREADY_COVERED", field="enterprise_id", params={"enterprise": str(enterprise_id), "union": str(other)})
