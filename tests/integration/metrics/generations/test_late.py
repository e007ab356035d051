"""What came too late, on the log that came so and on one that is written again: closed figures stay until somebody accepts other ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from msgspec import structs

from services.metrics.generations import lifecycle
from services.metrics.generations.lifecycle import GenerationRefused
from shared.broker.protocol import Message
from shared.contracts import Envelope, Event, cases, encode, membership, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.registry import EnterpriseRegistered
from shared.contracts.streams import DayClosed, day_subject
from shared.reading import turns
from tests.conftest import NewDatabase
from tests.integration.metrics.log import PARTITIONS, Log, log_in

DAY = date(2024, 6, 3)
NOON = datetime(2024, 6, 3, 4, tzinfo=UTC)


def said(subject: str, data: Event, source: str, after: int) -> Envelope:
    return Envelope(
        id=uuid7(),
        source=source,
        subject=subject,
        partitionkey=subject.partition("/")[2],
        sequence=1,
        type=type_of(data),
        time=NOON + timedelta(seconds=after),
        occurredon=DAY,
        actor="tester",
        origin="api",
        data=data,
    )


def settled(enterprise: UUID, after: int) -> Envelope:
    return said(
        f"enterprise/{enterprise}",
        EnterpriseRegistered(enterprise_id=enterprise, name="示例厂", park="P1", district="D1"),
        registry.SOURCE,
        after,
    )


def closings(log: Log) -> list[tuple[str, Message]]:
    """Both sources say to every partition that the day is over."""
    return [
        (topic, Message(number, str(number).encode(), encode(said(day_subject(number), DayClosed(day=DAY), source, 86400))))
        for topic, source in zip(log.settings.topics, (registry.SOURCE, membership.SOURCE, cases.SOURCE), strict=True)
        for number in range(PARTITIONS)
    ]


def close(log: Log, messages: list[tuple[str, Message]]) -> None:
    for topic, message in messages:
        log.broker.write(topic, [message])


def ended(sequence: int) -> Message:
    """The registry says to partition 0 that a day is over: the day DAY + `sequence`, on the day after it."""
    closed = said(day_subject(0), DayClosed(day=DAY + timedelta(days=sequence)), registry.SOURCE, 86400 * (sequence + 1))
    return Message(0, b"0", encode(structs.replace(closed, sequence=sequence)))


@pytest.mark.invariant("I3")
@pytest.mark.invariant("I4")
@pytest.mark.parametrize("far_behind", [0, 10**9], ids=["as columns", "as objects"])
@pytest.mark.parametrize(("filling", "day", "kinds"), [((2,), 3, {(0, "late")}), ((2, 4), 5, set())], ids=["late", "in time"])
async def test_a_day_that_a_filled_gap_ends_is_over_for_what_comes_behind(
    database: NewDatabase,
    monkeypatch: pytest.MonkeyPatch,
    far_behind: int,
    filling: tuple[int, ...],
    day: int,
    kinds: set[tuple[int, str]],
) -> None:
    """The end of a day waits for the one before it, and is set free by a batch that brings events of its own day, too."""
    monkeypatch.setattr(turns, "FAR_BEHIND", far_behind)
    async with log_in(await database("metrics")) as log:
        topic, events = log.settings.topics[0], [settled(uuid7(), 86400 * day) for _ in range(30)]
        log.broker.write(topic, [ended(1), ended(3)])
        await log.fold()
        log.broker.write(topic, [ended(sequence) for sequence in filling])
        log.publish_events(events)
        await log.fold()
        held = await log.owner.fetch("SELECT shard, kind FROM held WHERE generation = 1")
        assert {(row["shard"], row["kind"]) for row in held} == kinds
        assert await log.owner.fetchval("SELECT count(*) FROM g1.stays") == len(events) - len(held)
        _, audited = await log.audit()
        assert (audited.differences, len(audited.parked)) == (0, len(held))


@pytest.mark.invariant("I4")
async def test_a_log_that_is_written_again_counts_what_came_too_late_and_the_rebuild_names_it(database: NewDatabase) -> None:
    async with log_in(await database("metrics")) as log:
        timely, late, over = settled(uuid7(), 1), settled(uuid7(), 2), closings(log)
        log.publish_events([timely])
        close(log, over)
        log.publish_events([late])
        await log.fold()
        held = await log.owner.fetch("SELECT kind, subject FROM held WHERE generation = 1")
        assert [(row["kind"], row["subject"]) for row in held] == [("late", late.subject)]
        _, audited = await log.audit()
        assert (audited.differences, len(audited.parked)) == (0, 1)
        made, _, again = await log.rebuild()
        assert again.differences == 0, "a fold of the same log has it too late again"
        figures = await log.ledger(1)

        for topic in log.settings.topics:
            log.broker.create(topic, PARTITIONS)
        log.publish_events([timely, late])
        close(log, over)
        await log.fold()
        assert await log.ledger(1) == figures, "what was final stays"
        held = await log.owner.fetch("SELECT kind, subject FROM held WHERE generation = 1")
        assert [(row["kind"], row["subject"]) for row in held] == [("late", late.subject)]
        made, report_id, report = await log.rebuild()
        rows = [row for row in report.different if row["table"] == "ledger"]
        assert rows
        assert all(late.subject in row["enterprises"] for row in rows)
        await log.fold()
        with pytest.raises(GenerationRefused):
            await lifecycle.switch(log.owner, made, None)
        await lifecycle.switch(log.owner, made, report_id)
        assert await log.ledger(made) != figures
