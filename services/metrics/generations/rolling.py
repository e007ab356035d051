"""Rolls up closed known days: the ledger's sums over all shards, by park and at most one dimension, for days, months and years.

A closed known day receives nothing any more (docs/design/ENGINE.md, Closing days), so its rows are added once: when the day is closed in every
shard, in one transaction with the day up to which all is rolled up (`rolled.day`), which only ever moves on. Questions use the rollups for what was
known by that day and the ledger for the rest (`figures.rollups`), so a rollup that is late, or was never made, changes no answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeAlias

import structlog

from services.metrics.generations import lifecycle
from services.metrics.generations.comparing import Difference
from services.metrics.measures import MEASURES, NUMBER, Vector, packed, unpacked, vector
from services.metrics.tables.rows import Cell
from shared.process import db
from shared.process.db import Connection
from shared.process.pause import pause

CODES = {"none": "NULL::text", "industry": "left(c.industry, 1)", "size": "c.size", "ownership": "c.ownership"}
"""{dimension: the code of a cell `c` in it}. An industry counts by its section."""
SPANS = {"none": ("day", "month", "year"), "industry": ("month", "year"), "size": ("month", "year"), "ownership": ("month", "year")}
MOST_DAYS = 60
"""Known days that are rolled up in one transaction, which the service's role must end within a minute."""
CHECK_EVERY = 1.0
SHARE = 10
"""A process spends at most one part in SHARE of its time on rolling up: while it catches up, days close all the time."""

CLOSED_DAY = """
(SELECT CASE WHEN count(closed) >= greatest(count(*), {shards}) THEN min(closed) END FROM shards WHERE generation = {generation})
"""
"""The deployment's closed day: NULL while one of `shards` shards has none or does not exist."""
LOCK = "SELECT pg_try_advisory_xact_lock(1919904108, $1)"
"""One process at a time rolls up a generation."""
STATE = f"""
SELECT r.day, coalesce(r.first, (SELECT min(known_day) FROM g{{g}}.ledger)) AS first, {CLOSED_DAY.format(shards="$1", generation="$2")} AS closed
FROM (SELECT) n LEFT JOIN g{{g}}.rolled r ON true
"""
ADD = """
INSERT INTO g{g}.rollups AS r (dimension, span, of_year, start, park, code, {measures})
SELECT '{dimension}', '{span}', coalesce(known_year, 0), start, park, code, {sums} FROM (
    SELECT known_year, date_trunc('{span}', l.effective_day)::date AS start, c.park, {code} AS code, {measures} FROM (
        SELECT cell, effective_day, extract(year FROM known_day)::int AS known_year, {sums} FROM g{g}.ledger
        WHERE known_day > $1 AND known_day <= $2 GROUP BY 1, 2, 3
    ) l JOIN g{g}.cells c ON c.id = l.cell
) l GROUP BY GROUPING SETS ((start, park, code), (known_year, start, park, code)) ORDER BY 3, 4, 5, 6
ON CONFLICT (of_year, dimension, span, start, park, code) DO UPDATE SET {added}
"""
SUMS = ", ".join(f"nullif(sum({name}), 0) AS {name}" for name in MEASURES)
ADDED = ", ".join(f"{name} = nullif(coalesce(r.{name}, 0) + coalesce(excluded.{name}, 0), 0)" for name in MEASURES)
ROLLED = "INSERT INTO g{g}.rolled (day, first) VALUES ($1, $2) ON CONFLICT (one) DO UPDATE SET day = excluded.day"

log = structlog.get_logger(__name__)


