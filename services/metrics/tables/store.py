"""Every statement by which the projector writes a generation (tables: migrations/0001_generation_1.sql)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.metrics.tables.rows import Cell
from shared.process.db import Connection, Pool, Record, array, text_array

STATES = "SELECT subject, state FROM g{g}.states WHERE shard = $1 AND subject = ANY($2::text::text[])"
KEEP_STATES = """
INSERT INTO g{g}.states AS s (shard, subject, state, findings, noted_by)
SELECT $1, *, pg_current_xact_id()::xid FROM unnest($2::text::text[], $3::bytea[], $4::text::smallint[])
ON CONFLICT (shard, subject) DO UPDATE SET state = excluded.state, noted_by = excluded.noted_by,
    findings = CASE WHEN s.noted_by = s.xmin THEN s.findings | excluded.findings END
"""
"""What was noted stays noted, for the known days on which it held. A row that was last written without a note (`noted_by` is not its `xmin`:
an earlier release, a restored database) may have had findings at known days that it no longer remembers, so it gets none (see NOTE)."""
WITHOUT_NOTE = """
SELECT s.subject, s.state, (
    SELECT CASE WHEN count(*) FILTER (WHERE kind = 'member-joined') > min(workers) THEN 1 ELSE 0 END
        + CASE WHEN min(occurred_on) FILTER (WHERE kind IN ('headcount-reported', 'coverage-started', 'fact-corrected'))
            < max(occurred_on) FILTER (WHERE kind IN ('enterprise-registered', 'fact-corrected')) THEN 2 ELSE 0 END
    FROM (
        SELECT split_part(type, '.', 2) AS kind, occurred_on,
            coalesce(says->>'workers', says->'replacement'->'says'->>'workers')::bigint AS workers
        FROM g{g}.facts f WHERE f.subject = s.subject
    ) e
) AS possible
FROM g{g}.states s WHERE s.shard = $1 AND (s.findings IS NULL OR s.noted_by IS DISTINCT FROM s.xmin) LIMIT {most}
"""
"""`possible` (bits of `folding.findings.Noted`): what the events allow at the known days that a state has forgotten; it may be more than was, never less."""
NOTE = """
UPDATE g{g}.states s SET findings = n.findings, noted_by = pg_current_xact_id()::xid
FROM unnest($2::text[], $3::smallint[]) AS n(subject, findings) WHERE s.shard = $1 AND s.subject = n.subject
"""
NEW_CELLS = """
INSERT INTO g{g}.cells (park, industry, size, ownership)
SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w(park, industry, size, ownership)
ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING RETURNING id, park, industry, size, ownership
"""
ALL_CELLS = "SELECT id, park, industry, size, ownership FROM g{g}.cells"
CELLS = """
SELECT c.id, c.park, c.industry, c.size, c.ownership FROM g{g}.cells c
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w(park, industry, size, ownership)
ON c.park IS NOT DISTINCT FROM w.park AND c.industry IS NOT DISTINCT FROM w.industry
AND c.size IS NOT DISTINCT FROM w.size AND c.ownership IS NOT DISTINCT FROM w.ownership
"""
NAMED = """
SELECT sequence, type, occurred_on, says FROM g{g}.stored_facts
WHERE subject = $1 AND source = $2 AND first <= $4 AND sequence BETWEEN $3 AND $4 ORDER BY sequence
"""
END_AREA = "UPDATE g{g}.areas_facts SET known_until = $3 WHERE code = $1 AND rank = $2 AND known_until IS NULL"
SEE_ALL = "SELECT set_config('parkunion.areas', '*', true)"
NEW_NAMES = """
INSERT INTO g{g}.enterprises AS e (id, shard, name, credit_code, park)
SELECT n.id, $1, n.name, n.credit_code, n.park FROM unnest($2::text::uuid[], $3::text::text[], $4::text::text[], $5::text::text[]) AS n(id, name, credit_code, park)
"""
KEEP_NAMES = f"""{NEW_NAMES}
ON CONFLICT (id) DO UPDATE SET park = excluded.park, name = coalesce(excluded.name, e.name),
    credit_code = CASE WHEN excluded.name IS NULL THEN e.credit_code ELSE excluded.credit_code END
"""
KEEP_UNIONS = """
INSERT INTO g{g}.unions AS u (id, shard, name, seat) SELECT n.id, $1, n.name, n.seat FROM unnest($2::uuid[], $3::text[], $4::text[]) AS n(id, name, seat)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, seat = excluded.seat
"""
KEEP_FACTS = """
INSERT INTO g{g}.{table} (shard, subject, source, sequence, event_id, type, occurred_on, known_day, recorded_at, says, actor, reason)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::uuid[], $6::text[], $7::date[], $8::date[], $9::timestamptz[],
    $10::jsonb[], $11::text[], $12::text[])
