"""Rolls up closed known days: the ledger's sums over all shards, by park and at most one dimension, for days, months and years.

A closed known day receives nothing any more (docs/design/ENGINE.md, Closing days), so its rows are added once: when the day is closed in every
shard, in one transaction with the day up to which all is rolled up (`rolled.day`), which only ever moves on. Questions use the rollups for what was
known by that day and the ledger for the rest (`figures.rolled`), so a rollup that is late, or was never made, changes no answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from typing import TypeAlias

import structlog

from services.metrics.generations import lifecycle
from services.metrics.measures import MEASURES
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
    each = ",".join(ADD_EACH.format(**common, **parts_of(*one)) for one in KEPT)
    return ADD.format(**common, numbers=NUMBERS, each=each)


def parts_of(dimension: str, span: str) -> dict[str, str]:
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
