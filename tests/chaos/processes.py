"""Small pieces of the platform's work, each in a process of its own that may be told to die at a line. Started by a fork server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from services.membership import events_in
from services.metrics.folding.projector import Projector
from shared.contracts import membership, registry
from shared.contracts.registry import HeadcountReported
from shared.journal import idempotency, journal
from shared.journal.day_closing import DayCloser, due
from shared.journal.idempotency import Result
from shared.process import db, faults
from shared.process.clock import Clock
from shared.process.db import Connection, Pool
from shared.process.faults import Fault
from shared.reading.reader import Reader
from shared.relaying.recovery import Source
from shared.relaying.relay import Relay
from shared.relaying.republish import republish
from tests.chaos.file_broker import FileBroker
from tests.dummy_service.reading import SOURCE, write_effects

PARTITIONS = 2
KERNEL = ["kernel.v1"]
REGISTRY = ["parkunion.registry.v1"]
BOTH = [*REGISTRY, "parkunion.membership.v1"]
ACTOR = journal.Actor("tester", "api")
PATIENCE = 30.0
CLOCK = Clock(ZoneInfo("Asia/Shanghai"))
SOURCES = {registry.SOURCE: BOTH[0], membership.SOURCE: BOTH[1]}

Job = Callable[[str, Path, list[str]], Awaitable[None]]


async def speak(dsn: str, _log: Path, subjects: list[str]) -> None:
    """One command per pair of streams, each under its key: what a client does who got no answer and asks again."""
    pool = await db.create_pool(dsn, application_name="chaos.api", by_key=True, min_size=1, max_size=2)
    for both in zip(subjects[::2], subjects[1::2], strict=True):
        await db.run_command(pool, partial(_say, subjects=both), areas=None)
    pool.terminate()


async def _say(conn: Connection, subjects: tuple[str, str]) -> None:
    key = " ".join(subjects)
    claims = await idempotency.claim(conn, "client", [(key, key.encode())])
    if claims[key] is None:
        await journal.lock(conn, subjects)
        facts = [journal.Draft(subject, HeadcountReported(workers=1), date(2026, 1, 1)) for subject in subjects]
        written = await journal.append(conn, facts, ACTOR)
        await idempotency.record(conn, "client", {key: Result(key, subjects[0], written[0].sequence, [fact.event_id for fact in written])})


async def send(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Relay until the outbox is empty."""
    pool = await db.create_pool(dsn, application_name="chaos.look", max_size=1)
    broker = FileBroker(log, KERNEL, PARTITIONS)
    relay = Relay(dsn, broker, SOURCE, KERNEL[0], PARTITIONS, batch=3, idle=0.005)

    async def empty() -> bool:
        return relay.leading and not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")

    await _until(relay.run, empty)
    pool.terminate()


async def listen(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Read the kernel's topic to its end, writing down every event."""
    pool = await db.create_pool(dsn, application_name="chaos.reader", by_key=True, max_size=2)
    broker = FileBroker(log, KERNEL, PARTITIONS, largest=4)
    reader = Reader(pool, broker, name="kernel", topics=KERNEL, partitions=PARTITIONS, apply=write_effects, batch=5)
    await _until(reader.run, lambda: _at_the_end(pool, broker, KERNEL))
    pool.terminate()


async def follow(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Membership's consumer, to the end of the registry's topic."""
    pool = await db.create_pool(dsn, application_name="chaos.consumer", by_key=True, max_size=2)
    broker = FileBroker(log, REGISTRY, PARTITIONS, largest=4)
    reader = Reader(pool, broker, name="membership", topics=REGISTRY, partitions=PARTITIONS, apply=events_in.apply, batch=5)
    await _until(reader.run, lambda: _at_the_end(pool, broker, REGISTRY))
    pool.terminate()


async def project(dsn: str, log: Path, _subjects: list[str]) -> None:
    """The projector, to the end of both topics."""
    pool = await db.create_pool(dsn, application_name="chaos.projector", by_key=True, max_size=3)
    broker = FileBroker(log, BOTH, PARTITIONS, largest=4)
    work = Projector(pool, CLOCK)
    reader = Reader(
        pool,
        broker,
        name="metrics",
        topics=BOTH,
        partitions=PARTITIONS,
        apply=work.apply,
        on_reset=work.on_reset,
        after_commit=work.after_commit,
        batch=7,
    )

    async def done() -> bool:
        # What a withdrawal sets free is applied after its place in the log was read.
        return await _at_the_end(pool, broker, BOTH) and not await pool.fetchval("SELECT EXISTS (SELECT FROM held)")

    await _until(reader.run, done)
    pool.terminate()


async def close(dsn: str, log: Path, _subjects: list[str]) -> None:
    """Close the day before; the outbox is empty."""
    pool = await db.create_pool(dsn, application_name="chaos.look", max_size=1)
    closer = DayCloser(dsn, CLOCK, PARTITIONS)

    async def closed() -> bool:
        row = await pool.fetchrow("SELECT said, parkunion_now() AS now FROM days_closed")
        return row is not None and row["said"] is not None and bool(row["said"] >= due(row["now"], CLOCK))

    await _until(closer.run, closed)
    await send(dsn, log, [])
    pool.terminate()


async def write_again(dsn: str, log: Path, _subjects: list[str]) -> None:
    """The whole topic, made anew from the journal; then what waits."""
    await republish(dsn, FileBroker(log, KERNEL, PARTITIONS), Source(SOURCE, KERNEL[0], PARTITIONS), lambda _done, _total: None)
    await send(dsn, log, [])


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
    "speak": speak,
    "send": send,
    "listen": listen,
    "follow": follow,
    "project": project,
    "close": close,
    "republish": write_again,
}


def do(name: str, dsn: str, log: str, subjects: list[str], fault: str | None, rooms: tuple[str, ...] = faults.LINES) -> None:
    """The whole process; exit 0 when the job is done. `rooms` are those whose lines the point `line` counts."""
    faults.LINES = rooms
    faults.arm(Fault.parse(fault) if fault else None)
    asyncio.run(_bounded(JOBS[name](dsn, Path(log), subjects)))


async def _bounded(work: Awaitable[None]) -> None:
    async with asyncio.timeout(2 * PATIENCE):
        await work
