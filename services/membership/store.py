"""The state that commands decide on: every SQL statement that loads or writes it, beside the form of its rows.

Each statement serves all lines of a batch at once. Loads for decisions come after the locks of `shared.journal.journal`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from services.membership.domain import withdrawals
from services.membership.domain.corrections import Target
from services.membership.domain.state import (
    CoverageFact,
    Dissolution,
    Membership,
    MembershipId,
    PersonNo,
    Union,
    UnionId,
)
from shared.contracts.membership import UnionKind
from shared.contracts.streams import FactCorrected, Placed
from shared.directory.known import EnterpriseId
from shared.process.db import Connection, Record

Columns: TypeAlias = "Record | tuple[Any, ...]"
"""A row, or the same columns as an element of an array of rows."""

CORRECTION = "parkunion.fact-corrected.v1"

COVERAGE_COLUMNS = "enterprise_id, union_id, kind, rank, occurred_on, started, reason, note_id, event_id"
COVERAGE_OF_ENTERPRISES = f"SELECT {COVERAGE_COLUMNS} FROM coverage_facts WHERE enterprise_id = ANY($1::uuid[]) ORDER BY occurred_on, rank"
COVERAGE_OF_UNIONS = f"SELECT {COVERAGE_COLUMNS} FROM coverage_facts WHERE union_id = ANY($1::uuid[]) ORDER BY occurred_on, rank"
PUT_COVERAGE = """
INSERT INTO coverage_facts (enterprise_id, rank, union_id, kind, started, occurred_on, reason, note_id, event_id)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::boolean[], $6::date[], $7::text[], $8::uuid[], $9::uuid[])
ON CONFLICT (enterprise_id, rank) DO UPDATE
    SET occurred_on = excluded.occurred_on, reason = excluded.reason, note_id = excluded.note_id, event_id = excluded.event_id
"""
DROP_COVERAGE = "DELETE FROM coverage_facts WHERE (enterprise_id, rank) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))"
UNION_COLUMNS = "id, kind, seat_area, founded_on, name, parent_union_id, dissolved_on, dissolved_rank, dissolved_reason, dissolved_note_id, dissolved_event_id"
UNIONS = f"SELECT {UNION_COLUMNS} FROM unions WHERE id = ANY($1::uuid[])"
PUT_UNIONS = """
INSERT INTO unions (id, kind, seat_area, founded_on, name, parent_union_id, dissolved_on, dissolved_rank, dissolved_reason,
    dissolved_note_id, dissolved_event_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::text[], $6::uuid[], $7::date[], $8::bigint[], $9::text[],
    $10::uuid[], $11::uuid[])
ON CONFLICT (id) DO UPDATE SET seat_area = excluded.seat_area, founded_on = excluded.founded_on, name = excluded.name,
    dissolved_on = excluded.dissolved_on, dissolved_rank = excluded.dissolved_rank, dissolved_reason = excluded.dissolved_reason,
    dissolved_note_id = excluded.dissolved_note_id, dissolved_event_id = excluded.dissolved_event_id
"""
MEMBERSHIP_COLUMNS = "id, person_no, enterprise_id, union_id, joined_on, joined_rank, left_on, left_rank"
MEMBERSHIPS = f"SELECT {MEMBERSHIP_COLUMNS} FROM memberships WHERE id = ANY($1::uuid[])"
MEMBERSHIPS_OF = f"SELECT {MEMBERSHIP_COLUMNS} FROM memberships WHERE person_no = ANY($1::bigint[])"
END_MEMBERSHIPS = """
UPDATE memberships AS m SET joined_on = c.joined_on, left_on = c.left_on, left_rank = c.left_rank
FROM unnest($1::uuid[], $2::date[], $3::date[], $4::bigint[]) AS c(id, joined_on, left_on, left_rank) WHERE m.id = c.id
"""
ADD_MEMBERSHIPS = """
INSERT INTO memberships (id, person_no, enterprise_id, union_id, joined_on, joined_rank, left_on, left_rank)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::date[], $6::bigint[], $7::date[], $8::bigint[])
"""
TARGETS = """
WITH named AS (
    SELECT event_id, subject, CASE WHEN type = $2 THEN (data->>'rank')::bigint ELSE sequence END AS rank
    FROM journal WHERE event_id = ANY($1::uuid[])
)
SELECT n.event_id AS named, n.subject, n.rank, o.type, coalesce(c.event_id, o.event_id) AS latest,
    c.event_id IS NOT NULL AS corrected, coalesce(c.occurred_on, o.occurred_on) AS occurred_on,
    CASE WHEN c.event_id IS NULL THEN o.data ELSE c.data END AS data
