"""Who may carry out which command. Each function raises AREA_NOT_GRANTED (403), PRECONDITION_FAILED (412), STREAM_UNREADABLE (409), or
that what the command names is unknown."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.membership.members.rules import Join, Leave
from services.membership.members.successors import acted_on
from services.membership.members.transfers import Transfer
from services.membership.needs import resource_of
from services.membership.unions.commands import Cover, Dissolve, Found
from services.membership.world import World, enterprise_subject, union_subject
from shared.contracts.ids import uuid_of
from shared.contracts.membership import CoverageEnded, CoverageStarted
from shared.writing import granting
from shared.writing.facts import Correct, Standing
from shared.writing.table import Access, Places


def found(world: World, command: Found, access: Access) -> None:
    """The seat and every unit must be granted."""
    access.area(world, command.seat_area, "seat_area")
    for enterprise_id in command.enterprises:
        enterprise(world, access, enterprise_id, command.approved_on, "enterprises")


def cover(world: World, command: Cover, access: Access) -> None:
    """The union's seat and the unit must be granted."""
    _union(world, access, command.union_id)
    access.resource(world, union_subject(command.union_id), world.etags.get(command.union_id))
    enterprise(world, access, command.enterprise_id, command.on, "enterprise_id")


def dissolve(world: World, command: Dissolve, access: Access) -> None:
    """The union's seat must be granted."""
    _union(world, access, command.union_id)
    access.resource(world, union_subject(command.union_id), world.etags.get(command.union_id))


def join(world: World, command: Join, access: Access) -> None:
    """The enterprise must be granted."""
    enterprise(world, access, command.enterprise_id, command.joined_on, "enterprise_id")
    if command.left_on is not None:
        enterprise(world, access, command.enterprise_id, command.left_on, "enterprise_id")


def leave(world: World, command: Leave, access: Access) -> None:
    """The member's enterprise must be granted: that of the membership that ends."""
    _member(world, access, command.membership_id, command.on)


def transfer(world: World, command: Transfer, access: Access) -> None:
    """Both enterprises must be granted, the old one by the membership that ends; if that is over, also on the day on which it ended, since
    that end changes its place."""
    _member(world, access, command.membership_id, command.on)
    enterprise(world, access, command.enterprise_id, command.on, "enterprise_id")
    member = acted_on(world, command.membership_id, command.on)
    if (left_on := member.left_on) is not None:
        granting.require_on(access, world, places(world, enterprise_subject(member.enterprise_id)), left_on, "member_id")
        enterprise(world, access, command.enterprise_id, left_on, "enterprise_id")


def correct(world: World, fact: Standing, _command: Correct, access: Access) -> None:
    """The resource must be as its caller has read it. Grants: shared/writing/granting.py, by `places`."""
    access.resource(world, fact.subject, world.etags.get(resource_of(fact.subject, fact.data)))


def places(world: World, subject: str) -> Places:
    """The seat of the union of a stream, or where its enterprise is; nowhere if it was withdrawn."""
    kind, _, key = subject.partition("/")
    if kind == "union":
        union = world.unions.get(uuid_of(key))
        return [] if union is None else [(date.min, union.seat_area)]
    return _places_of(world, uuid_of(key))


def _places_of(world: World, enterprise_id: UUID) -> Places:
    found = world.enterprises.get(enterprise_id)
    return [] if found is None else world.placed.get(found.id) or [(date.min, found.park)]


def seat(world: World, fact: Standing) -> list[str | None]:
    """The seat of the union that a fact of coverage names, as coverage itself needs it."""
    assert isinstance(fact.data, CoverageStarted | CoverageEnded)
    union = world.unions.get(fact.data.union_id)
    return [None if union is None else union.seat_area]


def _union(world: World, access: Access, union_id: UUID) -> None:
    access.area(world, world.union(union_id).seat_area, "union_id")


def enterprise(world: World, access: Access, enterprise_id: UUID, on: date, field: str) -> None:
    """The enterprise's park must be granted, and that of the day of which something is said."""
    world.enterprise(enterprise_id, field)
    granting.require_on(access, world, _places_of(world, enterprise_id), on, field)


def _member(world: World, access: Access, membership_id: UUID, on: date) -> None:
    member = acted_on(world, membership_id, on)
    # If-Match is about the membership that the caller named and has read; everything else about the one that ends. If the registry has withdrawn the enterprise, every area is needed.
    granting.require_on(access, world, places(world, enterprise_subject(member.enterprise_id)), on, "member_id")
    access.resource(world, enterprise_subject(member.enterprise_id), world.etags.get(membership_id))
