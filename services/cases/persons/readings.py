"""The log of readings: who read what is kept of persons, when and for which purpose. Every statement on `person_readings`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.persons.sealing import Person
from shared.process.db import Connection

RECORD = "INSERT INTO person_readings (client, purpose, noun, entry_id, persons, area) VALUES ($1, $2, $3, $4, $5, $6)"
LISTED = """
WITH RECURSIVE inside AS (
    SELECT code FROM areas WHERE code = $1
    UNION
    SELECT a.code FROM areas AS a JOIN inside AS i ON a.parent = i.code
)
SELECT number, read_at, client, purpose, noun, entry_id, persons, area FROM person_readings
WHERE ($1::text IS NULL OR area IN (SELECT code FROM inside))
    AND ($2::timestamptz IS NULL OR read_at >= $2)
    AND ($3::timestamptz IS NULL OR read_at < $3)
    AND number > $4
ORDER BY number LIMIT $5
"""
SHORTEST = 2
"""Characters of a name that is looked for in a purpose."""
HIDDEN = "***"


class Reading(msgspec.Struct, frozen=True):
    """One reading. `persons`: the ids of those who were shown."""

    number: int
    read_at: datetime
    client: str
    purpose: str
    noun: str
    entry_id: UUID
    persons: list[UUID]
    area: str | None


async def record(
    conn: Connection, client: str, purpose: str, noun: str, entry_id: UUID, persons: Sequence[tuple[UUID, Person]], area: str | None
) -> None:
    """Somebody reads what is kept of these persons. What of the purpose names one of them is not kept: it would outlive the person."""
    shown = purpose
    for _, person in persons:
        shown = without(shown, person)
    await conn.execute(RECORD, client, shown, noun, entry_id, [person_id for person_id, _ in persons], area)


def without(text: str, person: Person) -> str:
    """The text without the person's name, number and telephone."""
    for part in (person.name, person.document_number, person.phone):
        if part is not None and len(part) >= SHORTEST:
            text = text.replace(part, HIDDEN)
    return text


async def listed(
    conn: Connection, area: str | None, since: datetime | None, until: datetime | None, after: int, most: int
) -> list[Reading]:
    """Readings of entries in an area, from `since` to before `until`, behind number `after`, the oldest first."""
    return [Reading(**dict(row)) for row in await conn.fetch(LISTED, area, since, until, after, most)]
