"""Lists of entries and of clocks: every statement, and what of a row answers show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.cases.entries import clocking, store
from services.cases.entries.entry import Entry
from services.cases.nouns import NOUNS
from shared.directory.store import inside
from shared.process.db import Connection, Record

PLACED = """
($1::text[] IS NULL OR p.park = ANY($1) OR e.area = ANY($1) OR EXISTS (
    SELECT FROM entry_places AS x WHERE x.entry_id = e.id AND x.park = ANY($1)
))
"""
"""Whether an entry lies in these areas; the rows of most are told by their first enterprise."""
COLUMNS = """
e.id, e.noun, e.subject, e.enterprise_id, e.area, e.facts, e.private, e.next_due, p.park,
ARRAY(SELECT enterprise_id FROM entry_enterprises AS x WHERE x.entry_id = e.id ORDER BY enterprise_id) AS enterprises
"""
LIST = f"""
SELECT {COLUMNS} FROM entries AS e LEFT JOIN entry_places AS p ON p.entry_id = e.id AND p.enterprise_id = e.enterprise_id
WHERE e.noun = $2 AND e.opened_on IS NOT NULL AND {PLACED}
    AND ($3::text IS NULL OR e.kind = $3)
    AND ($4::text IS NULL OR e.state = $4)
    AND ($5::date IS NULL OR e.next_due <= $5)
    AND ($6::text IS NULL OR e.assigned_to = $6)
    AND ($7::date IS NULL OR e.until <= $7)
    AND ($8::uuid IS NULL OR EXISTS (SELECT FROM entry_enterprises AS x WHERE x.entry_id = e.id AND x.enterprise_id = $8))
    AND ($9::uuid IS NULL OR e.id > $9)
ORDER BY e.id LIMIT $10
"""
ONE = f"SELECT {COLUMNS} FROM entries AS e LEFT JOIN entry_places AS p ON p.entry_id = e.id AND p.enterprise_id = e.enterprise_id WHERE e.id = $1 AND e.noun = $2"
OPEN_CLOCKS = """
entry_clocks AS c
CROSS JOIN LATERAL (
    SELECT n.noun, n.kind, n.enterprise_id, n.assigned_to, n.area, p.park
    FROM entries AS n LEFT JOIN entry_places AS p ON p.entry_id = n.id AND p.enterprise_id = n.enterprise_id
    WHERE n.id = c.entry_id AND n.opened_on IS NOT NULL OFFSET 0
) AS e
WHERE c.open
    AND ($1::text[] IS NULL OR e.park = ANY($1) OR e.area = ANY($1) OR EXISTS (
        SELECT FROM entry_places AS x WHERE x.entry_id = c.entry_id AND x.park = ANY($1)
    ))
"""
"""Open clocks of these areas with what is asked of their entries. An entry is looked up by its key (OFFSET 0): joined otherwise, every entry is
read for a page of clocks."""
CLOCKS = f"""
SELECT c.entry_id, c.number, c.due_on, c.clock, e.noun, e.kind, e.enterprise_id, e.assigned_to, coalesce(e.park, e.area) AS park
FROM {OPEN_CLOCKS}
    AND ($2::date IS NULL OR c.due_on <= $2)
    AND ($3::text IS NULL OR e.assigned_to = $3)
    AND (
        $4::uuid IS NULL
        OR (coalesce(c.due_on, 'infinity'::date), c.entry_id, c.number) > (coalesce($5::date, 'infinity'::date), $4::uuid, $6::int)
    )
ORDER BY coalesce(c.due_on, 'infinity'::date), c.entry_id, c.number LIMIT $7
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a list is asked for; None: anything. `until`: entries that hold no longer than this day."""

    area: str | None = None
    kind: str | None = None
    state: str | None = None
    due_until: date | None = None
    assigned_to: str | None = None
    until: date | None = None
    enterprise: UUID | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """An entry with where it is, which is where its enterprise was on its last day, and the first day on which a clock of it is due."""

    entry: Entry
    park: str | None
    next_due: date | None

    @property
    def area(self) -> str | None:
        """The park, or the area of an entry without enterprises."""
        return self.park or self.entry.area

    def common(self) -> dict[str, Any]:
        """The fields of EntryAnswer."""
        noun = NOUNS[self.entry.noun]
        opening = self.entry.first(noun.opening)
        assert opening is not None
        return {
            "id": self.entry.id,
            "enterprise_id": self.entry.enterprises[0] if self.entry.enterprises else None,
            "area": self.area,
            "state": noun.state(self.entry),
            "event_id": opening[0].event_id,
            "sequence": opening[0].rank,
            "next_due": self.next_due,
        }


async def places(conn: Connection, entry_id: UUID) -> set[str]:
    """The parks in which an entry is."""
    return {row["park"] for row in await conn.fetch("SELECT park FROM entry_places WHERE entry_id = $1", entry_id)}


@dataclass(frozen=True, slots=True)
class ClockPlace:
    """Where a page of clocks ended."""

    due_on: date | None
    entry_id: UUID
    number: int


async def entries(conn: Connection, noun: str, asked: Filter, after: UUID | None, limit: int) -> list[Row]:
    """Entries of a register by age, as far as row-level security shows them."""
    codes = await codes_inside(conn, asked.area)
    own = (asked.kind, asked.state, asked.due_until, asked.assigned_to, asked.until, asked.enterprise)
    return [_row(row) for row in await conn.fetch(LIST, codes, noun, *own, after, limit)]


async def one(conn: Connection, noun: str, entry_id: UUID) -> Row | None:
    """One entry; None if there is none, or if its opening was withdrawn."""
    row = await conn.fetchrow(ONE, entry_id, noun)
    found = _row(row) if row is not None else None
    return found if found is not None and found.entry.first(NOUNS[noun].opening) is not None else None


async def clocks(
    conn: Connection, area: str | None, until: date | None, assigned_to: str | None, after: ClockPlace | None, limit: int, today: date
) -> list[tuple[ClockPlace, dict[str, Any]]]:
    """Open clocks, those due first at the top and those without a day last, each with its place."""
    last = (after.entry_id, after.due_on, after.number) if after else (None, None, None)
    rows = await conn.fetch(CLOCKS, await codes_inside(conn, area), until, assigned_to, *last, limit)
    return [(ClockPlace(row["due_on"], row["entry_id"], row["number"]), _shown(row, today)) for row in rows]


async def codes_inside(conn: Connection, area: str | None) -> list[str] | None:
    """The codes of an area and of all within it; None: anywhere."""
    return None if area is None else sorted(await inside(conn, [area]))


def _shown(row: Record, today: date) -> dict[str, Any]:
    subject = {
        "noun": row["noun"],
        "id": row["entry_id"],
        "kind": row["kind"],
        "enterprise_id": row["enterprise_id"],
        "area": row["park"],
        "assigned_to": row["assigned_to"],
    }
    return clocking.shown(subject, clocking.of_plain(row["clock"]), today)


def _row(row: Record) -> Row:
    return Row(store.entry_of(row), row["park"], row["next_due"])


def subject_of(row: Row) -> dict[str, Any]:
    """Whose clocks they are."""
    noun = NOUNS[row.entry.noun]
    return {
        "noun": noun.name,
        "id": row.entry.id,
        "kind": noun.kind(row.entry),
        "enterprise_id": row.entry.enterprises[0] if row.entry.enterprises else None,
        "area": row.area,
        "assigned_to": noun.assigned_to(row.entry),
    }
