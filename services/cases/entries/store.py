"""Every statement on entries, their enterprises and their clocks, with the types of their rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.cases.entries.entry import Entry
from services.cases.entries.world import Copy
from shared import contracts
from shared.contracts import plain
from shared.process.db import Connection, Record
from shared.writing.facts import Standing

PLACES = """
SELECT e.id, e.subject, ARRAY(SELECT enterprise_id FROM entry_enterprises AS x WHERE x.entry_id = e.id) AS enterprises
FROM entries AS e WHERE e.id = ANY($1::uuid[])
"""
ENTRIES = """
SELECT e.id, e.noun, e.subject, e.enterprise_id, e.area, e.facts, e.private,
    ARRAY(SELECT enterprise_id FROM entry_enterprises AS x WHERE x.entry_id = e.id) AS enterprises
FROM entries AS e WHERE e.id = ANY($1::uuid[])
"""
PUT = """
INSERT INTO entries SELECT * FROM jsonb_populate_recordset(NULL::entries, $1)
ON CONFLICT (id) DO UPDATE SET opened_on = excluded.opened_on, kind = excluded.kind, state = excluded.state,
    assigned_to = excluded.assigned_to, until = excluded.until, next_due = excluded.next_due, wake_on = excluded.wake_on,
    book_version = excluded.book_version, facts = excluded.facts, private = excluded.private, enterprise_id = excluded.enterprise_id,
    area = excluded.area
"""
PUT_ENTERPRISES = """
INSERT INTO entry_enterprises (entry_id, enterprise_id, last_day) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[])
ON CONFLICT (entry_id, enterprise_id) DO UPDATE SET last_day = excluded.last_day WHERE entry_enterprises.last_day IS DISTINCT FROM excluded.last_day
"""
DROP_ENTERPRISES = """
DELETE FROM entry_enterprises AS x USING unnest($1::uuid[]) AS changed(id)
WHERE x.entry_id = changed.id AND (x.entry_id, x.enterprise_id) NOT IN (SELECT * FROM unnest($2::uuid[], $3::uuid[]))
"""
DROP_CLOCKS = "DELETE FROM entry_clocks WHERE entry_id = ANY($1::uuid[])"
PUT_CLOCKS = """
INSERT INTO entry_clocks (entry_id, number, open, due_on, clock)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::boolean[], $4::date[], $5::jsonb[])
"""
COPIES = "SELECT entry_id, fact_rank, enterprise_id, rank, event_id FROM entry_copies WHERE entry_id = ANY($1::uuid[])"
PUT_COPIES = """
INSERT INTO entry_copies (entry_id, enterprise_id, rank, fact_rank, event_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[])
"""
DROP_COPIES = """
DELETE FROM entry_copies AS c USING unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS gone(entry_id, enterprise_id, rank)
WHERE c.entry_id = gone.entry_id AND c.enterprise_id = gone.enterprise_id AND c.rank = gone.rank
"""
WAKING = """
SELECT id FROM entries WHERE wake_on <= $1 AND NOT (id = ANY($3::uuid[])) ORDER BY wake_on, id LIMIT $2
"""
OUTDATED = """
SELECT id FROM entries WHERE book_version < $1 AND NOT (id = ANY($3::uuid[])) ORDER BY book_version, id LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Place:
    """On which streams the facts of an entry stand."""

    subject: str
    enterprises: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class ClockRow:
    """A computed clock: `clock` is what answers show of it, without its state."""

    entry_id: UUID
    number: int
    open: bool
    due_on: date | None
    clock: dict[str, Any]


async def places(conn: Connection, ids: Collection[UUID]) -> dict[UUID, Place]:
    """Where these entries are, as far as they exist."""
    rows = await conn.fetch(PLACES, list(ids)) if ids else ()
    return {row["id"]: Place(row["subject"], row["enterprises"]) for row in rows}


