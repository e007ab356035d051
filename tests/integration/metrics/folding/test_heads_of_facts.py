"""The head of a stream that came in one batch, and as columns alone, is known by its facts; of every other it is in `seen`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs

from services.metrics.figures.statistics import sql as statistics
from services.metrics.folding.columns.facts import ATTRIBUTES
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from services.metrics.tables.heads import all_heads
from shared.broker.protocol import partition_of
from shared.contracts import Envelope, cases, type_of
from shared.contracts.cases.rights import CaseOpened
from shared.contracts.ids import uuid7
from shared.contracts.registry import EnterpriseRegistered
from shared.reading.batches import due
from shared.sequencing.shard import Shard
from tests.integration.metrics.folding.test_columns import Seen, log_of_a_test, seen_of_a_test, told  # noqa: F401
from tests.integration.metrics.generations.test_generations import an_area, of_the_oracle
from tests.integration.metrics.log import PARTITIONS, Log

ONE_BATCH = pytest.mark.parametrize("seen", [60_000], indirect=True)
"""All that a shard has at once comes in one batch."""
HELD = "SELECT subject, sequence, kind FROM held ORDER BY subject, sequence"


def last(events: Iterable[Envelope]) -> dict[tuple[str, str], tuple[int, UUID]]:
    """{(source, subject): (sequence, id) of the last event}"""
    return {(event.source, event.subject): (event.sequence, event.id) for event in sorted(events, key=lambda event: event.sequence)}


async def heads(log: Log, statement: str | None = None) -> dict[tuple[str, str], tuple[int, UUID]]:
    rows = await log.owner.fetch(statement or await all_heads(log.owner, 1))
    return {(row["source"], row["subject"]): (row["sequence"], row["event_id"]) for row in rows}


async def in_seen(log: Log) -> dict[tuple[str, str], tuple[int, UUID]]:
    return await heads(log, "SELECT source, subject, sequence, event_id FROM seen")


def with_objects(events: Iterable[Envelope]) -> set[tuple[str, str]]:
    """Streams with an event that the projector gets as an object, in a batch of columns, too."""
    return {(event.source, event.subject) for event in events if event.type not in (*TYPES_AS_COLUMNS, *ATTRIBUTES)}


def parted(events: list[Envelope]) -> tuple[list[Envelope], list[Envelope]]:
    """The first half of each stream, and the rest; streams of one event are in the first alone."""
    ends = {stream: sequence for stream, (sequence, _) in last(events).items()}
    first = [event for event in events if event.sequence <= (ends[event.source, event.subject] + 1) // 2]
    return first, [event for event in events if event not in first]


@ONE_BATCH
@pytest.mark.invariant("I3")
async def test_a_stream_gets_a_row_with_its_second_batch(log: Log, seen: Seen) -> None:
    """And each event counts once, whatever comes again: in the batch, in the next one, or after all."""
    events = told(5)
    first, rest = parted(events)
    assert len(events) < due.COLUMNS_BATCH, "one batch a shard"
    log.publish_events([*first, *first[:20]])
    await log.fold()
    assert seen.columns
    assert not seen.refused
    rows = with_objects(first)
    assert rows < last(first).keys()
    assert await in_seen(log) == {stream: head for stream, head in last(first).items() if stream in rows}
    assert await heads(log) == last(first)
    log.publish_events([*first[-20:], *rest])
    await log.fold()
    assert not seen.refused
    rows |= {(event.source, event.subject) for event in (*rest, *first[-20:])}
    assert await in_seen(log) == {stream: head for stream, head in last(events).items() if stream in rows}
    assert await heads(log) == last(events)
    log.publish_events(events[:30])
    await log.fold()
    assert await heads(log) == last(events)
    assert await log.ledger(1) == of_the_oracle(events)
    assert (await log.audit())[1].differences == 0


@ONE_BATCH
async def test_cases_in_a_backlog_are_found_by_their_enterprises(log: Log, seen: Seen) -> None:
    """Their events are objects among the columns; explanations of statistics look for their streams in `seen`."""
    events = told(5)
    registered = next(event for event in events if isinstance(event.data, EnterpriseRegistered))
    enterprise = UUID(registered.subject.partition("/")[2])
    data = CaseOpened(case_id=uuid7(), enterprise_id=enterprise, kind="wage_arrears", reported_on=registered.occurredon)
    opened = structs.replace(registered, id=uuid7(), source=cases.SOURCE, sequence=1, type=type_of(data), data=data)
    log.publish_events(all_ := [*events, opened, an_area()])
    await log.fold()
    assert seen.columns
    assert not seen.refused
    shards = list(range(PARTITIONS))
    assert await statistics.subjects(log.owner, 1, shards, "", None, 10) == [registered.subject]
    assert await heads(log) == last(all_)
    log.publish_events([opened])
    await log.fold()
    assert (await log.audit())[1].differences == 0


@ONE_BATCH
async def test_what_comes_later_may_have_smaller_ids(log: Log, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to which subject streams have to be looked up never sinks; else what comes again would be taken for new, and refused by the keys of its facts."""
    monkeypatch.setattr(Shard, "drop_columns", lambda shard: pytest.fail(f"objects were needed in {shard.number}"))
    events = told(5)
    subjects = sorted({event.subject for event in events})
    upper = [event for event in events if event.subject in subjects[len(subjects) // 2 :]]
    for part in (upper, [event for event in events if event not in upper], upper):
        log.publish_events(part)
        await log.fold()
    assert not seen.refused
    assert await heads(log) == last(events)
    assert await log.ledger(1) == of_the_oracle(events)


@ONE_BATCH
async def test_what_is_odd_in_such_a_stream_is_held(log: Log, seen: Seen) -> None:
    """Another event with the last sequence is a fork; one after a gap waits, and the stream's row says after which."""
    events = told(5)
    log.publish_events(events)
    await log.fold()
    before = await in_seen(log)
    streams = sorted(last(events).keys() - with_objects(events))
    forked, early = (max((e for e in events if (e.source, e.subject) == stream), key=lambda e: e.sequence) for stream in streams[:2])
    log.publish_events([structs.replace(forked, id=uuid7()), structs.replace(early, id=uuid7(), sequence=early.sequence + 2)])
    await log.fold()
    held = {(row["subject"], row["sequence"]): row["kind"] for row in await log.owner.fetch(HELD)}
    assert held == {(forked.subject, forked.sequence): "fork", (early.subject, early.sequence + 2): "early"}
    assert not before.keys() & set(streams[:2])
    rows, found = await in_seen(log), last(events)
    assert {stream: rows[stream] for stream in streams[:2]} == {stream: found[stream] for stream in streams[:2]}
    assert await heads(log) == found


@ONE_BATCH
async def test_single_events_go_on_where_columns_ended(log: Log, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    events = told(5)
    first, rest = parted(events)
    log.publish_events(first)
    await log.fold()
    with monkeypatch.context() as patch:
        patch.setattr("shared.reading.turns.FAR_BEHIND", 10**9)
        log.publish_events(rest)
        await log.fold()
    assert not await log.owner.fetchval("SELECT EXISTS (SELECT FROM held)")
    assert await heads(log) == last(events)
    assert await log.ledger(1) == of_the_oracle(events)


@ONE_BATCH
async def test_without_the_migration_every_stream_has_a_row(log: Log, seen: Seen) -> None:
    """As long as a projector of the release before is connected."""
    await log.owner.execute("DROP TABLE g1.head_bounds; DROP VIEW g1.possible_heads")
    events = told(5)
    log.publish_events(events)
    await log.fold()
    assert seen.columns
    assert await in_seen(log) == last(events)
    assert (await log.audit())[1].differences == 0


@ONE_BATCH
async def test_an_audit_names_a_head_that_is_not_that_of_the_log(log: Log, seen: Seen) -> None:
    events = told(5)
    log.publish_events(events)
    await log.fold()
    (source, subject), (sequence, _) = next(iter(last(events).items()))
    row: tuple[Any, ...] = (
        partition_of(next(e.partitionkey for e in events if e.subject == subject), PARTITIONS),
        source,
        subject,
        sequence + 1,
        uuid7(),
    )
    await log.owner.execute("INSERT INTO seen VALUES (1, $1, $2, $3, $4, $5, now())", *row)
    _, report = await log.audit()
    assert report.differences
    assert {one["table"] for one in report.different} == {"seen"}
