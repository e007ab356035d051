"""Throughput of the projector and latency of queries: `.venv/bin/python -m bench.projector [--events N]`.

Own PostgreSQL, no Kafka: batches go straight to the projector. Like the sample, of 24 events 19 are members.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from bench import command
from deploy.local.servers.postgres import PostgresServer
from services.metrics.figures.questions import coverage, month_ends, series
from services.metrics.figures.snapshots import Snapshots
from services.metrics.folding.projector import Projector
from shared.contracts import Envelope, Event, membership, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageStarted, MemberJoined, UnionFounded, UnionKind
from shared.contracts.registry import AreaKind, AreaRegistered, EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import EventWithdrawn
from shared.http.auth import Areas
from shared.process.clock import Clock
from shared.process.db import Pool, create_pool, transaction
from shared.process.migrate import migrate
from shared.sequencing.records import ShardBatch, in_runs, received

CLOCK = Clock(ZoneInfo("Asia/Shanghai"))
PARKS = 1700
MEMBERS = 19
MANY = 5000
KNOWN = datetime(2024, 6, 3, 2, tzinfo=UTC)


class EventBuilder:
    """Builds events with contiguous sequences."""

    def __init__(self) -> None:
        self.sequences: dict[tuple[str, str], int] = {}

    def event(self, subject: str, data: Event, on: date, source: str | None = None) -> Envelope:
        """The next event of a stream; `source` only if the event's type does not determine it."""
        source = source or (membership.SOURCE if type(data) in membership.TYPES.values() else registry.SOURCE)
        sequence = self.sequences[source, subject] = self.sequences.get((source, subject), 0) + 1
        return Envelope(
            id=uuid7(),
            source=source,
            subject=subject,
            partitionkey=subject.partition("/")[2],
            sequence=sequence,
            type=type_of(data),
            time=KNOWN,
            occurredon=on,
            actor="bench",
            origin="api",
            data=data,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )


def areas(builder: EventBuilder) -> Iterator[Envelope]:
    """A root, 51 divisions, the parks."""
    yield builder.event("area/R", AreaRegistered(code="R", name="R", kind=AreaKind.DIVISION), date(1900, 1, 1))
    for number in range(51):
        code = f"D{number:02}"
        yield builder.event(f"area/{code}", AreaRegistered(code=code, name=code, kind=AreaKind.DIVISION, parent="R"), date(1900, 1, 1))
    for number in range(PARKS):
        code = park(number)
        made = AreaRegistered(code=code, name=code, kind=AreaKind.PARK, parent=f"D{number % 51:02}")
        yield builder.event(f"area/{code}", made, date(1900, 1, 1))


def park(number: int) -> str:
    """The code of a park."""
    return f"D{number % 51:02}-P{number:04}"


def enterprise(builder: EventBuilder, random_: random.Random) -> Iterator[Envelope]:
    """An enterprise with its union and members, each joined on a day of its own."""
    made, union = uuid7(), uuid7()
    subject, place = f"enterprise/{made}", park(random_.randrange(PARKS))
    settled = date(2015, 1, 1) + timedelta(days=random_.randrange(2000))
    yield builder.event(subject, EnterpriseRegistered(enterprise_id=made, name="示例", park=place, district=place[:3]), settled)
    yield builder.event(subject, HeadcountReported(workers=random_.randrange(300)), settled + timedelta(days=30))
    founded = settled + timedelta(days=random_.randrange(400))
    yield builder.event(f"union/{union}", UnionFounded(union_id=union, kind=UnionKind.ENTERPRISE_UNION, seat_area=place), founded)
    yield builder.event(subject, CoverageStarted(enterprise_id=made, union_id=union, kind=UnionKind.ENTERPRISE_UNION), founded)
    for _ in range(MEMBERS):
        yield builder.event(subject, member(made, union), founded + timedelta(days=random_.randrange(700)))


def member(enterprise_id: UUID, union: UUID) -> MemberJoined:
    """A join."""
    return MemberJoined(membership_id=uuid7(), enterprise_id=enterprise_id, union_id=union)


async def fold(pool: Pool, projector: Projector, version: int, events: list[Envelope]) -> float:
    """Seconds of one batch, including its commit."""
    started = time.perf_counter()
    batch = ShardBatch(1, 0, version, in_runs(map(received, events)), {})
    async with pool.acquire() as conn, conn.transaction():
        await projector.apply(conn, batch)
    projector.after_commit(batch)
    return time.perf_counter() - started


