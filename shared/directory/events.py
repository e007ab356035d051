"""Applies the registry's events to the directory, in the reader's transaction, so exactly once.

A service passes `directory_reader()` to its Reader as `apply`. What it does itself about closures it passes as `on_closures`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

from shared.contracts import Envelope, Event, fact
from shared.contracts.registry import AreaRegistered, EnterpriseClosed, EnterpriseMoved, EnterpriseRegistered
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.directory import store
from shared.directory.store import EnterpriseFact, FactKind, Rank
from shared.http.auth import Areas
from shared.process.db import Connection
from shared.sequencing.records import ShardBatch

OnClosures: TypeAlias = Callable[[Connection, Mapping[UUID, Envelope]], Awaitable[None]]
"""Called in the same transaction, after the directory was written, with {enterprise: last event about its closure}."""


@dataclass(slots=True)
class Changes:
    """What a batch changes, later events over earlier ones; None: withdrawn or corrected to nothing.

    `withdrawn` = (enterprise, first, last): ranks of which some may have been written by an earlier batch.
    """

    areas: dict[str, tuple[AreaRegistered, date] | None] = field(default_factory=dict)
    facts: dict[Rank, EnterpriseFact | None] = field(default_factory=dict)
    closures: dict[UUID, Envelope] = field(default_factory=dict)
    withdrawn: list[tuple[UUID, int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Statement:
    """`event` states that the fact `rank` of its stream is `data` from `on` on; `on` None: that it is a fact no longer."""

    event: Envelope
    data: Any
    on: date | None
    rank: int

    @property
    def enterprise(self) -> UUID:
        """The enterprise of the stream."""
        return UUID(self.event.subject.partition("/")[2])

    def fact(self, kind: FactKind, park: str | None) -> EnterpriseFact | None:
        """As a row of the directory."""
        return None if self.on is None else EnterpriseFact(kind, self.on, park, self.event.id)


def _area(changes: Changes, stated: Statement) -> None:
    changes.areas[stated.data.code] = None if stated.on is None else (stated.data, stated.on)


def _settled(changes: Changes, stated: Statement) -> None:
    changes.facts[stated.enterprise, stated.rank] = stated.fact("settled", stated.data.park)


def _moved(changes: Changes, stated: Statement) -> None:
    changes.facts[stated.enterprise, stated.rank] = stated.fact("moved", stated.data.park)


def _closed(changes: Changes, stated: Statement) -> None:
    changes.facts[stated.enterprise, stated.rank] = stated.fact("closed", None)
    changes.closures[stated.enterprise] = stated.event


HANDLERS: dict[type[Event], Callable[[Changes, Statement], None]] = {
    AreaRegistered: _area,
    EnterpriseRegistered: _settled,
    EnterpriseMoved: _moved,
    EnterpriseClosed: _closed,
}
"""Every other type of the registry changes nothing here."""


def changes_of(events: Sequence[Envelope]) -> Changes:
    """What these events change, corrections and withdrawals applied."""
    changes = Changes()
    for event in events:
        if isinstance(event.data, EventWithdrawn):
            _withdraw(changes, event, event.data)
            continue
        stated = Statement(event, event.data, event.occurredon, event.sequence)
        if isinstance(event.data, FactCorrected):
            placed = event.data.replacement or event.data.withdrawn
            on = placed.occurred_on if event.data.replacement else None
            stated = Statement(event, fact(event.data.fact, placed.data), on, event.data.rank)
        if handler := HANDLERS.get(type(stated.data)):
            handler(changes, stated)
    return changes


def _withdraw(changes: Changes, event: Envelope, data: EventWithdrawn) -> None:
    """Withdrawn events that metrics cannot count may have changed something here: that is deleted, as by a correction to nothing."""
    kind, _, key = event.subject.partition("/")
    if kind == "area":
        # The registration is the first event of an area; all others are corrections of it.
        changes.areas |= {key: None} if data.first == 1 else {}
        return
    for rank in [rank for rank in changes.facts if rank[0] == UUID(key) and data.first <= rank[1] <= data.last]:
        del changes.facts[rank]
    changes.withdrawn.append((UUID(key), data.first, data.last))
    changes.closures[UUID(key)] = event


def directory_reader(on_closures: OnClosures | None = None) -> Callable[[Connection, ShardBatch], Awaitable[None]]:
    """The `apply` of a Reader of the registry's topic."""

    async def apply(conn: Connection, batch: ShardBatch) -> None:
        changes = changes_of(batch.events)
        await conn.execute("SELECT set_config('parkunion.areas', $1, true)", Areas.all().setting())
        if changes.areas:
            await store.put_areas(conn, changes.areas)
        if changes.facts or changes.withdrawn:
            await store.put_facts(conn, changes.facts, changes.withdrawn)
        if changes.closures and on_closures is not None:
            await on_closures(conn, changes.closures)

    return apply
