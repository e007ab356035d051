"""How far a reader is behind, told while nobody reads: by the broker if it answers, in a second if it does not."""

from __future__ import annotations

import socket
import time

from shared.broker.kafka import KafkaBroker
from shared.process.db import Pool
from shared.reading.lag import lag
from tests.conftest import NewTopics
from tests.dummy_service.reading import drained, new_reader, running, until
from tests.integration.shared.reading.test_reader_kafka import PARTITIONS, publish
from tests.patience import at_best


async def test_what_is_published_counts_at_once_though_no_reader_has_seen_it(pool: Pool, kafka: KafkaBroker, new_topics: NewTopics) -> None:
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    async with running(new_reader(pool, kafka, [topic], PARTITIONS)):
        await publish(kafka, topic, 2)
        await until(lambda: drained(pool, kafka, [topic]))
    assert (await lag(pool, kafka, 1, [topic])).events == 0
    await publish(kafka, topic, 3, 3)
    assert (await lag(pool, kafka, 1, [topic])).events > 0
    assert (await lag(pool, None, 1, [topic])).events == 0, "the rows alone cannot know it"


async def test_a_broker_that_does_not_answer_costs_a_second(pool: Pool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = KafkaBroker(f"127.0.0.1:{silent.getsockname()[1]}")

        async def asking() -> float:
            began = time.monotonic()
            assert (await lag(pool, broker, 1, ["t"])).events == 0
            return time.monotonic() - began

        await at_best(asking, 3)
        await broker.close()
