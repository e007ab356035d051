"""The chain of memberships that transfers make: which of them a command acts on that names an earlier one.

The two halves of a transfer share a `transfer_id`. The facts come from the journal as they stand (`loading.py`), or from this transaction.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.membership.world import Membership, World, enterprise_subject
from shared.contracts.membership import MemberJoined, MemberLeft
from shared.problems.errors import Notice
from shared.writing.facts import Standing


def acted_on(world: World, membership_id: UUID, on: date) -> Membership:
    """The membership on which a leave or transfer on a day acts: the one named, or if it ended by a transfer before that day, the one of the
    same chain that holds then. So a chain may be entered by the id of its first membership in any order.

    On the day of the transfer itself it is the one named: two ends on one day contradict each other. Raises UNKNOWN_MEMBER (404).
    """
    member = world.membership(membership_id)
    passed = {member.id}
    while member.left_on is not None and member.left_on < on:
        following = successor(world, member)
        if following is None or following.id in passed or following.joined_on is None or on < following.joined_on:
            break
        passed.add(following.id)
        member = following
    return member


def successor(world: World, member: Membership) -> Membership | None:
    """The membership to which a transfer led from this one; None if it goes on, ended otherwise, or the joining was withdrawn."""
    end = end_of(world, member)
    if end is None or not isinstance(end.data, MemberLeft) or end.data.transfer_id is None:
        return None
    for other in world.of_person.get(member.person, ()):
        following = world.memberships[other]
        begin = _beginning_of(world, following)
        if begin is not None and isinstance(begin.data, MemberJoined) and begin.data.transfer_id == end.data.transfer_id:
            return following if following.joined_on is not None else None
    return None


def end_of(world: World, member: Membership) -> Standing | None:
    """The fact that ended a membership, as it stands. None: the membership goes on, or the fact is not loaded."""
    if member.left_rank is None:
        return None
    recorded = world.ended.get(member.id)
    if recorded is not None and recorded.rank == member.left_rank:
        return recorded
    return world.history(enterprise_subject(member.enterprise_id)).facts.get(member.left_rank)


def _beginning_of(world: World, member: Membership) -> Standing | None:
    recorded = world.begun.get(member.id)
    return recorded or world.history(enterprise_subject(member.enterprise_id)).facts.get(member.joined_rank)


def notices_of(named: UUID, acted: Membership) -> list[Notice]:
    """That a command acted on another membership than the one it named."""
    return [] if acted.id == named else [Notice("ACTED_ON_SUCCESSOR", {"member": str(acted.id), "named": str(named)})]
