"""A log folded by columns is the same log folded event by event: whatever is repeated, missing, forked, refused, withdrawn or late in it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.metrics.folding.ledger import rows_since
from services.metrics.generations import refold as refolding
from services.metrics.generations.refold import Refolded, refold
from services.metrics.generations.served import content_of
from services.metrics.generations.shards import ShardSink
from services.metrics.measures import unpacked
from services.metrics.refolding.plain_facts import FactGroup
from services.metrics.tables.fact_runs import FactRun
from services.metrics.tables.rows import Rows
from services.metrics.tables.store import FactRow
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message
from shared.contracts import Envelope, encode, membership, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.streams import DayClosed, day_subject
from shared.sequencing import replay
from shared.sequencing.columnar.columns import Columns
from shared.sequencing.columnar.sorting import sort_columns
from tests.histories import history, interleaved
from tests.integration.metrics.service import CLOCK
from tests.unit.metrics.rows import all_figures

TOPICS = {registry.SOURCE: "registry", membership.SOURCE: "membership"}
SEEDS = range(40)


def closings(events: Sequence[Envelope]) -> Iterator[Envelope]:
    """The events, and where one says so the end of the day before, by its source."""
    last = dict.fromkeys(TOPICS, 0)
    for event in events:
        day = CLOCK.day_of(event.time)
        if event.sequence % 5 == 0 and event.id.int % 3 == 0:
            last[event.source] += 1
            data = DayClosed(day=day - timedelta(days=1))
            yield Envelope(
                id=uuid7(), source=event.source, subject=day_subject(0), partitionkey="0", sequence=last[event.source], type=type_of(data),
                time=event.time, occurredon=day, actor="generated", origin="api", data=data,
            )  # fmt: skip
        yield event


def dirty(seed: int) -> list[Envelope]:
    """A history with what goes wrong between a journal and a reader: events that come twice, too early, never, or with another content."""
    random_ = random.Random(seed)
    events = [
        # As a journal does: what was recorded at a whole second is written in another form.
        msgspec.structs.replace(event, time=event.time + timedelta(microseconds=event.sequence))
        for event in interleaved(history(seed, enterprises=8, length=30, mistakes=seed % 2 == 0), seed)
    ]
    if seed % 4 == 1:
        events = list(closings(sorted(events, key=lambda event: (event.time, event.sequence))))
    found = list[Envelope]()
    for event in events:
        chance = random_.random()
        if seed % 3 and chance < 0.01:
            continue
        found.append(event)
        if seed % 3 and chance > 0.98:
            found.append(random_.choice(found))
        if seed % 3 == 2 and chance > 0.995:
            found.append(msgspec.structs.replace(event, id=uuid7()))
        if seed % 3 and 0.5 < chance < 0.52 and len(found) > 1:
            found[-1], found[-2] = found[-2], found[-1]
    return found


async def folded(events: Sequence[Envelope]) -> tuple[Refolded, Counter[FactRow]]:
    broker, seen = MemoryBroker(seed=3, largest=20), Counter[Any]()
    for topic in TOPICS.values():
        broker.create(topic, 1)
    for event in events:
        broker.write(TOPICS[event.source], [Message(0, event.partitionkey.encode(), encode(event))])

    class Sink(ShardSink):
        async def facts(
            self, rows: Sequence[FactRow], runs: Sequence[FactRun], columns: Sequence[Columns], groups: Sequence[FactGroup]
        ) -> None:
            from services.metrics.folding.columns.members import MemberColumns

            packed = [*runs, *(run for one in columns for run in MemberColumns(0, one, CLOCK.day_of).all_runs())]
            seen.update(
                repr(row)
                for row in (*rows, *(row for run in packed for row in run.rows()), *(row for group in groups for row in group.rows(0)))
            )

    until = {topic: extent.end for (topic, _), extent in (await broker.extents(TOPICS.values())).items()}
    return await refold(broker, 0, until, {}, CLOCK, Sink().facts), seen


def plain(rows: Rows) -> tuple[dict[Any, Any], dict[Any, int]]:
    figures = {key: unpacked(value) for key, value in all_figures(rows).items() if value}
    return figures, {key: count for key, count in rows.durations.items() if count}


def comparable(found: Refolded) -> dict[str, Any]:
    return {
        "events": found.events,
        "ledger": plain(found.ledger.to_write()),
        "sets": {subject: content_of(facts) for subject, facts in found.sets.items()},
        "facts": found.facts,
        "areas": found.areas,
        "names": found.names,
        "unions": found.unions,
        "placements": found.placements,
        "heads": found.heads,
        "held": {key: (parked.kind, parked.error, parked.record.raw) for key, parked in found.held.items()},
        "newest": found.newest,
        "accepted": found.accepted,
        "closings": found.closings,
        "closed": found.closed,
    }


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("seed", SEEDS)
async def test_by_columns_or_one_by_one_a_log_comes_to_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events = dirty(seed)
    monkeypatch.setattr(replay, "BATCH", (7, 40, 1000)[seed % 3])
    by_columns, facts_by_columns = await folded(events)
    monkeypatch.setattr(refolding, "TYPES_AS_COLUMNS", ())
    one_by_one, facts = await folded(events)
    assert comparable(by_columns) == comparable(one_by_one)
    assert facts_by_columns == facts
    definition = Rows()
    for own in one_by_one.sets.values():
        definition.add(rows_since(own, 0))
    assert plain(by_columns.ledger.to_write()) == plain(definition)


async def test_what_is_not_simple_is_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The histories above hold every kind of odd event, and columns are really used beside them."""
    monkeypatch.setattr(replay, "BATCH", 40)
    kinds, as_columns = Counter[str](), 0
    withdrawn = closed = 0
    for seed in SEEDS:
        events = dirty(seed)
        in_columns = list[int]()

        def counted(*args: Any, found: list[int] = in_columns) -> Any:
            plan = sort_columns(*args)
            found.append(sum(map(len, plan.columns)) if plan is not None else 0)
            return plan

        with monkeypatch.context() as patch:
            patch.setattr(replay, "sort_columns", counted)
            result, _ = await folded(events)
        as_columns += sum(in_columns)
        kinds.update(parked.kind for parked in result.held.values())
        withdrawn += len(result.accepted)
        closed += result.closed is not None
    assert {"early", "refused", "fork", "late"} <= kinds.keys()
    assert withdrawn > 10
    assert closed > 3
    assert as_columns > 100
