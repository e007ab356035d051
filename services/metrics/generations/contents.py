"""The tables of a shard that list what it has, as served and as they should be: compared as bytes, and read row by row where these differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from services.metrics.generations.refold import Refolded
from services.metrics.generations.served import copied_from
from services.metrics.refolding import listed
from services.metrics.tables.heads import all_heads
from services.metrics.tables.store import AREA_COLUMNS
from shared.directory.visibility import stays
from shared.process.db import Connection, Record

Contents: TypeAlias = dict[Any, Any]
"""{key of a row: the rest of it}"""

SHARD = "SELECT {columns} FROM g{g}.{table} WHERE shard = {shard}"
SHARD_ONCE = "SELECT {columns} FROM (SELECT DISTINCT {columns} FROM g{g}.{table} WHERE shard = {shard}) AS once"
"""Of a view in which a row may be twice."""
HEADS = "SELECT {columns} FROM ({heads}) AS h WHERE shard = {shard}"
HELD = "SELECT {columns} FROM held WHERE generation = {g} AND shard = {shard}"
KEY = '{name} COLLATE "C"'


class _Table(NamedTuple):
    """How a table is read: its columns and statement, a row as (key, rest), and its rows of a refold."""

    columns: tuple[str, ...]
    statement: str
    row: Callable[[Record], tuple[Any, Any]]
    expected: Callable[[Refolded], Contents]


def _by_id(row: Any) -> tuple[Any, Any]:
    return row[0].int, tuple(row)[1:]


def _area(row: Any) -> tuple[Any, ...]:
    return tuple(row[name] for name in AREA_COLUMNS if name != "event_id")


TABLES: Mapping[str, _Table] = {
    "areas_facts": _Table(
        AREA_COLUMNS,
        SHARD,
        lambda row: (row["event_id"].int, _area(row)),
        lambda refolded: {
            row.event_id.int: _area({name: getattr(row, name) for name in AREA_COLUMNS}) for row in refolded.areas
        },
    ),
    "enterprises": _Table(
        tuple(listed.COLUMNS["enterprises"]), SHARD, _by_id, lambda refolded: {UUID(row.id).int: tuple(row)[1:] for row in refolded.names}
    ),
    "placements": _Table(
        tuple(listed.COLUMNS["placements"]), SHARD_ONCE, lambda row: (tuple(row), True), lambda refolded: dict.fromkeys(refolded.placements, True)
    ),
    "stays": _Table(
        tuple(listed.COLUMNS["stays"]),
        SHARD,
        lambda row: ((row["since"], row["subject"]), (row["until"], row["park"])),
        lambda refolded: {
            (stay.since, subject): stay[1:] for subject, placing in refolded.placings.items() if placing for stay in stays(placing)
        },
    ),
    "seen": _Table(
        tuple(listed.COLUMNS["seen"]),
        HEADS,
        lambda row: ((row["source"], row["subject"]), (row["sequence"], row["event_id"].int)),
        lambda refolded: {stream: (head.sequence, head.event_id.int) for stream, head in refolded.heads.items()},
    ),
    "held": _Table(
        ("topic", '"offset"', "kind", "source", "subject", "sequence"),
        HELD,
        lambda row: (tuple(row)[:2], tuple(row)[2:]),
        lambda refolded: {at: (parked.kind, *parked.record.stream, parked.record.sequence) for at, parked in refolded.held.items()},
    ),
    "unions": _Table(
        tuple(listed.COLUMNS["unions"]), SHARD, _by_id, lambda refolded: {row.id.int: tuple(row)[1:] for row in refolded.unions}
    ),
}  # fmt: skip


async def contents(
    conn: Connection, generation: int, refolded: Refolded, *, attributed: bool
) -> tuple[dict[str, Contents], dict[str, Contents]]:
    """{table: its rows}, as served and from a refold, of the tables that may differ; `unions` only of an `attributed` generation."""
    served, expected = dict[str, Contents](), dict[str, Contents]()
    heads = await all_heads(conn, generation)
    for name, table in TABLES.items():
        if name == "unions" and not attributed:
            continue
        statement = table.statement.format(g=generation, shard=refolded.shard, table=name, heads=heads, columns=", ".join(table.columns))
        if name in listed.COLUMNS and await _is_equal(conn, statement, name, refolded):
            continue
        served[name] = dict(map(table.row, await conn.fetch(statement)))
        expected[name] = table.expected(refolded)
    return served, expected


async def _is_equal(conn: Connection, statement: str, table: str, refolded: Refolded) -> bool:
    """Whether a table has exactly the rows that it should have."""
    keys: Collection[str] = listed.KEYS[table]
    order = ", ".join(name if name in ("id", "since") else KEY.format(name=name) for name in keys)
    found = await copied_from(conn, f"{statement} ORDER BY {order}")
    return found == listed.stream(getattr(refolded.listed, table), len(listed.COLUMNS[table]))
