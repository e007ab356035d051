"""Reads the registry's events: the directory (`shared/directory/`), and what follows for unions from closures of enterprises."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from services.membership.facts import TABLE
from services.membership.unions import store
from services.membership.unions.closures import follow_closure
from services.membership.world import World, enterprise_subject, union_subject
from shared.contracts import Envelope
from shared.directory.events import directory_reader
from shared.directory.store import enterprises
from shared.journal import journal
from shared.journal.journal import Actor
from shared.problems.errors import Unavailable
from shared.process.db import Connection
from shared.writing.evolving import evolve, new_world
from shared.writing.recording import record
from shared.writing.table import ConcurrentChange

ATTEMPTS = 5


async def follow_closures(conn: Connection, closures: Mapping[UUID, Envelope]) -> None:
    """End coverage by enterprises that closed, and unions with their last unit, under the locks that commands take."""
    for attempt in range(ATTEMPTS):
        try:
            async with conn.transaction():
                world = await _load(conn, closures.keys())
                break
        except ConcurrentChange:
            if attempt == ATTEMPTS - 1:
                raise
    locked = frozenset(world.heads)
    for enterprise_id, event in sorted(closures.items()):
        facts = follow_closure(world, enterprise_id, event.id)
        for fact in facts:
            evolve(TABLE, world, fact)
        actor = Actor(event.actor, f"event:{event.id}", event.traceparent)
        try:
            await record(conn, TABLE, world, locked, facts, actor)
        except journal.ClockAheadError as error:
            raise Unavailable("CLOCK_AHEAD") from error


async def _load(conn: Connection, closed: Collection[UUID]) -> World:
    """Lock unions, then enterprises, and load the whole coverage of those unions.

    Raises ConcurrentChange if a union began to cover one of the enterprises before its stream was locked; the caller then rolls back, which
    releases the locks.
    """
    seen = {f.union_id for facts in (await store.coverage(conn, closed, ())).values() for f in facts}
    heads = await journal.lock(conn, [union_subject(union_id) for union_id in seen])
    heads |= await journal.lock(conn, [enterprise_subject(enterprise_id) for enterprise_id in closed])
    world = new_world(TABLE)
    world.heads = {subject: head.sequence for subject, head in heads.items()}
    world.coverage = await store.coverage(conn, closed, seen)
    if {f.union_id for enterprise_id in closed for f in world.coverage[enterprise_id]} - seen:
        raise ConcurrentChange("a union began to cover an enterprise that closed")
    world.enterprises = await enterprises(conn, closed)
    world.unions = await store.unions(conn, seen)
    return world


apply = directory_reader(follow_closures)
