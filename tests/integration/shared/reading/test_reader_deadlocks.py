"""A reader whose transaction meets a deadlock: on the broker's twin and a real database."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from shared.broker.memory import MemoryBroker
from shared.process.db import Connection, Pool
from shared.reading import reader as reader_module
from shared.reading.session import Session
from shared.sequencing.records import ShardBatch
from tests.dummy_service.reading import SOURCE, drained, effects, fact, messages, new_reader, running, until, write_effects

TOPIC = "topic.a"


@pytest.mark.parametrize("error", [asyncpg.DeadlockDetectedError, asyncpg.SerializationError])
async def test_a_batch_that_met_a_deadlock_is_tried_again_in_the_same_session(
    pool: Pool, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, troubles = list[object](), [error("again"), error("again")]

    class Counted(Session):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            sessions.append(self)

    async def apply(conn: Connection, batch: ShardBatch) -> None:
        await write_effects(conn, batch)
        if troubles:
            raise troubles.pop()

    monkeypatch.setattr(reader_module, "Session", Counted)
    broker = MemoryBroker()
    broker.create(TOPIC, 1)
    broker.write(TOPIC, messages([fact("enterprise/e", n) for n in range(1, 5)], 1))
    async with running(new_reader(pool, broker, [TOPIC], 1, apply=apply)):
        await until(lambda: drained(pool, broker, [TOPIC]))
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1, 2, 3, 4]}
    assert not troubles
    assert len(sessions) == 1
