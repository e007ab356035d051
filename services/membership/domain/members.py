"""A person is a member at one union at a time: joins once, transfers freely (Trade Union Law 2021, art. 13)."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.membership.domain import coverage
from services.membership.domain.commands import Join, Leave, Transfer
from services.membership.domain.state import TRANSFER, Fact, PersonNo, World, enterprise_subject
from shared.contracts.membership import MemberJoined, MemberLeft
from shared.problems.errors import Conflict, Unprocessable


def join(world: World, command: Join, person: PersonNo, membership_id: UUID) -> list[Fact]:
    """A person joins at an enterprise that the union covers that day.

    Raises NOT_COVERED, UNKNOWN_* (422), ALREADY_MEMBER (409), which names no person.
    """
    world.enterprise(command.enterprise_id)
    require_covered(world, command.union_id, command.enterprise_id, command.joined_on, "joined_on")
    require_member_nowhere(world, person, command.joined_on, None, "joined_on")
    data = MemberJoined(membership_id=membership_id, enterprise_id=command.enterprise_id, union_id=command.union_id)
    return [Fact(enterprise_subject(command.enterprise_id), data, command.joined_on)]


def leave(world: World, command: Leave) -> list[Fact]:
    """The member leaves. Raises UNKNOWN_MEMBER (404), ALREADY_LEFT (409), BEFORE_JOINING (422)."""
    _require_still_member(world, command.membership_id, command.on)
    return [_left(world, command.membership_id, command.on, command.reason.code, command.reason.note_id)]


def transfer(world: World, command: Transfer, membership_id: UUID, transfer_id: UUID) -> list[Fact]:
    """The member leaves here and joins there on the same day: two facts, one `transfer_id`.

    Raises what `leave` and `join` raise, and SAME_MEMBERSHIP (422).
    """
    member = world.membership(command.membership_id)
    _require_still_member(world, member.id, command.on)
    if (member.enterprise_id, member.union_id) == (command.enterprise_id, command.union_id):
        raise Unprocessable("SAME_MEMBERSHIP", field="union_id")
    world.enterprise(command.enterprise_id)
    require_covered(world, command.union_id, command.enterprise_id, command.on, "on")
    require_member_nowhere(world, member.person, command.on, None, "on", but_for=member.id)
    joined = MemberJoined(
        membership_id=membership_id,
        enterprise_id=command.enterprise_id,
        union_id=command.union_id,
        reason=TRANSFER,
        transfer_id=transfer_id,
    )
    return [
        _left(world, member.id, command.on, TRANSFER, transfer_id=transfer_id),
        Fact(enterprise_subject(command.enterprise_id), joined, command.on),
    ]


def require_covered(world: World, union_id: UUID, enterprise_id: UUID, on: date, field: str) -> None:
    """Only who works at a unit that the union covers that day can be its member there."""
    world.union(union_id)
    if not coverage.covers(world, union_id, enterprise_id, on):
        raise Unprocessable(
            "NOT_COVERED", field=field, params={"union": str(union_id), "enterprise": str(enterprise_id), "on": on.isoformat()}
        )


def require_member_nowhere(
    world: World, person: PersonNo, start: date, end: date | None, field: str, *, but_for: UUID | None = None
) -> None:
    """Raises ALREADY_MEMBER (409) if the person has another membership on any day of start ≤ t < end."""
    for other in world.of_person.get(person, ()):
        if other != but_for and world.memberships[other].overlaps(start, end):
            raise Conflict("ALREADY_MEMBER", field=field)


def _require_still_member(world: World, membership_id: UUID, on: date) -> None:
    member = world.membership(membership_id)
    if member.left_on is not None:
        raise Conflict("ALREADY_LEFT", field="member_id", params={"on": member.left_on.isoformat()})
    if member.joined_on is not None and on < member.joined_on:
        raise Unprocessable("BEFORE_JOINING", field="on", params={"joined_on": member.joined_on.isoformat()})


def _left(world: World, membership_id: UUID, on: date, reason: str, note_id: UUID | None = None, transfer_id: UUID | None = None) -> Fact:
    member = world.membership(membership_id)
    data = MemberLeft(
        membership_id=member.id,
        enterprise_id=member.enterprise_id,
        union_id=member.union_id,
        reason=reason,
        transfer_id=transfer_id,
        note_id=note_id,
    )
    return Fact(enterprise_subject(member.enterprise_id), data, on)
