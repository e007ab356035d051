"""Every statement that reads a generation for an answer: figures from the ledger, the facts behind them, areas and names."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from services.metrics.figures.freshness import LOG_INCOMPLETE_SQL, OLDEST_HELD
from services.metrics.generations.closed.rolling import CLOSED_DAY
from services.metrics.generations.closed.stepping import PLACED
from services.metrics.measures import MEASURES, Vector, packed
from shared.process.db import Connection, Record
from shared.reading.ownership import LOST

SERVING = f"""
SELECT g.id, g.fold_version, parkunion_now() AS asked_at, set_config('parkunion.areas', $2, true),
    coalesce((SELECT jsonb_object_agg(shard, version) FROM shards WHERE generation = g.id), '{{}}') AS versions,
    {CLOSED_DAY.format(shards="$1", generation="g.id")} AS closed_day, {OLDEST_HELD.format(generation="g.id")} AS oldest_held,
    {LOG_INCOMPLETE_SQL.format(generation="g.id", lost=LOST)} AS log_incomplete
FROM generations g WHERE g.status = 'serving'
"""
NEWEST = "SELECT max(n.value::timestamptz) FROM shards, jsonb_each_text(newest) n WHERE generation = $1"
SIGNATURE = "SELECT count(*) AS versions, count(known_until) AS ended FROM g{g}.areas_facts"
BEGUN = f"SELECT s.*, r.day, r.first, r.xmin::text AS rolled_by FROM ({SIGNATURE}) s LEFT JOIN g{{g}}.rolled r ON true"
AREAS = """
SELECT code, name, kind, parent, level, occurred_on, known_day, known_until, event_id, recorded_at, rank
FROM g{g}.areas_facts ORDER BY code, occurred_on, rank, known_day
"""
ROWS = """
SELECT {columns} FROM g{g}.ledger WHERE effective_day <= $1 AND known_day <= $2 {scope}
UNION ALL SELECT {columns} FROM g{g}.ledger_open WHERE effective_day <= $1 AND known_day <= $2 {scope}
"""
IN_SCOPE = "AND cell = ANY (ARRAY(SELECT id FROM g{g}.cells WHERE park = ANY ($3::text[])))"
NO_KEY = "all"
KEYS = {NO_KEY: "NULL::text", "park": "c.park", "industry": "left(c.industry, 1)", "size": "c.size", "ownership": "c.ownership"}
SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in MEASURES)
FIGURES = (
    "SELECT {key} AS key, {sums} FROM (SELECT cell, {sums} FROM ({rows}) l GROUP BY cell) f JOIN g{g}.cells c ON c.id = f.cell GROUP BY 1"
)
DURATIONS_ROWS = """
SELECT cell, kind, value, count FROM g{g}.durations WHERE effective_day <= $1 AND known_day <= $2 {scope}
UNION ALL SELECT cell, kind, value, count FROM g{g}.durations_open WHERE effective_day <= $1 AND known_day <= $2 {scope}
"""
DURATIONS = """
SELECT {key} AS key, kind, value, sum(count)::bigint AS count FROM (
    SELECT cell, kind, value, sum(count) AS count FROM ({rows}) d GROUP BY 1, 2, 3 HAVING sum(count) <> 0
) f JOIN g{g}.cells c ON c.id = f.cell GROUP BY 1, 2, 3 HAVING sum(count) <> 0
"""
TREND = (
    "units",
    "should_organise_all",
    "covered_all",
    "should_organise_ge25",
    "covered_ge25",
    "workers",
    "members",
    "workers_unionised",
    "members_unionised",
)
"""The measures of a series."""
TREND_SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in TREND)
SERIES = """
SELECT c.park AS key, point, {sums} FROM (
    SELECT cell, width_bucket(effective_day, $4::date[]) AS point, {sums} FROM ({rows}) l GROUP BY 1, 2
) f JOIN g{g}.cells c ON c.id = f.cell GROUP BY 1, 2
"""
STATES_AT_ONCE = 400
STATES_ALL = "SELECT subject, state FROM g{g}.states"
STATES_IN = """
SELECT subject, state FROM g{g}.states
WHERE subject = ANY (ARRAY(SELECT DISTINCT subject FROM g{g}.placements WHERE park = ANY ($1::text[])))
"""
STATES_NOTED = """
SELECT subject, state FROM g{g}.states s WHERE {noted} {scope} AND subject > 'enterprise/' AND subject < 'enterprise0'
"""
NOTED = "(findings & {bits} <> 0 OR findings IS NULL OR noted_by IS DISTINCT FROM xmin)"
"""A set without a valid note may have any finding (services/metrics/folding/store.py, KEEP_STATES)."""
EVER_IN = "AND EXISTS (SELECT FROM g{g}.placements p WHERE p.subject = s.subject AND p.park = ANY ($1::text[]))"
"""Not by `subject = ANY (…)`: most sets have no note, so a scan of them is cheaper than a look at each of a large area."""
STEPS_KEPT = "SELECT park, day, xmin::text AS version, octet_length(steps) AS size FROM g{g}.steps WHERE $1::text[] IS NULL OR park = ANY ($1::text[])"
STEPS = "SELECT park, steps FROM g{g}.steps WHERE park = ANY ($1::text[])"
CHANGED = """
SELECT DISTINCT subject FROM g{g}.recorded_facts f WHERE known_day > $1 AND newest >= $1::date + interval '10 hours' AND known_day <= $2 AND subject >= 'enterprise/'
AND ($3::text[] IS NULL OR f.subject IN (SELECT p.subject FROM g{g}.placements p WHERE p.park = ANY ($3::text[])))
"""
"""The time leaves nothing out: a fact becomes known on the day on which it was recorded, and the next day begins nowhere before 10:00 UTC. Its index
has the new rows, while that of known days leads to all pages that were written since the last vacuum."""
PLACED_IN = "SELECT DISTINCT subject FROM g{g}.placements WHERE park = ANY ($1::text[])"
NOT_PLACED_IN = f"SELECT DISTINCT subject FROM g{{g}}.placements WHERE park IN ({PLACED} EXCEPT SELECT unnest($1::text[]))"
STATES_OF = "SELECT subject, state FROM g{g}.states WHERE subject = ANY ($1::text[]) ORDER BY subject"
NAMES = "SELECT id, name, credit_code, park FROM g{g}.enterprises WHERE id = ANY ($1::uuid[])"
KNOWN_NAMES = "SELECT id, name, credit_code FROM g{g}.names WHERE id = ANY ($1::uuid[])"
UNION_NAMES = "SELECT id, name FROM g{g}.unions WHERE id = ANY ($1::uuid[])"
SOUGHT = """
SELECT id FROM g{g}.names WHERE strpos(lower(normalize(name, NFKC)), $1) > 0 OR strpos(lower(credit_code), $1) > 0
UNION ALL SELECT id FROM g{g}.unions WHERE strpos(lower(normalize(name, NFKC)), $1) > 0
"""
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


STAYS = "SELECT subject, since, until, park FROM g{g}.stays WHERE subject = ANY ($1::text[]) ORDER BY subject, since"


@cache
def _sql(statement: str, generation: int, **parts: str) -> str:
    return statement.format(g=generation, **parts)


@cache
def _figures_sql(generation: int, key: str, scoped: bool) -> str:
    scope = IN_SCOPE.format(g=generation) if scoped else ""
    columns = ", ".join(("cell", *MEASURES))
    return FIGURES.format(g=generation, key=key, sums=SUMS, rows=ROWS.format(g=generation, columns=columns, scope=scope))


async def serving(conn: Connection, shards: int = 0, setting: str = "") -> Record:
    """(id, fold_version, asked_at, versions = {shard: version}, closed_day, oldest_held, log_incomplete) of the serving generation.

    `shards`: how many shards it has; `setting`: the areas whose rows row-level security shows from here on in the transaction
    (`Areas.setting`), as by `see_areas`. Raises NoServingGeneration.
    """
    row = await conn.fetchrow(SERVING, shards, setting)
    if row is None:
        raise NoServingGeneration("no generation is serving")
    return row


async def newest(conn: Connection, generation: int) -> datetime | None:
    """The greatest time of an event that was counted."""
    found: datetime | None = await conn.fetchval(NEWEST, generation)
    return found


async def see_areas(conn: Connection, setting: str) -> None:
    """From here on in the transaction, row-level security shows the rows of these areas (`Areas.setting`)."""
    await conn.execute("SELECT set_config('parkunion.areas', $1, true)", setting)


async def stays(conn: Connection, generation: int, subjects: Sequence[str]) -> list[Record]:
    """Rows (subject, since, until, park): where subjects were, by subject and date."""
    return await conn.fetch(_sql(STAYS, generation), subjects)


class NoServingGeneration(Exception):
    """The database has no serving generation; it was not migrated."""


async def areas_signature(conn: Connection, generation: int) -> tuple[int, int]:
    """Two counts; at least one of them changes when a version of an area is added or ended."""
    row = await conn.fetchrow(_sql(SIGNATURE, generation))
    return (row["versions"], row["ended"]) if row else (0, 0)


async def begun(conn: Connection, generation: int) -> Record:
    """What every question needs of a generation: `versions` and `ended` as `areas_signature`; what is rolled up (`rolled.basis.Rolled`), or NULL."""
    row = await conn.fetchrow(_sql(BEGUN, generation))
    assert row is not None, "an aggregate has one row"
    return row


async def areas(conn: Connection, generation: int) -> list[Record]:
    """Every version of every area, ordered by (code, occurred_on, rank)."""
    return await conn.fetch(_sql(AREAS, generation))


async def by_key(
    conn: Connection, generation: int, by: str, as_of: date, known_at: date, parks: Collection[str] | None
) -> dict[str | None, Vector]:
    """{key: figures}; `by` is a key of KEYS, `parks` None means all."""
    sql = _figures_sql(generation, KEYS[by], parks is not None)
    return {row[0]: packed(tuple(row)[1:]) for row in await conn.fetch(sql, *_arguments(as_of, known_at, parks))}


def _arguments(as_of: date, known_at: date, parks: Collection[str] | None) -> list[Any]:
    return [as_of, known_at] if parks is None else [as_of, known_at, list(parks)]


async def durations_by_key(
    conn: Connection, generation: int, by: str, as_of: date, known_at: date, parks: Collection[str] | None
) -> list[Record]:
    """Rows (key, kind, value, count) of the enterprises that are founded or waiting; arguments as for `by_key`."""
    scope = "" if parks is None else IN_SCOPE.format(g=generation)
    rows = DURATIONS_ROWS.format(g=generation, scope=scope)
    return await conn.fetch(DURATIONS.format(g=generation, key=KEYS[by], rows=rows), *_arguments(as_of, known_at, parks))


async def series(
    conn: Connection, generation: int, days: Sequence[date], after: Sequence[date], known_at: date, parks: Collection[str]
) -> list[Record]:
    """Rows (key = park, point = index in `days`, increments of TREND); `days` ascend, `after` are the days after them."""
    columns = ", ".join(("cell", "effective_day", *TREND))
    rows = ROWS.format(g=generation, columns=columns, scope=IN_SCOPE.format(g=generation))
    return await conn.fetch(SERIES.format(g=generation, sums=TREND_SUMS, rows=rows), days[-1], known_at, list(parks), list(after))


async def states(conn: Connection, generation: int, parks: Collection[str] | None) -> AsyncIterator[list[Record]]:
    """Rows (subject, state) in parts and in no order; `parks`: only of subjects that were ever placed in one of them."""
    statement = _sql(STATES_ALL if parks is None else STATES_IN, generation)
    # A cursor: a page after another would sort the subjects of a large area for each.
    found = await conn.cursor(statement, *([] if parks is None else [list(parks)]))
    while rows := await found.fetch(STATES_AT_ONCE):
        yield rows


async def steps_kept(conn: Connection, generation: int, parks: Collection[str] | None) -> list[Record]:
    """Rows (park, day, version, size in bytes) of the steps that are kept of some parks (None: of all); a row that is written again has another
    version."""
    return await conn.fetch(_sql(STEPS_KEPT, generation), None if parks is None else list(parks))


async def steps(conn: Connection, generation: int, parks: Collection[str]) -> list[Record]:
    """Rows (park, steps)."""
    return await conn.fetch(_sql(STEPS, generation), list(parks))


async def subjects_changed(conn: Connection, generation: int, known_from: date, known_to: date, parks: Collection[str] | None) -> list[str]:
    """Enterprises and unions about which a fact became known in (known_from, known_to]; `parks`: those that were ever in one of them."""
    rows = await conn.fetch(_sql(CHANGED, generation), known_from, known_to, None if parks is None else list(parks))
    return [row["subject"] for row in rows]


async def subjects_without_steps(conn: Connection, generation: int, parks: Collection[str] | None, kept: Collection[str]) -> list[str]:
    """Enterprises and unions that were ever in one of `parks` (None: of all) of which no steps are kept."""
    if parks is None:
        rows = await conn.fetch(_sql(NOT_PLACED_IN, generation), list(kept))
    else:
        others = [*{*parks} - {*kept}]
        rows = await conn.fetch(_sql(PLACED_IN, generation), others) if others else []
    return [row["subject"] for row in rows]


async def states_noted(conn: Connection, generation: int, bits: int, parks: Collection[str] | None) -> AsyncIterator[list[Record]]:
    """The rows (subject, state) in parts, of sets with a note of one of `bits` (`folding.findings.Noted`; 0: all sets) or without a note.

    `parks`: only of subjects that were ever placed in one of them.
    """
    noted = NOTED.format(bits=int(bits)) if bits else "true"
    scope = EVER_IN.format(g=generation) if parks is not None else ""
    statement = STATES_NOTED.format(g=generation, noted=noted, scope=scope)
    # A cursor: every page by LIMIT would look at all sets again, of which few are noted.
    found = await conn.cursor(statement, *([] if parks is None else [list(parks)]))
    while rows := await found.fetch(STATES_AT_ONCE):
        yield rows


async def states_of(conn: Connection, generation: int, subjects: Sequence[str]) -> dict[str, bytes]:
    """{subject: stored set of facts}."""
    return {row["subject"]: row["state"] for row in await conn.fetch(_sql(STATES_OF, generation), subjects)}


async def names(conn: Connection, generation: int, enterprises: Sequence[UUID]) -> dict[UUID, Record]:
    """{id: directory row}, as far as row-level security shows them."""
    return {row["id"]: row for row in await conn.fetch(_sql(NAMES, generation), enterprises)}


async def known_names(conn: Connection, generation: int, enterprises: Sequence[UUID]) -> dict[UUID, Record]:
    """{id: row (name, credit_code)} of the enterprises that were ever in an area of the caller."""
    return {row["id"]: row for row in await conn.fetch(_sql(KNOWN_NAMES, generation), enterprises)} if enterprises else {}


async def union_names(conn: Connection, generation: int, unions: Sequence[UUID]) -> dict[UUID, str | None]:
    """{id: name} of unions."""
    return {row["id"]: row["name"] for row in await conn.fetch(_sql(UNION_NAMES, generation), unions)} if unions else {}


async def sought(conn: Connection, generation: int, text: str) -> set[UUID]:
    """The enterprises and unions whose name or credit code contains a text, whatever the width and case of the letters.

    Of the enterprises, those that were ever in an area of the caller.
    """
    normal = unicodedata.normalize("NFKC", text).strip().lower()
    return {row["id"] for row in await conn.fetch(_sql(SOUGHT, generation), normal)}


async def learned(
    conn: Connection, generation: int, known_from: date, known_to: date, start: str, limit: int, parks: Collection[str] | None
) -> list[str]:
    """Subjects about which a fact became known in (known_from, known_to], from `start` on."""
    scope = None if parks is None else list(parks)
    rows = await conn.fetch(_sql(LEARNED, generation), known_from, known_to, start, limit, scope)
    return [row["subject"] for row in rows]


async def facts_between(conn: Connection, generation: int, subjects: Sequence[str], known_from: date, known_to: date) -> list[Record]:
    """Events that became known in (known_from, known_to], by subject, in the order of recording."""
    return await conn.fetch(_sql(FACTS_BETWEEN, generation), subjects, known_from, known_to)


async def facts_known(conn: Connection, generation: int, subjects: Sequence[str], known_at: date, without: Collection[str]) -> list[Record]:
    """Events known by a day, by subject and in the order of their streams, except those of the kinds `without`."""
    return await conn.fetch(_sql(FACTS_KNOWN, generation), subjects, known_at, without)


async def members_known(
    conn: Connection, generation: int, subjects: Sequence[str], known_at: date, kinds: Mapping[str, int]
) -> list[Record]:
    """Rows (subject, occurred_on, net) over the events known by a day; `kinds` = {kind: what each event adds}."""
    return await conn.fetch(_sql(MEMBERS_KNOWN, generation), subjects, known_at, list(kinds), list(kinds.values()))


async def facts_by_id(conn: Connection, generation: int, subjects: Sequence[str], events: Sequence[UUID]) -> dict[UUID, Record]:
    """{id: event} of some subjects."""
    return {row["event_id"]: row for row in await conn.fetch(_sql(FACTS_BY_ID, generation), subjects, events)}


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
    return await conn.fetch(_sql(FACTS_OF, generation), subject, as_of, known_at, list(kinds), *after, limit)


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
    return await conn.fetch(_sql(TIMELINE, generation), subject, as_of, known_at, list(kinds), *before, limit)


async def corrections(conn: Connection, generation: int, subject: str, known_at: date) -> dict[tuple[str, int], int]:
    """{(source, rank): sequence of the last correction or withdrawal} of one subject."""
    rows: list[Any] = await conn.fetch(_sql(CORRECTIONS, generation), subject, known_at)
    return {(row["source"], row["rank"]): row["latest"] for row in rows}
