"""Jobs of the platform, each in a process of its own that may get a fault (shared/process/faults.py). Started by a fork server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from services.cases.entries import store, waking
from services.cases.entries.needs import Context
from services.cases.settings import Settings
from services.membership import events_in
from services.metrics.folding import projector
from services.metrics.folding.columns.facts import FRAMED
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from services.metrics.folding.projector import Projector
from services.subscriptions.delivering import claims
from services.subscriptions.delivering.running import deliver
from services.subscriptions.fanout.applying import FanOut
from shared.contracts import membership, registry
from shared.contracts.registry import HeadcountReported
from shared.http.auth import Areas
from shared.journal import idempotency, journal
from shared.journal.day_closing import DayCloser, due
from shared.journal.idempotency import Keys, Result
from shared.process import db, faults
from shared.process.clock import Clock
from shared.process.db import Connection, Pool
from shared.process.faults import Fault
from shared.reading import turns
from shared.reading.batches import due as reading_due
from shared.reading.reader import Reader
from shared.relaying.recovery import Source
from shared.relaying.relay import Relay
from shared.relaying.republish import republish
from shared.sequencing.frames import Framed
from tests.chaos.file_broker import FileBroker
from tests.dummy_service.reading import SOURCE, write_effects
from tests.integration.client import settings_of
from tests.integration.subscriptions.delivering.sending import Got, delivery_settings, endpoint, fine
from tests.patience import PATIENCE

PARTITIONS = 2
RECEIVED = "received.ndjson"
"""What the endpoint of deliveries got, one event a line."""
DUMMY = ["dummy.v1"]
REGISTRY = ["parkunion.registry.v1"]
BOTH = [*REGISTRY, "parkunion.membership.v1"]
KEYS = Keys(b"chaos")
ACTOR = journal.Actor("tester", "api")
CLOCK = Clock(ZoneInfo("Asia/Shanghai"))
SOURCES = {registry.SOURCE: BOTH[0], membership.SOURCE: BOTH[1]}

Job = Callable[[str, Path, list[str]], Awaitable[None]]


async def run_commands(dsn: str, _log: Path, subjects: list[str]) -> None:
    """One command per pair of streams, under its idempotency key, as a client that got no answer repeats it."""
    pool = await db.create_pool(dsn, application_name="chaos.api", by_key=True, min_size=1, max_size=2)
    for both in zip(subjects[::2], subjects[1::2], strict=True):
        await db.run_command(pool, partial(_append_once, subjects=both), areas=None)
    pool.terminate()


async def _append_once(conn: Connection, subjects: tuple[str, str]) -> None:
    key = " ".join(subjects)
    answered = await idempotency.look_up(conn, KEYS, "client", [(key, key.encode())])
    if answered[key] is None:
        await journal.lock(conn, subjects)
        facts = [journal.Draft(subject, HeadcountReported(workers=1), date(2026, 1, 1)) for subject in subjects]
        written = await journal.append(conn, facts, ACTOR)
        await idempotency.record(
            conn, KEYS, "client", {(key, key.encode()): Result(key, subjects[0], written[0].sequence, [fact.event_id for fact in written])}
        )


async def send_outbox(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Relay until the outbox is empty."""
    pool = await db.create_pool(dsn, application_name="chaos.look", max_size=1)
    broker = FileBroker(log, DUMMY, PARTITIONS)
    relay = Relay(dsn, broker, SOURCE, DUMMY[0], PARTITIONS, batch=3, idle=0.005)

    async def empty() -> bool:
        return relay.leading and not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")

    await _until(relay.run, empty)
    pool.terminate()


