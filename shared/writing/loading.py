"""What commands are decided on: their streams are locked, then the world is loaded, by the same statements for one line and a thousand."""

from __future__ import annotations

from datetime import date
from typing import TypeVar

from shared.journal import journal
from shared.process.db import Connection
from shared.writing import standing
from shared.writing.evolving import new_world
from shared.writing.facts import World
from shared.writing.standing import Loaded
from shared.writing.table import Context, Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)


async def load(conn: Connection, table: Table[W, N], context: Context, needs: N) -> tuple[W, date, frozenset[str]]:
    """(the world under its locks, today, the streams locked)"""
    await _look(conn, table, needs)
    if table.widen is not None:
        await table.widen(conn, needs)
    world = new_world(table)
    world.heads = await lock(conn, table, needs)
    locked = frozenset(world.heads)
    if table.whole_streams:
        _take(world, await standing.whole(conn, locked))
        world.heads |= {subject: history.sequence for subject, history in world.histories.items()}
    await table.load(conn, context, needs, world)
    if not table.whole_streams and (needs.events or needs.ranges):
        _take(world, await standing.named(conn, needs.events, needs.ranges, world.heads))
    today = world.today if world.today is not None else await context.clock.today(conn)
    return world, today, locked


async def _look(conn: Connection, table: Table[W, N], needs: N) -> None:
    """Before the locks: what the facts need that corrections and withdrawals name. They are loaded again under the locks."""
    if not needs.events and not needs.ranges:
        return
    if table.whole_streams:
        subjects = {*(await standing.subjects_of(conn, needs.events)).values(), *(subject for subject, _, _ in needs.ranges)}
        needs.streams |= subjects
        for subject in subjects:
            table.corrections.stream(needs, subject)
        return
    loaded = await standing.named(conn, needs.events, needs.ranges)
    needs.streams |= loaded.histories.keys()
    for subject, history in loaded.histories.items():
        table.corrections.stream(needs, subject)
        for fact in history.facts.values():
            kind = table.kind_named(fact.type)
            if kind is not None and fact.data is not None:
                kind.needs(needs, fact)


async def lock(conn: Connection, table: Table[W, N], needs: N) -> dict[str, int]:
    """Lock streams, step by step in the order of docs/design/ENGINE.md, Writing 2; {stream: sequence}.

    Of whole streams the sequence is 0 here; it is known once they are folded.
    """
    locked: dict[str, int] = {}
    for step in table.locks:
        wanted = await step.wanted(conn, needs)
        if step.known is None and table.whole_streams:
            locked |= dict.fromkeys(await journal.lock_existing(conn, wanted), 0)
            continue
        heads = await journal.lock_if_all_exist(conn, wanted)
        if len(heads) < len(set(wanted)):
            if step.known is None:
                locked |= await standing.heads(conn, await journal.lock_existing(conn, wanted))
                continue
            heads = await journal.lock(conn, await step.known(conn, needs))
        locked |= {subject: head.sequence for subject, head in heads.items()}
    rest = {subject for subject, _, _ in needs.ranges if subject not in locked}
    if rest and not table.whole_streams:
        # Streams whose resource is known no longer.
        locked |= await standing.heads(conn, await journal.lock_existing(conn, rest))
    return locked


def _take(world: World, loaded: Loaded) -> None:
    world.histories = loaded.histories
    world.events = loaded.events
