"""Every statement that erases a person: the row with document and hashes, notes about the memberships, and the prints of requests.

The memberships stay, and with them the number of a person who is nobody now; the journal is not touched.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from shared.journal import idempotency
from shared.journal.idempotency import Keys
from shared.process.db import Connection

BY_ID = "SELECT no FROM persons WHERE id = $1"
BY_MEMBERSHIP = "SELECT person_no FROM memberships WHERE id = $1"
ERASED_BY_ID = "SELECT person_id, person_no FROM erasures WHERE person_id = $1"
ERASED_BY_NO = "SELECT person_id, person_no FROM erasures WHERE person_no = $1"
UNNUMBERED = "SELECT EXISTS (SELECT FROM persons WHERE number_hash IS NULL)"
LOCK = "SELECT id, no FROM persons WHERE no = ANY($1::bigint[]) ORDER BY no FOR UPDATE"
BY_IDS = "SELECT id, no FROM persons WHERE id = ANY($1::uuid[])"
EVENTS = """
WITH own AS (
    SELECT subject, sequence, event_id, recorded_at,
        ARRAY[data->>'note_id', data->'withdrawn'->'data'->>'note_id', data->'replacement'->'data'->>'note_id'] AS notes
    FROM journal WHERE subject = ANY($1::text[]) AND ARRAY[
        data->>'membership_id', data->'withdrawn'->'data'->>'membership_id', data->'replacement'->'data'->>'membership_id'
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
DROP = "DELETE FROM persons WHERE no = ANY($1::bigint[])"
NUMBER = """
UPDATE erasures AS e SET person_no = n.no FROM unnest($1::uuid[], $2::bigint[]) AS n(person_id, no)
WHERE e.person_id = n.person_id AND e.person_no IS NULL
"""


async def number_of(conn: Connection, given: UUID) -> int | None:
    """The number of the person with this id, or of whom the membership with this id is; None: there is neither."""
    for statement in (BY_ID, BY_MEMBERSHIP):
        number: int | None = await conn.fetchval(statement, given)
        if number is not None:
            return number
    return None


async def erased_before(conn: Connection, given: UUID | int) -> tuple[UUID, int] | None:
    """(id, number) of a person who was erased, by one of the two."""
    row = await conn.fetchrow(ERASED_BY_ID if isinstance(given, UUID) else ERASED_BY_NO, given)
    return None if row is None else (row["person_id"], row["person_no"])


async def unnumbered(conn: Connection) -> bool:
    """Whether there are rows of earlier releases that no hash of a number finds."""
    return bool(await conn.fetchval(UNNUMBERED))


async def lock(conn: Connection, numbers: Collection[int]) -> dict[UUID, int]:
    """{id: number} of these persons' rows that are there, locked against everything that is decided about them."""
    return {row["id"]: row["no"] for row in await conn.fetch(LOCK, list(numbers))}


async def rows_of(conn: Connection, ids: Collection[UUID]) -> dict[UUID, int]:
    """{id: number} of the rows with these ids."""
    return {row["id"]: row["no"] for row in await conn.fetch(BY_IDS, list(ids))}


async def erase(conn: Connection, keys: Keys, rows: dict[UUID, int], memberships: Collection[UUID], subjects: Collection[str]) -> None:
    """Erase these rows; `subjects`: the streams on which the facts of the memberships are. The requests that recorded these are not done again."""
    ids = [str(membership) for membership in memberships]
    events = await conn.fetch(EVENTS, list(subjects), ids)
    await conn.execute(DROP_NOTES, [UUID(note) for event in events for note in event["notes"] if note is not None])
    await idempotency.unprint(conn, keys, {event["event_id"]: event["recorded_at"] for event in events})
    await conn.execute(DROP, list(rows.values()))
    await conn.execute(NUMBER, list(rows), list(rows.values()))
