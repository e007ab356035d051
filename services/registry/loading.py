"""Locks and loads what a batch of commands decides on, all lines together: a fixed number of statements, whatever the number of lines.

The order is that of docs/design/ENGINE.md, Writing: the tree of areas, then the streams, then everything is loaded by later statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from services.registry import store
from services.registry.context import Context
from services.registry.domain.commands import (
    Close,
    Command,
    Correct,
    Move,
    Reclassify,
    RegisterArea,
    RegisterEnterprise,
    ReportHeadcount,
    Withdraw,
)
from services.registry.domain.naming import name_key
from services.registry.domain.state import World, area_subject, enterprise_of, enterprise_subject
from shared.journal import journal
from shared.process.db import Connection


@dataclass(slots=True)
class Named:
    """What commands name. `names` = (park, name key) of enterprises that are new."""

    subjects: set[str] = field(default_factory=set)
    areas: set[str] = field(default_factory=set)
    credit_codes: set[str] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)
    events: set[UUID] = field(default_factory=set)


@dataclass(slots=True)
class Loaded:
    """A world under its locks. `subjects` = {event to correct: its stream}."""

    world: World
    today: date
    subjects: dict[UUID, str]


async def load(conn: Connection, context: Context, commands: Sequence[Command], *, grants: bool) -> Loaded:
    """Everything for these commands; `grants`: whether the areas of enterprises are needed, too."""
    named = _named(commands)
    subjects = await store.subjects_of(conn, named.events)
    withdrawn = {command.subject for command in commands if isinstance(command, Withdraw)}
    changed = {*subjects.values(), *withdrawn}
    corrected = {key for kind, _, key in (subject.partition("/") for subject in changed) if kind == "area"}
    if named.areas or changed:
        await store.lock_tree(conn, change=bool(corrected))
    known = await journal.lock_existing(conn, named.subjects | set(subjects.values()))
    world = World(histories=await store.histories(conn, known))
    for subject, history in world.histories.items():
        if subject.startswith("enterprise/") and (enterprise := enterprise_of(history)):
            world.enterprises[enterprise.id] = enterprise
            if grants:
                named.areas.add(enterprise.park)
    inside = await store.below(conn, corrected)
    world.areas = await store.areas(conn, named.areas.union(*(area.path for area in inside.values()))) | inside
    world.in_use = await store.in_use(conn, corrected)
    world.credit_codes = await store.credit_codes(conn, named.credit_codes)
    world.namesakes = await store.namesakes(conn, named.names)
    return Loaded(world, await context.clock.today(conn), subjects)


def _named(commands: Iterable[Command]) -> Named:
    named = Named()
    for command in commands:
        match command:
            case RegisterArea():
                named.subjects.add(area_subject(command.code))
                named.areas |= {command.code, command.parent or command.code}
            case RegisterEnterprise():
                named.areas.add(command.park)
                named.names.add((command.park, name_key(command.name)))
                named.credit_codes |= {command.credit_code} if command.credit_code else set()
            case ReportHeadcount() | Reclassify() | Close():
                named.subjects.add(enterprise_subject(command.enterprise_id))
            case Move():
                named.subjects.add(enterprise_subject(command.enterprise_id))
                named.areas.add(command.park)
            case Correct():
                named.events.add(command.corrects)
                _name_changes(named, command.data or {})
            case Withdraw():
                named.subjects.add(command.subject)
    return named


def _name_changes(named: Named, data: Mapping[str, Any]) -> None:
    """What a correction's fields refer to, if they are of the right form."""
    named.areas |= {value for name in ("park", "parent") if isinstance(value := data.get(name), str)}
    if isinstance(code := data.get("credit_code"), str):
        named.credit_codes.add(code.upper())
