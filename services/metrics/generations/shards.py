"""One shard of a comparison: folded from the log, compared with its tables, and given to whoever writes it. One shard is in memory at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from services.metrics.generations import comparing, served
from services.metrics.generations.closed.checking import Expected, Missing
from services.metrics.generations.closed.stepping import Kept
from services.metrics.generations.comparing import Difference
from services.metrics.generations.contents import contents
from services.metrics.generations.refold import Gone, Refolded, refold
from services.metrics.refolding.plain_facts import FactGroup
from services.metrics.tables.fact_runs import FactRun
from services.metrics.tables.store import FactRow
from shared.broker.protocol import Broker, Topic
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.sequencing.columnar.columns import Columns

MOST_LISTED = 10_000
"""Differing rows that a report lists; it counts all of them."""


@dataclass(frozen=True, slots=True)
class EventLog:
    """The log to fold: its topics by name, each with `partitions` partitions."""

    broker: Broker
    topics: Mapping[str, Topic]
    partitions: int
    clock: Clock


class ShardSink:
    """Receives a shard while it is folded; this one discards it."""

    async def facts(
        self, rows: Sequence[FactRow], runs: Sequence[FactRun], columns: Sequence[Columns], groups: Sequence[FactGroup]
    ) -> None:
        """Take a part of the facts; `columns`: those of members, `groups`: others that came as columns."""

    async def done(self, refolded: Refolded) -> None:
        """Take the folded shard, after the last rows of `facts`."""


NewSink: TypeAlias = "Callable[[Connection | None, int], ShardSink]"
"""Makes the receiver of a shard; the connection is the one that it may write by."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What every shard of a comparison is compared by. `vector` = {shard: {topic: offset before which the log is folded}}."""

    event_log: EventLog
    generation: int
    vector: Mapping[int, Mapping[str, int]]
    gone: Gone
    rollups: Expected
    steps: Kept
    attributed: bool
    new_sink: NewSink


@dataclass(slots=True)
class ShardReport:
    """The result of one shard. `different`: at most MOST_LISTED of the `differences`; `missing`: what they are in the rollups."""

    shard: int
    rows: int = 0
    events: int = 0
    differences: int = 0
    different: list[Difference] = field(default_factory=list)
    missing: Missing = field(default_factory=dict)

    def add(self, differences: Iterable[Difference]) -> None:
        """Count differences, and list them while there is room."""
        for difference in differences:
            self.differences += 1
            if len(self.different) < MOST_LISTED:
                self.different.append(difference)


CompareShards: TypeAlias = Callable[[Connection, Basis], Awaitable[list[ShardReport]]]
"""Compares every shard with the rows in a connection's snapshot; the reports by shard."""


@asynccontextmanager
async def snapshot(conn: Connection, of: str | None = None) -> AsyncIterator[None]:
    """A read-only REPEATABLE READ transaction; `of`: on the snapshot that another one has exported under that name."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        if of is not None:
            await conn.execute(f"SET TRANSACTION SNAPSHOT '{of}'")
        yield


async def compare_shard(reading: Connection, writing: Connection | None, basis: Basis, shard: int) -> ShardReport:
    """Fold a shard and compare it with the rows in the snapshot of `reading`; and the steps of a part of the parks, which have no shard. Raises as
    `refold`."""
    event_log, generation = basis.event_log, basis.generation
    sink, report = basis.new_sink(writing, shard), ShardReport(shard)
    refolded = await refold(
        event_log.broker, shard, basis.vector[shard], basis.gone, event_log.clock, sink.facts, attributed=basis.attributed
    )
    await sink.done(refolded)
    expected = refolded.ledger.table()
    report.rows = expected.shape[1] + refolded.ledger.durations.shape[1] + sum(map(bool, refolded.ledger.tallies.values()))
    report.events = refolded.events
    ledger = await served.ledger(reading, generation, shard, refolded.ledger.numbers)
    report.add(basis.rollups.correcting(comparing.ledger_differences(ledger, expected, refolded), report.missing))
    del ledger, expected
    report.add(comparing.duration_differences(await served.durations(reading, generation, shard, refolded.ledger.numbers), refolded))
    report.add(comparing.tally_differences(await served.tallies(reading, generation, shard), refolded))
    facts = await served.fact_digests(reading, generation, shard, attributed=basis.attributed)
    report.add(comparing.other_differences({"facts": facts}, {"facts": refolded.facts}, shard))
    states, expected_states = await served.states(reading, generation, shard, refolded)
    report.add(comparing.other_differences({"states": states}, {"states": expected_states}, shard))
    report.add(comparing.other_differences(*await contents(reading, generation, refolded, attributed=basis.attributed), shard))
    del refolded, facts, states, expected_states
    of_steps = basis.steps.differences(reading, list(basis.vector).index(shard), len(basis.vector))
    report.add([difference async for difference in of_steps])
    return report


async def in_turn(reading: Connection, basis: Basis, writing: Connection | None = None) -> list[ShardReport]:
    """Compare one shard after the other in this process."""
    return [await compare_shard(reading, writing, basis, shard) for shard in basis.vector]
