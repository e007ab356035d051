"""Whom a union covers, and when: a step function made of starts and ends, in order of (date, rank)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from msgspec import structs

from services.membership.unions.commands import Cover
from services.membership.world import (
    COVERAGE_ENDED,
    ENTERPRISE_CLOSED,
    LAST_UNIT_CLOSED,
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
EARLIER_COVERAGE = "earlier_coverage"
"""Reasons of corrections that the service records itself."""


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


def change(world: World, command: Cover) -> list[Fact]:
    """A union takes an enterprise in, or lets it go.

    Coverage can be entered in any order: a past one with both its dates, one without an end also after the union's dissolution, an end also
    after that which the service recorded for a closure or dissolution. Raises ALREADY_DISSOLVED, ALREADY_COVERED, COVERAGE_ORDER (409),
    BEFORE_FOUNDING, NOT_COVERED, ONE_UNIT_ONLY (422).
    """
    union = world.union(command.union_id)
    world.enterprise(command.enterprise_id)
    if not command.started:
        return [_end_by(world, union, command)]
    _require_within(union, command)
    _require_apart(world, union, command)
    if union.kind == UnionKind.ENTERPRISE_UNION and any(f.enterprise_id != command.enterprise_id for f in world.coverage_of(union.id)):
        raise Unprocessable("ONE_UNIT_ONLY", field="enterprise_id", params={"union": str(union.id)})
    dissolved_on = own_end(union)
    facts = [start(world, union, command.enterprise_id, command.on, until=command.ended_on or dissolved_on)]
    if command.ended_on is None and dissolved_on is not None:
        facts.append(end_with_union(world, union, command.enterprise_id, command.on, dissolved_on))
        return facts
    if command.ended_on is not None:
        facts.append(end(union, command.enterprise_id, command.ended_on, COVERAGE_ENDED))
        facts = _before_the_next(world, union, command, facts)
    _require_right(world, union, command, facts)
    return facts


def _before_the_next(world: World, union: Union, command: Cover, facts: list[Fact]) -> list[Fact]:
    """A coverage that ends on the day on which a recorded one begins: that beginning is recorded anew, behind the end.

    Facts of one day hold in the order in which they were recorded.
    """
    own = facts_between(world, union.id, command.enterprise_id)
    following = next((fact for fact in own if fact.started and fact.on == command.ended_on), None)
    if following is None:
        return facts
    data = CoverageStarted(enterprise_id=command.enterprise_id, union_id=union.id, kind=union.kind)
    again = Fact(enterprise_subject(command.enterprise_id), data, following.on)
    # What began after a closure ended on the same day; closures.py ends it again.
    ended = [fact for fact in own if fact.reason == ENTERPRISE_CLOSED and fact.on == following.on and fact.rank > following.rank]
    return [*(corrected_end(fact, None, Reason(EARLIER_COVERAGE)) for fact in ended), _never_began(following), *facts, again]


def _never_began(start: CoverageFact) -> Fact:
    """The correction of a beginning to nothing."""
    assert start.event_id is not None
    before = CoverageStarted(enterprise_id=start.enterprise_id, union_id=start.union_id, kind=start.kind)
    withdrawn = Placed(start.on, plain(before))
    data = FactCorrected(corrects=start.event_id, fact=type_of(before), rank=start.rank, reason=EARLIER_COVERAGE, withdrawn=withdrawn)
    return Fact(enterprise_subject(start.enterprise_id), data, start.on)


def _require_right(world: World, union: Union, command: Cover, facts: list[Fact]) -> None:
    """The periods are those there were and the new one. Raises COVERAGE_ORDER (409)."""
    before = periods(facts_between(world, union.id, command.enterprise_id))
    after = periods(facts_between(world.after(facts), union.id, command.enterprise_id))
    new = Period(EnterpriseId(command.enterprise_id), union.id, command.on, command.ended_on)
    if sorted(after, key=repr) != sorted([*before, new], key=repr):
        raise Conflict("COVERAGE_ORDER", field="on", params={"on": command.on.isoformat()})


def _end_by(world: World, union: Union, command: Cover) -> Fact:
    """The end, or the correction of one that followed from the union's dissolution or the enterprise's closure, whatever its day."""
    own = facts_between(world, union.id, command.enterprise_id)
    last = own[-1] if own else None
    dissolved_on = own_end(union)
    if dissolved_on is not None and command.on > dissolved_on:
        raise _dissolved(union)
    if last is not None and last.started and command.on >= last.on:
        return end(union, command.enterprise_id, command.on, COVERAGE_ENDED)
    if last is not None and last.reason in FOLLOWED and own[-2].on <= command.on:
        return corrected_end(last, command.on, Reason(EARLIER_END), ends_by=COVERAGE_ENDED)
    raise Unprocessable("NOT_COVERED", field="on", params={"enterprise": str(command.enterprise_id), "on": command.on.isoformat()})


def _require_within(union: Union, command: Cover) -> None:
    """Coverage lies within the life of the union. Raises BEFORE_FOUNDING, ENDED_BEFORE_IT_BEGAN (422), ALREADY_DISSOLVED (409)."""
    if command.on < union.founded_on:
        raise Unprocessable("BEFORE_FOUNDING", field="on", params={"founded_on": union.founded_on.isoformat()})
    if command.ended_on is not None and command.ended_on <= command.on:
        raise Unprocessable("ENDED_BEFORE_IT_BEGAN", field="ended_on", params={"on": command.on.isoformat()})
    # A union that ended with its last unit did not, if it covers another one.
    dissolved_on = own_end(union)
    if dissolved_on is not None and (command.ended_on or command.on) > dissolved_on:
        raise _dissolved(union)


def _require_apart(world: World, union: Union, command: Cover) -> None:
    """Coverages of one enterprise by one union do not overlap.

    Raises ALREADY_COVERED, COVERAGE_ORDER (409).
    """
    for period in stated(world, union.id, command.enterprise_id):
        if period.ended_on is None and command.ended_on is None:
            params = {"enterprise": str(command.enterprise_id), "union": str(union.id)}
            raise Conflict("ALREADY_COVERED", field="enterprise_id", params=params)
        if (command.ended_on is None or period.started_on < command.ended_on) and (period.ended_on is None or command.on < period.ended_on):
            raise Conflict("COVERAGE_ORDER", field="on", params={"on": (period.ended_on or period.started_on).isoformat()})


def _dissolved(union: Union) -> Conflict:
    on = union.dissolved.on.isoformat() if union.dissolved else ""
    return Conflict("ALREADY_DISSOLVED", field="union_id", params={"union": str(union.id), "on": on})


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
