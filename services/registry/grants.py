"""Who may carry out which command. Each function raises AREA_NOT_GRANTED (403), PRECONDITION_FAILED (412), STREAM_UNREADABLE (409), or
that what the command names is unknown."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.registry.areas.area import RegisterArea
from services.registry.enterprises.enterprise import enterprise_subject, parks_of
from services.registry.enterprises.rules import Change, Move, RegisterEnterprise
from services.registry.world import World
from shared.writing import granting
from shared.writing.facts import Correct, Standing
from shared.writing.table import Access, Places


def register_area(world: World, command: RegisterArea, access: Access) -> None:
    """The parent must be granted; a root needs every area."""
    access.area(world, command.parent, "parent")


def register_enterprise(world: World, command: RegisterEnterprise, access: Access) -> None:
    """The park must be granted."""
    access.area(world, command.park, "park")


def change(world: World, command: Change, access: Access) -> None:
    """The enterprise's park must be granted, and that of the day of which something is said."""
    enterprise = world.enterprise(command.enterprise_id)
    subject = enterprise_subject(enterprise.id)
    granting.require_on(access, world, places(world, subject), command.on, "enterprise_id")
    access.resource(world, subject, world.history(subject).etag)


def move(world: World, command: Move, access: Access) -> None:
    """All three parks must be granted: where it is, where it was on that day, and where it goes."""
    change(world, command, access)
    access.area(world, command.park, "park")


def correct(world: World, fact: Standing, _command: Correct, access: Access) -> None:
    """The stream must be as its caller has read it. Grants: shared/writing/granting.py, by `places`."""
    access.resource(world, fact.subject, world.history(fact.subject).etag)


def places(world: World, subject: str) -> Places:
    """Where the area or enterprise of a stream is; nowhere if its registration was withdrawn."""
    kind, _, key = subject.partition("/")
    if kind == "area":
        return [(date.min, key)] if key in world.areas else []
    if kind != "enterprise" or UUID(key) not in world.enterprises:
        return []
    return parks_of(world.history(subject))
