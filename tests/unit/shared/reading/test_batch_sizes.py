"""How many records a transaction takes follows how long the last ones took."""

from __future__ import annotations

from collections import deque
from typing import Any, cast

import pytest

from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from shared import contracts
from shared.process.db import Connection
from shared.reading.batches.applying import BatchApplier
from shared.reading.batches.due import COLUMNS_BATCH, FIRST_BATCH, LEAST_BATCH, LONGEST_BATCH, MOST_GROWTH
from shared.reading.config import ReaderConfig
from shared.sequencing.records import Received, ShardBatch
from shared.sequencing.shard import Shard, weight_of
from tests.unit.shared.sequencing.plain_events import MEMBER, columns_of


def applier(batch: int = 30_000, columns: tuple[str, ...] = ()) -> BatchApplier:
    async def apply(_conn: Connection, _batch: ShardBatch) -> None: ...

    def nothing(_: object) -> None: ...

    return BatchApplier(ReaderConfig("o", "s", "g", ["t"], 1, 1, batch, apply, nothing, nothing, columns=columns))


def after(found: BatchApplier, *batches: tuple[int, float]) -> int:
    for taken, seconds in batches:
        found.due.measured(taken, seconds)
    return found.due.most


def test_it_begins_small_and_grows_to_half_the_time_that_is_meant_while_batches_are_full() -> None:
    large = 8 * FIRST_BATCH
    assert applier().due.most == FIRST_BATCH
    assert applier(batch=40).due.most == 40
    assert after(applier(batch=large), (FIRST_BATCH, LONGEST_BATCH / 6)) == 3 * FIRST_BATCH
    assert after(applier(batch=10**9), (FIRST_BATCH, 0.01)) == MOST_GROWTH * FIRST_BATCH
    assert after(applier(batch=large), (10, 0.1)) == FIRST_BATCH
    assert after(applier(batch=large), (FIRST_BATCH, LONGEST_BATCH * 0.6)) == FIRST_BATCH
    assert after(applier(batch=large), *[(10**6, 0.1)] * 9) == large
    assert after(applier(columns=("x",)), *[(10**6, 0.1)] * 9) == COLUMNS_BATCH


def test_it_shrinks_to_what_takes_the_time_that_is_meant() -> None:
    assert after(applier(), (FIRST_BATCH, 2 * LONGEST_BATCH)) == FIRST_BATCH // 2
    assert after(applier(), *[(FIRST_BATCH, 100 * LONGEST_BATCH)] * 9) == LEAST_BATCH


class LostConnection:
    """The database ends the session inside the transaction."""

    def transaction(self) -> Any:
        raise ConnectionResetError("the session was ended")


async def test_a_batch_that_costs_the_session_is_halved() -> None:
    """Else it would be tried again in the same size for ever."""
    found = applier()
    record = Received("t", 0, 0, b"", None, ("s", "x"), 1, None, None)
    shard = Shard(0, 0, {"t": 0}, {}, {"t": 1}, 10, {"t": deque([record] * FIRST_BATCH)})
    sizes = []
    for _ in range(6):
        sizes.append(found.due.most)
        with pytest.raises(ConnectionResetError):
            await found.apply_next(cast("Connection", LostConnection()), shard, set())
    assert sizes == [20_000, 10_000, 5_000, 2_500, 1_250, 625]


def test_all_topics_of_a_batch_have_one_limit() -> None:
    """What a worker holds in memory grows with all records of a batch."""
    found, raw = applier(columns=TYPES_AS_COLUMNS).due, contracts.encode(MEMBER)

    def taken() -> dict[str, int]:
        columns = {topic: deque(columns_of([raw] * count)) for topic, count in (("a", 30), ("b", 12))}
        shard = Shard(0, 0, {"a": 0, "b": 0}, {}, {"a": 30, "b": 12}, 10, {"a": deque(), "b": deque()}, columns)
        return {topic: weight_of(items) for topic, items in found.columns(shard, set()).items()}

    found.most = 42
    assert taken() == {"a": 30, "b": 12}
    found.most = 25
    assert taken() == {"a": 13, "b": 12}, "what a topic does not use of its share is for the others"
    found.most = 10
    assert taken() == {"a": 5, "b": 5}
