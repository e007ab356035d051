"""How a union comes to be and how it ends."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.membership.domain import coverage
from services.membership.domain.commands import Dissolve, Found
from services.membership.domain.state import UNION_DISSOLVED, Fact, Union, UnionId, World, union_subject
from shared.contracts.membership import UnionDissolved, UnionFounded, UnionKind
from shared.journal.reasons import Reason
from shared.problems.errors import Conflict, Unprocessable

MOST_ENTERPRISES = 10_000
NEEDS_UNITS = frozenset({UnionKind.ENTERPRISE_UNION, UnionKind.JOINT_UNION})


def found(world: World, command: Found, union_id: UUID) -> list[Fact]:
    """The next higher union approved: the union exists from the date of the reply (Trade Union Law 2021, art. 12), and covers its units.

    `union-founded` first, then `coverage-started` per enterprise in the order given.
    Raises TOO_MANY, NO_ENTERPRISES, ONE_UNIT_ONLY, DUPLICATE_ENTERPRISE, UNKNOWN_*, ENTERPRISE_CLOSED (422), ALREADY_COVERED (409).
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
    units = [coverage.start(world, union, enterprise, command.approved_on, "enterprises") for enterprise in command.enterprises]
    return [Fact(union_subject(union_id), data, command.approved_on), *units]


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

    The union's whole coverage must be loaded. Raises ALREADY_DISSOLVED (409), BEFORE_FOUNDING, BEFORE_COVERAGE (422).
    """
    union = world.union(command.union_id)
    if union.dissolved is not None:
        raise Conflict("ALREADY_DISSOLVED", field="union_id", params={"union": str(union.id), "on": union.dissolved.on.isoformat()})
    require_end_after_all(world, union, command.on)
    return [
        dissolved(union.id, command.on, command.reason),
        *(
            coverage.end(union, enterprise, command.on, UNION_DISSOLVED)
            for enterprise in sorted({fact.enterprise_id for fact in world.coverage_of(union.id)})
            if coverage.active(world, union.id, enterprise)
        ),
    ]


def dissolved(union_id: UUID, on: date, reason: Reason, cause_id: UUID | None = None) -> Fact:
    """The union's end as a fact."""
    data = UnionDissolved(union_id=union_id, reason=reason.code, note_id=reason.note_id)
    return Fact(union_subject(union_id), data, on, cause_id)


def require_end_after_all(world: World, union: Union, on: date) -> None:
    """A union does not end before it began, nor before it began or ceased to cover a unit."""
    if on < union.founded_on:
        raise Unprocessable("BEFORE_FOUNDING", field="on", params={"founded_on": union.founded_on.isoformat()})
    latest = max((fact.on for fact in world.coverage_of(union.id) if fact.reason != UNION_DISSOLVED), default=on)
    if on < latest:
        raise Unprocessable("BEFORE_COVERAGE", field="on", params={"on": latest.isoformat()})
