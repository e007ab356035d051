"""Reads the registry's events: the directory (`shared/directory/`), and what follows for unions from closures of enterprises."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import asyncpg

from services.membership import store, writing
from services.membership.domain.closing import follow_closure
from services.membership.domain.state import World, enterprise_subject, union_subject
from shared.contracts import Envelope
from shared.directory.events import directory_reader
from shared.directory.store import enterprises
from shared.journal import journal
from shared.journal.journal import Actor
from shared.problems.errors import Unavailable
from shared.process.db import Connection

ATTEMPTS = 5


class UnionMeanwhile(asyncpg.SerializationError):
    """A union began to cover the enterprise after coverage was read and before its stream was locked; read again."""


async def follow_closures(conn: Connection, closures: Mapping[UUID, Envelope]) -> None:
    """End coverage by enterprises that closed, and unions with their last unit, under the locks that commands take."""
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
    """Lock unions, then enterprises, and load the whole coverage of those unions.

    Raises UnionMeanwhile; the caller then rolls back, which releases the locks.
    """
    seen = {f.union_id for facts in (await store.coverage(conn, closed, ())).values() for f in facts}
    heads = await journal.lock(conn, [union_subject(union_id) for union_id in seen])
    heads |= await journal.lock(conn, [enterprise_subject(enterprise_id) for enterprise_id in closed])
    world = World(heads={subject: head.sequence for subject, head in heads.items()})
    world.coverage = await store.coverage(conn, closed, seen)
    if {f.union_id for enterprise_id in closed for f in world.coverage[enterprise_id]} - seen:
        raise UnionMeanwhile
    world.enterprises = await enterprises(conn, closed)
    world.unions = await store.unions(conn, seen)
    return world


apply = directory_reader(follow_closures)
