"""Reads the ledger, the facts and the states of one shard of a generation from its tables, in the form of a refold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from services.metrics.counted import says_of
from services.metrics.folding.coverage import AttributeFact
from services.metrics.folding.facts import FactSet
from services.metrics.folding.plain.sums import Longs, Table
from services.metrics.folding.tallying.tally import MatterFact
from services.metrics.generations.refold import Refolded
from services.metrics.measures import MEASURES, Vector, packed, vector
from services.metrics.refolding import copied
from services.metrics.refolding.copied import fixed
from services.metrics.refolding.digests import Digests
from services.metrics.refolding.ledger import KEYS, member_numbers, numbers_of
from services.metrics.refolding.member_ledger import Numbers
from services.metrics.refolding.shapes import VALUE_0
from services.metrics.tables.rows import Cell, Key, TallyKey
from services.metrics.tables.store import has_table
from shared.process.db import Connection, Record

Contents: TypeAlias = dict[Any, Any]
"""{key of a row: the rest of it}"""

ServedDurations: TypeAlias = Table
"""Columns as `Shapes.durations` gives them."""

AT_ONCE = 5000
NO_CELL: Cell = (None, None, None, None)

LEDGER = "SELECT cell, effective_day, known_day, {measures} FROM g{g}.{table} WHERE shard = $1"
MEMBERS = """
SELECT cell, coalesce(effective, 'epoch'), known_day, coalesce(net, 0), headcount_unknown, unionised FROM (
    SELECT cell, unnest(effective) AS effective, known_day, unnest(net) AS net, headcount_unknown, unionised FROM g{g}.ledger_runs WHERE shard = $1
) r
"""
CELLS = "SELECT id, park, industry, size, ownership FROM g{g}.cells WHERE id = ANY($1::int[])"
LEDGER_TYPES = ("int", "date", "date", *("bigint" for _ in MEASURES))
MEMBER_TYPES = ("int", "date", "date", "int", "boolean", "boolean")
DURATIONS = """
SELECT cell, effective_day, known_day, (kind = 'founded')::int, value, count FROM g{g}.durations WHERE shard = $1
UNION ALL SELECT cell, effective_day, known_day, (kind = 'founded')::int, value, count FROM g{g}.durations_open WHERE shard = $1
"""
DURATION_TYPES = ("int", "date", "date", "int", "int", "int")
TALLIES = """
SELECT c.park, c.industry, c.size, c.ownership, l.effective_day, l.known_day, l.name, l.code, l.value, l.count FROM (
    SELECT cell, effective_day, known_day, name, code, value, sum(count)::bigint AS count FROM (
        SELECT cell, effective_day, known_day, name, code, value, count FROM g{g}.tallies WHERE shard = $1
        UNION ALL SELECT cell, effective_day, known_day, name, code, value, count FROM g{g}.tallies_open WHERE shard = $1
    ) r GROUP BY 1, 2, 3, 4, 5, 6
) l LEFT JOIN g{g}.cells c ON c.id = l.cell
"""
COUNT = """
SELECT (SELECT count(*) FROM g{g}.ledger) + (SELECT count(*) FROM g{g}.durations) + (SELECT count(*) FROM g{g}.tallies)
    + (SELECT count(*) FROM (
        SELECT FROM g{g}.ledger_open GROUP BY shard, cell, effective_day, known_day HAVING {any_measure}
    ) r)
    + (SELECT count(*) FROM (
        SELECT FROM g{g}.durations_open GROUP BY shard, cell, effective_day, known_day, kind, value HAVING sum(count) <> 0
    ) r)
    + (SELECT count(*) FROM (
        SELECT FROM g{g}.tallies_open GROUP BY shard, cell, effective_day, known_day, name, code, value HAVING sum(count) <> 0
    ) r)
"""
NEVER_NULL = ", ".join(f"coalesce({name}, 0)::bigint" for name in MEASURES)
FACTS = "SELECT {columns} FROM g{g}.{table} WHERE shard = $1"
FACT_RUNS = "SELECT {columns} FROM g{g}.fact_runs WHERE shard = $1"
STATES = "SELECT subject, state FROM g{g}.states WHERE shard = $1"


async def count(conn: Connection, generation: int) -> int:
    """Number of rows of ledger, durations and tallies as an audit counts them: one per key, none where the sum is zero.

    Only the open tables need summing: they hold no row of a closed day.
    """
    any_measure = " OR ".join(f"sum({name}) <> 0" for name in MEASURES)
    found: int = await conn.fetchval(COUNT.format(g=generation, any_measure=any_measure))
    return found


class ServedLedger:
    """The rows of all tables of a shard's ledger, not summed: `table` = cell (`Numbers`), effective day, known day, and the number of the row."""

    def __init__(self, wide: Sequence[Table], members: Table | None, cells: Mapping[int, Cell], numbers: Numbers) -> None:
        self._wide, self._members, self._cells = wide, members, cells
        parts = [np.concatenate((rows[:KEYS], [numbers_of(rows[KEYS:].T)])) for rows in wide]
        if members is not None:
            parts.append(np.concatenate((members[:KEYS], [member_numbers(*members[KEYS:])])))
        self.table = np.concatenate(parts, axis=1)
        ids, places = np.unique(self.table[0], return_inverse=True)
        self.table[0] = np.array([numbers.cell(self._cell(one)) for one in ids.tolist()], np.int64)[places]

    def _cell(self, number: int) -> Cell:
        return self._cells.get(number, NO_CELL)

    def vectors(self, wanted: Iterable[Key]) -> dict[Key, Vector]:
        """The sums of some keys."""
        found = dict.fromkeys(wanted, 0)
        days = [key[2] for key in found]
        for rows in self._wide:
            for cell, effective, known, *measures in rows[:, np.isin(rows[2], days)].T.tolist():
                if (key := (self._cell(cell), effective, known)) in found:
                    found[key] += packed(measures)
        if self._members is not None:
            for cell, effective, known, net, unknown, unionised in self._members[:, np.isin(self._members[2], days)].T.tolist():
                if (key := (self._cell(cell), effective, known)) in found:
                    found[key] += vector(members=net, members_headcount_unknown=net * unknown, members_unionised=net * unionised)
        return found


