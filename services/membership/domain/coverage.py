"""Whom a union covers, and when: a step function made of starts and ends, in order of (date, rank)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.membership.domain.commands import Cover
from services.membership.domain.state import (
    COVERAGE_ENDED,
    CoverageFact,
    Fact,
    Union,
    UnionId,
    World,
    enterprise_subject,
)
from shared.contracts.membership import CoverageEnded, CoverageStarted, UnionKind
from shared.directory.known import EnterpriseId
from shared.problems.errors import Conflict, Unprocessable


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


def active(world: World, union_id: UUID, enterprise_id: UUID) -> CoverageFact | None:
    """The start of the coverage that has no end yet."""
    own = facts_between(world, union_id, enterprise_id)
    return own[-1] if own and own[-1].started else None


def require_free_for_own_union(world: World, enterprise_id: UUID, union_id: UUID, start: date, end: date | None) -> None:
    """An enterprise has at most one own union at a time. Raises ALREADY_COVERED (409)."""
    others = {f.union_id for f in world.coverage.get(enterprise_id, ()) if f.kind == UnionKind.ENTERPRISE_UNION and f.union_id != union_id}
    for other in others:
        for period in periods(facts_between(world, other, enterprise_id)):
            if (end is None or period.started_on < end) and (period.ended_on is None or start < period.ended_on):
                raise Conflict("ALREADY_COVERED", field="enterprise_id", params={"enterprise": str(enterprise_id), "union": str(other)})


def start(world: World, union: Union, enterprise_id: UUID, on: date, field: str = "enterprise_id") -> Fact:
    """The union covers the enterprise from `on`; the enterprise must be known, free for it, and not closed by then."""
    enterprise = world.enterprise(enterprise_id, field)
    if enterprise.closed_on is not None and on >= enterprise.closed_on:
        raise Unprocessable(
            "ENTERPRISE_CLOSED", field=field, params={"enterprise": str(enterprise_id), "closed_on": enterprise.closed_on.isoformat()}
        )
    data = CoverageStarted(enterprise_id=enterprise_id, union_id=union.id, kind=union.kind)
    if union.kind == UnionKind.ENTERPRISE_UNION:
        require_free_for_own_union(world, enterprise_id, union.id, on, None)
    return Fact(enterprise_subject(enterprise_id), data, on)


def end(union: Union, enterprise_id: UUID, on: date, reason: str, note_id: UUID | None = None, cause_id: UUID | None = None) -> Fact:
    """The union no longer covers the enterprise from `on`."""
    data = CoverageEnded(enterprise_id=enterprise_id, union_id=union.id, kind=union.kind, reason=reason, note_id=note_id)
    return Fact(enterprise_subject(enterprise_id), data, on, cause_id)


def change(world: World, command: Cover) -> list[Fact]:
    """A union takes an enterprise in, or lets it go.

    Raises ALREADY_DISSOLVED, ALREADY_COVERED, COVERAGE_ORDER (409), BEFORE_FOUNDING, ENTERPRISE_CLOSED, NOT_COVERED, ONE_UNIT_ONLY (422).
    """
    union = world.union(command.union_id)
    if union.dissolved is not None:
        raise Conflict("ALREADY_DISSOLVED", field="union_id", params={"union": str(union.id), "on": union.dissolved.on.isoformat()})
    world.enterprise(command.enterprise_id)
    before = active(world, union.id, command.enterprise_id)
    if not command.started:
        if before is None or command.on < before.on:
            raise Unprocessable("NOT_COVERED", field="on", params={"enterprise": str(command.enterprise_id), "on": command.on.isoformat()})
        return [end(union, command.enterprise_id, command.on, COVERAGE_ENDED)]
    if before is not None:
        raise Conflict("ALREADY_COVERED", field="enterprise_id", params={"enterprise": str(command.enterprise_id), "union": str(union.id)})
    if command.on < union.founded_on:
        raise Unprocessable("BEFORE_FOUNDING", field="on", params={"founded_on": union.founded_on.isoformat()})
    own = facts_between(world, union.id, command.enterprise_id)
    if own and command.on < own[-1].on:
        raise Conflict("COVERAGE_ORDER", field="on", params={"on": own[-1].on.isoformat()})
    if union.kind == UnionKind.ENTERPRISE_UNION and any(f.enterprise_id != command.enterprise_id for f in world.coverage_of(union.id)):
        raise Unprocessable("ONE_UNIT_ONLY", field="enterprise_id", params={"union": str(union.id)})
    return [start(world, union, command.enterprise_id, command.on)]
