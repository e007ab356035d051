"""Input for the jobs of `processes`, and what must be true after they ran, whatever interrupted them."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil
from msgspec import structs

from services.metrics.measures import MEASURES
from services.subscriptions.matching.catalogue import defaults
from shared.broker.protocol import Message, partition_of
from shared.contracts import Envelope, decode, encode
from shared.contracts.ids import uuid7
from shared.contracts.streams import FactCorrected
from shared.directory.visibility import PLACING
from shared.process import db, faults
from shared.process.db import Pool
from shared.process.faults import LINES
from tests import oracle
from tests.chaos import processes
from tests.chaos.file_broker import FileBroker
from tests.chaos.processes import DUMMY, PARTITIONS, SOURCES
from tests.conftest import Database, NewDatabase
from tests.dummy_service.reading import effects, fact, messages
from tests.histories import PARKS, history, interleaved, refused
from tests.integration.subscriptions.delivering.sending import KIND, Endpoint, Sending
from tests.integration.subscriptions.house import House
from tests.patience import PATIENCE
from tests.settings import ChaosSettings

SETTINGS = ChaosSettings()
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.chaos.processes"])
FIRST_DAY = datetime(2026, 3, 9, 4, tzinfo=UTC)


@dataclass
class Environment:
    """A database, a log and the events published so far; each round adds to them."""

    database: Database
    pool: Pool
    log: Path
    chance: random.Random
    published: list[Envelope] = field(default_factory=list)
    days: int = 0

    def begin(self, scenario: Scenario, subjects: list[str], fault: str | None = None) -> ForkServerProcess:
        """Start the job in a process of its own."""
        arguments = (scenario.job, self.database.app_dsn, str(self.log), subjects, fault, scenario.modules)
        process = FORKS.Process(target=processes.main, args=arguments)
        process.start()
        return process

    def run(self, scenario: Scenario, subjects: list[str], fault: str | None = None) -> int:
        """Run the job to its end; its exit code, negative for a signal."""
        return exit_code_of(self.begin(scenario, subjects, fault), f"{scenario.job} with {fault}")


def exit_code_of(process: ForkServerProcess, what: str) -> int:
    """Wait until the process ends; its exit code."""
    process.join(4 * PATIENCE)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode is not None, f"{what} does not end"
    return process.exitcode


def is_stopped(process: ForkServerProcess) -> bool:
    """Wait until the process ends (False) or is stopped by SIGSTOP (True)."""
    deadline = time.monotonic() + 4 * PATIENCE
    while process.exitcode is None and time.monotonic() < deadline:
        try:
            if psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
                return True
        except psutil.NoSuchProcess:
            return False
        process.join(0.02)
    return False


async def new_environment(database: NewDatabase, service: str, log: Path) -> Environment:
    """A fresh database of a service; prints the seed."""
    made = await database(service)
    print(f"PARKUNION_TEST_SEED={SETTINGS.seed}")
    pool = await db.create_pool(made.app_dsn, application_name="chaos.judge", max_size=2)
    return Environment(made, pool, log, random.Random(SETTINGS.seed))


@dataclass(frozen=True)
class Scenario:
    """A job with its input and its checks.

    `prepare` makes input and returns its subjects, `check` asserts the result for these subjects, `check_all` for the whole database at the
    end. `modules` are those of faults.LINES that this job covers, so that every line is covered by one job.
    """

    job: str
    service: str
    modules: tuple[str, ...]
    prepare: Callable[[Environment], Awaitable[list[str]]]
    check: Callable[[Environment, list[str]], Awaitable[None]]
    check_all: Callable[[Environment], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        """A module that was moved would be covered no longer, and nobody would see it."""
        missing = [module for module in self.modules if not (Path(faults.ROOT) / module).exists()]
        assert not missing, f"{self.job} covers what is not there: {missing}"


async def _new_subjects(_: Environment) -> list[str]:
    return [f"enterprise/{uuid7()}" for _ in range(4)]


async def _recorded_once(env: Environment, subjects: list[str]) -> None:
    rows = await env.pool.fetch("SELECT subject, sequence FROM journal WHERE subject = ANY($1)", subjects)
    assert sorted(map(tuple, rows)) == sorted((subject, 1) for subject in subjects)
    left = await env.pool.fetchval("SELECT count(*) FROM journal WHERE id NOT IN (SELECT id FROM outbox)")
    assert left == 0, "what is in the journal is in the outbox"


async def _recorded(env: Environment) -> list[str]:
    subjects = await _new_subjects(env)
    await processes.run_commands(env.database.app_dsn, env.log, subjects)
    await processes.run_commands(env.database.app_dsn, env.log, [subjects[1], subjects[3]])
    return subjects


async def _sent(env: Environment, _: list[str]) -> None:
    written = await env.pool.fetch("SELECT subject, sequence, event_id FROM journal ORDER BY subject, sequence")
    broker = FileBroker(env.log, DUMMY, PARTITIONS)
    sent = [decode(record.value or b"") for log in broker.logs[DUMMY[0]].partitions for record in log]
    firsts = list(dict.fromkeys((event.subject, event.sequence, event.id) for event in sent))
    assert sorted(firsts) == sorted(map(tuple, written))
    streams: dict[str, list[int]] = {}
    for subject, sequence, _id in firsts:
        streams.setdefault(subject, []).append(sequence)
    assert all(found == list(range(1, len(found) + 1)) for found in streams.values())


async def _published_to_dummy(env: Environment) -> list[str]:
    subjects = [f"enterprise/{uuid7()}" for _ in range(3)]
    events = [fact(subject, sequence) for subject in subjects for sequence in range(1, 6)]
    twice = events[3:5] + events[1:3]
    early = [events[n] for n in (*range(8), 9, 8, *range(10, 15))]
    FileBroker(env.log, DUMMY, PARTITIONS).write(DUMMY[0], messages([*early, *twice], PARTITIONS))
    return subjects


async def _applied(env: Environment, subjects: list[str]) -> None:
    applied = {subject: sequences for (_, subject), sequences in (await effects(env.pool)).items()}
    assert {subject: applied[subject] for subject in subjects} == {subject: [1, 2, 3, 4, 5] for subject in subjects}
    assert await env.pool.fetchval("SELECT count(*) FROM held") == 0


def _published(topics: list[str], *, mistakes: bool = False) -> Callable[[Environment], Awaitable[list[str]]]:
    """Publishes a random history in a random order each round; with `mistakes` also refused events and withdrawals."""

    async def prepare(env: Environment) -> list[str]:
        events = interleaved(history(env.chance.getrandbits(32), enterprises=2, length=6, mistakes=mistakes), env.chance.getrandbits(32))
        # Recorded at fractions of a second, as in life: only such events become columns.
        events = [structs.replace(event, time=event.time.replace(microsecond=1)) for event in events]
        broker = FileBroker(env.log, topics, PARTITIONS)
        for event in events:
            if SOURCES[event.source] in topics:
                env.published.append(event)
                place = partition_of(event.partitionkey, PARTITIONS)
                broker.write(SOURCES[event.source], [Message(place, event.partitionkey.encode(), encode(event))])
        return sorted({event.subject for event in events if SOURCES[event.source] in topics})

    return prepare


async def _seen(env: Environment, subjects: list[str]) -> None:
    rows = await env.pool.fetch("SELECT source, subject, sequence FROM seen WHERE subject = ANY($1)", subjects)
    wanted: dict[tuple[str, str], int] = {}
    for event in env.published:
        if event.subject in subjects:
            wanted[event.source, event.subject] = max(event.sequence, wanted.get((event.source, event.subject), 0))
    assert {(row["source"], row["subject"]): row["sequence"] for row in rows} == wanted
    assert await env.pool.fetchval("SELECT count(*) FROM held") == 0


async def _ledger(env: Environment) -> None:
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES)
    rows = await env.pool.fetch(
        f"SELECT park, industry, size, ownership, effective_day, known_day, {sums} FROM (TABLE g1.ledger UNION ALL TABLE g1.ledger_open) l "
        "JOIN g1.cells c ON c.id = l.cell GROUP BY 1, 2, 3, 4, 5, 6"
    )
    found = {((r[0], r[1], r[2], r[3]), r[4], r[5]): {name: r[name] for name in MEASURES if r[name]} for r in rows}
    wanted = {key: dict(row) for key, row in oracle.ledger(oracle.counted(env.published, refused)).items()}
    assert {key: row for key, row in found.items() if row} == wanted


def _subscribed(prepare: Callable[[Environment], Awaitable[list[str]]]) -> Callable[[Environment], Awaitable[list[str]]]:
    """Before the first round, two subscriptions to everything, and the parks of the histories."""

    async def prepare_with_subscriptions(env: Environment) -> list[str]:
        if not await env.pool.fetchval("SELECT EXISTS (SELECT FROM subscriptions)"):
            async with env.pool.acquire() as conn, conn.transaction():
                await conn.execute("UPDATE revision SET number = 1")
                await conn.execute("INSERT INTO area_versions SELECT code, 1, NULL, true FROM unnest($1::text[]) AS a(code)", list(PARKS))
            house = House(env.pool)
            grant = await house.grant(["*"], [name.split(".")[1] for name in defaults()])
            for kind in ("pull", "webhook"):
                await house.subscribe(grant, kind=kind)
        return await prepare(env)

    return prepare_with_subscriptions


def _retracted(event: Envelope, said: Mapping[UUID, Envelope], found: set[UUID]) -> bool:
    """Whether nobody need be told of an event: it says where its subject is, and was corrected before anybody was told; or it is such a correction."""
    if isinstance(event.data, FactCorrected):
        return event.data.corrects in said and event.data.corrects not in found
    corrected = any(isinstance(other.data, FactCorrected) and other.data.corrects == event.id for other in said.values())
    return corrected and event.type.split(".")[1] in PLACING


async def _numbered(env: Environment, _subjects: list[str]) -> None:
    """Every event has one number of each subscription, or waits for its enterprise; numbers have no gaps, and follow the streams."""
    said = {event.id: event for event in env.published}
    waiting = [row["event_id"] for row in await env.pool.fetch("SELECT event_id FROM waiting")]
    for row in await env.pool.fetch("SELECT id, kind FROM subscriptions"):
        got = await env.pool.fetch(
            "SELECT d.number, c.event_id FROM deliveries AS d JOIN contents AS c ON c.id = d.content WHERE d.subscription = $1 ORDER BY d.number",
            row["id"],
        )
        assert [one["number"] for one in got] == list(range(1, len(got) + 1))
        assert await env.pool.fetchval("SELECT next_number FROM queues WHERE subscription = $1", row["id"]) == len(got) + 1
        found = [*(one["event_id"] for one in got), *waiting]
        assert len(found) == len(set(found))
        assert [event for event in env.published if event.id not in found and not _retracted(event, said, set(found))] == []
        streams: dict[tuple[str, str], list[int]] = {}
        for one in got:
            event = said[one["event_id"]]
            streams.setdefault((event.source, event.subject), []).append(event.sequence)
        assert all(sequences == sorted(sequences) for sequences in streams.values())
        lanes = {one["subject"] for one in await env.pool.fetch("SELECT subject FROM lanes WHERE subscription = $1", row["id"])}
        assert lanes == ({said[one["event_id"]].subject for one in got} if row["kind"] == "webhook" else set())


async def _next_day(env: Environment) -> list[str]:
    """Record and send some events, then advance the clock by a day."""
    subjects = await _recorded(env)
    await processes.send_outbox(env.database.app_dsn, env.log, [])
    env.days += 1
    owner = await asyncpg.connect(env.database.owner_dsn)
    try:
        instant = FIRST_DAY + timedelta(days=env.days)
        await owner.execute("UPDATE clock_shift SET shift = $1::timestamptz - clock_timestamp()", instant)
    finally:
        await owner.close()
    return subjects


async def _closed_once(env: Environment, _: list[str]) -> None:
    day = (FIRST_DAY + timedelta(days=env.days - 1)).date()
    rows = await env.pool.fetch("SELECT partition_key FROM journal WHERE type = 'parkunion.day-closed.v1' AND occurred_on = $1", day)
    assert sorted(row["partition_key"] for row in rows) == [str(partition) for partition in range(PARTITIONS)]
    assert await env.pool.fetchval("SELECT (day, said) = ($1, $1) FROM days_closed", day)


async def _queued(env: Environment) -> list[str]:
    """A new subscription with twelve events of four enterprises."""
    sending = Sending(House(env.pool), env.database, Endpoint(1))
    await env.pool.execute("INSERT INTO shards (generation, shard) VALUES (1, 0) ON CONFLICT DO NOTHING")
    if not await env.pool.fetchval("SELECT EXISTS (SELECT FROM area_versions)"):
        sending.house.area("P1", None)
        await sending.house.fan()
    sending.grant = await sending.house.grant(["P1"], [KIND])
    key = await sending.subscribe()
    await sending.queue(key, 12, subjects=4)
    return [str(key)]


async def _delivered(env: Environment, subjects: list[str]) -> None:
    rows = await env.pool.fetch(
        "SELECT number, content, subject, state, pending FROM deliveries WHERE subscription = $1", UUID(subjects[0])
    )
    assert {(row["state"], row["pending"]) for row in rows} == {("delivered", False)}
    ids = {
        str(row["event_id"])
        for row in await env.pool.fetch("SELECT event_id FROM contents WHERE id = ANY($1)", [row["content"] for row in rows])
    }
    with (env.log / processes.RECEIVED).open("rb") as file:
        got = [event for event in map(json.loads, file) if event["id"] in ids]
    firsts: dict[str, list[int]] = {}
    for event in got:
        numbers = firsts.setdefault(event["subject"], [])
        if event["deliverynumber"] not in numbers:
            numbers.append(event["deliverynumber"])
    assert sorted(number for numbers in firsts.values() for number in numbers) == list(range(1, 13)), "every number arrived"
    assert all(numbers == sorted(numbers) for numbers in firsts.values()), "each subject in order"


RUN_COMMANDS = Scenario("run_commands", "dummy", ("shared/journal/journal.py",), _new_subjects, _recorded_once)
SEND_OUTBOX = Scenario("send_outbox", "dummy", ("shared/relaying/",), _recorded, _sent)
READ_TOPIC = Scenario("read_topic", "dummy", ("shared/sequencing/", "shared/reading/"), _published_to_dummy, _applied)
CONSUME = Scenario(
    "consume", "membership", ("shared/directory/events.py", "services/membership/events_in.py"), _published(processes.REGISTRY), _seen
)
PROJECT = Scenario(
    "project",
    "metrics",
    tuple(module for module in LINES if module.startswith("services/metrics/")),
    _published(processes.BOTH, mistakes=True),
    _seen,
    _ledger,
)
PROJECT_COLUMNS = Scenario(
    "project_columns",
    "metrics",
    (
        "shared/sequencing/columnar/decoding.py",
        "shared/sequencing/columnar/layouts.py",
        "shared/sequencing/columnar/sorting.py",
        "shared/sequencing/columnar/heads.py",
        "shared/sequencing/frames.py",
        "shared/reading/heads.py",
        "shared/reading/batches/planning.py",
        "shared/reading/batches/moving.py",
        "services/metrics/folding/columns/facts.py",
        "services/metrics/folding/columns/members.py",
        "services/metrics/folding/events/parts.py",
        "services/metrics/folding/plain/fold.py",
        "services/metrics/tables/fresh.py",
    ),
    _published(processes.BOTH),
    _seen,
    _ledger,
)
FAN_OUT = Scenario(
    "fan_out",
    "subscriptions",
    tuple(module for module in LINES if module.startswith("services/subscriptions/fanout/")),
    _subscribed(_published(processes.BOTH)),
    _numbered,
)
CLOSE_DAY = Scenario("close_day", "dummy", ("shared/journal/day_closing.py",), _next_day, _closed_once)
REPUBLISH = Scenario("republish", "dummy", ("shared/relaying/republish.py",), _recorded, _sent)
DELIVER = Scenario("deliver", "subscriptions", (), _queued, _delivered)


async def run_job(env: Environment, scenario: Scenario, subjects: list[str], fault: str | None = None) -> int:
    """Run the job in a process of its own; its exit code."""
    return await asyncio.to_thread(env.run, scenario, subjects, fault)