async def entries(conn: Connection, ids: Collection[UUID]) -> dict[UUID, Entry]:
    """These entries, as far as they exist."""
    return {row["id"]: entry_of(row) for row in await conn.fetch(ENTRIES, list(ids))} if ids else {}


def entry_of(row: Record) -> Entry:
    """A row with the columns of ENTRIES."""
    others = [one for one in row["enterprises"] if one != row["enterprise_id"]]
    first = [row["enterprise_id"]] if row["enterprise_id"] else []
    facts = tuple(standing(row["subject"], one) for one in row["facts"])
    return Entry(row["id"], row["noun"], row["subject"], tuple(first + others), row["area"], facts, row["private"])


def standing(subject: str, kept: dict[str, Any]) -> Standing:
    """A fact as the column `facts` keeps it."""
    data = contracts.fact(kept["type"], kept["data"])
    event_id = UUID(kept["event_id"])
    return Standing(subject, kept["rank"], kept["type"], date.fromisoformat(kept["on"]), data, event_id, content=kept["data"])


def kept(fact: Standing) -> dict[str, Any]:
    """A fact for the column `facts`."""
    assert fact.data is not None
    return {
        "rank": fact.rank,
        "type": fact.type,
        "on": fact.on.isoformat(),
        "event_id": str(fact.event_id),
        "data": plain(fact.data) if fact.content is None else dict(fact.content),
    }


async def put(
    conn: Connection, rows: Sequence[dict[str, Any]], enterprises: Sequence[tuple[UUID, UUID, date | None]], clocks: Sequence[ClockRow]
) -> None:
    """Write entries with their enterprises (entry, enterprise, last day of the entry) and their clocks, each in full."""
    ids = [UUID(row["id"]) for row in rows]
    await conn.execute(PUT, list(rows))
    pairs = [pair[0] for pair in enterprises], [pair[1] for pair in enterprises]
    if enterprises:
        await conn.execute(PUT_ENTERPRISES, *pairs, [pair[2] for pair in enterprises])
    await conn.execute(DROP_ENTERPRISES, ids, *pairs)
    await conn.execute(DROP_CLOCKS, ids)
    if clocks:
        columns = zip(*((one.entry_id, one.number, one.open, one.due_on, one.clock) for one in clocks), strict=True)
        await conn.execute(PUT_CLOCKS, *map(list, columns))


async def copies(conn: Connection, ids: Collection[UUID]) -> dict[tuple[UUID, int], list[Copy]]:
    """{(entry, rank of a fact): its copies} of these entries."""
    found: dict[tuple[UUID, int], list[Copy]] = {}
    for row in await conn.fetch(COPIES, list(ids)) if ids else ():
        found.setdefault((row["entry_id"], row["fact_rank"]), []).append(Copy(row["enterprise_id"], row["rank"], row["event_id"]))
    return found


async def put_copies(
    conn: Connection, new: Mapping[tuple[UUID, UUID, int], tuple[int, UUID]], gone: Collection[tuple[UUID, UUID, int]]
) -> None:
    """Write copies: {(entry, enterprise, rank): (rank of the fact, event)}, and take away those that are `gone`."""
    if new:
        rows = [(*place, *said) for place, said in new.items()]
        await conn.execute(PUT_COPIES, *map(list, zip(*rows, strict=True)))
    if gone:
        await conn.execute(DROP_COPIES, *map(list, zip(*gone, strict=True)))


async def waking(conn: Connection, today: date, limit: int, without: Collection[UUID] = ()) -> list[UUID]:
    """Entries of which the service itself has something to record by `today`, but for those `without`."""
    return [row["id"] for row in await conn.fetch(WAKING, today, limit, list(without))]


async def outdated(conn: Connection, version: int, limit: int, without: Collection[UUID] = ()) -> list[UUID]:
    """Entries whose clocks were computed by rules and calendars before `version`, but for those `without`."""
    return [row["id"] for row in await conn.fetch(OUTDATED, version, limit, list(without))]
