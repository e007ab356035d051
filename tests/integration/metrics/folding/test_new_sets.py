"""What is new to a shard is not looked up, and what was not looked up is never overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from services.metrics.folding import projector
from services.metrics.folding.facts import FactSet
from services.metrics.tables import store
from shared.broker.protocol import partition_of
from shared.contracts.registry import EnterpriseRegistered
from shared.reading.batches import due
from shared.sequencing.shard import Shard
from tests.integration.metrics.folding.test_columns import Seen, log_of_a_test, seen_of_a_test, told  # noqa: F401
from tests.integration.metrics.generations.test_generations import of_the_oracle
from tests.integration.metrics.log import PARTITIONS, Log


@pytest.mark.parametrize("least", [1, 10_000])
async def test_a_stored_set_that_is_taken_for_new_is_never_overwritten(
    log: Log, seen: Seen, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    """As if a set were stored of a subject of which nothing was applied: its key refuses another one, and objects look for it. As arrays and alone."""
    monkeypatch.setattr(projector, "LEAST_PLAIN", least)
    dropped, drop_columns = list[int](), Shard.drop_columns

    def noted(shard: Shard) -> dict[str, int]:
        dropped.append(shard.number)
        return drop_columns(shard)

    monkeypatch.setattr(Shard, "drop_columns", noted)
    events = told(5)
    registered = next(event for event in events if isinstance(event.data, EnterpriseRegistered))
    number = partition_of(registered.partitionkey, PARTITIONS)
    await log.owner.execute(
        "INSERT INTO g1.states (shard, subject, state) VALUES ($1, $2, $3)", number, registered.subject, FactSet().dump()
    )
    log.publish_events(events)
    await log.fold()
    assert number in dropped
    assert await log.ledger(1) == of_the_oracle(events)


async def test_sets_that_are_new_to_a_shard_are_not_looked_up(log: Log, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of an empty shard whose events come in one batch; later what has a smaller id than something that was there is."""
    asked, applied = list[str](), set[str]()
    states = store.states

    async def noted(conn: Any, generation: int, shard: int, subjects: Sequence[str]) -> dict[str, bytes]:
        asked.extend(subjects)
        return await states(conn, generation, shard, subjects)

    monkeypatch.setattr(store, "states", noted)
    events = [event for event in told(5) if event.subject.startswith(("enterprise/", "union/"))]
    subjects = sorted({event.subject for event in events})
    for half in (subjects[: len(subjects) // 2], subjects):
        log.publish_events([event for event in events if event.subject in half and event.subject not in applied])
        await log.fold()
        if not applied and len(events) < due.COLUMNS_BATCH:
            assert not asked, "one batch a shard"
        applied |= set(half)
    assert {row["subject"] for row in await log.owner.fetch("SELECT subject FROM g1.states")} == applied
    assert (await log.audit())[1].differences == 0
