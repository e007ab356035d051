"""For services whose facts stand on the streams of enterprises: what commands need, lock and load, and who may carry them out.

The registry owns the enterprises; what a service knows of them is `shared/directory/`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from shared.contracts.ids import uuid_of
from shared.contracts.services import SERVICES, Service
from shared.directory import not_yet_known, store
from shared.directory.known import Known
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.process.settings import ServiceSettings
from shared.writing import facts, granting, standing, table
from shared.writing.facts import Correct, Standing
from shared.writing.table import Access, CommandKind, Corrections, FactKind, Locks, Recorded, Table

W = TypeVar("W", bound="World")

KIND = "enterprise"


@dataclass(frozen=True, slots=True)
class Context:
    """What commands need besides a connection. `registry_topic` and `partitions` locate how far the registry was read."""

    clock: Clock
    fingerprint_key: bytes
    registry_topic: str
    partitions: int

    @classmethod
    def of(cls, settings: ServiceSettings) -> Context:
        """By the settings of the process."""
        topic = SERVICES["registry"].topic(settings.topic_prefix)
        return cls(settings.clock, settings.fingerprint_key, topic, settings.partitions)


@dataclass
class Needs(table.Needs):
    """What the commands of one transaction need."""

    enterprises: set[UUID] = field(default_factory=set)
    """Enterprises to load, whose streams are locked."""
    rows: set[UUID] = field(default_factory=set)
    """Rows of the service's own table to load."""


@dataclass
class World(facts.World, Known):
    """The loaded part of the state: what is known of the enterprises. A service adds tables of its own."""


def subject_of(enterprise_id: UUID) -> str:
    """The stream of an enterprise."""
    return f"{KIND}/{enterprise_id}"


def enterprise_of(subject: str) -> UUID | None:
    """The enterprise of a stream; None if it is another kind of stream or no UUID."""
    kind, _, key = subject.partition("/")
    try:
        return uuid_of(key) if kind == KIND else None
    except ValueError:
        return None


def needs_stream(needs: Needs, subject: str) -> None:
    """The enterprise on whose stream something is corrected or withdrawn."""
    if (enterprise_id := enterprise_of(subject)) is not None:
        needs.enterprises.add(enterprise_id)


def needs_enterprise(needs: Needs, command: Any) -> None:
    """The enterprise of a command with the field `enterprise_id`."""
    needs.enterprises.add(command.enterprise_id)


def needs_row(name: str) -> Callable[[Needs, Any], None]:
    """A hook for commands and facts with the field `name`, the id of a row."""

    def add(needs: Needs, named: Any) -> None:
        needs.rows.add(getattr(named.data if isinstance(named, Standing) else named, name))

    return add


def permit(world: World, enterprise_id: UUID, access: Access, field: str = "enterprise_id", on: date = date.max) -> None:
    """The park of the enterprise must be granted, and that of the day `on` of which something is said.

    Raises AREA_NOT_GRANTED (403), NOT_YET_KNOWN, STREAM_UNREADABLE (409), UNKNOWN_ENTERPRISE (422).
    """
    world.enterprise(enterprise_id, field)
    granting.require_on(access, world, places(world, subject_of(enterprise_id)), on, field)
    world.require_readable(subject_of(enterprise_id))


def permit_enterprise(world: World, command: Any, access: Access) -> None:
    """As `permit`, for a command with the field `enterprise_id` and one date."""
    on = next((value for item in fields(command) if isinstance(value := getattr(command, item.name), date)), date.max)
    permit(world, command.enterprise_id, access, on=on)


def permit_correction(world: World, fact: Standing, _command: Correct, _access: Access) -> None:
    """The stream can be read. Raises STREAM_UNREADABLE (409)."""
    world.require_readable(fact.subject)


def places(world: World, subject: str) -> table.Places:
    """Where the enterprise of a stream is; nowhere if the registry has withdrawn it."""
    enterprise_id = enterprise_of(subject)
    found = world.enterprises.get(enterprise_id) if enterprise_id else None
    return [] if found is None else world.placed.get(found.id) or [(date.min, found.park)]


async def _wanted(_: Connection, needs: Needs) -> Collection[str]:
    return [subject_of(enterprise_id) for enterprise_id in needs.enterprises]


async def _known(conn: Connection, needs: Needs) -> Collection[str]:
    """Those that the registry has made known, and those that have a stream although the registry has withdrawn them."""
    known = map(subject_of, await store.enterprises(conn, needs.enterprises))
    return {*known, *await standing.heads(conn, await _wanted(conn, needs))}


LOCKS: Locks[Any] = Locks(wanted=_wanted, known=_known)
"""The step of locking for Needs.enterprises."""


async def load(conn: Connection, context: Context, needs: Needs, world: World) -> None:
    """Load the enterprises, under the locks, with the paths of their parks if grants ask for them."""
    locked = [enterprise_id for enterprise_id in needs.enterprises if subject_of(enterprise_id) in world.heads]
    world.enterprises = dict(await store.enterprises(conn, locked))
    areas = {enterprise.park for enterprise in world.enterprises.values()} if needs.paths else set()
    if needs.paths:
        # Grants ask where an enterprise was.
        world.placed = await store.placed(conn, locked)
        areas |= {park for steps in world.placed.values() for _, park in steps}
    await not_yet_known.complete(conn, world, needs.enterprises, areas, topic=context.registry_topic, partitions=context.partitions)


def enterprise_table(
    declared: Service,
    *,
    world: Callable[[], W],
    facts: Sequence[FactKind[W]],
    commands: Sequence[CommandKind[Any, W]],
    widen: Callable[[Connection, Needs], Awaitable[None]],
    load: Callable[[Connection, Any, Needs, W], Awaitable[None]],
    write: Callable[[Connection, W, Recorded], Awaitable[None]],
) -> Table[W, Needs]:
    """The table of a service all of whose facts stand on the streams of enterprises, with what is the same in each.

    The service's `widen` adds the enterprises of Needs.rows, and its `load` begins with `load` of this module.
    """
    assert declared.contracts is not None, "a service without contracts writes nothing"
    return Table(
        service=declared.name,
        source=declared.contracts.SOURCE,
        facts=facts,
        commands=commands,
        corrections=Corrections(permit=permit_correction, stream=needs_stream),
        world=world,
        needs=lambda _: Needs(),
        widen=widen,
        locks=[LOCKS],
        places=places,
        paths=store.paths,
        load=load,
        write=write,
    )
