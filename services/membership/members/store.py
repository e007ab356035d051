"""Memberships in the database: every statement, beside the row types. Persons are in `people.py`.

Each statement serves all lines of a batch. Loads for decisions come after the locks. Reads run under row-level security.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.membership.world import Membership, MembershipId, PersonNo, UnionId, World
from shared.directory.known import EnterpriseId
from shared.process.db import Connection, Record, array
from shared.writing.table import ConcurrentChange

MEMBERSHIP_COLUMNS = "id, person_no, enterprise_id, union_id, joined_on, joined_rank, left_on, left_rank"
MEMBERSHIPS = f"SELECT {MEMBERSHIP_COLUMNS} FROM memberships WHERE id = ANY($1::uuid[])"
MEMBERSHIPS_OF = f"SELECT {MEMBERSHIP_COLUMNS} FROM memberships WHERE person_no = ANY($1::text::bigint[])"
END_MEMBERSHIPS = """
UPDATE memberships AS m SET joined_on = c.joined_on, left_on = c.left_on, left_rank = c.left_rank
FROM unnest($1::uuid[], $2::date[], $3::date[], $4::bigint[]) AS c(id, joined_on, left_on, left_rank) WHERE m.id = c.id
"""
ADD_MEMBERSHIPS = """
INSERT INTO memberships (id, person_no, enterprise_id, union_id, joined_on, joined_rank, left_on, left_rank)
SELECT * FROM unnest(
    $1::text::uuid[], $2::text::bigint[], $3::text::uuid[], $4::text::uuid[], $5::text::date[], $6::text::bigint[], $7::text::date[],
    $8::text::bigint[]
)
"""
MEMBER = """
SELECT id, enterprise_id, union_id, joined_on, left_on, EXISTS (SELECT FROM persons WHERE no = person_no) AS known
FROM memberships WHERE id = $1 AND joined_on IS NOT NULL
"""


async def memberships(conn: Connection, ids: Collection[UUID]) -> list[Membership]:
    """These memberships, as far as they exist."""
    return [_membership(row) for row in await conn.fetch(MEMBERSHIPS, list(ids))] if ids else []


async def memberships_of(conn: Connection, persons: Collection[int]) -> list[Membership]:
    """Every membership of these persons."""
    return [_membership(row) for row in await conn.fetch(MEMBERSHIPS_OF, array(persons))] if persons else []


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
            array([m.id for m in new]),
            array([persons.get(m.person, m.person) for m in new]),
            array([m.enterprise_id for m in new]),
            array([m.union_id for m in new]),
            array([m.joined_on for m in new]),
            array([m.joined_rank for m in new]),
            array([m.left_on for m in new]),
            array([m.left_rank for m in new]),
        )


async def write(conn: Connection, world: World) -> None:
    """Write the memberships that changed. Raises ConcurrentChange if another command gave one of the persons a membership."""
    if not world.touched_memberships:
        return
    changed = [world.memberships[membership_id] for membership_id in world.touched_memberships]
    try:
        await put_memberships(conn, changed, world.numbers, world.stored)
    except asyncpg.ExclusionViolationError as error:
        raise ConcurrentChange("another command wrote a membership of the same person") from error
    world.touched_memberships = set()


async def one(conn: Connection, member_id: UUID) -> dict[str, Any] | None:
    """One membership, of a person who is not named; one of a person who was erased says so, which changes its ETag."""
    row = await conn.fetchrow(MEMBER, member_id)
    if row is None:
        return None
    return {
        "id": str(row["id"]),
        "union_id": str(row["union_id"]),
        "enterprise_id": str(row["enterprise_id"]),
        "joined_on": row["joined_on"].isoformat(),
        "left_on": row["left_on"].isoformat() if row["left_on"] else None,
        "subject": f"enterprise/{row['enterprise_id']}",
        **({} if row["known"] else {"document": None}),
    }
