"""Facts in runs: they are read as rows of their own are, and seen by whom those are seen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.metrics.counted import MEMBERS, kind_of
from services.metrics.tables import fact_runs
from services.metrics.tables.store import FactRow
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered
from shared.http.auth import Areas
from shared.process import db
from tests.integration.metrics.service import Metrics, enterprise, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

JOINED, LEFT = "parkunion.member-joined.v1", "parkunion.member-left.v1"
SOURCE = "/services/membership"
COLUMNS = ", ".join(FactRow._fields)


def in_runs(rows: Iterable[FactRow]) -> tuple[list[FactRow], list[fact_runs.FactRun]]:
    """(the rows that stay single, the runs of the others). `rows`: of one batch, those of a stream in its order."""
    single, grouped = list[FactRow](), dict[tuple[object, ...], list[FactRow]]()
    for row in rows:
        _, subject, source, _, _, type_, _, known_day, _, says, actor, reason = row
        if says is None and kind_of(type_) in MEMBERS:
            grouped.setdefault((subject, source, type_, known_day, actor, reason), []).append(row)
        else:
            single.append(row)
    runs = list[fact_runs.FactRun]()
    for found in grouped.values():
        if len(found) < fact_runs.SHORTEST_RUN:
            single += found
            continue
        one = found[0]
        runs.append(
            fact_runs.FactRun(
                one.shard, one.subject, one.source, one.type, one.known_day, one.actor, one.reason, [row.sequence for row in found],
                [row.event_id for row in found], [row.occurred_on.toordinal() for row in found], [row.recorded_at for row in found],
            )
        )  # fmt: skip
    return single, runs


def joins(subject: str, count: int, on: str = "2024-02-01", first: int = 1, **changed: object) -> list[FactRow]:
    """Joins on days one after the other."""
    day, at = date.fromisoformat(on), datetime(2024, 6, 3, 2, 0, 0, 7, tzinfo=UTC)
    rows = [
        FactRow(
            0, subject, SOURCE, number, UUID(int=(hash(subject) & 0xFFFF) << 64 | number), JOINED, day + timedelta(days=number - first),
            date(2024, 6, 3), at + timedelta(milliseconds=number), None, "某人", None,
        )
        for number in range(first, first + count)
    ]  # fmt: skip
    return [row._replace(**changed) for row in rows]  # type: ignore[arg-type]


async def read(metrics: Metrics, areas: Areas | None, where: str = "true", *args: object) -> list[FactRow]:
    async with db.transaction(metrics.pool, areas=areas) as conn:
        found = await conn.fetch(f"SELECT {COLUMNS} FROM g1.facts WHERE {where} ORDER BY subject, source, sequence", *args)
    return [FactRow(*row) for row in found]


async def test_what_is_written_in_runs_is_read_as_rows(metrics: Metrics, metrics_database: Any) -> None:
    subjects = [f"enterprise/{UUID(int=number)}" for number in range(4)]
    rows = [
        *joins(subjects[0], 700, first=5), *joins(subjects[1], 2, on="1949-10-01", actor=None, reason="moved"),
        *joins(subjects[1], 3, first=3, type=LEFT, occurred_on=date(2024, 1, 1)), *joins(subjects[2], 1), *joins(subjects[3], 5, says={"a": 1}),
    ]  # fmt: skip
    async with db.transaction(metrics.pool, areas=None) as conn:
        await fact_runs.keep(conn, 1, *in_runs(rows))
    assert await read(metrics, Areas.all()) == sorted(rows, key=lambda row: (row.subject, row.source, row.sequence))
    assert await read(metrics, Areas.all(), "subject = $1 AND sequence BETWEEN 300 AND 302", subjects[0]) == rows[295:298]
    owner = await db.connect(metrics_database.owner_dsn, application_name="metrics.tests")
    try:
        stored = [await owner.fetchval(f"SELECT count(*) FROM g1.{table}") for table in ("fact_rows", "fact_runs", "facts")]
        runs = await owner.fetch("SELECT first, newest, sequences, recorded FROM g1.fact_runs")
    finally:
        await owner.close()
    assert stored == [6, 3, len(rows)]
    assert all((run["first"], run["newest"]) == (run["sequences"][0], max(run["recorded"])) for run in runs)


def test_a_run_is_of_one_stream_type_day_actor_and_reason_and_is_not_alone() -> None:
    same = joins("enterprise/a", 3)
    other = [
        *joins("enterprise/b", 2), *joins("enterprise/c", 2, source="/services/other"), *joins("enterprise/d", 2, type=LEFT),
        *joins("enterprise/a", 2, first=4, known_day=date(2024, 6, 4)), *joins("enterprise/a", 2, first=6, actor="other"),
        *joins("enterprise/a", 2, first=8, reason="moved"), *joins("enterprise/a", 1, first=10, reason="alone"),
        *joins("enterprise/a", 2, first=11, says={"workers": 1}), *joins("enterprise/a", 2, first=13, type="parkunion.enterprise-closed.v1"),
    ]  # fmt: skip
    single, runs = in_runs(same + other)
    assert sorted(row.sequence for row in single) == [10, 11, 12, 13, 14]
    assert sorted(len(run.sequences) for run in runs) == [2, 2, 2, 2, 2, 2, 3]
    assert sorted([*single, *(row for run in runs for row in run.rows())], key=repr) == sorted(same + other, key=repr)


@pytest.mark.invariant("I6")
async def test_a_run_is_seen_event_by_event_where_the_enterprise_was(metrics: Metrics) -> None:
    made, subject = enterprise()
    for code, parent in (("A", None), ("A-P1", "A"), ("B", None), ("B-P1", "B")):
        metrics.area(code, parent)
    metrics.append(subject, EnterpriseRegistered(enterprise_id=made, name="示例厂", park="A-P1", district="A"), "2024-01-01")
    metrics.append(subject, EnterpriseMoved(park="B-P1", district="B"), "2024-02-03")
    await metrics.fold()
    rows = joins(subject, 5)
    async with db.transaction(metrics.pool, areas=None) as conn:
        await fact_runs.keep_runs(conn, 1, in_runs(rows)[1])
    of_members = "type = 'parkunion.member-joined.v1'"
    for areas, expected in ((["A"], rows[:2]), (["A-P1"], rows[:2]), (["B"], rows[2:]), (["A", "B"], rows), (["*"], rows), (["C"], [])):
        assert await read(metrics, Areas.of(areas), of_members) == expected, areas
        assert await read(metrics, Areas.of(areas), f"{of_members} AND subject = $1", subject) == expected, areas
        assert await read(metrics, Areas.of(areas), f"{of_members} AND subject = ANY ($1::text[])", [subject]) == expected, areas
    assert await read(metrics, None) == await read(metrics, Areas.of([])) == []


@pytest.mark.invariant("I6")
async def test_the_role_of_the_service_reads_facts_through_the_views_alone(metrics: Metrics) -> None:
    metrics.area("A", None)
    await metrics.fold()
    rows = joins(enterprise()[1], 4)
    async with db.transaction(metrics.pool, areas=None) as conn:
        await fact_runs.keep(conn, 1, *in_runs(rows))
    for areas in (None, Areas.of([]), Areas.of(["*"])):
        for statement in (
            "SELECT 1 FROM g1.fact_rows", "SELECT 1 FROM g1.fact_runs", "TABLE g1.fact_rows", "UPDATE g1.fact_rows SET shard = 1",
            "DELETE FROM g1.fact_runs", "SELECT g1.keep_stays(ARRAY['x'])",
        ):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with db.transaction(metrics.pool, areas=areas) as conn:
                    await conn.execute(statement)
    for view in ("facts", "stored_facts", "recorded_facts"):
        async with db.transaction(metrics.pool, areas=None) as conn:
            assert await conn.fetchval(f"SELECT count(*) FROM g1.{view}") == 0, view
        async with db.transaction(metrics.pool, areas=Areas.all()) as conn:
            assert await conn.fetchval(f"SELECT count(*) FROM g1.{view}") > 0, view


async def test_a_release_before_writes_into_facts_by_insert_and_by_copy(metrics: Metrics) -> None:
    _, subject = enterprise()
    says = {"park": "P1"}
    rows = joins(subject, 5, type="parkunion.enterprise-registered.v1", source="/services/registry", says=says)
    async with db.transaction(metrics.pool, areas=None) as conn:
        await conn.copy_records_to_table("facts", schema_name="g1", columns=FactRow._fields[:10], records=[row[:10] for row in rows[:3]])
        values = ", ".join(f"${n}" for n in range(1, len(FactRow._fields) + 1))
        await conn.executemany(f"INSERT INTO g1.facts ({COLUMNS}) VALUES ({values})", rows[3:])
    assert await read(metrics, Areas.all()) == [*(row._replace(actor=None) for row in rows[:3]), *rows[3:]]
    assert await metrics.pool.fetchval("SELECT count(*) FROM g1.stays WHERE subject = $1 AND park = 'P1'", subject) == len(rows)


class Before:
    """A connection to a database in which migration 0013 waits: its statements are recorded."""

    def __init__(self) -> None:
        self.executed = list[tuple[object, ...]]()

    def get_server_pid(self) -> int:
        return -1

    async def fetchval(self, statement: str, *args: object) -> object:
        return False

    async def execute(self, *args: object) -> None:
        self.executed.append(args)


async def test_before_the_migration_everything_is_a_row(metrics: Metrics) -> None:
    conn, rows = Before(), joins("enterprise/a", 4)
    await fact_runs.keep_runs(conn, 1, in_runs(rows)[1])  # type: ignore[arg-type]
    ((statement, *columns),) = conn.executed
    assert "g1.facts" in str(statement)
    assert [FactRow(*row) for row in zip(*columns, strict=True)] == rows
