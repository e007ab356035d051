"""How a fact changes the state. A correction changes the fact that it names, which keeps its rank."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

from services.membership.domain.state import (
    CoverageFact,
    Dissolution,
    Fact,
    Membership,
    MembershipId,
    PersonNo,
    Union,
    UnionId,
    World,
)
from shared.contracts import Event, fact
from shared.contracts.membership import CoverageEnded, CoverageStarted, MemberJoined, MemberLeft, UnionDissolved, UnionFounded
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.directory.known import EnterpriseId


def evolve(world: World, said: Fact, person: PersonNo | None = None) -> int:
    """Take one fact into the state and return its sequence in its stream. `person` is who joins: the event does not say."""
    sequence = world.heads.get(said.subject, 0) + 1
    world.heads[said.subject] = sequence
    if isinstance(said.data, MemberJoined):
        assert person is not None, "a joining needs its person"
        _joined(world, said.data, said.on, sequence, person)
    elif isinstance(said.data, FactCorrected):
        _corrected(world, said.data)
    elif not isinstance(said.data, EventWithdrawn):
        _put(world, said.data, said.on, sequence)
    return sequence


def _joined(world: World, data: MemberJoined, on: date, rank: int, person: PersonNo) -> None:
    membership_id = MembershipId(data.membership_id)
    world.memberships[membership_id] = Membership(
        membership_id, person, EnterpriseId(data.enterprise_id), UnionId(data.union_id), joined_on=on, joined_rank=rank
    )
    world.of_person[person] = [*world.of_person.get(person, ()), membership_id]
    world.touched_memberships.add(membership_id)


def withdraw(world: World, data: Event, rank: int) -> None:
    """The fact `rank`, which said `data`, was never one: a withdrawal names it, and does not repeat what it said."""
    _drop(world, data, rank)


def _corrected(world: World, data: FactCorrected) -> None:
    if data.replacement is None:
        _drop(world, fact(data.fact, data.withdrawn.data), data.rank)
    else:
        _put(world, fact(data.fact, data.replacement.data), data.replacement.occurred_on, data.rank)


def _put(world: World, data: Event, on: date, rank: int) -> None:
    """The fact `rank` says `data` from `on`, whether it is new or stands in the place of an earlier form."""
    match data:
        case UnionFounded():
            before = world.unions.get(data.union_id)
            world.unions[data.union_id] = Union(
                UnionId(data.union_id),
                data.kind,
                data.seat_area,
                on,
                data.name,
                UnionId(data.parent_union_id) if data.parent_union_id else None,
                before.dissolved if before else None,
            )
            world.touched_unions.add(data.union_id)
        case UnionDissolved():
            union = world.unions[data.union_id]
            world.unions[data.union_id] = replace(union, dissolved=Dissolution(on, rank, data.reason, data.note_id))
            world.touched_unions.add(data.union_id)
        case CoverageStarted():
            _cover(world, CoverageFact(EnterpriseId(data.enterprise_id), UnionId(data.union_id), data.kind, rank, on, started=True))
        case CoverageEnded():
            _cover(
                world,
                CoverageFact(
                    EnterpriseId(data.enterprise_id), UnionId(data.union_id), data.kind, rank, on, False, data.reason, data.note_id
                ),
            )
        case MemberJoined():
            _amend(world, data.membership_id, joined_on=on)
        case MemberLeft():
            _amend(world, data.membership_id, left_on=on, left_rank=rank)
        case _:
            raise TypeError(f"{type(data).__name__} is no fact of membership")


def _drop(world: World, data: Event, rank: int) -> None:
    """The fact `rank`, which said `data`, holds no longer."""
    match data:
        case UnionFounded():
            del world.unions[data.union_id]
            world.touched_unions.add(data.union_id)
        case UnionDissolved():
            world.unions[data.union_id] = replace(world.unions[data.union_id], dissolved=None)
            world.touched_unions.add(data.union_id)
        case CoverageStarted() | CoverageEnded():
            kept = [fact for fact in world.coverage[data.enterprise_id] if fact.rank != rank]
            world.coverage[data.enterprise_id] = kept
            world.touched_coverage.add((data.enterprise_id, rank))
        case MemberJoined():
            _amend(world, data.membership_id, joined_on=None)
        case MemberLeft():
            _amend(world, data.membership_id, left_on=None, left_rank=None)
        case _:
            raise TypeError(f"{type(data).__name__} is no fact of membership")


def _cover(world: World, new: CoverageFact) -> None:
    facts = [fact for fact in world.coverage.get(new.enterprise_id, ()) if fact.rank != new.rank]
    facts.append(new)
    facts.sort(key=lambda fact: (fact.on, fact.rank))
    world.coverage[new.enterprise_id] = facts
    world.touched_coverage.add((new.enterprise_id, new.rank))


def _amend(world: World, membership_id: UUID, **changes: date | int | None) -> None:
    world.memberships[membership_id] = replace(world.memberships[membership_id], **changes)  # type: ignore[arg-type]
    world.touched_memberships.add(membership_id)
