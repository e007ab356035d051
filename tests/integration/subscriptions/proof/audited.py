"""An audit of a `House`: its events are put into topics of a broker in memory, as they were given to the fan-out."""

from __future__ import annotations

from datetime import date

from services.subscriptions.proof.auditing import audit
from services.subscriptions.proof.differences import Report
from shared import contracts
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message
from tests.integration.subscriptions.house import CLOCK, House

TOPICS = {
    "/services/registry": "parkunion.registry.v1",
    "/services/membership": "parkunion.membership.v1",
    "/services/cases": "parkunion.cases.v1",
}


def log_of(house: House) -> MemoryBroker:
    """The topics with all events so far, in one partition each."""
    broker = MemoryBroker()
    for source, topic in TOPICS.items():
        broker.create(topic, 1)
        events = [event for event in house.events if event.source == source]
        broker.write(topic, [Message(0, event.partitionkey.encode(), contracts.encode(event)) for event in events])
    return broker


async def audited(house: House, day: date | None = None, broker: MemoryBroker | None = None) -> Report:
    """The audit of a day, of today by default."""
    async with house.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        return await audit(conn, broker or log_of(house), CLOCK, day or await CLOCK.today(conn))


def found(report: Report) -> list[tuple[str, int | None]]:
    """(kind, number) of each difference."""
    return [(one["kind"], one["number"]) for one in report.different]