"""
KEEP_PLACEMENTS = """
INSERT INTO g{g}.placement_rows (park, subject, shard) SELECT w.park, w.subject, $1 FROM unnest($2::text::text[], $3::text::text[]) AS w(park, subject)
WHERE NOT EXISTS (SELECT FROM g{g}.stays s WHERE s.subject = w.subject AND s.park || '' = w.park OFFSET 0) ON CONFLICT DO NOTHING
"""
"""Other places than those of stays, which the view `placements` has, too (migrations/0024_first_places.sql). OFFSET 0 keeps the condition from becoming a join of
all stays, and || from being sought by park: the plan is kept, and may be made while there are few."""
KEEP_ALL_PLACEMENTS = """
INSERT INTO g{g}.placements (park, subject, shard) SELECT *, $1 FROM unnest($2::text::text[], $3::text::text[]) ON CONFLICT DO NOTHING
"""
"""Before that migration."""

PLACEMENT_ROWS = "placement_rows"
MOST_SOUGHT = 30
"""Cells that are looked for one by one; to find more, all are read."""
MOST_NOTED = 500
"""Sets that get a note after the fact in one transaction."""
FEW = 2
"""Rows; from three on one COPY is cheaper than a statement for each (`insert_rows`)."""


class FactRow(NamedTuple):
    """One row of `facts`. `reason`: the code that was given for it, None without one."""

    shard: int
    subject: str
    source: str
    sequence: int
    event_id: UUID
    type: str
    occurred_on: date
    known_day: date
    recorded_at: datetime
    says: dict[str, Any] | None
    actor: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class AreaRow:
    """One version of an area, in the order of the table's columns."""

    shard: int
    code: str
    rank: int
    event_id: UUID
    occurred_on: date
    known_day: date
    known_until: date | None
    recorded_at: datetime
    name: str
    kind: str
    parent: str | None
    level: bool


AREA_COLUMNS = tuple(AreaRow.__dataclass_fields__)


class NamedFact(NamedTuple):
    """An applied event that a withdrawal names."""

    sequence: int
    type: str
    occurred_on: date
    says: dict[str, Any] | None


class NameRow(NamedTuple):
    """A change of an enterprise's row. `id`: a UUID as text. `name` None leaves name and code as they are."""

    id: str
    name: str | None
    credit_code: str | None
    park: str | None


class UnionRow(NamedTuple):
    """A union's row: its name (None: it was founded without one) and the area of its seat."""

    id: UUID
    name: str | None
    seat: str


MIGRATED = "SELECT to_regclass($1) IS NOT NULL"

HAS_COLUMN = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2)"

_found = set[tuple[int, int, str, str]]()
"""(pid of the session's server process, generation, table, column) of what is known to be there."""


async def has_table(conn: Connection, generation: int, table: str) -> bool:
    """Whether a generation has a table that a migration makes which waits until no process of 0.2 is connected; once there it stays."""
    key = (conn.get_server_pid(), generation, table, "")
    if key not in _found and await conn.fetchval(MIGRATED, f"g{generation}.{table}"):
        _found.add(key)
    return key in _found


async def has_column(conn: Connection, generation: int, table: str, column: str) -> bool:
    """The same of a column."""
    key = (conn.get_server_pid(), generation, table, column)
    if key not in _found and await conn.fetchval(HAS_COLUMN, f"g{generation}.{table}", column):
        _found.add(key)
    return key in _found


async def states(conn: Connection, generation: int, shard: int, subjects: Sequence[str]) -> dict[str, bytes]:
    """The stored sets of facts; subjects without one are left out."""
    if not subjects:
        return {}
    return {row["subject"]: row["state"] for row in await conn.fetch(STATES.format(g=generation), shard, text_array(sorted(subjects)))}


async def keep_states(conn: Connection, generation: int, shard: int, dumped: Mapping[str, tuple[bytes, int]]) -> None:
    """Write sets of facts with what was noted of them, in one statement; by subject, since neighbours in an index are then written together."""
    subjects = sorted(dumped)
    states, notes = [dumped[subject][0] for subject in subjects], array(int(dumped[subject][1]) for subject in subjects)
    await conn.execute(KEEP_STATES.format(g=generation), shard, text_array(subjects), states, notes)


