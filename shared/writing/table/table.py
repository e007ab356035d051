"""The declaration of a writing service: a row per kind of fact, a row per command. Everything in `shared/writing` is driven by it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg

from shared.contracts import TYPES, Event
from shared.process.db import Connection
from shared.writing.facts import Correct, Fact, Standing, World
from shared.writing.table.command_kinds import CommandKind
from shared.writing.table.fact_kinds import FactKind, nothing
from shared.writing.table.needs import Access, Needs, Places

N = TypeVar("N", bound=Needs)
W = TypeVar("W", bound=World)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections(Generic[W]):
    """What a service adds to corrections and withdrawals, which are the same in all."""

    permit: Callable[[W, Standing, Correct, Access], None]
    """Raises a Problem unless the fact may be corrected: by If-Match, or because its stream cannot be read. Grants are not asked here: they
    are the same for every fact (shared/writing/granting.py). The fact may be withdrawn."""
    needs: Callable[[Any, Correct], None] = nothing
    """Adds to Needs what the changed fields refer to."""
    stream: Callable[[Any, str], None] = nothing
    """Adds to Needs what a correction or withdrawal on the stream needs, before the locks."""
    reserved: frozenset[str] = frozenset()
    """Codes of `reason` that no correction writes or replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks(Generic[N]):
    """One step of locking: streams of one kind, in the order of docs/design/ENGINE.md, Writing 2."""

    wanted: Callable[[Connection, N], Awaitable[Collection[str]]]
    """The streams to lock."""
    known: Callable[[Connection, N], Awaitable[Collection[str]]] | None = None
    """Asked if some of them do not exist: those to lock all the same; the missing ones are created. None: only existing streams."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was appended: {(stream, rank): event that states the fact now}, the facts, and new streams among theirs."""

    events: Mapping[tuple[str, int], UUID]
    facts: Sequence[Fact]


class ConcurrentChange(asyncpg.SerializationError):
    """A concurrent command invalidated this decision; retry."""


async def named_streams(_: Connection, needs: Needs) -> Collection[str]:
    """The simplest step of locking: the streams that the commands name, and those of corrections."""
    return needs.streams


@dataclass(kw_only=True, eq=False)
class Table(Generic[W, N]):
    """A writing service: its facts, its commands, and how its world is loaded and written."""

    service: str
    """As in its scopes: `<service>:write`, `<service>:operate`."""
    source: str
    """CloudEvents `source` of its events."""
    facts: Sequence[FactKind[W]]
    commands: Sequence[CommandKind[Any, W]]
    corrections: Corrections[W]
    world: Callable[[], W]
    needs: Callable[[Any], N]
    """Makes an empty Needs from the service's Context."""
    locks: Sequence[Locks[N]]
    places: Callable[[W, str], Places]
    """`(world, stream)`: where its resource is, as the world has it. The paths of these areas are loaded if `Needs.paths`."""
    paths: Callable[[Connection, Collection[str]], Awaitable[Mapping[str, Sequence[str]]]]
    """{area: itself and all that it lies in}, of these areas, as far as they exist."""
    load: Callable[[Connection, Any, N, W], Awaitable[None]]
    """`(conn, context, needs, world)`: fills the world after the locks. `heads` is there, and `histories` of whole streams."""
    write: Callable[[Connection, W, Recorded], Awaitable[None]]
    """Brings the state tables up to the world, after the journal. Raises ConcurrentChange."""
    prepare: Callable[[Connection, Any, W], Awaitable[None]] | None = None
    """Writes rows that must precede the events: `(conn, context, world)`."""
    widen: Callable[[Connection, N], Awaitable[None]] | None = None
    """Adds to Needs by a look before the locks."""
    whole_streams: bool = False
    """Facts of locked streams are folded from the journal in full. False: state tables hold what is needed, and `corrections` the last
    correction of each fact."""
    batch_separator: str = "/"
    """Between `/v1/batch` and the op in the fingerprint of a batch's line. Historical, and kept: rows of earlier releases must answer."""
    batch_name: str = "batch"
    batch_doc: str = "Up to 1,000 commands in one transaction; a refused line changes nothing and stops no other."

    def __post_init__(self) -> None:
        if self.whole_streams and any(kind.listed for kind in self.facts):
            raise TypeError("a fact of whole streams is not listed: its history has it (History.holding)")
        self._kinds = {kind.contract: kind for kind in self.facts}
        names = {contract: name for name, contract in TYPES.items()}
        self._by_name = {names[kind.contract]: kind for kind in self.facts}
        self._commands = {command.kind: command for command in self.commands}
        self.ops: dict[str, CommandKind[Any, W]] = {command.op: command for command in self.commands}
        """{op of a batch's line: its command}, without corrections."""

    def kind_of(self, data: Event) -> FactKind[W]:
        """The row of a fact. Raises KeyError."""
        return self._kinds[type(data)]

    @property
    def listed_types(self) -> list[str]:
        """The CloudEvents types that the table `standing_facts` keeps."""
        return [name for name, kind in self._by_name.items() if kind.listed]

    def kind_named(self, type_name: str) -> FactKind[W] | None:
        """The row of a CloudEvents type; None for one that is no fact of this service."""
        return self._by_name.get(type_name)

    def command_of(self, command: object) -> CommandKind[Any, W]:
        """The row of a command. Raises KeyError."""
        return self._commands[type(command)]
