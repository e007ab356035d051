"""Founding and dissolution of unions, and the effect of their facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from uuid import UUID

from services.membership.unions import coverage, covering, oddities, periods
from services.membership.unions.closures import after_closures, corrected_dissolution, dissolved, end_of_union
from services.membership.unions.commands import Cover, Dissolve, Found
from services.membership.world import (
    ENTERPRISE_CLOSED,
    LAST_UNIT_CLOSED,
    UNION_DISSOLVED,
    CoverageFact,
    Dissolution,
    Union,
    UnionId,
    World,
    enterprise_subject,
    union_subject,
)
from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionDissolved, UnionFounded, UnionKind
from shared.journal.reasons import Reason
from shared.problems.days import require_day
from shared.problems.errors import Conflict, Unprocessable
from shared.writing.facts import Correct, Decision, Fact, Revision, Standing

MOST_ENTERPRISES = 10_000
NEEDS_UNITS = frozenset({UnionKind.ENTERPRISE_UNION, UnionKind.JOINT_UNION})


def found(world: World, command: Found, union_id: UUID) -> list[Fact]:
    """The next higher union approved: the union exists from the date of the reply (Trade Union Law 2021, art. 12), and covers its units.

    `union-founded` first, then `coverage-started` per enterprise in the order given.
    Raises TOO_MANY, NO_ENTERPRISES, ONE_UNIT_ONLY, DUPLICATE_ENTERPRISE, UNKNOWN_* (422), ALREADY_COVERED (409).
    """
    _require_right_number(command)
    if command.parent_union_id is not None:
        world.union(command.parent_union_id, "parent_union_id")
    world.require_area(command.seat_area, "seat_area")
    union = Union(UnionId(union_id), command.kind, command.seat_area, command.approved_on, command.name)
    data = UnionFounded(
        union_id=union_id,
        kind=command.kind,
        seat_area=command.seat_area,
        name=command.name,
        parent_union_id=command.parent_union_id,
    )
    until = command.dissolved_on
    units = [
        coverage.start(world, union, enterprise, command.approved_on, "enterprises", until=until) for enterprise in command.enterprises
    ]
    facts = [Fact(union_subject(union_id), data, command.approved_on), *units]
    if until is not None and command.dissolved_reason is not None:
        if until < command.approved_on:
            raise Unprocessable("BEFORE_FOUNDING", field="dissolved_on", params={"founded_on": command.approved_on.isoformat()})
        facts.append(dissolved(union.id, until, command.dissolved_reason))
        facts += [coverage.end_with_union(world, union, enterprise, union.founded_on, until) for enterprise in command.enterprises]
    return facts


def _require_right_number(command: Found) -> None:
    units = len(command.enterprises)
    if units > MOST_ENTERPRISES:
        raise Unprocessable("TOO_MANY", field="enterprises", params={"most": MOST_ENTERPRISES, "given": units})
    if not units and command.kind in NEEDS_UNITS:
        raise Unprocessable("NO_ENTERPRISES", field="enterprises", params={"kind": command.kind.value})
    if units > 1 and command.kind == UnionKind.ENTERPRISE_UNION:
        raise Unprocessable("ONE_UNIT_ONLY", field="enterprises", params={"union": ""})
    if len(set(command.enterprises)) != units:
        raise Unprocessable("DUPLICATE_ENTERPRISE", field="enterprises")


def dissolve(world: World, command: Dissolve) -> list[Fact]:
    """The union ends on a date, and with it its coverage of every unit that it still covers.

    It may be entered after closures of units, earlier and later ones: it takes the place of the union's end that followed from them, and of
    the ends of coverage by later ones. The union's whole coverage must be loaded. Raises ALREADY_DISSOLVED (409), BEFORE_FOUNDING,
    BEFORE_COVERAGE (422).
    """
    union = world.union(command.union_id)
    before = union.dissolved
    if before is not None and before.reason != LAST_UNIT_CLOSED:
        raise Conflict("ALREADY_DISSOLVED", field="union_id", params={"union": str(union.id), "on": before.on.isoformat()})
    facts = world.coverage_of(union.id)
    require_end_after_all(union, (fact for fact in facts if fact.reason != ENTERPRISE_CLOSED), command.on)
    earlier = Reason(coverage.EARLIER_END)
    return [
        dissolved(union.id, command.on, command.reason)
        if before is None
        else corrected_dissolution(union, before, command.on, command.reason, earlier),
        *(
            coverage.corrected_end(fact, command.on, earlier, ends_by=UNION_DISSOLVED)
            for fact in facts
            if _outlives(world, fact, command.on)
        ),
        *(
            coverage.end(union, enterprise, command.on, UNION_DISSOLVED)
            for enterprise in sorted({fact.enterprise_id for fact in facts})
            if periods.active(world, union.id, enterprise)
        ),
    ]


def _outlives(world: World, end: CoverageFact, on: date) -> bool:
    """Whether a closure that ended coverage was not before the union's dissolution, so that this ends it."""
    enterprise = world.enterprises.get(end.enterprise_id)
    return end.on > on or (end.reason == ENTERPRISE_CLOSED and end.on == on and (enterprise is None or enterprise.closed_on == on))


