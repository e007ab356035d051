"""Transfers (会籍接转): a member leaves here and joins there on the same day. They can be entered in any order with joining and leaving."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from msgspec import structs

from services.membership.members.rules import left, require_covered, require_joined_by, require_member_nowhere, require_still_member
from services.membership.members.successors import acted_on, end_of, notices_of
from services.membership.unions import oddities
from services.membership.world import TRANSFER, World, enterprise_subject
from shared.contracts import plain, type_of
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined, MemberLeft
from shared.contracts.streams import FactCorrected, Placed
from shared.problems.errors import Conflict, Notice, Unprocessable
from shared.writing.facts import Decision, Fact, Revision, Standing

EARLIER_TRANSFER = "earlier_transfer"
"""Reason of a correction that the service records itself."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A member goes to another union or enterprise (会籍接转): where the labour relation is, there the membership is.

    One that became known late may name a membership that is over by now.
    """

    membership_id: UUID
    on: date
    union_id: UUID
    enterprise_id: UUID


def transfer(world: World, command: Transfer, membership_id: UUID, transfer_id: UUID) -> list[Fact]:
    """The member leaves here and joins there on the same day: two facts, one `transfer_id`.

    If the membership is over by a later day, its end becomes that of the new one: whoever left here later left there, if the transfer was
    before. So leaves and transfers can be entered in any order. Raises what `leave` and `join` raise, SAME_MEMBERSHIP (422).
    """
    member = world.membership(command.membership_id)
    if member.left_on is None or command.on >= member.left_on:
        require_still_member(world, member.id, command.on)
    require_joined_by(member, command.on)
    if (member.enterprise_id, member.union_id) == (command.enterprise_id, command.union_id):
        raise Unprocessable("SAME_MEMBERSHIP", field="union_id")
    world.enterprise(command.enterprise_id)
    require_covered(world, command.union_id, command.enterprise_id, command.on, "on")
    require_member_nowhere(world, member.person, command.enterprise_id, command.on, member.left_on, "on", but_for=member.id)
    joined = MemberJoined(
        membership_id=membership_id,
        enterprise_id=command.enterprise_id,
        union_id=command.union_id,
        reason=TRANSFER,
        transfer_id=transfer_id,
    )
    subject = enterprise_subject(command.enterprise_id)
    joining = Fact(subject, joined, command.on, private=member.person)
    if member.left_on is None:
        return [left(world, member.id, command.on, TRANSFER, transfer_id=transfer_id), joining]
    end = end_of(world, member)
    if end is None or not isinstance(end.data, MemberLeft):
        # A row whose end has no fact that this release can read.
        raise Conflict("ALREADY_LEFT", field="member_id", params={"on": member.left_on.isoformat()})
    later = structs.replace(end.data, membership_id=membership_id, enterprise_id=command.enterprise_id, union_id=command.union_id)
    return [_earlier(end, end.data, command.on, transfer_id), joining, Fact(subject, later, member.left_on)]


def _earlier(end: Standing, leaving: MemberLeft, on: date, transfer_id: UUID) -> Fact:
    """The correction of an end: the membership ended by a transfer that was earlier."""
    assert end.event_id is not None
    transferred = structs.replace(leaving, reason=TRANSFER, transfer_id=transfer_id, note_id=None)
    data = FactCorrected(
        corrects=end.event_id,
        fact=type_of(leaving),
        rank=end.rank,
        reason=EARLIER_TRANSFER,
        withdrawn=end.placed(),
        replacement=Placed(on, plain(transferred)),
    )
    return Fact(end.subject, data, on)


def decide_transfer(world: World, command: Transfer, _today: date) -> Decision:
    """The answer is the new membership. Warns of a date before the enterprise settled, if the new membership is over already, and if the
    one that ends is not the one named (`acted_on`)."""
    membership_id = uuid7()
    member = acted_on(world, command.membership_id, command.on)
    facts = transfer(world, replace(command, membership_id=member.id), membership_id, uuid7())
    warnings = [
        *notices_of(command.membership_id, member),
        *oddities.of_joining(world, command.union_id, command.enterprise_id, command.on),
    ]
    if (left_on := member.left_on) is not None:
        return Decision(facts, str(membership_id), facts[1].subject, [*warnings, Notice("END_TAKEN_OVER", {"on": left_on.isoformat()})])
    return Decision(facts, str(membership_id), facts[1].subject, warnings)


def warn_of_joining(world: World, fact: Standing, command: Revision) -> Collection[str | Notice]:
    """A joining was corrected: the warnings of a command with that date, and of the other half of a transfer."""
    assert isinstance(fact.data, MemberJoined)
    member = world.memberships[fact.data.membership_id]
    found: list[str | Notice] = []
    if member.joined_on is not None and member.enterprise_id in world.enterprises:
        found += oddities.of_joining(world, member.union_id, member.enterprise_id, member.joined_on)
    return [*found, *warn_of_other_half(world, fact, command)]


def warn_of_other_half(world: World, fact: Standing, _command: Revision) -> Collection[str | Notice]:
    """A half of a transfer was corrected or withdrawn, and the other half stands with another date: the warning names it.

    A half is refused alone only where the person would be a member twice. Otherwise the halves may differ for a while: each is corrected at
    the enterprise that it is about, perhaps by another officer.
    """
    assert isinstance(fact.data, MemberJoined | MemberLeft)
    if fact.data.transfer_id is None:
        return ()
    member = world.memberships[fact.data.membership_id]
    now = member.joined_on if isinstance(fact.data, MemberJoined) else member.left_on
    for history in world.histories.values():
        for other in history.facts.values():
            data = other.data
            if not isinstance(data, MemberJoined | MemberLeft) or type(data) is type(fact.data) or other.event_id is None:
                continue
            if data.transfer_id == fact.data.transfer_id and other.on != now:
                return [Notice("OTHER_HALF_OF_TRANSFER", {"event": str(other.event_id), "member": str(data.membership_id)})]
    return ()
