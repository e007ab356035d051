"""A fact that is not counted: nothing is held for it, no figure knows of it, and the timeline of its enterprise has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.metrics.dashboard.panels import enterprises, recent
from services.metrics.dashboard.words import Language, Words
from services.metrics.explaining import changes, explain
from services.metrics.explaining.changes import Window
from services.metrics.explaining.contributors import Question
from services.metrics.figures.tree import Tree
from services.metrics.measures import MEASURES
from shared.broker.protocol import Message
from shared.contracts import Envelope, Event, cases, encode, membership, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined, VisitMade, VisitPurpose
from shared.contracts.registry import EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import DayClosed, EventWithdrawn, day_subject
from shared.process.db import create_pool
from tests import oracle
from tests.conftest import NewDatabase
from tests.histories import history, interleaved, refused
from tests.integration.metrics.log import PARTITIONS, Log, log_in
from tests.integration.metrics.service import CLOCK, Metrics, enterprise
from tests.unit.metrics.test_counted import of_a_visit

AS_OF = date(2024, 6, 1)
KNOWN = datetime(2024, 6, 3, 2, tzinfo=UTC)
MANY = 25
"""More streams than a reader may park within a minute (docs/design/ENGINE.md, Reading 5)."""


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


@pytest.fixture
async def metrics(database: NewDatabase) -> AsyncIterator[Metrics]:
    pool = await create_pool((await database("metrics")).app_dsn, application_name="metrics.tests")
    yield Metrics(pool)
    pool.terminate()


def visit(made: UUID, purpose: VisitPurpose = VisitPurpose.FIRST_CONTACT, outcome: str | None = None) -> VisitMade:
    return VisitMade(visit_id=uuid7(), enterprise_id=made, purpose=purpose, outcome=outcome)


def stated(source: str, subject: str, data: Event, time: datetime, on: date) -> Envelope:
    """The first event of a stream."""
    return Envelope(
        id=uuid7(),
        source=source,
        subject=subject,
        partitionkey=subject.partition("/")[2],
        sequence=1,
        type=type_of(data),
        time=time,
        occurredon=on,
        actor="tester",
        origin="api",
        data=data,
    )


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_held_the_ledger_is_the_same_days_close_and_audit_and_rebuild_agree(log: Log, seed: int) -> None:
    events = interleaved(history(seed, enterprises=6, length=16, mistakes=True, visits=True), seed)
    applied = oracle.counted(events, refused)
    visits = [event for event in applied if event.type == "parkunion.visit-made.v1"]
    assert len(visits) > 20
    log.publish_events(events[: len(events) // 2])
    await log.fold()
    log.publish_events(events[len(events) // 2 :])
    day = max(oracle.known_day(event) for event in events)
    later = max(event.time for event in events) + timedelta(days=2)
    for topic, source in zip(log.settings.topics, (registry.SOURCE, membership.SOURCE, cases.SOURCE), strict=True):
        for number in range(PARTITIONS):
            closing = stated(source, day_subject(number), DayClosed(day=day), later, day)
            log.broker.write(topic, [Message(number, str(number).encode(), encode(closing))])
    await log.fold()
    assert await log.owner.fetchval("SELECT count(*) FROM held") == 0
    assert await log.owner.fetchval("SELECT min(closed) FROM shards WHERE generation = 1") == day
    rows = oracle.ledger([event for event in applied if not of_a_visit(event)])
    expected = {
        (*cell, effective, known): tuple(row[name] for name in MEASURES) for (cell, effective, known), row in rows.items()
    }  # fmt: skip
    assert await log.ledger(1) == expected
    _, audited = await log.audit()
    assert (audited.differences, audited.parked) == (0, [])
    made, _, rebuilt = await log.rebuild()
    assert rebuilt.differences == 0
    assert await log.ledger(made) == expected
    for generation in (1, made):
        kept = await log.owner.fetchval(f"SELECT count(*) FROM g{generation}.facts WHERE type = 'parkunion.visit-made.v1'")
        assert kept == len(visits)


async def test_many_streams_that_begin_with_one_stop_no_reader(log: Log) -> None:
    made = [enterprise() for _ in range(MANY)]
    events = [stated(membership.SOURCE, subject, visit(one), KNOWN, AS_OF) for one, subject in made]
    log.publish_events(events)
    await log.fold()
    assert await log.owner.fetchval("SELECT count(*) FROM held") == 0
    tables = ("facts", "states", "ledger_open", "durations_open", "enterprises", "placements")
    assert [await log.owner.fetchval(f"SELECT count(*) FROM g1.{table}") for table in tables] == [MANY, 0, 0, 0, 0, 0]
    _, report = await log.audit()
    assert report.differences == 0


async def test_the_timeline_has_it_with_its_corrections_and_withdrawals_and_no_figure_leads_to_it(metrics: Metrics) -> None:
    for code, parent in (("C", None), ("D1", "C"), ("D1-P001", "D1")):
        metrics.area(code, parent)
    made, subject = enterprise()
    metrics.append(subject, EnterpriseRegistered(enterprise_id=made, name="示例厂", park="D1-P001", district="D1"), "2024-01-10")
    metrics.append(subject, HeadcountReported(workers=40), "2024-02-01")
    metrics.append(subject, MemberJoined(membership_id=uuid7(), enterprise_id=made, union_id=uuid7()), "2024-03-01")
    await metrics.fold()
    before = metrics.today
    ledger = await metrics.ledger()
    after = metrics.next_day()
    wrong = metrics.append(subject, visit(made, VisitPurpose.FOUNDING, "agreed"), "2024-03-03")
    never = metrics.append(subject, visit(made, VisitPurpose.RIGHTS), "2024-04-04")
    metrics.append(subject, visit(made), "2024-05-05")
    metrics.correct(wrong, "2024-03-04", purpose="follow_up")
    said = EventWithdrawn(first=never.sequence, last=never.sequence, reason="never_was")
    metrics.append(subject, said, "2024-06-05", corrects=never)
    other, unknown = enterprise()
    metrics.append(unknown, visit(other), "2024-05-06")
    await metrics.fold(2)
    assert await metrics.ledger() == ledger
    async with metrics.snapshot() as snapshot:
        lines, _ = await enterprises.timeline(snapshot, made, AS_OF, after)
        tree = snapshot.areas.at(AS_OF, after)
        found = {language: lines_of(lines, Words(language, CLOCK.zone), tree) for language in LANGUAGES}
        newest = await recent.just_happened(snapshot, tree, None, Words("en", CLOCK.zone))
        in_park = await recent.just_happened(snapshot, tree, "D1-P001", Words("en", CLOCK.zone))
        behind = [
            [one.row["type"] for one in (await explain.events(snapshot, question, subject, explain.FIRST, 100))[0]]
            for question in (
                Question(measure, None, None, None, AS_OF, after) for measure in ("units", "workers", "members", "covered_all")
            )
        ]
        shares, _ = await changes.shares(snapshot, Window(None, AS_OF, before, after), ("", 0), 100)
    assert found["en"] == [
        ("visit-made", date(2024, 5, 5), False, True, ["first contact"]),
        ("visit-made", date(2024, 4, 4), False, False, ["rights"]),
        ("visit-made", date(2024, 3, 4), True, True, ["outcome agreed", "follow-up"]),
        ("visit-made", date(2024, 3, 3), False, False, ["outcome agreed", "founding"]),
    ]
    assert found["zh"][-1][-1] == ["结果 agreed", "建会走访"]
    assert {line.kind for line in newest} == {
        "enterprise-registered", "headcount-reported", "member-joined", "visit-made", "fact-corrected", "event-withdrawn"
    }  # fmt: skip
    assert [(line.kind, line.amount) for line in in_park if line.kind in {"visit-made", "event-withdrawn", "fact-corrected"}] == [
        ("event-withdrawn", "Visit"), ("fact-corrected", "Visit"), ("visit-made", "made")
    ]  # fmt: skip
    assert not any("visit" in type_name or "correct" in type_name or "withdrawn" in type_name for types in behind for type_name in types)
    assert shares == []


LANGUAGES: tuple[Language, ...] = ("zh", "en")


def lines_of(lines: list[enterprises.Entry], words: Words, tree: Tree) -> list[tuple[object, ...]]:
    """The lines of visits, but those of withdrawals."""
    return [
        (line.kind, line.occurred_on, line.correction, line.in_force, line.texts(words, tree))
        for line in lines
        if line.kind == "visit-made" and (line.says or not line.correction)
    ]
