"""Metrics in a test, on a real database and without Kafka: events are given to its projector directly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.metrics.figures.snapshots import Snapshot, Snapshots
from services.metrics.folding.projector import Projector
from services.metrics.measures import MEASURES
from shared.contracts import Envelope, Event, cases, membership, plain, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.registry import AreaKind, AreaRegistered
from shared.contracts.streams import FactCorrected, Placed
from shared.http.auth import Areas
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Pool, create_pool
from shared.sequencing.records import ShardBatch, in_runs, received
from tests import oracle
from tests.conftest import Database, NewDatabase

CLOCK = Clock(ZoneInfo("Asia/Shanghai"))
SOURCES = {contract: contracts.SOURCE for contracts in (registry, membership, cases) for contract in contracts.TYPES.values()}
CURRENT = "parkunion_now() + interval '1 day'"
"""`current_at` of the shards in a test: figures never become stale because the machine is slow. Tests of staleness set another."""


class Metrics:
    """`append(subject, fact, on)` makes one event, recorded on the known day; `fold()` projects the events made since the last fold."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.projector = Projector(pool, CLOCK)
        self.questions = Snapshots(pool, CLOCK)
        self.events: list[Envelope] = []
        self.known = datetime(2024, 6, 3, 2, tzinfo=UTC)
        self._waiting: list[Envelope] = []
        self._sequences: Counter[tuple[str, str]] = Counter()
        self._versions: Counter[int] = Counter()
        self.closed: dict[int, date] = {}

    def append(self, subject: str, data: Event, on: str, corrects: Envelope | None = None) -> Envelope:
        source = corrects.source if corrects else SOURCES.get(type(data), registry.SOURCE)
        self._sequences[source, subject] += 1
        self.known += timedelta(seconds=1)
        event = Envelope(
            id=uuid7(),
            source=source,
            subject=subject,
            partitionkey=subject.partition("/")[2],
            sequence=self._sequences[source, subject],
            type=type_of(data),
            time=self.known,
            occurredon=date.fromisoformat(on),
            actor="tester",
            origin="api",
            data=data,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        self.events.append(event)
        self._waiting.append(event)
        return event

    def correct(self, event: Envelope, on: str | None, **changed: object) -> Envelope:
        """The fact of `event` was wrong: from `on` on with other fields, or (None) not at all."""
        data = event.data
        replacement = Placed(date.fromisoformat(on), {**plain(data), **changed}) if on else None
        correction = FactCorrected(
            corrects=event.id,
            fact=event.type,
            rank=event.sequence,
            reason="typo",
            withdrawn=Placed(event.occurredon, plain(data)),
            replacement=replacement,
        )
        return self.append(event.subject, correction, on or event.occurredon.isoformat(), corrects=event)

    def area(self, code: str, parent: str | None, name: str | None = None, level: bool = False, on: str = "1900-01-01") -> Envelope:
        kind = AreaKind.PARK if "P" in code else AreaKind.DIVISION
        return self.append(f"area/{code}", AreaRegistered(code=code, name=name or code, kind=kind, parent=parent, level=level), on)

    def next_day(self, days: int = 1) -> date:
        self.known += timedelta(days=days)
        return CLOCK.day_of(self.known)

    @property
    def today(self) -> date:
        return CLOCK.day_of(self.known)

    async def fold(self, size: int = 100) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), size):
            await self.fold_batch(0, waiting[start : start + size])

    async def fold_batch(self, shard: int, events: Sequence[Envelope], projector: Projector | None = None) -> None:
        """One batch as the reader gives it: one transaction, then `after_commit`."""
        projector = projector or self.projector
        self._versions[shard] += 1
        batch = ShardBatch(1, shard, self._versions[shard], in_runs(map(received, events)), {}, self.closed.get(shard))
        async with self.pool.acquire() as conn, conn.transaction():
            await projector.apply(conn, batch)
            await conn.execute(
                f"INSERT INTO shards (generation, shard, version, current_at) VALUES (1, $1, $2, {CURRENT}) "
                "ON CONFLICT (generation, shard) DO UPDATE SET version = excluded.version",
                shard,
                batch.version,
            )
        projector.after_commit(batch)

    async def close(self, day: date, *shards: int, projector: Projector | None = None) -> None:
        """The reader reports a closed day in some shards, shard 0 by default."""
        for shard in shards or (0,):
            async with self.pool.acquire() as conn, conn.transaction():
                await (projector or self.projector).on_closed(conn, shard, day)
                await conn.execute("UPDATE shards SET closed = $2 WHERE generation = 1 AND shard = $1", shard, day)
            self.closed[shard] = day

    async def close_everywhere(self, day: date, shards: int) -> None:
        """A day is closed in all shards of a deployment."""
        for shard in range(shards):
            await self.pool.execute(
                f"INSERT INTO shards (generation, shard, current_at) VALUES (1, $1, {CURRENT}) ON CONFLICT DO NOTHING", shard
            )
        await self.close(day, *range(shards))

    @asynccontextmanager
    async def snapshot(self, areas: Areas | None = None) -> AsyncIterator[Snapshot]:
        async with self.questions.snapshot(areas or Areas.all()) as snapshot:
            yield snapshot

    async def folded(self) -> int:
        """How many rows `facts` has."""
        async with db.transaction(self.pool, areas=Areas.all()) as conn:
            return int(await conn.fetchval("SELECT count(*) FROM g1.facts"))

    async def ledger(self) -> dict[tuple[oracle.Cell, date, date], Counter[str]]:
        """The rows as the oracle writes them."""
        columns = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES)
        rows = await self.pool.fetch(
            f"SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, {columns} FROM (TABLE g1.ledger UNION ALL TABLE g1.ledger_open) l "
            "JOIN g1.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6"
        )
        found: dict[tuple[oracle.Cell, date, date], Counter[str]] = defaultdict(Counter)
        for row in rows:
            key = ((row["park"], row["industry"], row["size"], row["ownership"]), row["effective_day"], row["known_day"])
            found[key] = Counter({name: row[name] for name in MEASURES if row[name]})
        return {key: deltas for key, deltas in found.items() if deltas}

    async def durations(self) -> dict[tuple[oracle.Cell, date, date, str, int], int]:
        """The rows of durations as the oracle writes them."""
        rows = await self.pool.fetch(
            "SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, kind, value, sum(count)::bigint AS count FROM "
            "(TABLE g1.durations UNION ALL TABLE g1.durations_open) d JOIN g1.cells c ON c.id = d.cell GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
        )
        return {((row["park"], row["industry"], row["size"], row["ownership"]), *row[4:8]): row["count"] for row in rows if row["count"]}

    async def tallies(self) -> dict[tuple[oracle.Cell, date, date, str, str, int], int]:
        """The rows of tallies."""
        rows = await self.pool.fetch(
            "SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, name, code, value, sum(count)::bigint AS count FROM "
            "(TABLE g1.tallies UNION ALL TABLE g1.tallies_open) d JOIN g1.cells c ON c.id = d.cell GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"
        )
        return {((row["park"], row["industry"], row["size"], row["ownership"]), *row[4:9]): row["count"] for row in rows if row["count"]}


def subjects(events: Iterable[Envelope]) -> set[str]:
    return {event.subject for event in events}


def enterprise() -> tuple[UUID, str]:
    """A new id and its subject."""
    made = uuid7()
    return made, f"enterprise/{made}"


@pytest.fixture(name="metrics_database")
async def metrics_database_of_a_test(database: NewDatabase) -> Database:
    """A fresh database of metrics."""
    return await database("metrics")


@pytest.fixture(name="metrics")
async def metrics_of_a_test(metrics_database: Database) -> AsyncIterator[Metrics]:
    """Metrics on that database."""
    pool = await create_pool(metrics_database.app_dsn, application_name="metrics.tests")
    yield Metrics(pool)
    pool.terminate()
