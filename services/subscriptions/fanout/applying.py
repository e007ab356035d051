"""The fan-out: reads every topic, and gives each event to the subscriptions that are entitled to it."""

from __future__ import annotations

import asyncio

from services.subscriptions.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.directory.events import directory_reader
from shared.process import db
from shared.reading.reader import Reader

CONNECTIONS = 3


async def fan_out(settings: Settings, stop: asyncio.Event) -> None:
    """Read until `stop`."""
    broker = KafkaBroker(settings.kafka, settings.instance)
    pool = await db.create_pool(settings.dsn, application_name="subscriptions.fanout", by_key=True, max_size=CONNECTIONS)
    try:
        reader = Reader(
            pool,
            broker,
            name=f"{settings.topic_prefix}subscriptions",
            topics=settings.topics,
            partitions=settings.partitions,
            apply=directory_reader(),
            clock=settings.clock,
            batch=settings.fanout_batch,
            span="subscriptions.fan_out",
        )
        await reader.run(stop)
    finally:
        await broker.close()
        await pool.close()
