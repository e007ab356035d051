"""Rolls up closed known days: the ledger's sums over all shards, by park and at most one dimension, for days, months and years.

A closed known day receives nothing any more (docs/design/ENGINE.md, Closing days), so its rows are added once: when the day is closed in every
shard, in one transaction with the day up to which all is rolled up (`rolled.day`), which only ever moves on. Questions use the rollups for what was
known by that day and the ledger for the rest (`figures.rolled`), so a rollup that is late, or was never made, changes no answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import structlog

from services.metrics.generations import lifecycle
from services.metrics.generations.comparing import Difference
from services.metrics.measures import MEASURES, NUMBER, Vector, packed, unpacked, vector
from services.metrics.tables.rows import Cell
from shared.process import db
from shared.process.db import Connection
from shared.process.pause import pause

NONE = "none"
CLASSES = {"industry": "left(c.industry, 1)", "size": "c.size", "ownership": "c.ownership"}
"""{class of enterprises: the code of a cell `c` in it}. An industry counts by its section."""
EVERYWHERE = {name: f"{name}_all" for name in CLASSES}
"""{class: its dimension of all parks together}"""
CODES = {NONE: "NULL::text", **CLASSES, **{EVERYWHERE[name]: code for name, code in CLASSES.items()}}
"""{dimension: the code of a cell `c` in it}"""
PARKS = {name: "NULL::text" if name in EVERYWHERE.values() else "c.park" for name in CODES}
"""{dimension: the park of a cell `c` in it}"""
KNOWN = {
    "known_all": "0",
    "known_year": "extract(year FROM known_day)::int",
    "known_month": "(extract(year FROM known_day) * 100 + extract(month FROM known_day))::int",
}
"""{known days that a rollup sums: their number, of a known day}: all, those of a year, those of a month (see `numbers`)."""
ALL, YEAR, MONTH = KNOWN
KEPT: Mapping[tuple[str, str], Sequence[str]] = {
    (NONE, "day"): (ALL,),
    (NONE, "month"): (ALL, YEAR, MONTH),
    (NONE, "year"): (ALL, YEAR, MONTH),
    **{(name, span): (ALL, YEAR) for name in CLASSES for span in ("month", "year")},
    **{(name, "day"): (ALL,) for name in EVERYWHERE.values()},
    **{(name, span): (ALL, YEAR, MONTH) for name in EVERYWHERE.values() for span in ("month", "year")},
}
"""{(dimension, span): the known days by which it is rolled up}. By class, park and month they would be more rows than the ledger has."""
FIRST_DAYS, MOST_DAYS = 10, 320
"""Known days that are rolled up in one transaction, which the service's role must end within a minute: at first, and at most."""
SHORT, LONG = 4.0, 12.0
"""Seconds; what takes less is followed by twice as many days, what takes more by half as many."""
CHECK_EVERY = 1.0
SHARE = 10
"""A process spends at most one part in SHARE of its time on rolling up: while it catches up, days close all the time."""

CLOSED_DAY = """
(SELECT CASE WHEN count(closed) >= greatest(count(*), {shards}) THEN min(closed) END FROM shards WHERE generation = {generation})
"""
"""The deployment's closed day: NULL while one of `shards` shards has none or does not exist."""
AT_ONCE = 0.2
"""Seconds for which a job goes on without a pause."""
Job: TypeAlias = Callable[[Connection, int, int], Awaitable[object]]
"""(connection, generation, shards) → what was done, None if nothing."""

LOCK = "SELECT pg_try_advisory_xact_lock(1919904108, $1)"
"""One process at a time rolls up a generation."""
STATE = f"""
SELECT r.day, coalesce(r.first, (SELECT min(known_day) FROM g{{g}}.ledger)) AS first, {CLOSED_DAY.format(shards="$1", generation="$2")} AS closed
FROM (SELECT) n LEFT JOIN g{{g}}.rolled r ON true
"""
ADD = """
WITH base AS MATERIALIZED (
    SELECT c.park, c.industry, c.size, c.ownership, l.effective_day, {numbers}, {sums} FROM (
        SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger WHERE known_day > $1 AND known_day <= $2
    ) l JOIN g{g}.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
), {each}
SELECT
"""
"""The ledger's rows of the days are read once; the rollups of each dimension and span are other rows, so one statement may write them all."""
ADD_EACH = """
{dimension}_{span} AS (
    INSERT INTO g{g}.rollups AS r (dimension, span, known, start, park, code, {measures})
    SELECT '{dimension}', '{span}', coalesce({known}), start, park, code, {sums} FROM (
        SELECT {known}, date_trunc('{span}', effective_day)::date AS start, {park} AS park, {code} AS code, {measures} FROM base c
    ) l GROUP BY GROUPING SETS ({sets}) ORDER BY 3, 4, 5, 6
    ON CONFLICT (known, dimension, span, start, park, code) DO UPDATE SET {added}
)
"""
NUMBERS = ", ".join(f"{number} AS {name}" for name, number in KNOWN.items())
SUMS = ", ".join(f"nullif(sum({name}), 0) AS {name}" for name in MEASURES)
ADDED = ", ".join(f"{name} = nullif(coalesce(r.{name}, 0) + coalesce(excluded.{name}, 0), 0)" for name in MEASURES)
ROLLED = "INSERT INTO g{g}.rolled (day, first) VALUES ($1, $2) ON CONFLICT (one) DO UPDATE SET day = excluded.day"

log = structlog.get_logger(__name__)


async def roll(conn: Connection, generation: int, shards: int, most_days: int = FIRST_DAYS) -> date | None:
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
        await conn.execute(_adding(generation), after, until)
        await conn.execute(ROLLED.format(g=generation), until, state["first"])
    return until