async def ledger(conn: Connection, generation: int, shard: int, numbers: Numbers) -> ServedLedger:
    """The rows of all tables of the ledger."""
    runs = await has_table(conn, generation, "ledger_runs")
    wide = [
        fixed(await copied_from(conn, LEDGER.format(g=generation, table=table, measures=NEVER_NULL), shard), LEDGER_TYPES)
        for table in ("ledger", "ledger_rows" if runs else "ledger_open")
    ]
    members = fixed(await copied_from(conn, MEMBERS.format(g=generation), shard), MEMBER_TYPES) if runs else None
    ids = np.unique(np.concatenate([rows[0] for rows in (*wide, *((members,) if members is not None else ()))]))
    return ServedLedger(wide, members, await _cells(conn, generation, ids), numbers)


async def copied_from(conn: Connection, statement: str, *args: object) -> bytes:
    """What a statement returns, in COPY's binary form."""
    parts: list[bytes] = []

    async def take(data: bytes) -> None:
        parts.append(data)

    await conn.copy_from_query(statement, *args, output=take, format="binary")
    return b"".join(parts)


async def durations(conn: Connection, generation: int, shard: int, numbers: Numbers) -> ServedDurations:
    """The rows of both tables of the durations, as `Shapes.durations` gives them."""
    found = fixed(await copied_from(conn, DURATIONS.format(g=generation), shard), DURATION_TYPES)
    found[4] += VALUE_0
    ids, places = np.unique(found[0], return_inverse=True)
    cells = await _cells(conn, generation, ids)
    found[0] = np.array([numbers.cell(cells.get(one, NO_CELL)) for one in ids.tolist()], np.int64)[places]
    return found


async def _cells(conn: Connection, generation: int, ids: Longs) -> dict[int, Cell]:
    rows = await conn.fetch(CELLS.format(g=generation), ids.tolist())
    return {number: (park, industry, size, ownership) for number, park, industry, size, ownership in rows}


async def tallies(conn: Connection, generation: int, shard: int) -> dict[TallyKey, int]:
    """{(cell, effective day, known day, name, code, value): count over both tables}, without zeros."""
    found: dict[TallyKey, int] = {}
    async for rows in _in_parts(conn, TALLIES.format(g=generation), shard):
        for park, industry, size, ownership, effective, known, name, code, value, count in rows:
            if count:
                key = ((park, industry, size, ownership), effective.toordinal(), known.toordinal(), name, code, value)
                found[key] = found.get(key, 0) + count
    return found


async def _in_parts(conn: Connection, statement: str, *args: object) -> AsyncIterator[Sequence[Record]]:
    """The rows of a statement, AT_ONCE at a time. (Going through a cursor row by row costs more than what is done with the row.)"""
    cursor = await conn.cursor(statement, *args)
    while rows := await cursor.fetch(AT_ONCE):
        yield rows


async def fact_digests(conn: Connection, generation: int, shard: int, *, attributed: bool) -> dict[str, int]:
    """{subject: the digest of its facts}"""
    digests = Digests(attributed=attributed)
    runs = await has_table(conn, generation, "fact_runs")
    statement = FACTS.format(g=generation, table="fact_rows" if runs else "facts", columns=copied.FACTS)
    copied.add_facts(digests, await copied_from(conn, statement, shard), attributed=attributed)
    if runs:
        copied.add_runs(digests, await copied_from(conn, FACT_RUNS.format(g=generation, columns=copied.RUNS), shard), attributed=attributed)
    return digests.sums


async def states(conn: Connection, generation: int, shard: int, refolded: Refolded) -> tuple[Contents, Contents]:
    """The sets of facts that are not equal, as served and from a refold; those of it are compacted as far as the served ones."""
    served, equal, sets, dumps = dict[str, bytes](), set[str](), refolded.sets, refolded.dumps
    async for rows in _in_parts(conn, STATES.format(g=generation), shard):
        for subject, state in rows:
            if (facts := sets.get(subject)) is not None and (dumps[subject] == state or facts.is_stored_as(state)):
                equal.add(subject)
            else:
                served[subject] = state
    return (
        {subject: content_of(FactSet.load(state)) for subject, state in served.items()},
        {subject: content_of(facts) for subject, facts in sets.items() if subject not in equal},
    )


def content_of(facts: FactSet) -> tuple[int, list[tuple[Any, ...]], dict[int, dict[int, int]]]:
    """The content of a set of facts, independent of the order of arrival, and the day since which it holds it."""
    attributes = sorted((*map(_fact_key, facts.attributes), *map(_fact_key, facts.matters)), key=repr)
    return facts.since, attributes, {known: net for known, net in facts.members.items() if net}


def _fact_key(fact: AttributeFact | MatterFact) -> tuple[Any, ...]:
    return (fact.kind, fact.occurred, fact.rank, fact.known, fact.until, sorted(says_of(fact.content).items()))
