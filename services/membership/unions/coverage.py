"""The facts of coverage: how they are made, their effect, and what must hold when they are corrected."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from msgspec import structs

from services.membership.unions.periods import Period, facts_between, periods, require_free_for_own_union
from services.membership.world import (
    ENTERPRISE_CLOSED,
    UNION_DISSOLVED,
    CoverageFact,
    Union,
    UnionId,
    World,
    enterprise_subject,
)
from shared.contracts import plain, type_of
from shared.contracts.membership import CoverageEnded, CoverageStarted, UnionKind
from shared.contracts.streams import FactCorrected, Placed
from shared.directory.known import EnterpriseId
from shared.journal.reasons import Reason
from shared.problems.errors import Conflict, Unprocessable
from shared.writing.facts import Correct, Fact, Revision, Standing

FOLLOWED = frozenset({ENTERPRISE_CLOSED, UNION_DISSOLVED})
"""Reasons of ends that the service records itself."""
EARLIER_END = "earlier_end"
"""The reason of corrections that the service records itself."""


def start(world: World, union: Union, enterprise_id: UUID, on: date, field: str = "enterprise_id", *, until: date | None = None) -> Fact:
    """The union covers the enterprise from `on` (to `until`); the enterprise must be known, and free for it.

    At one that had closed by then the coverage ends as it begins (closures.py), as it does if the closure becomes known later.
    """
    world.enterprise(enterprise_id, field)
    data = CoverageStarted(enterprise_id=enterprise_id, union_id=union.id, kind=union.kind)
    if union.kind == UnionKind.ENTERPRISE_UNION:
        require_free_for_own_union(world, enterprise_id, union.id, on, until)
    return Fact(enterprise_subject(enterprise_id), data, on)


def end(union: Union, enterprise_id: UUID, on: date, reason: str, note_id: UUID | None = None, cause_id: UUID | None = None) -> Fact:
    """The union no longer covers the enterprise from `on`."""
    data = CoverageEnded(enterprise_id=enterprise_id, union_id=union.id, kind=union.kind, reason=reason, note_id=note_id)
    return Fact(enterprise_subject(enterprise_id), data, on, cause_id)


def end_with_union(world: World, union: Union, enterprise_id: UUID, start_on: date, on: date) -> Fact:
    """The end of coverage by a union that was dissolved, or that of an enterprise that had closed by then."""
    closed_on = world.enterprises[enterprise_id].closed_on
    if closed_on is not None and closed_on < on:
        return end(union, enterprise_id, max(closed_on, start_on), ENTERPRISE_CLOSED)
    return end(union, enterprise_id, on, UNION_DISSOLVED)


def put(world: World, fact: Standing, _private: object) -> None:
    """A start or an end of coverage holds."""
    data = fact.data
    assert isinstance(data, CoverageStarted | CoverageEnded)
    reason, note_id = (data.reason, data.note_id) if isinstance(data, CoverageEnded) else (None, None)
    new = CoverageFact(
        EnterpriseId(data.enterprise_id),
        UnionId(data.union_id),
        data.kind,
        fact.rank,
        fact.on,
        started=isinstance(data, CoverageStarted),
        reason=reason,
        note_id=note_id,
        event_id=fact.event_id,
    )
    facts = [other for other in world.coverage.get(new.enterprise_id, ()) if other.rank != new.rank]
    facts.append(new)
    facts.sort(key=lambda one: (one.on, one.rank))
    world.coverage[new.enterprise_id] = facts
    world.touched_coverage.add((new.enterprise_id, new.rank))


def drop(world: World, fact: Standing) -> None:
    """A start or an end of coverage holds no longer."""
    assert isinstance(fact.data, CoverageStarted | CoverageEnded)
    enterprise_id = fact.data.enterprise_id
    world.coverage[enterprise_id] = [other for other in world.coverage[enterprise_id] if other.rank != fact.rank]
    world.touched_coverage.add((enterprise_id, fact.rank))


def require_union(world: World, fact: Standing, _command: Revision) -> None:
    """The union of the fact must exist for the fact to be changed. Raises UNKNOWN_UNION (422)."""
    union_id: UUID = fact.data.union_id  # type: ignore[union-attr]
    if union_id not in world.unions:
        raise Unprocessable("UNKNOWN_UNION", field="corrects", params={"union": str(union_id)})


def follow_start(world: World, fact: Standing, command: Revision) -> list[Fact]:
    """With a start that holds no longer goes the end that the service itself recorded for it: no command could remove that."""
    assert isinstance(fact.data, CoverageStarted)
    if isinstance(command, Correct) and command.data is not None:
        return []
    followed: list[Fact] = []
    active = False
    for other in facts_between(world, fact.data.union_id, fact.data.enterprise_id):
        if not other.started and not active and other.reason in (ENTERPRISE_CLOSED, UNION_DISSOLVED):
            followed.append(corrected_end(other, None, command.reason))
        active = other.started
    return followed


def corrected_end(end: CoverageFact, on: date | None, reason: Reason, *, ends_by: str | None = None, cause_id: UUID | None = None) -> Fact:
    """The correction of an end of coverage: another date, or (`on` None) no end. `ends_by`: another reason of the end itself."""
    assert end.event_id is not None
    before = CoverageEnded(
        enterprise_id=end.enterprise_id, union_id=end.union_id, kind=end.kind, reason=end.reason or "", note_id=end.note_id
    )
    data = FactCorrected(
        corrects=end.event_id,
        fact=type_of(before),
        rank=end.rank,
        reason=reason.code,
        withdrawn=Placed(end.on, plain(before)),
        replacement=Placed(on, plain(before if ends_by is None else structs.replace(before, reason=ends_by))) if on else None,
        note_id=reason.note_id,
    )
    return Fact(enterprise_subject(end.enterprise_id), data, on or end.on, cause_id)


def require_whole(world: World, fact: Standing, _command: Revision) -> None:
    """What must hold of the coverage after a correction, as after any command."""
    assert isinstance(fact.data, CoverageStarted | CoverageEnded)
    require_whole_coverage(world, fact.data.union_id, fact.data.enterprise_id)


def require_whole_coverage(world: World, union_id: UUID, enterprise_id: UUID) -> None:
    """Raises COVERAGE_ORDER, BEFORE_FOUNDING, ALREADY_DISSOLVED, ALREADY_COVERED (409), ENTERPRISE_CLOSED (422)."""
    union = world.unions[union_id]
    facts = facts_between(world, union_id, enterprise_id)
    said = {fact.on for fact in facts if not fact.started and fact.reason not in FOLLOWED}
    for period in periods(facts):
        if period.started_on < union.founded_on:
            raise Conflict("BEFORE_FOUNDING", field="data", params={"founded_on": union.founded_on.isoformat()})
        if union.dissolved is not None and (period.ended_on is None or period.ended_on > union.dissolved.on):
            raise Conflict("ALREADY_DISSOLVED", field="data", params={"union": str(union_id), "on": union.dissolved.on.isoformat()})
        if period.ended_on not in said:
            _require_end_with_closure(world, period)
        if union.kind == UnionKind.ENTERPRISE_UNION:
            require_free_for_own_union(world, enterprise_id, union_id, period.started_on, period.ended_on)


def _require_end_with_closure(world: World, period: Period) -> None:
    """An enterprise that closed is covered no longer. Raises ENTERPRISE_CLOSED (422)."""
    enterprise = world.enterprises.get(period.enterprise_id)
    if enterprise is None or enterprise.closed_on is None:
        return
    if period.ended_on is None or period.ended_on > max(enterprise.closed_on, period.started_on):
        params = {"enterprise": str(enterprise.id), "closed_on": enterprise.closed_on.isoformat()}
        raise Unprocessable("ENTERPRISE_CLOSED", field="corrects", params=params)
