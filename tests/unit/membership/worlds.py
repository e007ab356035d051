"""Small worlds for the decisions: enterprises A, B, C in one park, and commands in a line each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from uuid import UUID

from services.membership.facts import TABLE
from services.membership.members import rules as members
from services.membership.members.rules import Join, Leave
from services.membership.unions import covering
from services.membership.unions import rules as unions
from services.membership.unions.commands import Cover, Dissolve, Found
from services.membership.world import PersonNo, World
from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionKind
from shared.directory.known import Enterprise, EnterpriseId
from shared.journal.reasons import Reason
from shared.writing.evolving import evolve, new_world
from shared.writing.facts import Fact

TODAY = date(2025, 6, 1)
A, B, C = (UUID(int=n) for n in (0xA, 0xB, 0xC))
ANN, BOB = PersonNo(1), PersonNo(2)


def day(text: str) -> date:
    """A date from its text."""
    return date.fromisoformat(text)


def world() -> World:
    """Three enterprises settled in 2020."""
    made = new_world(TABLE)
    made.areas = {"P": ["P", "D"], "Q": ["Q", "D"], "D": ["D"]}
    made.enterprises = {e: Enterprise(EnterpriseId(e), "P", date(2020, 1, 1)) for e in (A, B, C)}
    made.coverage = {e: [] for e in (A, B, C)}
    return made


def close(made: World, enterprise: UUID, on: date | None, event: UUID | None = None) -> UUID:
    """The registry says that an enterprise closed (None: that it did not)."""
    event = event or uuid7()
    made.enterprises[enterprise] = Enterprise(EnterpriseId(enterprise), "P", date(2020, 1, 1), on, event if on else None)
    return event


def take(made: World, facts: Iterable[Fact]) -> list[Fact]:
    """The facts happen, and get event ids as the journal gives them."""
    facts = list(facts)
    for fact in facts:
        evolve(TABLE, made, fact)
    return facts


def settle_ids(made: World) -> None:
    """What was said has event ids from now on."""
    for enterprise, own in made.coverage.items():
        made.coverage[enterprise] = [replace(f, event_id=f.event_id or uuid7()) for f in own]
    for union_id, union in made.unions.items():
        if union.dissolved:
            made.unions[union_id] = replace(union, dissolved=replace(union.dissolved, event_id=union.dissolved.event_id or uuid7()))


def found(made: World, *enterprises: UUID, kind: UnionKind = UnionKind.JOINT_UNION, on: str = "2021-01-01") -> UUID:
    """A union is founded and covers these enterprises."""
    union_id = uuid7()
    command = Found(kind, None, None, "P", day(on), enterprises)
    take(made, unions.found(made, command, union_id))
    settle_ids(made)
    return union_id


def cover(made: World, union_id: UUID, enterprise: UUID, on: str, *, started: bool) -> list[Fact]:
    """The union begins or ceases to cover."""
    facts = take(made, covering.change(made, Cover(union_id, enterprise, day(on), started)))
    settle_ids(made)
    return facts


def dissolve(made: World, union_id: UUID, on: str, reason: str = "merged") -> list[Fact]:
    """The union ends."""
    facts = take(made, unions.dissolve(made, Dissolve(union_id, day(on), Reason(reason))))
    settle_ids(made)
    return facts


def join(made: World, union_id: UUID, enterprise: UUID, person: PersonNo, on: str, left: str | None = None) -> UUID:
    """A person joins, or was a member until `left`."""
    membership_id = uuid7()
    take(
        made,
        members.join(
            made,
            Join(union_id, enterprise, "sample", "x", day(on), *((day(left), Reason("resigned")) if left else ())),
            person,
            membership_id,
        ),
    )
    return membership_id


def leave(made: World, membership_id: UUID, on: str) -> list[Fact]:
    """A member leaves."""
    return take(made, members.leave(made, Leave(membership_id, day(on), Reason("resigned"))))
