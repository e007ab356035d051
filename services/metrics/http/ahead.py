"""What the first question would have to wait for is done before it comes.

Steps are read when a process starts, and when those of a park were written anew, after a day was closed. Without it the first question about a
city would read and decode 40 MB, and the first one about each park its part of that. And a connection is made familiar with the statements: the
first of each kind on a new connection takes 10 to 30 ms longer, for the server reads its catalogue and the driver asks for types.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from services.metrics.explaining import changes, explain, ranking, waits
from services.metrics.explaining.changes import Window
from services.metrics.explaining.contributors import Question
from services.metrics.explaining.ranking import Listing
from services.metrics.explaining.sets.standing import key_of, standing
from services.metrics.figures.questions import coverage, month_ends, series
from services.metrics.figures.snapshots import Snapshot, Snapshots
from services.metrics.figures.stores import generation_store, set_store
from services.metrics.folding.steps import Steps
from shared.problems.errors import Problem
from shared.process import db
from shared.process.pause import beside

LOOK_EVERY = 15.0
"""Seconds. Between two looks the pool's connection is not closed either (it would be after a minute), so that the next question finds it ready."""
NOWHERE = ""
"""The code of no area."""
LONG_AGO = timedelta(days=30)
OUTAGES: tuple[type[Exception], ...] = (Problem, TimeoutError, generation_store.NoServingGeneration, *db.OUTAGES)

log = structlog.get_logger(__name__)


@asynccontextmanager
async def reading_ahead(snapshots: Snapshots) -> AsyncIterator[None]:
    """Within it the process's questions find steps that were read."""
    async with beside(_run(snapshots)):
        yield


async def _run(snapshots: Snapshots) -> None:
    rehearsed = False
    while True:
        try:
            if not rehearsed:
                await rehearse(snapshots)
                rehearsed = True
            await read_ahead(snapshots)
        except OUTAGES as error:
            log.info("ahead.waits", reason=type(error).__name__)
        except Exception:
            # Questions read for themselves what is not there.
            log.exception("ahead.failed")
        await asyncio.sleep(LOOK_EVERY)


async def rehearse(snapshots: Snapshots) -> None:
    """Ask the questions of pages about nowhere: the same statements as of any park, and no rows."""
    async with snapshots.snapshot() as snapshot:
        today, long_ago = snapshot.today, snapshot.today - LONG_AGO
        await set_store.subjects_changed(snapshot.conn, snapshot.generation, today, today, [NOWHERE])
        await set_store.states_of(snapshot.conn, snapshot.generation, [])
        await coverage(snapshot, area=NOWHERE, by="park", as_of=today, known_at=today)
        await coverage(snapshot, area=NOWHERE, by="industry", as_of=today, known_at=today)
        await series(snapshot, parks=[NOWHERE], days=month_ends(today, 2), known_at=today)
        await waits.durations(snapshot, area=NOWHERE, as_of=today, known_at=today)
        question = Question("members", NOWHERE, None, None, today, today)
        await explain.figure(snapshot, question)
        await ranking.page(snapshot, question, Listing(), None, 1)
        window = Window(NOWHERE, today, long_ago, today, "members")
        await changes.totals(snapshot, window)
        await changes.shares(snapshot, window, changes.START, 1)


async def read_ahead(snapshots: Snapshots) -> int:
    """Read the steps of all parks that are not there, as many as are kept, and put them together; returns of how many parks they were.

    Each park is read in a snapshot of its own, so that questions come between, and no transaction is long.
    """
    async with snapshots.snapshot() as snapshot:
        rows = await set_store.steps_kept(snapshot.conn, snapshot.generation, None)
        keys = [key_of(snapshot.generation, row) for row in rows]
        snapshot.steps.only(keys)
        missing = [
            row["park"] for key, row in zip(keys, rows, strict=True) if key not in snapshot.steps and snapshot.steps.fits(row["size"])
        ]
    parks = 0
    for park in missing:
        async with snapshots.snapshot() as snapshot:
            parks += await _read_one(snapshot, park)
    if parks:
        # What is kept of all parks as of today.
        async with snapshots.snapshot() as snapshot:
            today = snapshot.today
            await standing(snapshot, None, today, today)
            await coverage(snapshot, by="park", as_of=today, known_at=today)
    return parks


async def _read_one(snapshot: Snapshot, park: str) -> bool:
    """Read the steps of a park, as this snapshot has them; says whether they can be kept and were not there."""
    for row in await set_store.steps_kept(snapshot.conn, snapshot.generation, [park]):
        key = key_of(snapshot.generation, row)
        if key in snapshot.steps or not snapshot.steps.fits(row["size"]):
            continue
        for read in await set_store.steps(snapshot.conn, snapshot.generation, [park]):
            snapshot.steps.keep(key, Steps.load(read["steps"]), len(read["steps"])).on(snapshot.today.toordinal())
            return True
    return False
