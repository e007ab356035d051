"""How this service erases a person: `shared/service/erasing.py` calls it.

What names the person goes: the row, the figures and the enterprise of hardship files and employment help, notes of
those files and of the person's cases, and the prints of the requests. Facts, and with them counts, clocks and audits, stay; so do the ids by
which entries named the person, who is nobody now.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from services.cases.entries.needs import Context
from services.cases.persons import store
from shared.directory.store import enterprises
from shared.journal import idempotency, journal
from shared.journal.idempotency import Keys
from shared.persons import erasures
from shared.process.db import Connection
from shared.service.erasing import Erased, Erasing
from shared.writing.table import ConcurrentChange

BY_ENTRY = "SELECT person_id FROM entry_persons WHERE entry_id = $1 ORDER BY role LIMIT 1"
LOCK = "SELECT id FROM persons WHERE id = $1 FOR UPDATE"
ENTRIES = "SELECT id, noun, subject, area, enterprise_id FROM entries WHERE id = ANY($1::uuid[]) ORDER BY id"
EVENTS = """
WITH own AS (
    SELECT subject, sequence, event_id, recorded_at,
        ARRAY[data->>'note_id', data->'withdrawn'->'data'->>'note_id', data->'replacement'->'data'->>'note_id'] AS notes
    FROM journal WHERE subject = ANY($1::text[]) AND ARRAY[
        data->>'case_id', data->>'hardship_id', data->>'help_id',
        data->'withdrawn'->'data'->>'case_id', data->'withdrawn'->'data'->>'hardship_id', data->'withdrawn'->'data'->>'help_id',
        data->'replacement'->'data'->>'case_id', data->'replacement'->'data'->>'hardship_id', data->'replacement'->'data'->>'help_id'
    ] && $2::text[]
), withdrawals AS (
    SELECT w.event_id, w.recorded_at, ARRAY[w.data->>'note_id'] AS notes FROM journal AS w
    WHERE w.subject = ANY($1::text[]) AND w.type = 'parkunion.event-withdrawn.v1' AND EXISTS (
        SELECT FROM own WHERE own.subject = w.subject AND own.sequence BETWEEN (w.data->>'from')::bigint AND (w.data->>'to')::bigint
    )
)
SELECT event_id, recorded_at, notes FROM own UNION ALL SELECT event_id, recorded_at, notes FROM withdrawals
"""
DROP_NOTES = "DELETE FROM notes WHERE note_id = ANY($1::uuid[])"
DROP_PRIVATE = "UPDATE entries SET private = '{}' WHERE id = ANY($1::uuid[]) AND noun IN ('hardship', 'help')"
DROP = "DELETE FROM persons WHERE id = $1"
OWN_STREAMS = ("hardship", "help")


async def find(conn: Connection, _context: Context, given: UUID) -> Erased | None:
    """The person of an id, or whom the entry with that id names. Whoever erases needs the areas of every entry that names the person."""
    person = await conn.fetchval(BY_ENTRY, given) or given
    entries = await _entries(conn, person)
    # Streams before persons, as commands lock them: they write the figures that go here.
    await journal.lock_existing(conn, {row["subject"] for row in entries if row["noun"] in OWN_STREAMS})
    if await conn.fetchval(LOCK, person) is None:
        before = await erasures.one(conn, person)
        return None if before is None else Erased(person, (), await _areas(conn, entries))
    if [row["id"] for row in await _entries(conn, person)] != [row["id"] for row in entries]:
        raise ConcurrentChange("another command has named the person meanwhile")
    return Erased(person, [person], await _areas(conn, entries))


async def erase(conn: Connection, context: Context, found: Erased) -> None:
    """Remove what names the person."""
    entries = await _entries(conn, found.person_id)
    ids = [row["id"] for row in entries]
    events = await conn.fetch(EVENTS, list({row["subject"] for row in entries}), [str(entry_id) for entry_id in ids])
    await conn.execute(DROP_NOTES, [UUID(note) for event in events for note in event["notes"] if note is not None])
    await idempotency.unprint(conn, Keys(context.fingerprint_key), {event["event_id"]: event["recorded_at"] for event in events})
    await conn.execute(DROP_PRIVATE, ids)
    await conn.execute(DROP, found.person_id)


async def _entries(conn: Connection, person: UUID) -> list[Any]:
    named = (await store.entries_of(conn, [person])).get(person, [])
    return await conn.fetch(ENTRIES, named)


async def _areas(conn: Connection, entries: Collection[Any]) -> set[str | None]:
    known = await enterprises(conn, {row["enterprise_id"] for row in entries if row["enterprise_id"]})
    parks = {row["enterprise_id"]: known[row["enterprise_id"]].park for row in entries if row["enterprise_id"] in known}
    return {row["area"] or parks.get(row["enterprise_id"]) for row in entries} or {None}


ERASING = Erasing(service="cases", find=find, erase=erase)
