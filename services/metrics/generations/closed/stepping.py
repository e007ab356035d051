"""Keeps the steps of all sets as columns, park by park, for questions about thousands of enterprises (folding/steps.py).

After a known day is closed in every shard, the sets about which something became known by then are read again and take the place of their former
steps. Questions read by state what became known later (`explaining.sets.standing`), so steps that are late, or were never made, change no answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.metrics.folding.facts import FactSet
from services.metrics.folding.steps import Columns, Steps
from services.metrics.generations.closed.rolling import CLOSED_DAY
from services.metrics.generations.comparing import Difference
from services.metrics.tables.store import SEE_ALL
from shared.process.db import Connection

LOCK = "SELECT pg_try_advisory_xact_lock(1919904109, $1)"
"""One process at a time keeps the steps of a generation."""
NEXT = """
SELECT p.park, s.day, c.closed FROM g{g}.parks_placed p LEFT JOIN g{g}.steps s USING (park) CROSS JOIN (SELECT {closed} AS closed) c
WHERE c.closed IS NOT NULL AND (s.day IS NULL OR s.day < c.closed) ORDER BY s.day NULLS FIRST, p.park LIMIT $3
"""
PARKS = "SELECT park FROM g{g}.parks_placed"
EVERY = "SELECT DISTINCT subject FROM g{g}.placements WHERE park = $1"
CHANGED = f"""
SELECT DISTINCT subject FROM g{{g}}.recorded_facts WHERE known_day > $2 AND known_day <= $3 AND subject IN ({EVERY})
"""
STATES = "SELECT subject, state FROM g{g}.states WHERE subject = ANY ($1::text[])"
STORED = "SELECT steps FROM g{g}.steps WHERE park = $1"
KEEP = """
INSERT INTO g{g}.steps (park, day, steps) VALUES ($1, $2, $3) ON CONFLICT (park) DO UPDATE SET day = excluded.day, steps = excluded.steps
"""
MOVE_ON = "UPDATE g{g}.steps SET day = $2 WHERE park = $1"
KEPT = "SELECT park, day FROM g{g}.steps ORDER BY park"
LATER = """
SELECT subject, max(known_day) AS newest FROM g{g}.recorded_facts
WHERE known_day > $2 AND subject IN (SELECT subject FROM g{g}.placements WHERE park = ANY ($1::text[])) GROUP BY subject
"""
PARTS = 4
"""Into so many parts an audit divides the parks. Each costs a pass over what became known after the steps were made, and memory for who that is about."""
IN_MEMORY = 1000
"""Sets; about 10 MB."""
PARKS_AT_ONCE, LONGEST = 50, 0.1
"""Parks of one transaction; it takes no further one after LONGEST seconds. Several together, since to find those that are late all parks are read."""
AT_ONCE = 50
"""Sets that are opened before others of the process have their turn: about 20 ms."""


async def keep(conn: Connection, generation: int, shards: int, most: int = PARKS_AT_ONCE) -> str | None:
    """Bring the steps of some parks, of those that are furthest behind, up to the closed day: `most` parks, or as many as take LONGEST.

    Returns the last one, None if there was nothing to do.
    """
    park = None
    async with conn.transaction():
        if not await conn.fetchval(LOCK, generation):
            return None
        await conn.fetchval(SEE_ALL)
        statement = NEXT.format(g=generation, closed=CLOSED_DAY.format(shards="$1", generation="$2"))
        rows, began = await conn.fetch(statement, shards, generation, most), time.monotonic()
        for row in rows:
            park = row["park"]
            await _keep_one(conn, generation, park, row["day"], row["closed"])
            if time.monotonic() - began > LONGEST:
                break
    return park


async def _keep_one(conn: Connection, generation: int, park: str, day: date | None, closed: date) -> None:
    """Bring the steps of a park from `day`, None if it has none, up to the closed day."""
    if day is None:
        subjects = await conn.fetch(EVERY.format(g=generation), park)
        steps = await _replaced(conn, generation, Steps.of({}), [one["subject"] for one in subjects])
        await conn.execute(KEEP.format(g=generation), park, closed, steps.dump())
    elif changed := await conn.fetch(CHANGED.format(g=generation), park, day, closed):
        stored = Steps.load(await conn.fetchval(STORED.format(g=generation), park))
        steps = await _replaced(conn, generation, stored, [one["subject"] for one in changed])
        await conn.execute(KEEP.format(g=generation), park, closed, steps.dump())
    else:
        await conn.execute(MOVE_ON.format(g=generation), park, closed)


async def _replaced(conn: Connection, generation: int, steps: Steps, subjects: Sequence[str]) -> Steps:
    """Steps with those of some sets as they are now; not all sets are in memory at once."""
    for start in range(0, len(subjects), IN_MEMORY):
        steps = steps.replaced(Steps.of(await _sets(conn, generation, subjects[start : start + IN_MEMORY])))
    return steps


async def _sets(conn: Connection, generation: int, subjects: Sequence[str]) -> dict[str, FactSet]:
    found: dict[str, FactSet] = {}
    for start in range(0, len(subjects), AT_ONCE):
        for row in await conn.fetch(STATES.format(g=generation), subjects[start : start + AT_ONCE]):
            found[row["subject"]] = FactSet.load(row["state"])
        await asyncio.sleep(0)
    return found


@dataclass(frozen=True, slots=True)
class Kept:
    """The parks of which a generation keeps steps, for an audit: `days` = {park: the closed day since which they are right}, `placed` = the parks in which
    a set was ever placed."""

    generation: int
    days: Mapping[str, date]
    placed: frozenset[str]

    @classmethod
    async def of(cls, conn: Connection, generation: int) -> Kept:
        """Of what is in the snapshot of `conn`."""
        days = {row["park"]: row["day"] for row in await conn.fetch(KEPT.format(g=generation))}
        placed = frozenset(row["park"] for row in await conn.fetch(PARKS.format(g=generation))) if days else frozenset[str]()
        return cls(generation, days, placed)

    async def differences(self, conn: Connection, part: int, of: int) -> AsyncIterator[Difference]:
        """The steps that are not those of the served sets of facts, which an audit compares with the log: of one of `of` parts of the parks, of which
        none but the first PARTS have any. `conn` sees all rows."""
        parks = list(self.days)[part :: min(of, PARTS)] if part < PARTS else []
        if not parks:
            return
        newest = await conn.fetch(LATER.format(g=self.generation), parks, min(self.days[park] for park in parks))
        known = {row["subject"]: row["newest"] for row in newest}
        for park in parks:
            rows = await conn.fetch(EVERY.format(g=self.generation), park) if park in self.placed else []
            day, subjects = self.days[park], [row["subject"] for row in rows]
            later = {subject for subject in subjects if (last := known.get(subject)) is not None and last > day}
            sets = await _sets(conn, self.generation, [subject for subject in subjects if subject not in later])
            stored = Steps.load(await conn.fetchval(STORED.format(g=self.generation), park))
            if not sets and later.issuperset(one.decode() for one in stored.columns.subjects.tolist()):
                continue
            served, refolded = (_by_subject(steps, later) for steps in (stored, Steps.of(sets)))
            for subject in sorted(served.keys() | refolded.keys()):
                if served.get(subject) != refolded.get(subject):
                    yield {
                        "table": "steps",
                        "shard": None,
                        "key": {"park": park, "subject": subject},
                        "served": served.get(subject),
                        "refolded": refolded.get(subject),
                        "enterprises": [subject],
                        "enterprises_left_out": 0,
                    }


def _by_subject(steps: Steps, without: set[str]) -> Mapping[str, Mapping[str, Any]]:
    """{subject: its columns}, whatever the numbers of cells and shapes."""
    columns: Columns = steps.columns
    found, begin, first = {}, 0, 0
    shapes = steps.shapes.tolist()
    rows = [
        (start, [*steps.cells[cell]] if cell >= 0 else None, shapes[shape], *rest)
        for start, cell, shape, *rest in zip(
            columns.starts.tolist(), columns.cells.tolist(), columns.shapes.tolist(), columns.workers.tolist(), columns.since.tolist(),
            columns.waits.tolist(), columns.values.tolist(), strict=True,
        )
    ]  # fmt: skip
    members = list(zip(columns.days.tolist(), columns.nets.tolist(), strict=True))
    for subject, newest, early, end, last in zip(
        columns.subjects.tolist(), columns.newest.tolist(), columns.early.tolist(), columns.ends.tolist(), columns.member_ends.tolist(),
        strict=True,
    ):  # fmt: skip
        if (name := subject.decode()) not in without:
            found[name] = {"newest": newest, "early": early, "steps": rows[begin:end], "members": sorted(members[first:last])}
        begin, first = end, last
    return found