class Roller:
    """Rolls up as many known days at a time as take some seconds, and fewer after a try that did not end."""

    def __init__(self) -> None:
        self._days = FIRST_DAYS

    async def __call__(self, conn: Connection, generation: int, shards: int) -> date | None:
        """As `roll`."""
        days, began = self._days, time.monotonic()
        self._days = max(1, days // 2)
        done = await roll(conn, generation, shards, days)
        took = time.monotonic() - began
        if done is None:
            self._days = days
        elif took <= LONG:
            self._days = min(MOST_DAYS, 2 * days) if took < SHORT else days
        return done


@cache
def _adding(generation: int) -> str:
    common = {"g": generation, "measures": ", ".join(MEASURES), "sums": SUMS, "added": ADDED}
    each = ",".join(ADD_EACH.format(**common, **_parts(*one)) for one in KEPT)
    return ADD.format(**common, numbers=NUMBERS, each=each)


def _parts(dimension: str, span: str) -> dict[str, str]:
    """The parts of a statement that sums the rollups of one dimension and span."""
    kept = KEPT[dimension, span]
    return {
        "dimension": dimension,
        "span": span,
        "park": PARKS[dimension],
        "code": CODES[dimension],
        "known": ", ".join(kept),
        "sets": ", ".join(f"({name}, start, park, code)" for name in kept),
    }


def numbers(day: date) -> dict[str, int]:
    """{known days that a rollup sums: their number}, those to which a known day belongs."""
    return dict(zip(KNOWN, (0, day.year, day.year * 100 + day.month), strict=True))


async def run(dsn: str, shards: int, stop: asyncio.Event, jobs: Sequence[Job]) -> None:
    """Do `jobs` for the generations that are kept up to date until `stop`, through outages of the database."""
    while not stop.is_set():
        with suppress(*db.OUTAGES):
            conn = await db.connect(dsn, application_name="metrics.rolling")
            try:
                while not stop.is_set():
                    began = time.monotonic()
                    for generation in await lifecycle.active(conn):
                        for job in jobs:
                            while (done := await job(conn, generation, shards)) is not None:
                                log.info("rolling.done", generation=generation, up_to=str(done))
                                if time.monotonic() - began > AT_ONCE or stop.is_set():
                                    break
                    await pause(stop, max(CHECK_EVERY, (SHARE - 1) * (time.monotonic() - began)))
            finally:
                conn.terminate()
        await pause(stop, CHECK_EVERY)


class Key(NamedTuple):
    """The key of a rollup. `known`: of the known days of that year or month (year × 100 + month), 0: of all; `start`: the first day of its span;
    `park` and `code` None: unknown, or no dimension; `park` None: all."""

    known: int
    dimension: str
    span: str
    start: date
    park: str | None
    code: str | None


Missing: TypeAlias = dict[Key, Vector]
"""{rollup: what the ledger has too little for it}"""

COMPARED = """
WITH base AS MATERIALIZED (
    SELECT c.park, c.industry, c.size, c.ownership, l.effective_day, {numbers}, {sums} FROM (
        SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger WHERE known_day <= $1
        UNION ALL SELECT cell, effective_day, known_day, {measures} FROM g{g}.ledger_open WHERE known_day <= $1
    ) l LEFT JOIN g{g}.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
), expected AS (
    {each}
), wanted AS (
    SELECT * FROM unnest($2::int[], $3::text[], $4::text[], $5::date[], $6::text[], $7::text[]) AS w(known, dimension, span, start, park, code)
)
SELECT known, dimension, span, start, park, code, {served}, {refolded} FROM (
    SELECT known, dimension, span, start, park, code, {both} FROM (
        SELECT known, dimension, span, start, park, code, {kept} FROM g{g}.rollups
        UNION ALL SELECT known, dimension, span, start, park, code, {made} FROM expected
    ) u GROUP BY 1, 2, 3, 4, 5, 6
) b WHERE {differ} OR EXISTS (
    SELECT FROM wanted w WHERE (w.known, w.dimension, w.span, w.start) = (b.known, b.dimension, b.span, b.start)
    AND w.park IS NOT DISTINCT FROM b.park AND w.code IS NOT DISTINCT FROM b.code
)
"""
EACH = """
SELECT coalesce({known}) AS known, '{dimension}' AS dimension, '{span}' AS span, start, park, code, {sums} FROM (
    SELECT {known}, date_trunc('{span}', effective_day)::date AS start, {park} AS park, {code} AS code, {measures} FROM base c
) c GROUP BY GROUPING SETS ({sets})
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
                for key in _keys(tuple(one["cell"].values()), one["effective_day"], one["known_day"]):
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


def _keys(cell: Cell, day: date, known_day: date) -> Iterator[Key]:
    park, industry, size, ownership = cell
    codes = {"industry": industry[:1] if industry else industry, "size": size, "ownership": ownership}
    codes |= {EVERYWHERE[name]: code for name, code in codes.items()}
    starts, known = {"day": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}, numbers(known_day)
    for (dimension, span), kept in KEPT.items():
        of = None if dimension in EVERYWHERE.values() else park
        for name in kept:
            yield Key(known[name], dimension, span, starts[span], of, codes.get(dimension))


def _comparing(generation: int) -> str:
    def each(form: str, separator: str = ", ") -> str:
        return separator.join(form.format(name=name) for name in MEASURES)

    sums = each("coalesce(sum({name}), 0)::bigint AS {name}")
    expected = " UNION ALL ".join(
        EACH.format(sums=sums, measures=", ".join(MEASURES), **_parts(dimension, span)) for dimension, span in KEPT
    )
    return COMPARED.format(
        g=generation,
        numbers=NUMBERS,
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
