"""Loads facts as they stand: those that corrections name, a range that a withdrawal names, or whole streams. Every statement is here.

The table `corrections` (subject, rank, event_id, occurred_on, data) keeps the last correction or withdrawal of a fact; `data` null: nothing
holds in its place. A service of whole streams needs no such table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from shared import contracts
from shared.contracts import TYPES, Event, UnreadableEvent
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.process.db import Connection, Record
from shared.writing.evolving import without
from shared.writing.facts import Fact, History, Standing, World

NAMES = {contract: name for name, contract in TYPES.items()}
CORRECTION = NAMES[FactCorrected]
WITHDRAWAL = NAMES[EventWithdrawn]
MOST_CHECKED = 100_000

SUBJECTS_OF = "SELECT event_id, subject FROM journal WHERE event_id = ANY($1::uuid[])"
STREAMS = "SELECT subject, type, data, occurred_on, event_id FROM journal WHERE subject = ANY($1::text[]) ORDER BY subject, sequence"
HEADS = "SELECT subject, sequence FROM streams WHERE subject = ANY($1::text[])"
NAMED = """
WITH named AS (
    SELECT event_id, subject, CASE WHEN type = $2 THEN (data->>'rank')::bigint ELSE sequence END AS rank
    FROM journal WHERE event_id = ANY($1::uuid[])
)
SELECT n.event_id AS named, n.subject, n.rank AS sequence, o.type, o.event_id, c.event_id AS latest,
    coalesce(c.occurred_on, o.occurred_on) AS occurred_on, CASE WHEN c.event_id IS NULL THEN o.data ELSE c.data END AS data
FROM named AS n
JOIN journal AS o ON o.subject = n.subject AND o.sequence = n.rank
LEFT JOIN corrections AS c ON c.subject = n.subject AND c.rank = n.rank
"""
RANGE = """
SELECT j.subject, j.sequence, j.type, j.event_id, c.event_id AS latest, coalesce(c.occurred_on, j.occurred_on) AS occurred_on,
    CASE WHEN c.event_id IS NULL THEN j.data ELSE c.data END AS data
