"""What nearly every command decides on, in one statement after its locks: one round trip, and one snapshot, instead of five.

Each column is an array of rows (`ARRAY(SELECT (…))`), in the order of the columns that `store` names.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.membership import store
from services.membership.domain.state import CoverageFact, Union
from shared.directory.known import Enterprise
from shared.directory.store import ENTERPRISE_COLUMNS
from shared.process.db import Connection

LOAD = f"""
SELECT
    ARRAY(SELECT ({ENTERPRISE_COLUMNS}) FROM enterprises WHERE id = ANY($1::uuid[])) AS enterprises,
    ARRAY(
        SELECT ({store.COVERAGE_COLUMNS}) FROM coverage_facts WHERE enterprise_id = ANY($2::uuid[]) ORDER BY occurred_on, rank
    ) AS coverage,
    ARRAY(SELECT ({store.UNION_COLUMNS}) FROM unions WHERE id = ANY($3::uuid[])) AS unions,
    ARRAY(
        SELECT (w.hash_version, w.hash, p.no) FROM unnest($4::smallint[], $5::bytea[]) AS w(hash_version, hash)
        CROSS JOIN LATERAL (SELECT no FROM persons AS p WHERE p.hash = w.hash AND p.hash_version = w.hash_version OFFSET 0) AS p
    ) AS persons,
    parkunion_now() AS now
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`coverage` = {enterprise asked for: its facts in order}, `persons` = {(key version, hash): number} of those who are known.

    `now` is the platform's instant, under the locks.
    """

    enterprises: dict[UUID, Enterprise]
    coverage: dict[UUID, list[CoverageFact]]
    unions: dict[UUID, Union]
    persons: dict[tuple[int, bytes], int]
    now: datetime


async def load(
    conn: Connection,
    enterprises: Collection[UUID],
    covered: Collection[UUID],
    unions: Collection[UUID],
    hashes: Sequence[tuple[int, bytes]],
) -> Snapshot:
    """These enterprises and unions, the coverage of the enterprises `covered`, and whoever has one of these (key version, hash)."""
    row = await conn.fetchrow(
        LOAD, list(enterprises), list(covered), list(unions), [version for version, _ in hashes], [digest for _, digest in hashes]
    )
    assert row is not None
    coverage: dict[UUID, list[CoverageFact]] = {enterprise_id: [] for enterprise_id in covered}
    for columns in row["coverage"]:
        fact = store.coverage_fact(columns)
        coverage[fact.enterprise_id].append(fact)
    return Snapshot(
        {columns[0]: Enterprise(*columns) for columns in row["enterprises"]},
        coverage,
        {columns[0]: store.union(columns) for columns in row["unions"]},
        {(version, digest): no for version, digest, no in row["persons"]},
        row["now"],
    )
