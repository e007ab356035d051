"""What membership learns from the registry: a table `{event type: what it means here}`, and what follows from closures.

All of it happens in the reader's own transaction, so exactly once: the position, what is remembered, and the facts that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from services.membership import learned, store, writing
from services.membership.domain.closing import follow_closure
from services.membership.domain.state import World, enterprise_subject, union_subject
from services.membership.learned import PlaceFact
from shared.contracts import Envelope, Event, fact
from shared.contracts.registry import AreaRegistered, EnterpriseClosed, EnterpriseMoved, EnterpriseRegistered
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.http.auth import Areas
from shared.journal import journal
from shared.journal.journal import Actor
from shared.problems.errors import Unavailable
from shared.process.db import Connection
from shared.sequencing.records import ShardBatch

ATTEMPTS = 5


@dataclass(slots=True)
class News:
    """What a batch says, last word last: areas by code, enterprise facts by (enterprise, rank), and who closed by which event.

    `withdrawn` = (enterprise, from, to) of facts that never were, although some of them may have been remembered here.
    """

    areas: dict[str, tuple[AreaRegistered, date] | None] = field(default_factory=dict)
    enterprises: dict[tuple[UUID, int], PlaceFact | None] = field(default_factory=dict)
    closures: dict[UUID, Envelope] = field(default_factory=dict)
    withdrawn: list[tuple[UUID, int, int]] = field(default_factory=list)


class UnionMeanwhile(asyncpg.SerializationError):
    """A union began to cover the enterprise between the look and the lock: look again."""


@dataclass(frozen=True, slots=True)
class Told:
    """The fact `rank` of a stream says `data` from `on`; `on` None: it says nothing any more. `event` is who told."""

    event: Envelope
    data: Any
    on: date | None
    rank: int

    @property
    def enterprise(self) -> UUID:
        """Whose stream it is."""
        return UUID(self.event.subject.partition("/")[2])

    def place(self, fact: str, park: str | None) -> PlaceFact | None:
        """What it says about the enterprise's place and life."""
        return None if self.on is None else PlaceFact(fact, self.on, park, self.event.id)


def _area(news: News, told: Told) -> None:
    news.areas[told.data.code] = None if told.on is None else (told.data, told.on)


def _settled(news: News, told: Told) -> None:
    news.enterprises[told.enterprise, told.rank] = told.place("settled", told.data.park)


def _moved(news: News, told: Told) -> None:
    news.enterprises[told.enterprise, told.rank] = told.place("moved", told.data.park)


def _closed(news: News, told: Told) -> None:
    news.enterprises[told.enterprise, told.rank] = told.place("closed", None)
    news.closures[told.enterprise] = told.event


EVENTS_IN: dict[type[Event], Callable[[News, Told], None]] = {
    AreaRegistered: _area,
    EnterpriseRegistered: _settled,
    EnterpriseMoved: _moved,
    EnterpriseClosed: _closed,
}
"""What each type means here."""


def read(events: list[Envelope]) -> News:
    """What these events say, corrections carried out. Facts that mean nothing here are passed over."""
    news = News()
    for event in events:
        if isinstance(event.data, EventWithdrawn):
            _withdrawn(news, event, event.data)
            continue
        told = Told(event, event.data, event.occurredon, event.sequence)
        if isinstance(event.data, FactCorrected):
            placed = event.data.replacement or event.data.withdrawn
            on = placed.occurred_on if event.data.replacement else None
            told = Told(event, fact(event.data.fact, placed.data), on, event.data.rank)
        if learn := EVENTS_IN.get(type(told.data)):
            learn(news, told)
    return news


def _withdrawn(news: News, event: Envelope, said: EventWithdrawn) -> None:
    """What metrics cannot count may mean nothing here, and so have been taken: it is taken out again, as by a correction to nothing."""
    kind, _, key = event.subject.partition("/")
    if kind == "area":
        # Its only fact of its own is the first.
        news.areas |= {key: None} if said.first == 1 else {}
        return
    for place in [place for place in news.enterprises if place[0] == UUID(key) and said.first <= place[1] <= said.last]:
        del news.enterprises[place]
    news.withdrawn.append((UUID(key), said.first, said.last))
    news.closures[UUID(key)] = event


async def apply(conn: Connection, batch: ShardBatch) -> None:
    """Take one batch of the registry's events into this service, in the reader's transaction."""
    news = read(batch.events)
    await conn.execute("SELECT set_config('parkunion.areas', $1, true)", Areas.all().setting())
    if news.areas:
        await learned.remember_areas(conn, news.areas)
    if news.enterprises or news.withdrawn:
        await learned.remember_enterprises(conn, news.enterprises, news.withdrawn)
    if news.closures:
        await _follow_closures(conn, news.closures)


async def _follow_closures(conn: Connection, closures: dict[UUID, Envelope]) -> None:
    """End coverage, and unions with their last unit, under the locks of the commands that could say otherwise."""
    for attempt in range(ATTEMPTS):
        try:
            async with conn.transaction():
                world = await _load(conn, closures.keys())
                break
        except UnionMeanwhile:
            if attempt == ATTEMPTS - 1:
                raise
    for enterprise_id, event in sorted(closures.items()):
        facts = follow_closure(world, enterprise_id, event.id)
        actor = Actor(event.actor, f"event:{event.id}", event.traceparent)
        try:
            await writing.write(conn, world, facts, actor, {})
        except journal.ClockAheadError as error:
            raise Unavailable("CLOCK_AHEAD") from error


async def _load(conn: Connection, closed: Collection[UUID]) -> World:
    """Lock unions, then enterprises, and load the whole coverage of those unions. Raises UnionMeanwhile, whose locks are then given back."""
    seen = {f.union_id for facts in (await store.coverage(conn, closed, ())).values() for f in facts}
    heads = await journal.lock(conn, [union_subject(union_id) for union_id in seen])
    heads |= await journal.lock(conn, [enterprise_subject(enterprise_id) for enterprise_id in closed])
    world = World(heads={subject: head.sequence for subject, head in heads.items()})
    world.coverage = await store.coverage(conn, closed, seen)
    if {f.union_id for enterprise_id in closed for f in world.coverage[enterprise_id]} - seen:
        raise UnionMeanwhile
    world.enterprises = await store.enterprises(conn, closed)
    world.unions = await store.unions(conn, seen)
    return world