async def measure(pool: Pool, count: int, size: int) -> None:
    """Fold and query; print the figures."""
    builder, random_ = EventBuilder(), random.Random(1)
    projector = Projector(pool, CLOCK)
    await fold(pool, projector, 1, list(areas(builder)))
    events = [event for _ in range(count // (MEMBERS + 4)) for event in enterprise(builder, random_)]
    events.sort(key=lambda event: (event.occurredon, event.sequence))
    batches = [events[start : start + size] for start in range(0, len(events), size)]
    cpu, seconds = time.process_time(), 0.0
    for version, batch in enumerate(batches, 2):
        seconds += await fold(pool, projector, version, batch)
    cpu = time.process_time() - cpu
    rows = await pool.fetchval("SELECT count(*) FROM g1.ledger_open")
    print(
        f"fold: {len(events):,} events in batches of {size}: {len(events) / seconds:,.0f}/s; {len(events) / cpu:,.0f}/s of this process's CPU"
    )
    print(f"ledger rows: {rows:,} ({rows / len(events):.2f} per event)")
    small = []
    for number in range(200):
        subject = random_.choice(events).subject
        joined = member(UUID(subject.partition("/")[2]), uuid7())
        small.append(1000 * await fold(pool, projector, 10_000 + number, [builder.event(subject, joined, date(2024, 6, 1))]))
    print(f"a batch of one event: median {statistics.median(small):.1f} ms, p99 {sorted(small)[197]:.1f} ms")
    await withdrawals(pool, projector, builder, random_.sample([event for event in events if isinstance(event.data, MemberJoined)], 200))
    await questions(pool)


async def withdrawals(pool: Pool, projector: Projector, builder: EventBuilder, counted: list[Envelope]) -> None:
    """Times of batches of one withdrawal: of one member each, and of many members of one enterprise."""

    def withdrawn(event: Envelope, last: int) -> Envelope:
        withdrawal = EventWithdrawn(first=event.sequence, last=last, reason="never_was")
        return builder.event(event.subject, withdrawal, date(2024, 6, 1), event.source)

    times = [1000 * await fold(pool, projector, 20_000 + n, [withdrawn(one, one.sequence)]) for n, one in enumerate(counted)]
    print(f"a batch of one withdrawal of one fact: median {statistics.median(times):.1f} ms, p99 {sorted(times)[197]:.1f} ms")
    made = uuid7()
    joined = [builder.event(f"enterprise/{made}", member(made, made), date(2024, 6, 1)) for _ in range(MANY)]
    await fold(pool, projector, 30_000, joined)
    seconds = await fold(pool, projector, 30_001, [withdrawn(joined[0], MANY)])
    async with transaction(pool, areas=Areas.all()) as conn:
        size = await conn.fetchval(
            "SELECT pg_column_size(says) FROM g1.facts WHERE subject = $1 AND sequence > $2", f"enterprise/{made}", MANY
        )
    print(f"a withdrawal of {MANY:,} facts: {1000 * seconds:.0f} ms, its row in facts {size / 1024:,.0f} KiB")


async def questions(pool: Pool) -> None:
    """Times of the queries of the pages."""
    asked = Snapshots(pool, CLOCK)
    day = date(2024, 6, 3)
    for by, area in ((None, None), ("district", None), ("park", None), ("park", "D07"), (None, park(7))):
        times = []
        for _ in range(15):
            started = time.perf_counter()
            async with asked.snapshot(Areas.all()) as snapshot:
                await coverage(snapshot, area=area, by=by, as_of=day, known_at=day)
            times.append(1000 * (time.perf_counter() - started))
        print(f"coverage area={area} by={by}: median {statistics.median(times):.1f} ms")
    started = time.perf_counter()
    async with asked.snapshot(Areas.all()) as snapshot:
        await series(snapshot, parks=[park(number) for number in range(PARKS)], days=month_ends(day, 12), known_at=day)
    print(f"a year of months of all parks: {1000 * (time.perf_counter() - started):.1f} ms")


def main() -> None:
    """Read the options and measure."""
    parser = command.options("bench.projector", __doc__)
    parser.add_argument("--events", type=command.positive, default=90_000)
    parser.add_argument("--batch", type=command.positive, default=2000, help="events of a transaction")
    given = command.begin(parser)
    asyncio.run(alone(given.events, given.batch))


async def alone(events: int, batch: int) -> None:
    """Set up a database, measure, remove it."""
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "postgres")
        server.start()
        try:
            server.provide("metrics")
            await migrate(server.dsn("parkunion_metrics", "metrics_owner"), "metrics")
            pool = await create_pool(server.dsn("parkunion_metrics", "metrics_app"), application_name="bench", by_key=True)
            await measure(pool, events, batch)
            await pool.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