async def read_topic(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Read the dummy service's topic to its end; every event becomes a row of `effects`."""
    pool = await db.create_pool(dsn, application_name="chaos.reader", by_key=True, max_size=2)
    broker = FileBroker(log, DUMMY, PARTITIONS, largest=4)
    reader = Reader(pool, broker, name="dummy", topics=DUMMY, partitions=PARTITIONS, apply=write_effects, batch=5)
    await _until(reader.run, lambda: _at_the_end(pool, broker, DUMMY))
    pool.terminate()


async def consume(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Run membership's consumer to the end of the registry's topic."""
    pool = await db.create_pool(dsn, application_name="chaos.consumer", by_key=True, max_size=2)
    broker = FileBroker(log, REGISTRY, PARTITIONS, largest=4)
    reader = Reader(pool, broker, name="membership", topics=REGISTRY, partitions=PARTITIONS, apply=events_in.apply, batch=5)
    await _until(reader.run, lambda: _at_the_end(pool, broker, REGISTRY))
    pool.terminate()


async def project_columns(dsn: str, log: Path, subjects: list[str]) -> None:
    """As `project`, with every shard far behind, batches in parts of few subjects, and most sets folded as arrays."""
    turns.FAR_BEHIND, reading_due.FIRST_BATCH = 0, 9
    projector.LEAST_PLAIN, projector.MOST_SUBJECTS = 1, 3
    await project(dsn, log, subjects, TYPES_AS_COLUMNS, FRAMED)


async def project(dsn: str, log: Path, _subjects: list[str], columns: Sequence[str] = (), framed: Framed | None = None) -> None:
    """Run the projector to the end of both topics."""
    pool = await db.create_pool(dsn, application_name="chaos.projector", by_key=True, max_size=3)
    broker = FileBroker(log, BOTH, PARTITIONS, largest=4)
    projector = Projector(pool, CLOCK)
    reader = Reader(
        pool,
        broker,
        name="metrics",
        topics=BOTH,
        partitions=PARTITIONS,
        apply=projector.apply,
        on_reset=projector.on_reset,
        after_commit=projector.after_commit,
        batch=7,
        columns=columns,
        framed=framed,
    )

    async def done() -> bool:
        # Events released by a withdrawal are applied after its offset was read.
        return await _at_the_end(pool, broker, BOTH) and not await pool.fetchval("SELECT EXISTS (SELECT FROM held)")

    await _until(reader.run, done)
    pool.terminate()


async def fan_out(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Run the fan-out of subscriptions to the end of both topics."""
    pool = await db.create_pool(dsn, application_name="chaos.fanout", by_key=True, max_size=3)
    broker = FileBroker(log, BOTH, PARTITIONS, largest=4)
    fan = FanOut(CLOCK)
    reader = Reader(
        pool, broker, name="subscriptions", topics=BOTH, partitions=PARTITIONS, apply=fan.apply, on_reset=fan.on_reset, clock=CLOCK, batch=7
    )
    await _until(reader.run, lambda: _at_the_end(pool, broker, BOTH))
    pool.terminate()


async def record_due(dsn: str, _log: Path, _subjects: list[str]) -> None:
    """Run the role `clocks` of cases until nothing is due any more."""
    pool = await db.create_pool(dsn, application_name="chaos.look", max_size=1)
    context = Context.of(settings_of(Settings))

    async def done() -> bool:
        return not await due_entries(pool, context)

    await _until(partial(waking.run, settings_of(Settings, dsn=dsn), context), done)
    pool.terminate()


async def due_entries(pool: Pool, context: Context) -> list[UUID]:
    """Entries of which the role `clocks` still has something to record or to compute."""
    async with db.transaction(pool, areas=Areas.all()) as conn:
        version = (await context.tables.current(conn)).version
        today = await context.clock.today(conn)
        return [*await store.waking(conn, today, 1), *await store.outdated(conn, version, 1)]


async def close_day(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Close the day before, then empty the outbox."""
    pool = await db.create_pool(dsn, application_name="chaos.look", max_size=1)
    closer = DayCloser(dsn, CLOCK, PARTITIONS)

    async def closed() -> bool:
        row = await pool.fetchrow("SELECT said, parkunion_now() AS now FROM days_closed")
        return row is not None and row["said"] is not None and bool(row["said"] >= due(row["now"], CLOCK))

    await _until(closer.run, closed)
    await send_outbox(dsn, log, [])
    pool.terminate()


async def republish_topic(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Publish the whole topic again from the journal, then empty the outbox."""
    await republish(dsn, FileBroker(log, DUMMY, PARTITIONS), Source(SOURCE, DUMMY[0], PARTITIONS), lambda _done, _total: None)
    await send_outbox(dsn, log, [])


async def deliver_queued(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Deliver all that is queued to an endpoint of this process, which notes each request in a file before it answers."""
    claims.LEASE = timedelta(seconds=1)
    pool = await db.create_pool(dsn, application_name="chaos.look", max_size=1)
    await asyncio.to_thread(log.mkdir, exist_ok=True)
    with (log / RECEIVED).open("ab", buffering=0) as file:
        async with endpoint() as server:

            async def note(request: web.Request, got: Got) -> web.StreamResponse:
                file.write(got.body + b"\n")
                return await fine(request, got)

            server.answers["/hook"] = note
            await pool.execute("UPDATE subscriptions SET url = $1", server.url())

            async def done() -> bool:
                return not await pool.fetchval("SELECT EXISTS (SELECT FROM lanes)")

            await _until(partial(deliver, delivery_settings(dsn)), done)
    pool.terminate()


async def _until(run: Callable[[asyncio.Event], Awaitable[None]], done: Callable[[], Awaitable[bool]]) -> None:
    stop = asyncio.Event()
    running = asyncio.ensure_future(run(stop))
    deadline = time.monotonic() + PATIENCE
    while not await done():
        if running.done() or time.monotonic() > deadline:
            raise TimeoutError("the job did not end")
        await asyncio.sleep(0.005)
    stop.set()
    await running


async def _at_the_end(pool: Pool, broker: FileBroker, topics: list[str]) -> bool:
    extents = await broker.extents(topics)
    rows = {row["shard"]: row["next"] for row in await pool.fetch("SELECT shard, next FROM shards")}
    return all(rows.get(shard, {}).get(topic, 0) >= extent.end for (topic, shard), extent in extents.items())


JOBS: dict[str, Job] = {
    "run_commands": run_commands,
    "send_outbox": send_outbox,
    "read_topic": read_topic,
    "consume": consume,
    "fan_out": fan_out,
    "project": project,
    "project_columns": project_columns,
    "record_due": record_due,
    "close_day": close_day,
    "republish": republish_topic,
    "deliver": deliver_queued,
}


def main(name: str, dsn: str, log: str, subjects: list[str], fault: str | None, modules: tuple[str, ...] = faults.LINES) -> None:
    """The whole process; exit 0 when the job is done. The fault point `line` counts the lines of `modules`."""
    faults.LINES = modules
    faults.arm(Fault.parse(fault) if fault else None)
    asyncio.run(_bounded(JOBS[name](dsn, Path(log), subjects)))


async def _bounded(job: Awaitable[None]) -> None:
    async with asyncio.timeout(2 * PATIENCE):
        await job
