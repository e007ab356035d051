"""Killed at every line of journal, relay, readers and projector: afterwards everything is there, once (I1).

For each line that a job executes one process is killed just before it, and a second one does what is left. In `make test` every n-th line
from a random one on; `PARKUNION_TEST_EVERY_LINE=1` (as `make chaos` has it) takes all.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from services.metrics.measures import MEASURES
from shared import db
from shared.broker import Message, partition_of
from shared.contracts import Envelope, decode, encode
from shared.db import Pool
from shared.ids import uuid7
from tests import oracle
from tests.chaos import jobs
from tests.chaos.jobs import KERNEL, PARTITIONS, SOURCES
from tests.chaos.log_in_a_file import FileBroker
from tests.conftest import Database, NewDatabase
from tests.histories import history, interleaved
from tests.kernel.listening import effects, fact, messages
from tests.settings import ChaosSettings

SETTINGS = ChaosSettings()
FEWEST = 20
"""Lines that every job has."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.chaos.jobs"])


@dataclass
class Scene:
    """A database, a log and what has been asked for so far; each round adds to it."""

    database: Database
    pool: Pool
    log: Path
    chance: random.Random

    def run(self, job: str, subjects: list[str], fault: str | None = None) -> int:
        """Do a job in a process of its own; its exit code, negative for a signal."""
        process = FORKS.Process(target=jobs.do, args=(job, self.database.app_dsn, str(self.log), subjects, fault))
        process.start()
        process.join(4 * jobs.PATIENCE)
        assert process.exitcode is not None, f"{job} with {fault} does not end"
        return process.exitcode


Round = Callable[[Scene], Awaitable[list[str]]]


async def killed_at_lines(scene: Scene, job: str, prepare: Round, judge: Callable[[list[str]], Awaitable[None]]) -> int:
    """Rounds of prepare, kill at the n-th line, do the rest, judge; until n is more than the job has lines. How many were struck."""
    step = 1 if SETTINGS.every_line else SETTINGS.line_step
    first = 1 if step == 1 else scene.chance.randint(1, FEWEST)
    for struck, n in enumerate(count(first, step)):
        subjects = await prepare(scene)
        code = await asyncio.to_thread(scene.run, job, subjects, f"line:{n}:kill")
        if code == 0:
            await judge(subjects)
            return struck
        assert code == -signal.SIGKILL, f"{job}:line:{n} ended with {code}"
        assert await asyncio.to_thread(scene.run, job, subjects) == 0, f"{job} after line:{n}"
        await judge(subjects)
    raise AssertionError("unreachable")


async def scene_of(database: NewDatabase, service: str, folder: Path) -> Scene:
    made = await database(service)
    print(f"PARKUNION_TEST_SEED={SETTINGS.seed}")
    pool = await db.create_pool(made.app_dsn, application_name="chaos.judge", max_size=2)
    return Scene(made, pool, folder / "log", random.Random(SETTINGS.seed))


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_command_killed_at_any_line_and_repeated_is_done_once(database: NewDatabase, tmp_path: Path) -> None:
    scene = await scene_of(database, "kernel", tmp_path)

    async def judge(subjects: list[str]) -> None:
        rows = await scene.pool.fetch("SELECT subject, sequence FROM journal WHERE subject = ANY($1)", subjects)
        assert sorted(map(tuple, rows)) == sorted((subject, 1) for subject in subjects)
        left = await scene.pool.fetchval("SELECT count(*) FROM journal WHERE id NOT IN (SELECT id FROM outbox)")
        assert left == 0, "what is in the journal is in the outbox"

    assert await killed_at_lines(scene, "speak", _new_subjects, judge) > 0
    scene.pool.terminate()