def require_end_after_all(union: Union, facts: Iterable[CoverageFact], on: date) -> None:
    """A union does not end before it began, nor before it began or ceased to cover a unit."""
    if on < union.founded_on:
        raise Unprocessable("BEFORE_FOUNDING", field="on", params={"founded_on": union.founded_on.isoformat()})
    latest = max((fact.on for fact in facts if fact.reason != UNION_DISSOLVED), default=on)
    if on < latest:
        raise Unprocessable("BEFORE_COVERAGE", field="on", params={"on": latest.isoformat()})


def decide_found(world: World, command: Found, today: date) -> Decision:
    """A new union, or a past one; it ends at once with units that have closed. Warns of a date before a unit settled or after it closed."""
    if command.dissolved_on is not None:
        require_day(command.dissolved_on, today, "dissolved_on")
    union_id = uuid7()
    facts = found(world, command, union_id)
    warnings = dict.fromkeys(
        code for enterprise in command.enterprises for code in oddities.beside_enterprise(world, enterprise, command.approved_on)
    )
    return Decision(after_closures(world, facts, command.enterprises), str(union_id), union_subject(union_id), list(warnings))


def decide_cover(world: World, command: Cover, today: date) -> Decision:
    """Coverage begins or ends, or is a past one; what begins at an enterprise that has closed ends at once."""
    if command.ended_on is not None:
        require_day(command.ended_on, today, "ended_on")
    facts = covering.change(world, command)
    facts = after_closures(world, facts, [command.enterprise_id])
    facts += end_of_union(world.after(facts), command.union_id)
    warnings = oddities.of_coverage(world, command, facts)
    return Decision(facts, str(command.union_id), enterprise_subject(command.enterprise_id), warnings)


def decide_dissolve(world: World, command: Dissolve, _today: date) -> Decision:
    """The union ends."""
    return Decision(dissolve(world, command), str(command.union_id), union_subject(command.union_id))


def put_founded(world: World, fact: Standing, _private: object) -> None:
    """The union exists as given."""
    data = fact.data
    assert isinstance(data, UnionFounded)
    before = world.unions.get(data.union_id)
    parent = UnionId(data.parent_union_id) if data.parent_union_id else None
    world.unions[data.union_id] = Union(
        UnionId(data.union_id), data.kind, data.seat_area, fact.on, data.name, parent, before.dissolved if before else None
    )
    world.touched_unions.add(data.union_id)


def drop_founded(world: World, fact: Standing) -> None:
    """There is no such union."""
    assert isinstance(fact.data, UnionFounded)
    del world.unions[fact.data.union_id]
    world.touched_unions.add(fact.data.union_id)


def put_dissolved(world: World, fact: Standing, _private: object) -> None:
    """The union ends as given."""
    assert isinstance(fact.data, UnionDissolved)
    _end(world, fact.data.union_id, Dissolution(fact.on, fact.rank, fact.data.reason, fact.data.note_id, fact.event_id))


def drop_dissolved(world: World, fact: Standing) -> None:
    """The union has no end."""
    assert isinstance(fact.data, UnionDissolved)
    _end(world, fact.data.union_id, None)


def _end(world: World, union_id: UUID, end: Dissolution | None) -> None:
    world.unions[union_id] = replace(world.unions[union_id], dissolved=end)
    world.touched_unions.add(union_id)


def complete_founded(world: World, fact: Standing, _changes: Mapping[str, object]) -> UnionFounded:
    """The seat must be a known area. Raises NOT_YET_KNOWN (409), UNKNOWN_AREA (422)."""
    assert isinstance(fact.data, UnionFounded)
    world.require_area(fact.data.seat_area, "data.seat_area")
    return fact.data


def require_own_dissolution(world: World, fact: Standing, command: Revision) -> None:
    """A dissolution that follows from closures is corrected with them. Raises RESERVED_REASON, UNKNOWN_UNION (422)."""
    assert isinstance(fact.data, UnionDissolved)
    if isinstance(command, Correct) and fact.data.reason == LAST_UNIT_CLOSED:
        raise Unprocessable("RESERVED_REASON", field="corrects", params={"reason": fact.data.reason})
    coverage.require_union(world, fact, command)


def follow_dissolution(world: World, fact: Standing, command: Revision) -> list[Fact]:
    """The ends of coverage that came with a dissolution go where it goes."""
    assert isinstance(fact.data, UnionDissolved)
    union = world.unions[fact.data.union_id]
    on = union.dissolved.on if union.dissolved else None
    ends = [end for end in world.coverage_of(union.id) if not end.started and end.reason == UNION_DISSOLVED]
    return [coverage.corrected_end(end, on, command.reason) for end in ends]


def require_whole(world: World, fact: Standing, _command: Revision) -> None:
    """What must hold of the union after a correction, as after any command. Raises STILL_COVERS, BEFORE_FOUNDING, … (409)."""
    assert isinstance(fact.data, UnionFounded | UnionDissolved)
    union_id = fact.data.union_id
    facts = world.coverage_of(union_id)
    union = world.unions.get(union_id)
    if union is None:
        if facts:
            raise Conflict("STILL_COVERS", field="corrects", params={"union": str(union_id)})
        return
    first = min((one.on for one in facts), default=union.founded_on)
    if first < union.founded_on:
        raise Conflict("BEFORE_FOUNDING", field="data", params={"founded_on": union.founded_on.isoformat()})
    if union.dissolved is not None:
        require_end_after_all(union, facts, union.dissolved.on)
    for enterprise_id in {one.enterprise_id for one in facts}:
        coverage.require_whole_coverage(world, union_id, enterprise_id)
