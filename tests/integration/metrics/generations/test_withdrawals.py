"""Withdrawals of what counted, over closed days, audits, rebuilds and the questions that lead from a figure to its events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.metrics.generations import lifecycle
from services.metrics.measures import MEASURES
from shared.broker.protocol import Message
from shared.contracts import Envelope, Event, cases, encode, membership, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined
from shared.contracts.registry import AreaKind, AreaRegistered, EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import DayClosed, EventWithdrawn, day_subject
from tests import oracle
from tests.conftest import NewDatabase
from tests.histories import history, interleaved, refused
from tests.integration.metrics.log import PARTITIONS, Log, log_in

FIRST = datetime(2024, 6, 3, 4, tzinfo=UTC)


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


def of_the_oracle(events: list[Envelope]) -> dict[tuple[object, ...], tuple[int, ...]]:
    rows = oracle.ledger(oracle.counted(events, refused))
    return {(*cell, effective, known): tuple(row[name] for name in MEASURES) for (cell, effective, known), row in rows.items()}


@pytest.mark.invariant("I3")
async def test_histories_with_withdrawals_are_audited_and_folded_anew_to_the_same_rows(log: Log) -> None:
    events = interleaved(history(23, enterprises=6, length=16, mistakes=True), 23)
    half = len(events) // 2
    log.publish_events(events[:half])
    await log.fold()
    log.publish_events(events[half:])
    await log.fold()
    assert await log.ledger(1) == of_the_oracle(events)
    _, audited = await log.audit()
    assert (audited.differences, audited.parked) == (0, [])
    made, _, rebuilt = await log.rebuild()
    assert rebuilt.differences == 0
    assert await log.ledger(made) == await log.ledger(1)
    taken_back = await log.owner.fetchval("SELECT count(*) FROM g1.facts WHERE type = 'parkunion.event-withdrawn.v1'")
    assert taken_back > 0
    assert await log.owner.fetchval(f"SELECT count(*) FROM g{made}.facts WHERE type = 'parkunion.event-withdrawn.v1'") == taken_back


class Said:
    """One enterprise's streams, a day apart where a test says so."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.enterprise: UUID = uuid7()
        self.time = FIRST
        self.events: list[Envelope] = []

    def say(self, data: Event, subject: str | None = None, source: str = registry.SOURCE, on: date = FIRST.date()) -> Envelope:
        subject = subject or f"enterprise/{self.enterprise}"
        own = [event for event in self.events if (event.source, event.subject) == (source, subject)]
        self.time += timedelta(seconds=1)
        event = Envelope(
            id=uuid7(),
            source=source,
            subject=subject,
            partitionkey=subject.partition("/")[2],
            sequence=len(own) + 1,
            type=type_of(data),
            time=self.time,
            occurredon=on,
            actor="tester",
            origin="api",
            data=data,
        )
        self.events.append(event)
        return event

    def tell(self, data: Event, source: str = registry.SOURCE) -> None:
        self.log.publish_events([self.say(data, source=source)])

    def close(self) -> date:
        """Both sources say to every partition that the day is over; the next one begins."""
        day = self.time.date()
        self.time += timedelta(days=1)
        for topic, source in zip(self.log.settings.topics, (registry.SOURCE, membership.SOURCE, cases.SOURCE), strict=True):
            for number in range(PARTITIONS):
                event = self.say(DayClosed(day=day), day_subject(number), source, on=day)
                self.log.broker.write(topic, [Message(number, str(number).encode(), encode(event))])
        return day


@pytest.mark.invariant("I4")
async def test_what_is_taken_back_counts_on_the_days_before_and_the_withdrawals_own_day_closes(log: Log) -> None:
    said = Said(log)
    said.tell(EnterpriseRegistered(enterprise_id=said.enterprise, name="示例厂", park="P1", district="D1"))
    said.tell(HeadcountReported(workers=40))
    for _ in range(2):
        said.tell(MemberJoined(membership_id=uuid7(), enterprise_id=said.enterprise, union_id=uuid7()), membership.SOURCE)
    wrong = said.say(AreaRegistered(code="X", name="误", kind=AreaKind.DIVISION, parent=None), "area/X")
    log.publish_events([wrong])
    first = said.close()
    await log.fold()
    closed = await log.ledger(1)
    said.tell(EventWithdrawn(first=2, last=2, reason="never_was"))
    said.tell(EventWithdrawn(first=1, last=2, reason="never_was"), membership.SOURCE)
    log.publish_events([said.say(EventWithdrawn(first=1, last=1, reason="never_was"), "area/X")])
    withdrawn_on = said.time.date()
    second = said.close()
    await log.fold()
    assert await log.owner.fetchval("SELECT count(*) FROM held") == 0
    assert await log.owner.fetchval("SELECT min(closed) FROM shards WHERE generation = 1") == second
    ledger = await log.ledger(1)
    assert {key: row for key, row in ledger.items() if key[5] <= first} == closed, "what was final stays"
    workers, members = MEASURES.index("workers"), MEASURES.index("members")
    assert [sum(row[which] for row in ledger.values()) for which in (workers, members)] == [0, 0]
    assert ledger == of_the_oracle(said.events)
    assert await log.owner.fetchval("SELECT known_until FROM g1.areas_facts WHERE code = 'X'") == withdrawn_on
    _, audited = await log.audit()
    assert (audited.differences, audited.parked) == (0, [])
    made, _, rebuilt = await log.rebuild()
    assert rebuilt.differences == 0
    await log.fold()
    await lifecycle.switch(log.owner, made, None)
    said.tell(EventWithdrawn(first=1, last=1, reason="never_was"))
    await log.fold()
    assert await log.ledger(made) == await log.ledger(1) == of_the_oracle(said.events)
    assert (await log.audit())[1].differences == 0


@pytest.mark.invariant("I4")
async def test_a_withdrawal_of_what_counted_that_comes_after_its_day_was_closed_changes_nothing_and_every_fold_says_so(log: Log) -> None:
    said = Said(log)
    said.tell(EnterpriseRegistered(enterprise_id=said.enterprise, name="示例厂", park="P1", district="D1"))
    late = said.say(EventWithdrawn(first=1, last=1, reason="never_was"))
    said.close()
    log.publish_events([late])
    await log.fold()
    assert [tuple(row) for row in await log.owner.fetch("SELECT kind, sequence, error FROM held")] == [("late", 2, "DAY_CLOSED")]
    assert sum(row[MEASURES.index("units")] for row in (await log.ledger(1)).values()) == 1
    _, audited = await log.audit()
    assert (audited.differences, len(audited.parked)) == (0, 1)
    assert (await log.rebuild())[2].differences == 0
