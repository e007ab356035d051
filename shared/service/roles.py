"""The background roles of a service that writes: the relay, with the closing of days, and the consumer of other services' events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from shared.broker.kafka import KafkaBroker
from shared.journal import idempotency
from shared.journal.day_closing import DayCloser
from shared.journal.key_form import KeyForm
from shared.process import db
from shared.process.cleaning import Cleaner, Trim
from shared.process.pause import beside
from shared.process.serve import Role
from shared.process.settings import ServiceSettings
from shared.reading.config import Apply
from shared.reading.reader import Reader
from shared.relaying.relay import Relay

READER_CONNECTIONS = 3
READER_BATCH = 1000
"""Events of a transaction: so many closures, with all that follows from them, still fit well into its 60 s."""


def background_roles(settings: ServiceSettings, apply: Apply | None = None, trims: Sequence[Trim] = ()) -> dict[str, Role]:
    """{name: role}: `relay`, and `consumer` with what the service does with the events that it reads. Each runs until its event is set.

    `trims`: what the service removes besides what every service does.
    """
    roles: dict[str, Role] = {"relay": partial(relay, settings, trims=trims)}
    if apply is not None:
        roles["consumer"] = partial(consume, settings, apply)
    return roles


async def relay(settings: ServiceSettings, stop: asyncio.Event, *, trims: Sequence[Trim] = ()) -> None:
    """Publish the service's events, close its days, and remove what is of no more use."""
    contracts = settings.declared.contracts
    assert contracts is not None, "a service without contracts publishes nothing"
    broker = KafkaBroker(settings.kafka)
    idle = settings.relay_idle_ms / 1000
    try:
        work = Relay(settings.dsn, broker, contracts.SOURCE, settings.topic, settings.partitions, batch=settings.relay_batch, idle=idle)
        closer = DayCloser(settings.dsn, settings.clock, settings.partitions)
        closing = beside(closer.run(stop)) if settings.close_days else nullcontext()
        async with closing, beside(cleaner_of(settings, trims).run(stop)):
            await work.run(stop)
    finally:
        await broker.close()


def cleaner_of(settings: ServiceSettings, trims: Sequence[Trim] = ()) -> Cleaner:
    """Removes what a service that writes needs no more: results of idempotency keys after 30 days. Hashes keys of earlier releases."""
    name = settings.declared.name
    form = KeyForm(settings.fingerprint_key, name)
    return Cleaner(settings.dsn, name, [Trim("idempotency", idempotency.forget), Trim("idempotency", form.hash_plain), *trims])


async def consume(settings: ServiceSettings, apply: Apply, stop: asyncio.Event) -> None:
    """Apply the events of the topics that the service reads."""
    name = settings.declared.name
    broker = KafkaBroker(settings.kafka, settings.instance)
    pool = await db.create_pool(settings.dsn, application_name=f"{name}.consumer", by_key=True, max_size=READER_CONNECTIONS)
    try:
        reader = Reader(
            pool,
            broker,
            name=f"{settings.topic_prefix}{name}",
            topics=settings.topics,
            partitions=settings.partitions,
            apply=apply,
            clock=settings.clock,
            batch=READER_BATCH,
            span=f"{name}.consume",
        )
        await reader.run(stop)
    finally:
        await broker.close()
        await pool.close()
