"""Readers and the projector, near their topics' ends and far behind: every event is applied in sequence and once, and the ledger is that of the definition."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import structs

from services.metrics.measures import MEASURES
from shared.broker.protocol import Message, partition_of
from shared.contracts import encode
from shared.contracts.ids import uuid7
from shared.process.faults import LINES
from tests import oracle
from tests.chaos import processes
from tests.chaos.file_broker import FileBroker
from tests.chaos.processes import DUMMY, PARTITIONS, SOURCES
from tests.chaos.scenarios.scenario import Environment, Scenario
from tests.dummy_service.reading import effects, fact, messages
from tests.histories import history, interleaved, refused


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


def published(topics: list[str], *, mistakes: bool = False) -> Callable[[Environment], Awaitable[list[str]]]:
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


READ_TOPIC = Scenario("read_topic", "dummy", ("shared/sequencing/", "shared/reading/"), _published_to_dummy, _applied)
CONSUME = Scenario(
    "consume", "membership", ("shared/directory/events.py", "services/membership/events_in.py"), published(processes.REGISTRY), _seen
)
PROJECT = Scenario(
    "project",
    "metrics",
    tuple(module for module in LINES if module.startswith("services/metrics/")),
    published(processes.BOTH, mistakes=True),
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
        "services/metrics/tables/copying.py",
        "services/metrics/tables/fresh.py",
    ),
    published(processes.BOTH),
    _seen,
    _ledger,
)
