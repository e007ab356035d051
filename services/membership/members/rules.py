"""A person is a member at one union at a time: joins once, transfers freely (Trade Union Law 2021, art. 13)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from msgspec import structs

from services.membership.members.successors import acted_on, notices_of, successor
from services.membership.unions import oddities, periods
from services.membership.world import Membership, MembershipId, PersonNo, UnionId, World, enterprise_subject
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined, MemberLeft
from shared.directory.known import EnterpriseId
from shared.journal.reasons import Reason
from shared.problems.days import require_day
from shared.problems.errors import Conflict, NotFound, Unprocessable
from shared.writing.facts import Decision, Fact, Revision, Standing


@dataclass(frozen=True, slots=True)
class Join:
    """A person becomes a member; with `left_on` and `left_reason` was one until then. `document` never leaves this service in the clear."""

    union_id: UUID
    enterprise_id: UUID
    document_kind: str
    document_number: str
    joined_on: date
    left_on: date | None = None
    left_reason: Reason | None = None

    def __repr__(self) -> str:
        return f"Join(union_id={self.union_id}, enterprise_id={self.enterprise_id})"


@dataclass(frozen=True, slots=True)
class Leave:
    """A member is one no longer."""

    membership_id: UUID
    on: date
    reason: Reason


def join(world: World, command: Join, person: PersonNo, membership_id: UUID) -> list[Fact]:
    """A person joins at an enterprise that the union covers that day or did before; a past membership is its beginning and its end at once.

    So memberships of one person can be entered in any order. Raises NOT_COVERED, UNKNOWN_*, BEFORE_JOINING (422), ALREADY_MEMBER (409),
    which names no person.
    """
    world.enterprise(command.enterprise_id)
    if command.left_on is not None and command.left_on < command.joined_on:
        raise Unprocessable("BEFORE_JOINING", field="left_on", params={"joined_on": command.joined_on.isoformat()})
    require_covered(world, command.union_id, command.enterprise_id, command.joined_on, "joined_on")
    require_member_nowhere(world, person, command.enterprise_id, command.joined_on, command.left_on, "joined_on")
    subject = enterprise_subject(command.enterprise_id)
    joined = MemberJoined(membership_id=membership_id, enterprise_id=command.enterprise_id, union_id=command.union_id)
    facts = [Fact(subject, joined, command.joined_on, private=person)]
    if command.left_on is not None and command.left_reason is not None:
        past = MemberLeft(
            membership_id=membership_id,
            enterprise_id=command.enterprise_id,
            union_id=command.union_id,
            reason=command.left_reason.code,
            note_id=command.left_reason.note_id,
        )
        facts.append(Fact(subject, past, command.left_on))
    return facts


def leave(world: World, command: Leave) -> list[Fact]:
    """The member leaves. Raises UNKNOWN_MEMBER (404), ALREADY_LEFT, ALREADY_TRANSFERRED (409), BEFORE_JOINING (422)."""
    require_still_member(world, command.membership_id, command.on)
    return [left(world, command.membership_id, command.on, command.reason.code, command.reason.note_id)]


def require_covered(world: World, union_id: UUID, enterprise_id: UUID, on: date, field: str) -> None:
    """Only who works at a unit that the union covers by that day can be its member there. Raises UNKNOWN_UNION, NOT_COVERED (422).

    That the coverage was over by then is a warning (`oddities.of_joining`): its end may become known after the joining, and whoever joined
    stays a member.
    """
    world.union(union_id)
    if not periods.began_by(world, union_id, enterprise_id, on):
        raise Unprocessable(
            "NOT_COVERED", field=field, params={"union": str(union_id), "enterprise": str(enterprise_id), "on": on.isoformat()}
        )


def require_member_nowhere(
    world: World, person: PersonNo, enterprise_id: UUID, start: date, end: date | None, field: str, *, but_for: UUID | None = None
) -> None:
    """Raises ALREADY_MEMBER (409) if the person has another membership on any day of start ≤ t < end.

    It says whether that is at this enterprise or elsewhere, but not where.
    """
    for other in world.of_person.get(person, ()):
        member = world.memberships[other]
        if other != but_for and member.overlaps(start, end):
            raise Conflict(
                "ALREADY_MEMBER", field=field, params={"where": "here" if member.enterprise_id == enterprise_id else "elsewhere"}
            )


def require_still_member(world: World, membership_id: UUID, on: date) -> None:
    """Raises UNKNOWN_MEMBER (404), ALREADY_LEFT, ALREADY_TRANSFERRED (409), BEFORE_JOINING (422)."""
    member = world.membership(membership_id)
    if member.left_on is not None:
        if (following := successor(world, member)) is not None:
            params = {"on": member.left_on.isoformat(), "member": str(following.id)}
            raise Conflict("ALREADY_TRANSFERRED", field="member_id", params=params)
        raise Conflict("ALREADY_LEFT", field="member_id", params={"on": member.left_on.isoformat()})
    require_joined_by(member, on)


def require_joined_by(member: Membership, on: date) -> None:
    """Raises BEFORE_JOINING (422)."""
    if member.joined_on is not None and on < member.joined_on:
        raise Unprocessable("BEFORE_JOINING", field="on", params={"joined_on": member.joined_on.isoformat()})


def left(world: World, membership_id: UUID, on: date, reason: str, note_id: UUID | None = None, transfer_id: UUID | None = None) -> Fact:
    """The end of a membership."""
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


def decide_join(world: World, command: Join, today: date) -> Decision:
    """A new membership, or a past one. Warns of a date before the enterprise settled, or after it closed or ceased to be covered."""
    if command.left_on is not None:
        require_day(command.left_on, today, "left_on")
    joiner = world.joiners[command.document_kind, command.document_number]
    membership_id = uuid7()
    facts = join(world, command, joiner.person, membership_id)
    warnings = oddities.of_joining(world, command.union_id, command.enterprise_id, command.joined_on)
    return Decision(facts, str(membership_id), warnings=warnings)


def decide_leave(world: World, command: Leave, _today: date) -> Decision:
    """The membership ends, or the one that a transfer put in its place (`acted_on`): the answer's id says which."""
    member = acted_on(world, command.membership_id, command.on)
    facts = leave(world, replace(command, membership_id=member.id))
    return Decision(facts, str(member.id), warnings=notices_of(command.membership_id, member))


