"""The table `standing_facts`: facts as they stand, of the kinds that a service lists (`FactKind.listed`). Every statement is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from shared.contracts import TYPES, Event, plain, type_of
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.process.db import Connection
from shared.writing.facts import Fact
from shared.writing.table import Table

PUT = """
INSERT INTO standing_facts (subject, type, rank, event_id, occurred_on, data)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[], $5::date[], $6::jsonb[])
ON CONFLICT (subject, type, rank) DO UPDATE
    SET event_id = excluded.event_id, occurred_on = excluded.occurred_on, data = excluded.data
"""
DROP = """
DELETE FROM standing_facts AS f USING unnest($1::text[], $2::bigint[], $3::bigint[]) AS gone(subject, first, last)
WHERE f.subject = gone.subject AND f.type = ANY($4::text[]) AND f.rank BETWEEN gone.first AND gone.last
"""
LISTED = """
SELECT rank, event_id, occurred_on, data FROM standing_facts
WHERE subject = $1 AND type = $2 AND rank > $3 ORDER BY rank LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A fact as it stands. `event_id` is the last event that states it: the one that a correction names."""

    rank: int
    event_id: UUID
    on: date
    data: dict[str, Any]


async def put(conn: Connection, table: Table[Any, Any], facts: Sequence[tuple[Fact, int, UUID]]) -> None:
    """Bring the table up to these facts: (fact, its sequence, its event), in the order in which they were recorded."""
    types = table.listed_types
    if not types:
        return
    standing: dict[tuple[str, str, int], tuple[UUID, date, dict[str, Any]]] = {}
    gone: list[tuple[str, int, int]] = []
    for fact, sequence, event_id in facts:
        data = fact.data
        if isinstance(data, EventWithdrawn):
            gone.append((fact.subject, data.first, data.last))
            standing = {
                place: row for place, row in standing.items() if place[0] != fact.subject or not data.first <= place[2] <= data.last
            }
        elif isinstance(data, FactCorrected) and data.fact in types:
            place = (fact.subject, data.fact, data.rank)
            if data.replacement is None:
                standing.pop(place, None)
                gone.append((fact.subject, data.rank, data.rank))
            else:
                standing[place] = (event_id, data.replacement.occurred_on, data.replacement.data)
        elif not isinstance(data, FactCorrected) and (name := type_of(data)) in types:
            standing[fact.subject, name, sequence] = (event_id, fact.on, plain(data))
    if gone:
        await conn.execute(DROP, *map(list, zip(*gone, strict=True)), types)
    if standing:
        places, rows = zip(*standing.items(), strict=True)
        await conn.execute(PUT, *map(list, zip(*places, strict=True)), *map(list, zip(*rows, strict=True)))


async def listed(conn: Connection, subject: str, contract: type[Event], after: int, limit: int) -> list[Listed]:
    """The facts of one kind on one stream with a rank above `after`, in the order in which they were first recorded."""
    type_name = next(name for name, struct in TYPES.items() if struct is contract)
    rows = await conn.fetch(LISTED, subject, type_name, after, limit)
    return [Listed(row["rank"], row["event_id"], row["occurred_on"], row["data"]) for row in rows]
