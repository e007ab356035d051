"""What is decided becomes true: facts are appended to the journal, and the tables brought up to the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.journal import journal
from shared.journal.journal import Actor, Appended, Draft
from shared.process.db import Connection
from shared.writing import listing, standing
from shared.writing.facts import Fact, World
from shared.writing.table import ConcurrentChange, Recorded, Table

W = TypeVar("W", bound=World)


async def record(
    conn: Connection,
    table: Table[W, Any],
    world: W,
    locked: frozenset[str],
    facts: Sequence[Fact],
    actor: Actor,
    traces: Sequence[str | None] = (),
) -> list[Appended]:
    """Append facts that `world` contains already, and bring the tables up to it. `locked`: streams that this transaction holds.

    `traces`: of each fact the trace, None: the actor's. Other streams are new and are created. Raises ConcurrentChange if another command began one of them, journal.ClockAheadError,
    journal.EventTooLargeError.
    """
    if not facts:
        return []
    new = {fact.subject for fact in facts} - locked
    if new and any(head.sequence for head in (await journal.lock(conn, new)).values()):
        raise ConcurrentChange("another command began the same stream")
    appended = await journal.append(
        conn,
        [
            Draft(fact.subject, fact.data, fact.on, fact.cause_id, event_id=fact.event_id, traceparent=trace)
            for fact, trace in zip(facts, traces or [None] * len(facts), strict=True)
        ],
        actor,
    )
    events: dict[tuple[str, int], UUID] = {}
    for fact, place in zip(facts, appended, strict=True):
        if not isinstance(fact.data, EventWithdrawn):
            rank = fact.data.rank if isinstance(fact.data, FactCorrected) else place.sequence
            events[fact.subject, rank] = place.event_id
    await table.write(conn, world, Recorded(events, facts))
    if not table.whole_streams:
        await standing.put_corrections(conn, facts, [place.event_id for place in appended])
        await listing.put(conn, table, [(fact, place.sequence, place.event_id) for fact, place in zip(facts, appended, strict=True)])
    return appended