def put_joined(world: World, fact: Standing, person: PersonNo | None) -> None:
    """The membership begins as given; `person` is who joins, None in a correction."""
    data = fact.data
    assert isinstance(data, MemberJoined)
    world.begun[data.membership_id] = fact
    if person is None:
        _change(world, structs.replace(world.memberships[data.membership_id], joined_on=fact.on))
        return
    membership_id = MembershipId(data.membership_id)
    made = Membership(membership_id, person, EnterpriseId(data.enterprise_id), UnionId(data.union_id), fact.on, fact.rank)
    _change(world, made)
    world.of_person[person] = [*world.of_person.get(person, ()), membership_id]


def drop_joined(world: World, fact: Standing) -> None:
    """The joining never was; the row stays, without a beginning."""
    assert isinstance(fact.data, MemberJoined)
    _change(world, structs.replace(world.memberships[fact.data.membership_id], joined_on=None))


def put_left(world: World, fact: Standing, _private: object) -> None:
    """The membership ends as given."""
    assert isinstance(fact.data, MemberLeft)
    world.ended[fact.data.membership_id] = fact
    _change(world, structs.replace(world.memberships[fact.data.membership_id], left_on=fact.on, left_rank=fact.rank))


def drop_left(world: World, fact: Standing) -> None:
    """The membership has no end."""
    assert isinstance(fact.data, MemberLeft)
    _change(world, structs.replace(world.memberships[fact.data.membership_id], left_on=None, left_rank=None))


def _change(world: World, membership: Membership) -> None:
    world.memberships[membership.id] = membership
    world.touched_memberships.add(membership.id)


def require_member(world: World, fact: Standing, _command: Revision) -> None:
    """The membership of the fact must exist for the fact to be changed. Raises UNKNOWN_MEMBER (404)."""
    assert isinstance(fact.data, MemberJoined | MemberLeft)
    if fact.data.membership_id not in world.memberships:
        raise NotFound("UNKNOWN_MEMBER", field="corrects", params={"member": str(fact.data.membership_id)})


def require_whole(world: World, fact: Standing, _command: Revision) -> None:
    """What must hold of the membership after a correction, as after any command.

    Raises ALREADY_LEFT, BEFORE_JOINING, ALREADY_MEMBER (409), NOT_COVERED (422).
    """
    assert isinstance(fact.data, MemberJoined | MemberLeft)
    member = world.memberships[fact.data.membership_id]
    if member.joined_on is None:
        if member.left_on is not None:
            raise Conflict("ALREADY_LEFT", field="corrects", params={"on": member.left_on.isoformat()})
        return
    if member.left_on is not None and member.left_on < member.joined_on:
        raise Conflict("BEFORE_JOINING", field="data", params={"joined_on": member.joined_on.isoformat()})
    if isinstance(fact.data, MemberJoined):
        require_covered(world, member.union_id, member.enterprise_id, member.joined_on, "data.joined_on")
    require_member_nowhere(world, member.person, member.enterprise_id, member.joined_on, member.left_on, "data", but_for=member.id)