async def roll(conn: Connection, generation: int, shards: int, most_days: int = MOST_DAYS) -> date | None:
    """Roll up the next closed known days, `most_days` at most; returns the day up to which all is rolled up then, None if there was nothing to do."""
    async with conn.transaction():
        if not await conn.fetchval(LOCK, generation):
            return None
        state = await conn.fetchrow(STATE.format(g=generation), shards, generation)
        if state is None or state["closed"] is None or state["first"] is None:
            return None
        after: date = state["day"] or state["first"] - timedelta(days=1)
        until: date = min(state["closed"], after + timedelta(days=most_days))
        if until <= after:
            return None
        for dimension, spans in SPANS.items():
            for span in spans:
                statement = ADD.format(
                    g=generation,
                    dimension=dimension,
                    span=span,
                    code=CODES[dimension],
                    measures=", ".join(MEASURES),
                    sums=SUMS,
                    added=ADDED,
                )
                await conn.execute(statement, after, until)
        await conn.execute(ROLLED.format(g=generation), until, state["first"])
    return until


async def run(dsn: str, shards: int, stop: asyncio.Event) -> None:
    """Roll up the generations that are kept up to date until `stop`, through outages of the database."""
    while not stop.is_set():
        with suppress(*db.OUTAGES):
            conn = await db.connect(dsn, application_name="metrics.rolling")
            try:
                while not stop.is_set():
                    began = time.monotonic()
                    for generation in await lifecycle.active(conn):
                        if (day := await roll(conn, generation, shards)) is not None:
                            log.info("rolling.rolled", generation=generation, day=day.isoformat())
                    await pause(stop, max(CHECK_EVERY, (SHARE - 1) * (time.monotonic() - began)))
            finally:
                conn.terminate()
        await pause(stop, CHECK_EVERY)


class Key(NamedTuple):
    """The key of a rollup. `of_year`: of the known days of that year, 0: of all; `start`: the first day of its span; `park` and `code` None: unknown,
    or no dimension."""

    of_year: int
    dimension: str
    span: str
    start: date
    park: str | None
    code: str | None


Missing: TypeAlias = dict[Key, Vector]
"""{rollup: what the ledger has too little for it}"""

COMPARED = """
WITH base AS MATERIALIZED (
    SELECT c.park, c.industry, c.size, c.ownership, l.effective_day, extract(year FROM known_day)::int AS known_year, {sums} FROM (
        SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger WHERE known_day <= $1
        UNION ALL SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger_open WHERE known_day <= $1
    ) l LEFT JOIN g{g}.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6
), expected AS (
    {each}
), wanted AS (
    SELECT * FROM unnest($2::int[], $3::text[], $4::text[], $5::date[], $6::text[], $7::text[]) AS w(of_year, dimension, span, start, park, code)
)
SELECT of_year, dimension, span, start, park, code, {served}, {refolded} FROM (
    SELECT of_year, dimension, span, start, park, code, {both} FROM (
        SELECT of_year, dimension, span, start, park, code, {kept} FROM g{g}.rollups
        UNION ALL SELECT of_year, dimension, span, start, park, code, {made} FROM expected
    ) u GROUP BY 1, 2, 3, 4, 5, 6
) b WHERE {differ} OR EXISTS (
    SELECT FROM wanted w WHERE (w.of_year, w.dimension, w.span, w.start) = (b.of_year, b.dimension, b.span, b.start)
    AND w.park IS NOT DISTINCT FROM b.park AND w.code IS NOT DISTINCT FROM b.code
)
"""
EACH = """
SELECT coalesce(known_year, 0) AS of_year, '{dimension}' AS dimension, '{span}' AS span, start, park, code, {sums} FROM (
    SELECT known_year, date_trunc('{span}', effective_day)::date AS start, c.park, {code} AS code, {measures} FROM base c
) c GROUP BY GROUPING SETS ((start, park, code), (known_year, start, park, code))
"""


