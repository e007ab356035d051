"""The statements that read events: those behind a figure, between two days of knowledge, or of one subject."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.process.db import Connection, Record

LEARNED = """
SELECT DISTINCT subject FROM g{g}.recorded_facts f WHERE known_day > $1 AND known_day <= $2 AND subject >= greatest($3, 'enterprise/')
AND ($5::text[] IS NULL OR f.subject IN (SELECT p.subject FROM g{g}.placements p WHERE p.park = ANY ($5::text[])))
ORDER BY subject LIMIT $4
"""
"""Of rows and runs, which only those who see all can read, so that no run is opened for it. IN is hashed; EXISTS may be asked for each fact and
each park."""
FACT_COLUMNS = "subject, source, sequence, event_id, type, occurred_on, known_day, recorded_at, says, actor, reason"
FACTS_BETWEEN = f"""
SELECT {FACT_COLUMNS} FROM g{{g}}.facts WHERE subject = ANY ($1::text[]) AND known_day > $2 AND known_day <= $3
ORDER BY subject, recorded_at, source, sequence
"""
FACTS_KNOWN = """
SELECT subject, type, occurred_on, sequence, known_day, says FROM g{g}.facts
WHERE subject = ANY ($1::text[]) AND known_day <= $2 AND NOT split_part(type, '.', 2) = ANY ($3::text[]) ORDER BY subject, source, sequence
"""
MEMBERS_KNOWN = """
SELECT subject, occurred_on, sum(m.each)::int AS net
FROM g{g}.facts JOIN unnest($3::text[], $4::int[]) AS m(kind, each) ON m.kind = split_part(type, '.', 2)
WHERE subject = ANY ($1::text[]) AND known_day <= $2 GROUP BY 1, 2
"""
FACTS_BY_ID = f"SELECT {FACT_COLUMNS} FROM g{{g}}.facts WHERE subject = ANY ($1::text[]) AND event_id = ANY ($2::uuid[])"
FACTS_OF = f"""
SELECT {FACT_COLUMNS} FROM g{{g}}.facts WHERE subject = $1 AND known_day <= $3
AND (CASE WHEN type IN ('parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1')
     THEN EXISTS (SELECT FROM jsonb_path_query(says, '$.withdrawn[*]') AS w(one) WHERE w.one->>'fact' = ANY ($4::text[]))
     ELSE occurred_on <= $2 AND split_part(type, '.', 2) = ANY ($4::text[]) END)
AND (recorded_at, source, sequence) > ($5, $6, $7)
ORDER BY recorded_at, source, sequence LIMIT $8
"""
TIMELINE = f"""
SELECT {FACT_COLUMNS} FROM g{{g}}.facts WHERE subject = $1 AND known_day <= $3
AND (type IN ('parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1') OR (occurred_on <= $2 AND split_part(type, '.', 2) = ANY ($4::text[])))
AND (occurred_on, recorded_at, source, sequence) < ($5, $6, $7, $8)
ORDER BY occurred_on DESC, recorded_at DESC, source DESC, sequence DESC LIMIT $9
"""
CORRECTIONS = """
SELECT source, w.rank::bigint AS rank, max(sequence) AS latest FROM g{g}.facts
CROSS JOIN LATERAL jsonb_path_query(says, '$.withdrawn[*].rank') AS w(rank)
WHERE subject = $1 AND known_day <= $2 AND type IN ('parkunion.fact-corrected.v1', 'parkunion.event-withdrawn.v1') GROUP BY 1, 2
"""
"""A correction withdraws one fact, a withdrawal several; the JSON path reads both."""


async def learned(
    conn: Connection, generation: int, known_from: date, known_to: date, start: str, limit: int, parks: Collection[str] | None
) -> list[str]:
    """Subjects about which a fact became known in (known_from, known_to], from `start` on."""
    scope = None if parks is None else list(parks)
    rows = await conn.fetch(LEARNED.format(g=generation), known_from, known_to, start, limit, scope)
    return [row["subject"] for row in rows]


async def facts_between(conn: Connection, generation: int, subjects: Sequence[str], known_from: date, known_to: date) -> list[Record]:
    """Events that became known in (known_from, known_to], by subject, in the order of recording."""
    return await conn.fetch(FACTS_BETWEEN.format(g=generation), subjects, known_from, known_to)


async def facts_known(conn: Connection, generation: int, subjects: Sequence[str], known_at: date, without: Collection[str]) -> list[Record]:
    """Events known by a day, by subject and in the order of their streams, except those of the kinds `without`."""
    return await conn.fetch(FACTS_KNOWN.format(g=generation), subjects, known_at, without)


async def members_known(
    conn: Connection, generation: int, subjects: Sequence[str], known_at: date, kinds: Mapping[str, int]
) -> list[Record]:
    """Rows (subject, occurred_on, net) over the events known by a day; `kinds` = {kind: what each event adds}."""
    return await conn.fetch(MEMBERS_KNOWN.format(g=generation), subjects, known_at, list(kinds), list(kinds.values()))


async def facts_by_id(conn: Connection, generation: int, subjects: Sequence[str], events: Sequence[UUID]) -> dict[UUID, Record]:
    """{id: event} of some subjects."""
    return {row["event_id"]: row for row in await conn.fetch(FACTS_BY_ID.format(g=generation), subjects, events)}


async def facts_of(
    conn: Connection,
    generation: int,
    subject: str,
    as_of: date,
    known_at: date,
    kinds: Collection[str],
    after: tuple[datetime, str, int],
    limit: int,
) -> list[Record]:
    """Events of one subject of some kinds, with their corrections and withdrawals, in the order of recording."""
    return await conn.fetch(FACTS_OF.format(g=generation), subject, as_of, known_at, list(kinds), *after, limit)


async def timeline(
    conn: Connection,
    generation: int,
    subject: str,
    as_of: date,
    known_at: date,
    kinds: Collection[str],
    before: tuple[date, datetime, str, int],
    limit: int,
) -> list[Record]:
    """Events of one subject as of a day, with every correction and withdrawal known by then, the latest business date first."""
    return await conn.fetch(TIMELINE.format(g=generation), subject, as_of, known_at, list(kinds), *before, limit)


async def corrections(conn: Connection, generation: int, subject: str, known_at: date) -> dict[tuple[str, int], int]:
    """{(source, rank): sequence of the last correction or withdrawal} of one subject."""
    rows: list[Any] = await conn.fetch(CORRECTIONS.format(g=generation), subject, known_at)
    return {(row["source"], row["rank"]): row["latest"] for row in rows}