async def without_note(conn: Connection, generation: int, shard: int) -> list[tuple[str, bytes, int]]:
    """(subject, state, what its events leave possible) of the sets of a shard without a valid note."""
    await conn.fetchval(SEE_ALL)
    rows = await conn.fetch(WITHOUT_NOTE.format(g=generation, most=MOST_NOTED), shard)
    return [(row["subject"], row["state"], row["possible"]) for row in rows]


async def note(conn: Connection, generation: int, shard: int, found: Mapping[str, int]) -> None:
    """Note the findings of sets that have no valid note."""
    await conn.execute(NOTE.format(g=generation), shard, list(found), [int(one) for one in found.values()])


async def cell_ids(pool: Pool, generation: int, wanted: Collection[Cell]) -> dict[Cell, int]:
    """Ids of cells; new ones are made. In its own transaction, so that an id stays valid if the batch is rolled back."""
    async with pool.acquire(timeout=10) as conn, conn.transaction():
        return await cell_ids_within(conn, generation, wanted)


async def cell_ids_within(conn: Connection, generation: int, wanted: Collection[Cell]) -> dict[Cell, int]:
    """As `cell_ids`, in the transaction of `conn`: the ids are valid if it commits."""
    if not wanted:
        return {}
    found = _ids_of(await conn.fetch(NEW_CELLS.format(g=generation), *columns_of(wanted)))
    if missing := [cell for cell in wanted if cell not in found]:
        # PostgreSQL compares each wanted cell with each there is: no index serves IS NOT DISTINCT FROM.
        few = len(missing) <= MOST_SOUGHT
        statement, args = (CELLS, columns_of(missing)) if few else (ALL_CELLS, [])
        found |= _ids_of(await conn.fetch(statement.format(g=generation), *args))
    return found


def _ids_of(rows: Iterable[Record]) -> dict[Cell, int]:
    return {(park, industry, size, ownership): number for number, park, industry, size, ownership in rows}


async def keep_facts(conn: Connection, generation: int, rows: Sequence[FactRow], *, packed: bool = True) -> None:
    """Append events as rows. `packed` False: before migration 0013, when row-level security may be on them, where COPY is refused."""
    if rows:
        await conn.execute(KEEP_FACTS.format(g=generation, table="fact_rows" if packed else "facts"), *columns_of(rows))


async def insert_rows(conn: Connection, generation: int, table: str, columns: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Append few rows by a prepared statement: COPY, which is planned each time, costs more than twice as much for one row."""
    values = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    for row in rows:
        await conn.execute(f"INSERT INTO g{generation}.{table} ({', '.join(columns)}) VALUES ({values})", *row)


async def named(conn: Connection, generation: int, source: str, subject: str, first: int, last: int) -> list[NamedFact]:
    """The applied events `first` to `last` of a stream, by sequence."""
    await conn.fetchval(SEE_ALL)
    rows = await conn.fetch(NAMED.format(g=generation), subject, source, first, last)
    return [NamedFact(*row) for row in rows]


async def end_area(conn: Connection, generation: int, code: str, rank: int, known: date) -> None:
    """End the version of an area that one fact states: it does not hold from the known day `known` on."""
    await conn.execute(END_AREA.format(g=generation), code, rank, known)


async def keep_areas(conn: Connection, generation: int, rows: Iterable[AreaRow]) -> None:
    """Append versions of areas by COPY."""
    records = [tuple(getattr(row, name) for name in AREA_COLUMNS) for row in rows]
    await conn.copy_records_to_table("areas_facts", schema_name=f"g{generation}", columns=AREA_COLUMNS, records=records)


async def keep_names(conn: Connection, generation: int, shard: int, rows: Sequence[NameRow], statement: str = KEEP_NAMES) -> None:
    """Write rows of `enterprises`."""
    await conn.fetchval(SEE_ALL)
    await conn.execute(statement.format(g=generation), shard, *map(text_array, zip(*rows, strict=True)))


async def keep_unions(conn: Connection, generation: int, shard: int, rows: Sequence[UnionRow]) -> None:
    """Write rows of `unions`."""
    await conn.execute(KEEP_UNIONS.format(g=generation), shard, *columns_of(rows))


async def keep_placements(conn: Connection, generation: int, shard: int, places: Iterable[tuple[str, str]]) -> None:
    """Add (park, subject), after the facts that say these places: what follows from them in `stays` is there."""
    statement = KEEP_PLACEMENTS if await has_table(conn, generation, PLACEMENT_ROWS) else KEEP_ALL_PLACEMENTS
    await conn.execute(statement.format(g=generation), shard, *map(text_array, zip(*sorted(places), strict=True)))


def columns_of(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