FROM named AS n
JOIN journal AS o ON o.subject = n.subject AND o.sequence = n.rank
LEFT JOIN corrections AS c ON c.subject = n.subject AND c.rank = n.rank
"""
PUT_CORRECTIONS = """
INSERT INTO corrections (subject, rank, event_id, occurred_on, data)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::date[], $5::jsonb[])
ON CONFLICT (subject, rank) DO UPDATE SET event_id = excluded.event_id, occurred_on = excluded.occurred_on, data = excluded.data
"""
WITHDRAWABLE = """
SELECT j.sequence, j.type, j.event_id, j.data, c.event_id AS latest, c.event_id IS NOT NULL AND c.data IS NULL AS gone
FROM journal AS j LEFT JOIN corrections AS c ON c.subject = j.subject AND c.rank = j.sequence
WHERE j.subject = $1 AND j.sequence BETWEEN $2 AND $3 ORDER BY j.sequence
"""
PUT_WITHDRAWN = """
INSERT INTO corrections (subject, rank, event_id, occurred_on, data)
SELECT $1, rank, $4, NULL, NULL FROM generate_series($2::bigint, $3::bigint) AS rank
ON CONFLICT (subject, rank) DO UPDATE SET event_id = excluded.event_id, occurred_on = NULL, data = NULL
"""


@dataclass(frozen=True, slots=True)
class Said:
    """A correction with the event that carries it."""

    subject: str
    data: FactCorrected
    event_id: UUID


async def unions(conn: Connection, ids: Collection[UUID]) -> dict[UUID, Union]:
    """These unions, as far as they exist."""
    return {row["id"]: union(row) for row in await conn.fetch(UNIONS, list(ids))} if ids else {}


def union(columns: Columns) -> Union:
    """The union of a row of UNION_COLUMNS."""
    union_id, kind, seat_area, founded_on, name, parent, on, rank, reason, note_id, event_id = columns
    end = None if on is None else Dissolution(on, rank, reason, note_id, event_id)
    return Union(UnionId(union_id), UnionKind(kind), seat_area, founded_on, name, parent, end)


async def coverage(conn: Connection, enterprise_ids: Collection[UUID], union_ids: Collection[UUID]) -> dict[UUID, list[CoverageFact]]:
    """{enterprise: facts in order}: all of these enterprises, and of any enterprise those of these unions."""
    found: dict[UUID, list[CoverageFact]] = {enterprise_id: [] for enterprise_id in enterprise_ids}
    for row in await conn.fetch(COVERAGE_OF_ENTERPRISES, list(enterprise_ids)) if enterprise_ids else []:
        found[row["enterprise_id"]].append(coverage_fact(row))
    for fact in await coverage_of_unions(conn, union_ids):
        if fact.enterprise_id not in enterprise_ids:
            found.setdefault(fact.enterprise_id, []).append(fact)
    return found


async def coverage_of_unions(conn: Connection, ids: Collection[UUID]) -> list[CoverageFact]:
    """What these unions cover or covered, in order."""
    return [coverage_fact(row) for row in await conn.fetch(COVERAGE_OF_UNIONS, list(ids))] if ids else []


def coverage_fact(columns: Columns) -> CoverageFact:
    """The fact of a row of COVERAGE_COLUMNS."""
    enterprise_id, union_id, kind, *others = columns
    return CoverageFact(EnterpriseId(enterprise_id), UnionId(union_id), UnionKind(kind), *others)


async def memberships(conn: Connection, ids: Collection[UUID]) -> list[Membership]:
    """These memberships, as far as they exist."""
    return [_membership(row) for row in await conn.fetch(MEMBERSHIPS, list(ids))] if ids else []


async def memberships_of(conn: Connection, persons: Collection[int]) -> list[Membership]:
    """Every membership of these persons."""
    return [_membership(row) for row in await conn.fetch(MEMBERSHIPS_OF, list(persons))] if persons else []


def _membership(row: Record) -> Membership:
    return Membership(
        MembershipId(row["id"]),
        PersonNo(row["person_no"]),
        EnterpriseId(row["enterprise_id"]),
        UnionId(row["union_id"]),
        row["joined_on"],
        row["joined_rank"],
        row["left_on"],
        row["left_rank"],
    )


async def targets(conn: Connection, event_ids: Collection[UUID]) -> dict[UUID, Target]:
    """{event named: the fact it stands for, as it is in force now}."""
    rows = await conn.fetch(TARGETS, list(event_ids), CORRECTION) if event_ids else []
    return {
        row["named"]: Target(
            row["subject"],
            row["rank"],
            row["type"],
            row["latest"],
            None if row["data"] is None else Placed(row["occurred_on"], row["data"]),
        )
        for row in rows
    }


async def put_unions(conn: Connection, changed: Sequence[Union]) -> None:
    """Write unions, new or not."""
    ends = [union.dissolved for union in changed]
    await conn.execute(
        PUT_UNIONS,
        [u.id for u in changed],
        [u.kind.value for u in changed],
        [u.seat_area for u in changed],
        [u.founded_on for u in changed],
        [u.name for u in changed],
        [u.parent_union_id for u in changed],
        [e.on if e else None for e in ends],
        [e.rank if e else None for e in ends],
        [e.reason if e else None for e in ends],
        [e.note_id if e else None for e in ends],
        [e.event_id if e else None for e in ends],
    )


async def drop_unions(conn: Connection, ids: Collection[UUID]) -> None:
    """Forget unions whose founding was withdrawn."""
    await conn.execute("DELETE FROM unions WHERE id = ANY($1::uuid[])", list(ids))


async def put_coverage(conn: Connection, facts: Sequence[CoverageFact]) -> None:
    """Write coverage facts, new or corrected."""
    await conn.execute(
        PUT_COVERAGE,
        [f.enterprise_id for f in facts],
        [f.rank for f in facts],
        [f.union_id for f in facts],
        [f.kind.value for f in facts],
        [f.started for f in facts],
        [f.on for f in facts],
        [f.reason for f in facts],
        [f.note_id for f in facts],
        [f.event_id for f in facts],
    )


async def drop_coverage(conn: Connection, places: Collection[tuple[UUID, int]]) -> None:
    """Forget coverage facts that were withdrawn, by (enterprise, rank)."""
    await conn.execute(DROP_COVERAGE, [place[0] for place in places], [place[1] for place in places])


async def put_memberships(conn: Connection, changed: Sequence[Membership], persons: Mapping[int, int], known: Collection[UUID]) -> None:
    """Write memberships; `persons` gives the numbers of those who are new, `known` the memberships that have a row already.

    Ends are written before beginnings: a transfer frees the day that it takes. Raises asyncpg.ExclusionViolationError.
    """
    old = [m for m in changed if m.id in known]
    new = [m for m in changed if m.id not in known]
    if old:
        await conn.execute(
            END_MEMBERSHIPS, [m.id for m in old], [m.joined_on for m in old], [m.left_on for m in old], [m.left_rank for m in old]
        )
    if new:
        await conn.execute(
            ADD_MEMBERSHIPS,
            [m.id for m in new],
            [persons.get(m.person, m.person) for m in new],
            [m.enterprise_id for m in new],
            [m.union_id for m in new],
            [m.joined_on for m in new],
            [m.joined_rank for m in new],
            [m.left_on for m in new],
            [m.left_rank for m in new],
        )


async def put_corrections(conn: Connection, said: Iterable[Said]) -> None:
    """Keep what is in force instead of the facts corrected."""
    last = {(s.subject, s.data.rank): s for s in said}
    placed = [s.data.replacement for s in last.values()]
    await conn.execute(
        PUT_CORRECTIONS,
        [subject for subject, _ in last],
        [rank for _, rank in last],
        [s.event_id for s in last.values()],
        [p.occurred_on if p else None for p in placed],
        [p.data if p else None for p in placed],
    )


async def named_by(conn: Connection, subject: str, first: int, last: int) -> withdrawals.Stream | None:
    """The events of a stream that a withdrawal names, as they are in force now; None: there is no such stream."""
    newest = await conn.fetchval("SELECT sequence FROM streams WHERE subject = $1", subject)
    if newest is None:
        return None
    rows = await conn.fetch(WITHDRAWABLE, subject, first, last)
    return withdrawals.Stream(newest, [withdrawals.Said(*row) for row in rows])


async def put_withdrawn(conn: Connection, subject: str, first: int, last: int, event_id: UUID) -> None:
    """Keep that nothing is in force instead of these facts."""
    await conn.execute(PUT_WITHDRAWN, subject, first, last, event_id)
