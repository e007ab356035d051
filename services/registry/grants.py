"""Who may carry out which command. Each function raises AREA_NOT_GRANTED (403), PRECONDITION_FAILED (412), STREAM_UNREADABLE (409), or
that what the command names is unknown."""

from __future__ import annotations

from uuid import UUID

from services.registry.areas.area import RegisterArea
from services.registry.enterprises.enterprise import enterprise_subject
from services.registry.enterprises.rules import Change, Move, RegisterEnterprise
from services.registry.world import World
from shared.writing.facts import Correct, Standing
from shared.writing.table import Access


def register_area(world: World, command: RegisterArea, access: Access) -> None:
    """The parent must be granted; a root needs every area."""
    access.area(world, command.parent, "parent")


def register_enterprise(world: World, command: RegisterEnterprise, access: Access) -> None:
    """The park must be granted."""
    access.area(world, command.park, "park")


def change(world: World, command: Change, access: Access) -> None:
    """The enterprise's park must be granted."""
    enterprise = world.enterprise(command.enterprise_id)
    access.area(world, enterprise.park, "enterprise_id")
    subject = enterprise_subject(enterprise.id)
    access.resource(world, subject, world.history(subject).etag)


def move(world: World, command: Move, access: Access) -> None:
    """Both parks must be granted."""
    change(world, command, access)
    access.area(world, command.park, "park")


def correct(world: World, fact: Standing, command: Correct, access: Access) -> None:
    """The area of the fact must be granted, and those that the correction names. A fact of a withdrawn enterprise needs every area."""
    kind, _, key = fact.subject.partition("/")
    enterprise = world.enterprises.get(UUID(key)) if kind == "enterprise" else None
    access.area(world, key if kind == "area" else enterprise.park if enterprise else None, "corrects")
    access.resource(world, fact.subject, world.history(fact.subject).etag)
    data = command.data or {}
    for name in ("park", "parent"):
        if name in data and (data[name] is None or isinstance(data[name], str)):
            access.area(world, data[name], f"data.{name}")