class Expected:
    """What the rollups of a generation should be by the log, for an audit.

    The served ledger is compared with the log row by row, so its sums, with what it has too much or too little, are those of the log.
    """

    def __init__(self, generation: int, until: date | None, closed: date | None) -> None:
        self._generation = generation
        self._until = until
        self._closed = closed
        self._missing: defaultdict[Key, Vector] = defaultdict(int)

    @classmethod
    async def of(cls, conn: Connection, generation: int, shards: int) -> Expected:
        """Of what is in the snapshot of `conn`."""
        state = await conn.fetchrow(STATE.format(g=generation), shards, generation)
        return cls(generation, state["day"], state["closed"]) if state else cls(generation, None, None)

    def correcting(self, differences: Iterable[Difference], missing: Missing) -> Iterator[Difference]:
        """Passes on the differences of the ledger, and adds to `missing` what they are in the rollups."""
        for one in differences:
            if self._until is not None and one["known_day"] <= self._until:
                of_row = vector(**one["refolded"]) - vector(**one["served"])
                for key in _keys(tuple(one["cell"].values()), one["effective_day"], one["known_day"].year):
                    missing[key] = missing.get(key, 0) + of_row
            yield one

    def add(self, missing: Missing) -> None:
        """Takes note of what the differences of a shard are in the rollups."""
        for key, of_shard in missing.items():
            self._missing[key] += of_shard

    async def differences(self, conn: Connection) -> list[Difference]:
        """The rollups that are not what the log says, by key; and the day up to which all is said to be rolled up, if it is not closed."""
        wanted = [list(column) for column in zip(*self._missing, strict=True)] if self._missing else [[], [], [], [], [], []]
        rows = await conn.fetch(_comparing(self._generation), self._until or date.min, *wanted)
        found: dict[Key, tuple[Vector, Vector]] = dict.fromkeys(self._missing, (0, 0))
        for row in rows:
            values: tuple[Any, ...] = tuple(row)
            found[Key(*values[:6])] = packed(values[6 : 6 + NUMBER]), packed(values[6 + NUMBER :])
        both = {key: (served, summed + self._missing.get(key, 0)) for key, (served, summed) in found.items()}
        changed = [_difference(key, *both[key]) for key in sorted(both, key=lambda key: tuple(map(str, key))) if len({*both[key]}) > 1]
        if self._until is not None and (self._closed is None or self._until > self._closed):
            changed.append({**_row("rolled", "day"), "served": self._until, "refolded": self._closed})
        return changed


def _keys(cell: Cell, day: date, known_year: int) -> Iterator[Key]:
    park, industry, size, ownership = cell
    codes = {"none": None, "industry": industry[:1] if industry else industry, "size": size, "ownership": ownership}
    starts = {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}
    for dimension, spans in SPANS.items():
        for span in spans:
            for year in (0, known_year):
                yield Key(year, dimension, span, starts[span], park, codes[dimension])


def _comparing(generation: int) -> str:
    def each(form: str, separator: str = ", ") -> str:
        return separator.join(form.format(name=name) for name in MEASURES)

    sums = each("coalesce(sum({name}), 0)::bigint AS {name}")
    expected = " UNION ALL ".join(
        EACH.format(dimension=dimension, span=span, code=CODES[dimension], sums=sums, measures=", ".join(MEASURES))
        for dimension, spans in SPANS.items()
        for span in spans
    )
    return COMPARED.format(
        g=generation,
        sums=sums,
        measures=", ".join(MEASURES),
        each=expected,
        served=each("served_{name}"),
        refolded=each("expected_{name}"),
        both=each("sum(served_{name})::bigint AS served_{name}, sum(expected_{name})::bigint AS expected_{name}"),
        kept=each("coalesce({name}, 0)::bigint AS served_{name}, 0 AS expected_{name}"),
        made=each("0, {name}"),
        differ=each("served_{name} <> expected_{name}", " OR "),
    )


def _difference(key: Key, served: Vector, expected: Vector) -> Difference:
    """A differing rollup without measures that are 0 on both sides."""
    left, right = (dict(zip(MEASURES, unpacked(value), strict=True)) for value in (served, expected))
    names = [name for name in MEASURES if left[name] or right[name]]
    return {
        **_row("rollups", key._asdict()),
        "served": {name: left[name] for name in names},
        "refolded": {name: right[name] for name in names},
    }


def _row(table: str, key: object) -> Difference:
    """Of no shard, and of no enterprise that could be named: a rollup that differs was not summed as it should be."""
    return {"table": table, "shard": None, "key": key, "enterprises": [], "enterprises_left_out": 0}