FROM journal AS j LEFT JOIN corrections AS c ON c.subject = j.subject AND c.rank = j.sequence
WHERE j.subject = $1 AND j.sequence BETWEEN $2 AND $3 ORDER BY j.sequence
"""
UNREADABLE = """
SELECT (j.subject, j.sequence) FROM unnest({subjects}::text[], {checked}::bigint[]) AS c(subject, checked)
JOIN journal AS j ON j.subject = c.subject AND j.sequence > c.checked
WHERE j.type <> ALL({types}::text[]) AND NOT EXISTS (SELECT FROM corrections AS k WHERE k.subject = j.subject AND k.rank = j.sequence)
"""
"""Events of types that this release does not know and that are not withdrawn, behind `checked`. Also part of larger statements."""
PUT_CORRECTIONS = """
INSERT INTO corrections (subject, rank, event_id, occurred_on, data)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::date[], $5::jsonb[])
ON CONFLICT (subject, rank) DO UPDATE SET event_id = excluded.event_id, occurred_on = excluded.occurred_on, data = excluded.data
"""
PUT_WITHDRAWN = """
INSERT INTO corrections (subject, rank, event_id, occurred_on, data)
SELECT $1, rank, $4, NULL, NULL FROM generate_series($2::bigint, $3::bigint) AS rank
ON CONFLICT (subject, rank) DO UPDATE SET event_id = excluded.event_id, occurred_on = NULL, data = NULL
"""


@dataclass(slots=True)
class Loaded:
    """{stream: its facts, as far as loaded} and {event: (stream, rank of the fact that it states)}."""

    histories: dict[str, History] = field(default_factory=dict)
    events: dict[UUID, tuple[str, int]] = field(default_factory=dict)


class CheckedStreams:
    """{stream: sequence up to which this process found every event readable}, so that each event is looked at once.

    Only what is committed is looked at: under the stream's lock, before this transaction appends.
    """

    def __init__(self) -> None:
        self._checked: dict[str, int] = {}

    def arguments(self, sequences: Mapping[str, int]) -> tuple[list[str], list[int], list[str]]:
        """Those of UNREADABLE, for streams locked at these sequences: subjects, positions checked, known types."""
        wanted = [subject for subject, sequence in sequences.items() if self._checked.get(subject, 0) != sequence]
        return wanted, [self._checked.get(subject, 0) for subject in wanted], list(TYPES)

    def take(self, sequences: Mapping[str, int], rows: Iterable[tuple[str, int]]) -> dict[str, frozenset[int]]:
        """{stream: sequences of its unreadable events}, and remember the other streams as checked."""
        found: dict[str, set[int]] = {}
        for subject, sequence in rows:
            found.setdefault(subject, set()).add(sequence)
        if len(self._checked) > MOST_CHECKED:
            self._checked.clear()
        self._checked |= {subject: sequence for subject, sequence in sequences.items() if subject not in found}
        return {subject: frozenset(own) for subject, own in found.items()}


async def check_readable(conn: Connection, checked: CheckedStreams, world: World) -> None:
    """Let the world know which locked streams cannot be read in full. For a service of state tables, after the locks."""
    arguments = checked.arguments(world.heads)
    if arguments[0]:
        rows = await conn.fetch(UNREADABLE.format(subjects="$1", checked="$2", types="$3"), *arguments)
        world.unreadable = checked.take(world.heads, (row[0] for row in rows))


async def subjects_of(conn: Connection, event_ids: Collection[UUID]) -> dict[UUID, str]:
    """{event: its stream}, of those that the journal knows."""
    return {row["event_id"]: row["subject"] for row in await conn.fetch(SUBJECTS_OF, list(event_ids))} if event_ids else {}


async def heads(conn: Connection, subjects: Collection[str]) -> dict[str, int]:
    """{stream: sequence of its last event}, of those that exist."""
    return {row["subject"]: row["sequence"] for row in await conn.fetch(HEADS, list(subjects))} if subjects else {}


async def named(
    conn: Connection, events: Collection[UUID], ranges: Collection[tuple[str, int, int]], sequences: Mapping[str, int] | None = None
) -> Loaded:
    """The facts that these events state and those of these ranges. `sequences` are those of the streams, if they are locked."""
    loaded = Loaded()
    facts: dict[str, dict[int, Standing]] = {}
    for row in await conn.fetch(NAMED, list(events), CORRECTION) if events else ():
        loaded.events[row["named"]] = (row["subject"], row["sequence"])
        facts.setdefault(row["subject"], {})[row["sequence"]] = _standing(row)
    for place in ranges:
        for row in await conn.fetch(RANGE, *place):
            if row["type"] not in (CORRECTION, WITHDRAWAL):
                facts.setdefault(row["subject"], {})[row["sequence"]] = _standing(row)
    for subject, own in facts.items():
        unreadable = frozenset(rank for rank, standing in own.items() if not standing.readable)
        loaded.histories[subject] = History(subject, (sequences or {}).get(subject, 0), own, unreadable)
    return loaded


def _standing(row: Record) -> Standing:
    corrected = row["latest"] is not None
    data, readable = _read(row["type"], row["data"])
    return Standing(
        row["subject"],
        row["sequence"],
        row["type"],
        row["occurred_on"],
        data,
        row["latest"] if corrected else row["event_id"],
        row["event_id"],
        corrected,
        readable,
        row["data"],
    )


def _read(type_name: str, content: dict[str, Any] | None) -> tuple[Event | None, bool]:
    """(the typed content, whether this release can read it)"""
    if content is None:
        return None, True
    try:
        return contracts.fact(type_name, content), True
    except UnreadableEvent:
        return None, False


async def whole(conn: Connection, subjects: Collection[str]) -> Loaded:
    """Whole streams, folded from the journal."""
    loaded = Loaded()
    rows: dict[str, list[tuple[str, dict[str, Any], date, UUID]]] = {}
    for row in await conn.fetch(STREAMS, list(subjects)) if subjects else ():
        rows.setdefault(row["subject"], []).append((row["type"], row["data"], row["occurred_on"], row["event_id"]))
    for subject, events in rows.items():
        loaded.histories[subject], places = folded(subject, events)
        loaded.events |= {event_id: (subject, rank) for event_id, rank in places.items()}
    return loaded


def folded(subject: str, rows: Iterable[tuple[str, dict[str, Any], date, UUID]]) -> tuple[History, dict[UUID, int]]:
    """The stream of all its events `(type, data, occurred_on, event_id)` in sequence, and {event: rank of the fact that it states}."""
    history = History(subject)
    facts: dict[int, Standing] = {}
    unreadable: set[int] = set()
    places: dict[UUID, int] = {}
    sequence = 0
    for type_name, content, on, event_id in rows:
        sequence += 1
        places[event_id] = sequence
        data, readable = _read(type_name, content)
        if isinstance(data, FactCorrected):
            places[event_id] = data.rank
            before = facts[data.rank]
            held = replace(before, data=None, event_id=event_id, corrected=True, also=before.named_by(data.reason))
            if data.replacement is not None:
                now, _ = _read(data.fact, data.replacement.data)
                held = replace(held, on=data.replacement.occurred_on, data=now, content=data.replacement.data)
            facts[data.rank] = held
        elif isinstance(data, EventWithdrawn):
            gone = without(History(subject, sequence, facts, frozenset(unreadable)), data.first, data.last)
            facts, unreadable = dict(gone.facts), set(gone.unreadable)
        else:
            facts[sequence] = Standing(subject, sequence, type_name, on, data, event_id, event_id, readable=readable, content=content)
            if not readable:
                unreadable.add(sequence)
    history = History(subject, sequence, facts, frozenset(unreadable))
    return history, places


async def put_corrections(conn: Connection, facts: Sequence[Fact], event_ids: Sequence[UUID]) -> None:
    """Keep what holds after these facts, of which the corrections and withdrawals count, as these events."""
    last: dict[tuple[str, int], tuple[FactCorrected, UUID]] = {}
    for one, event_id in zip(facts, event_ids, strict=True):
        if isinstance(one.data, FactCorrected):
            last[one.subject, one.data.rank] = (one.data, event_id)
        elif isinstance(one.data, EventWithdrawn):
            await conn.execute(PUT_WITHDRAWN, one.subject, one.data.first, one.data.last, event_id)
    if last:
        replacements = [data.replacement for data, _ in last.values()]
        await conn.execute(
            PUT_CORRECTIONS,
            [subject for subject, _ in last],
            [rank for _, rank in last],
            [event_id for _, event_id in last.values()],
            [placed.occurred_on if placed else None for placed in replacements],
            [placed.data if placed else None for placed in replacements],
        )
