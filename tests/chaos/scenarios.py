"""Input for the jobs of `processes`, and what must be true after they ran, whatever interrupted them."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import asyncpg
import psutil

from services.metrics.folding.measures import MEASURES
from shared.broker.protocol import Message, partition_of
from shared.contracts import Envelope, decode, encode
from shared.contracts.ids import uuid7
from shared.process import db
from shared.process.db import Pool
from shared.process.faults import LINES
from tests import oracle
from tests.chaos import processes
from tests.chaos.file_broker import FileBroker
from tests.chaos.processes import KERNEL, PARTITIONS, SOURCES
from tests.conftest import Database, NewDatabase
from tests.dummy_service.reading import effects, fact, messages
from tests.histories import history, interleaved, refused
from tests.settings import ChaosSettings

SETTINGS = ChaosSettings()
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.chaos.processes"])
FIRST_DAY = datetime(2026, 3, 9, 4, tzinfo=UTC)


@dataclass
class Scene:
    """A database, a log and what has been asked for so far; each round adds to it."""

    database: Database
    pool: Pool
    log: Path
    chance: random.Random
    said: list[Envelope] = field(default_factory=list)
    days: int = 0

    def begin(self, work: Work, subjects: list[str], fault: str | None = None) -> ForkServerProcess:
        """A job in a process of its own."""
        arguments = (work.job, self.database.app_dsn, str(self.log), subjects, fault, work.rooms)
        process = FORKS.Process(target=processes.do, args=arguments)
        process.start()
        return process

    def run(self, work: Work, subjects: list[str], fault: str | None = None) -> int:
        """Do a job to its end; its exit code, negative for a signal."""
        return ended(self.begin(work, subjects, fault), f"{work.job} with {fault}")


def ended(process: ForkServerProcess, what: str) -> int:
    """The exit code of a process, when it has ended."""
    process.join(4 * processes.PATIENCE)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode is not None, f"{what} does not end"
    return process.exitcode


def stands_still(process: ForkServerProcess) -> bool:
    """Wait until it has ended (false) or stands still (true)."""
    deadline = time.monotonic() + 4 * processes.PATIENCE
    while process.exitcode is None and time.monotonic() < deadline:
        try:
            if psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
                return True
        except psutil.NoSuchProcess:
            return False
        process.join(0.02)
    return False


async def scene_of(database: NewDatabase, service: str, log: Path) -> Scene:
    """A new one; the seed is printed."""
    made = await database(service)
    print(f"PARKUNION_TEST_SEED={SETTINGS.seed}")
    pool = await db.create_pool(made.app_dsn, application_name="chaos.judge", max_size=2)
    return Scene(made, pool, log, random.Random(SETTINGS.seed))


@dataclass(frozen=True)
class Work:
    """A job on a service's database: `prepare` gives it something to do and says of what, `judge` looks at that; `judge_all` at the end.

    `rooms`: what of faults.LINES it is there for; so every line is struck by one job.
    """

    job: str
    service: str
    rooms: tuple[str, ...]
    prepare: Callable[[Scene], Awaitable[list[str]]]
    judge: Callable[[Scene, list[str]], Awaitable[None]]
    judge_all: Callable[[Scene], Awaitable[None]] | None = None


async def _new_subjects(_: Scene) -> list[str]:
    return [f"enterprise/{uuid7()}" for _ in range(4)]


async def _recorded_once(scene: Scene, subjects: list[str]) -> None:
    rows = await scene.pool.fetch("SELECT subject, sequence FROM journal WHERE subject = ANY($1)", subjects)
    assert sorted(map(tuple, rows)) == sorted((subject, 1) for subject in subjects)
    left = await scene.pool.fetchval("SELECT count(*) FROM journal WHERE id NOT IN (SELECT id FROM outbox)")
    assert left == 0, "what is in the journal is in the outbox"


async def _recorded(scene: Scene) -> list[str]:
    subjects = await _new_subjects(scene)
    await processes.speak(scene.database.app_dsn, scene.log, subjects)
    await processes.speak(scene.database.app_dsn, scene.log, [subjects[1], subjects[3]])
    return subjects


async def _sent(scene: Scene, _: list[str]) -> None:
    written = await scene.pool.fetch("SELECT subject, sequence, event_id FROM journal ORDER BY subject, sequence")
    broker = FileBroker(scene.log, KERNEL, PARTITIONS)
    sent = [decode(record.value or b"") for log in broker.logs[KERNEL[0]].partitions for record in log]
    firsts = list(dict.fromkeys((event.subject, event.sequence, event.id) for event in sent))
    assert sorted(firsts) == sorted(map(tuple, written))
    streams: dict[str, list[int]] = {}
    for subject, sequence, _id in firsts:
        streams.setdefault(subject, []).append(sequence)
    assert all(found == list(range(1, len(found) + 1)) for found in streams.values())


async def _told_to_the_kernel(scene: Scene) -> list[str]:
    subjects = [f"enterprise/{uuid7()}" for _ in range(3)]
    events = [fact(subject, sequence) for subject in subjects for sequence in range(1, 6)]
    twice = events[3:5] + events[1:3]
    early = [events[n] for n in (*range(8), 9, 8, *range(10, 15))]
    FileBroker(scene.log, KERNEL, PARTITIONS).write(KERNEL[0], messages([*early, *twice], PARTITIONS))
    return subjects


async def _applied(scene: Scene, subjects: list[str]) -> None:
    applied = {subject: sequences for (_, subject), sequences in (await effects(scene.pool)).items()}
    assert {subject: applied[subject] for subject in subjects} == {subject: [1, 2, 3, 4, 5] for subject in subjects}
    assert await scene.pool.fetchval("SELECT count(*) FROM held") == 0


def _told(topics: list[str]) -> Callable[[Scene], Awaitable[list[str]]]:
    """Each round a history of its own, published in an order of its own; where all of it is read, with mistakes and withdrawals."""

    async def prepare(scene: Scene) -> list[str]:
        events = interleaved(
            history(scene.chance.getrandbits(32), enterprises=2, length=6, mistakes=topics == processes.BOTH), scene.chance.getrandbits(32)
        )
        broker = FileBroker(scene.log, topics, PARTITIONS)
        for event in events:
            if SOURCES[event.source] in topics:
                scene.said.append(event)
                place = partition_of(event.partitionkey, PARTITIONS)
                broker.write(SOURCES[event.source], [Message(place, event.partitionkey.encode(), encode(event))])
        return sorted({event.subject for event in events if SOURCES[event.source] in topics})

    return prepare


async def _seen(scene: Scene, subjects: list[str]) -> None:
    rows = await scene.pool.fetch("SELECT source, subject, sequence FROM seen WHERE subject = ANY($1)", subjects)
    wanted: dict[tuple[str, str], int] = {}
    for event in scene.said:
        if event.subject in subjects:
            wanted[event.source, event.subject] = max(event.sequence, wanted.get((event.source, event.subject), 0))
    assert {(row["source"], row["subject"]): row["sequence"] for row in rows} == wanted
    assert await scene.pool.fetchval("SELECT count(*) FROM held") == 0


async def _ledger(scene: Scene) -> None:
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES)
    rows = await scene.pool.fetch(
        f"SELECT park, industry, size, ownership, effective_day, known_day, {sums} FROM (TABLE g1.ledger UNION ALL TABLE g1.ledger_open) l "
        "JOIN g1.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6"
    )
    found = {((r[0], r[1], r[2], r[3]), r[4], r[5]): {name: r[name] for name in MEASURES if r[name]} for r in rows}
    wanted = {key: dict(row) for key, row in oracle.ledger(oracle.counted(scene.said, refused)).items()}
    assert {key: row for key, row in found.items() if row} == wanted


async def _next_day(scene: Scene) -> list[str]:
    """Something is recorded and sent, and midnight passes."""
    subjects = await _recorded(scene)
    await processes.send(scene.database.app_dsn, scene.log, [])
    scene.days += 1
    owner = await asyncpg.connect(scene.database.owner_dsn)
    try:
        instant = FIRST_DAY + timedelta(days=scene.days)
        await owner.execute("UPDATE clock_shift SET shift = $1::timestamptz - clock_timestamp()", instant)
    finally:
        await owner.close()
    return subjects


async def _closed_once(scene: Scene, _: list[str]) -> None:
    day = (FIRST_DAY + timedelta(days=scene.days - 1)).date()
    rows = await scene.pool.fetch("SELECT partition_key FROM journal WHERE type = 'parkunion.day-closed.v1' AND occurred_on = $1", day)
    assert sorted(row["partition_key"] for row in rows) == [str(partition) for partition in range(PARTITIONS)]
    assert await scene.pool.fetchval("SELECT (day, said) = ($1, $1) FROM days_closed", day)


SPEAK = Work("speak", "kernel", ("shared/journal/journal.py",), _new_subjects, _recorded_once)
SEND = Work("send", "kernel", ("shared/relaying/",), _recorded, _sent)
LISTEN = Work("listen", "kernel", ("shared/sequencing/", "shared/reading/"), _told_to_the_kernel, _applied)
FOLLOW = Work("follow", "membership", ("shared/directory/events.py", "services/membership/events_in.py"), _told(processes.REGISTRY), _seen)
PROJECT = Work(
    "project", "metrics", tuple(room for room in LINES if room.startswith("services/metrics/")), _told(processes.BOTH), _seen, _ledger
)
CLOSE = Work("close", "kernel", ("shared/journal/day_closing.py",), _next_day, _closed_once)
REPUBLISH = Work("republish", "kernel", ("shared/relaying/republish.py",), _recorded, _sent)


async def do(scene: Scene, work: Work, subjects: list[str], fault: str | None = None) -> int:
    """The job in a process of its own; its exit code."""
    return await asyncio.to_thread(scene.run, work, subjects, fault)
