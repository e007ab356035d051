"""One consistent view of the serving generation for each question: its transaction, days, areas, and what the process keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime

from services.metrics.figures.finality import Finality
from services.metrics.figures.freshness import StaleReason
from services.metrics.figures.kept import KeptLists, KeptResults, KeptSteps
from services.metrics.figures.rolled.basis import Rolled, rolled_in
from services.metrics.figures.rolled.rollups import Ledger
from services.metrics.figures.stores import generation_store
from services.metrics.figures.tree import AreaVersions, AreaVersionsCache
from shared.http.auth import Areas, current_client
from shared.http.limits import Turns
from shared.process.clock import Clock
from shared.process.db import Connection, Pool

PATIENCE = 10.0
"""Seconds that a question waits for its turn, and for a connection."""
ANSWER_WITHIN = 5.0
"""Seconds in which the database opens a snapshot; a question that is not answered then is refused (503)."""
SILENT_ANSWER_WITHIN = 1.0
"""The same while the database is known not to answer."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One REPEATABLE READ transaction on the serving generation. `versions` = {shard: version} of the change feed."""

    conn: Connection
    generation: int
    fold_version: int
    versions: Mapping[int, int]
    asked_at: datetime
    today: date
    areas: AreaVersions
    finality: Finality
    lists: KeptLists
    steps: KeptSteps
    results: KeptResults
    rolled: Rolled | None = None
    setting: str = ""
    granted: Container[str] = frozenset()
    """The codes of the areas of the caller, and of all within them, by the latest tree; `setting`: its areas for row-level security."""

    @property
    def ledger(self) -> Ledger:
        """Where its figures are read."""
        return Ledger(self.conn, self.generation, self.rolled, self.results)

    @property
    def version(self) -> str:
        """The version vector, from which a stream can resume."""
        return version_vector(self.generation, self.versions)


def version_vector(generation: int, versions: Mapping[int, int]) -> str:
    """`<generation>:<version of shard 0>.<version of shard 1>…`."""
    shards = range(max(versions, default=-1) + 1)
    return f"{generation}:{'.'.join(str(versions.get(shard, 0)) for shard in shards)}"


class Snapshots:
    """Opens snapshots from one pool. `shards`: how many a generation has; `stale_reason()`: why the data is stale, None while it is fresh."""

    def __init__(self, pool: Pool, clock: Clock, shards: int = 0, stale_reason: Callable[[], StaleReason | None] = lambda: None) -> None:
        self._pool = pool
        self._clock = clock
        self._shards = shards
        self._stale_reason = stale_reason
        self._trees = AreaVersionsCache()
        self._turns = Turns(max(1, pool.get_max_size() // 2), PATIENCE)
        self._lists = KeptLists()
        self._steps = KeptSteps()
        self._results = KeptResults()

    @asynccontextmanager
    async def snapshot(self, areas: Areas | None = None) -> AsyncIterator[Snapshot]:
        """A snapshot of the serving generation. `areas`: those whose names row-level security shows; None: none.

        Raises an error of OUTAGES, soon while the database is known not to answer.
        """
        patience = SILENT_ANSWER_WITHIN if self._stale_reason() is StaleReason.DATABASE_UNREACHABLE else ANSWER_WITHIN
        async with self._turns.turn(current_client.get()), self._pool.acquire(timeout=patience) as conn:
            transaction = conn.transaction(isolation="repeatable_read", readonly=True)
            try:
                async with asyncio.timeout(patience):
                    await transaction.start()
                    opened = await self._opened(conn, areas)
            except BaseException:
                # Ending the transaction would wait for a server that may be frozen.
                conn.terminate()
                raise
            try:
                yield opened
            finally:
                await transaction.rollback()

    async def _opened(self, conn: Connection, areas: Areas | None) -> Snapshot:
        setting = areas.setting() if areas else ""
        row = await generation_store.serving(conn, self._shards, setting)
        versions = {int(shard): version for shard, version in row["versions"].items()}
        today = self._clock.day_of(row["asked_at"])
        begun = await generation_store.begun(conn, row["id"])
        known = await self._trees.load(conn, row["id"], (begun["versions"], begun["ended"]))
        # From the same snapshot as the held events, which are deleted as soon as a topic is found recreated.
        reason = self._stale_reason() or (StaleReason.LOG_INCOMPLETE if row["log_incomplete"] else None)
        finality = Finality(row["closed_day"], row["oldest_held"], reason)
        granted = known.granted(areas) if areas else frozenset()
        return Snapshot(
            conn,
            row["id"],
            row["fold_version"],
            versions,
            row["asked_at"],
            today,
            known,
            finality,
            self._lists,
            self._steps,
            self._results,
            rolled_in(begun),
            setting,
            granted,
        )