async def _new_subjects(_: Scene) -> list[str]:
    return [f"enterprise/{uuid7()}" for _ in range(4)]


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_relay_killed_at_any_line_sends_everything_in_sequence(database: NewDatabase, tmp_path: Path) -> None:
    scene = await scene_of(database, "kernel", tmp_path)

    async def prepare(_: Scene) -> list[str]:
        subjects = [f"enterprise/{uuid7()}" for _ in range(4)]
        await jobs.speak(scene.database.app_dsn, scene.log, subjects)
        await jobs.speak(scene.database.app_dsn, scene.log, [subjects[1], subjects[3]])
        return subjects

    async def judge(_: list[str]) -> None:
        written = await scene.pool.fetch("SELECT subject, sequence, event_id FROM journal ORDER BY subject, sequence")
        broker = FileBroker(scene.log, KERNEL, PARTITIONS)
        sent = [decode(record.value) for log in broker.logs[KERNEL[0]].partitions for record in log]
        firsts = list(dict.fromkeys((event.subject, event.sequence, event.id) for event in sent))
        assert sorted(firsts) == sorted(map(tuple, written))
        streams: dict[str, list[int]] = {}
        for subject, sequence, _id in firsts:
            streams.setdefault(subject, []).append(sequence)
        assert all(found == list(range(1, len(found) + 1)) for found in streams.values())

    assert await killed_at_lines(scene, "send", prepare, judge) > 0
    scene.pool.terminate()


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
async def test_a_reader_killed_at_any_line_applies_everything_in_sequence_and_once(database: NewDatabase, tmp_path: Path) -> None:
    scene = await scene_of(database, "kernel", tmp_path)

    async def prepare(_: Scene) -> list[str]:
        subjects = [f"enterprise/{uuid7()}" for _ in range(3)]
        events = [fact(subject, sequence) for subject in subjects for sequence in range(1, 6)]
        twice = events[3:5] + events[1:3]
        early = [events[n] for n in (*range(8), 9, 8, *range(10, 15))]
        FileBroker(scene.log, KERNEL, PARTITIONS).write(KERNEL[0], messages([*early, *twice], PARTITIONS))
        return subjects

    async def judge(subjects: list[str]) -> None:
        applied = {subject: sequences for (_, subject), sequences in (await effects(scene.pool)).items()}
        assert {subject: applied[subject] for subject in subjects} == {subject: [1, 2, 3, 4, 5] for subject in subjects}
        assert await scene.pool.fetchval("SELECT count(*) FROM held") == 0

    assert await killed_at_lines(scene, "listen", prepare, judge) > 0
    scene.pool.terminate()


def _told(scene: Scene, said: list[Envelope], topics: list[str]) -> Round:
    """Each round a history of its own, published in an order of its own."""

    async def prepare(_: Scene) -> list[str]:
        events = interleaved(history(scene.chance.getrandbits(32), enterprises=2, length=6), scene.chance.getrandbits(32))
        broker = FileBroker(scene.log, topics, PARTITIONS)
        for event in events:
            if SOURCES[event.source] in topics:
                said.append(event)
                place = partition_of(event.partitionkey, PARTITIONS)
                broker.write(SOURCES[event.source], [Message(place, event.partitionkey.encode(), encode(event))])
        return sorted({event.subject for event in events if SOURCES[event.source] in topics})

    return prepare


async def _seen(scene: Scene, said: list[Envelope], subjects: list[str]) -> None:
    rows = await scene.pool.fetch("SELECT source, subject, sequence FROM seen WHERE subject = ANY($1)", subjects)
    wanted: dict[tuple[str, str], int] = {}
    for event in said:
        if event.subject in subjects:
            wanted[event.source, event.subject] = max(event.sequence, wanted.get((event.source, event.subject), 0))
    assert {(row["source"], row["subject"]): row["sequence"] for row in rows} == wanted
    assert await scene.pool.fetchval("SELECT count(*) FROM held") == 0


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_membership_killed_at_any_line_has_learned_everything(database: NewDatabase, tmp_path: Path) -> None:
    scene = await scene_of(database, "membership", tmp_path)
    said: list[Envelope] = []
    struck = await killed_at_lines(scene, "follow", _told(scene, said, jobs.REGISTRY), lambda subjects: _seen(scene, said, subjects))
    assert struck > 0
    scene.pool.terminate()


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I3")
async def test_a_projector_killed_at_any_line_has_the_ledger_of_the_definition(database: NewDatabase, tmp_path: Path) -> None:
    scene = await scene_of(database, "metrics", tmp_path)
    said: list[Envelope] = []
    struck = await killed_at_lines(scene, "project", _told(scene, said, jobs.BOTH), lambda subjects: _seen(scene, said, subjects))
    assert struck > 0
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES)
    rows = await scene.pool.fetch(
        f"SELECT park, industry, size, ownership, effective_day, known_day, {sums} FROM (TABLE g1.ledger UNION ALL TABLE g1.ledger_open) l "
        "JOIN g1.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6"
    )
    found = {((r[0], r[1], r[2], r[3]), r[4], r[5]): {name: r[name] for name in MEASURES if r[name]} for r in rows}
    wanted = {key: dict(row) for key, row in oracle.ledger(said).items()}
    assert {key: row for key, row in found.items() if row} == wanted
    scene.pool.terminate()
