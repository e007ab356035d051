"""A relay that is killed by SIGKILL right after the broker acknowledged its n-th batch, before the outbox is emptied."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from shared.broker.kafka import KafkaBroker
from shared.broker.kafka_producer import KafkaProducer
from shared.broker.protocol import Message
from shared.relaying.relay import Relay
from tests.dummy_service.reading import SOURCE


class Deadly(KafkaProducer):
    """Kills its own process."""

    def __init__(self, bootstrap: str, batches: int) -> None:
        super().__init__(bootstrap)
        self._left = batches

    async def publish(self, topic: str, messages: Sequence[Message]) -> dict[int, int]:
        offsets = await super().publish(topic, messages)
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        return offsets


if __name__ == "__main__":
    dsn, bootstrap, topic, partitions, batches = sys.argv[1:]
    deadly = Deadly(bootstrap, int(batches))
    relay = Relay(dsn, KafkaBroker(bootstrap), SOURCE, topic, int(partitions), batch=3, producer=deadly)
    asyncio.run(relay.run(asyncio.Event()))
