"""The fan-out in a test, on a real database and without Kafka: events are given to it directly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.subscriptions.fanout.applying import FanOut
from services.subscriptions.matching.catalogue import defaults
from services.subscriptions.matching.current import next_revision
from shared.contracts import Envelope, Event, membership, plain, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.registry import AreaKind, AreaRegistered, EnterpriseRegistered
from shared.contracts.streams import EventWithdrawn, FactCorrected, Placed
from shared.process.clock import Clock
from shared.process.db import Pool, create_pool
from shared.sequencing.records import ShardBatch, in_runs, received
from tests.conftest import Database

CLOCK = Clock(ZoneInfo("Asia/Shanghai"))
MEMBERSHIP = {*membership.TYPES.values()}
TYPE = "parkunion.{}.v1"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One number as a subscription would get it."""

    number: int
    event_id: UUID
    type: str
    subject: str
    data: dict[str, Any]
    corrects: list[int] | None


class House:
    """`append` and `correct` make events, `fan()` gives those made since the last time to the fan-out, all in one shard."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.fan_out = FanOut(CLOCK)
        self.events: list[Envelope] = []
        self.known = datetime(2024, 6, 3, 2, tzinfo=UTC)
        self._made: list[Envelope] = []
        self._sequences: Counter[tuple[str, str]] = Counter()
        self._offsets: Counter[str] = Counter()
        self._version = 0

    def append(self, subject: str, data: Event, on: str, source: str = "") -> Envelope:
        """One event of the service that publishes its type."""
        source = source or (membership.SOURCE if type(data) in MEMBERSHIP else registry.SOURCE)
        self._sequences[source, subject] += 1
        self.known += timedelta(seconds=1)
        event = Envelope(
            id=uuid7(),
            source=source,
            subject=subject,
            partitionkey=subject.partition("/")[2],
            sequence=self._sequences[source, subject],
            type=type_of(data),
            time=self.known,
            occurredon=date.fromisoformat(on),
            actor="tester",
            origin="api",
            data=data,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        self.events.append(event)
        self._made.append(event)
        return event

    def correct(self, event: Envelope, on: str | None, **changed: object) -> Envelope:
        """The fact of `event` was wrong: from `on` on with other fields, or (None) not at all."""
        replacement = Placed(date.fromisoformat(on), {**plain(event.data), **changed}) if on else None
        correction = FactCorrected(
            corrects=event.id,
            fact=event.type,
            rank=event.sequence,
            reason="typo",
            withdrawn=Placed(event.occurredon, plain(event.data)),
            replacement=replacement,
        )
        return self.append(event.subject, correction, on or event.occurredon.isoformat(), event.source)

    def withdraw(self, event: Envelope, to: Envelope | None = None) -> Envelope:
        """These events were never facts."""
        data = EventWithdrawn(first=event.sequence, last=(to or event).sequence, reason="mistake")
        return self.append(event.subject, data, event.occurredon.isoformat(), event.source)

    def area(self, code: str, parent: str | None, kind: AreaKind = AreaKind.DIVISION) -> Envelope:
        return self.append(f"area/{code}", AreaRegistered(code=code, name=code, kind=kind, parent=parent), "2020-01-01")

    def city(self) -> None:
        """Two districts of a city, with two parks and one."""
        self.area("C", None)
        for district in ("D1", "D2"):
            self.area(district, "C")
        for park, district in (("P1", "D1"), ("P2", "D1"), ("P3", "D2")):
            self.area(park, district, AreaKind.PARK)

    def enterprise(self, park: str, on: str = "2024-01-01", industry: str | None = None) -> str:
        """A registered enterprise; returns its subject."""
        key = uuid7()
        district = "D2" if park == "P3" else "D1"
        data = EnterpriseRegistered(enterprise_id=key, name="某某有限公司", park=park, district=district, industry=industry)
        self.append(f"enterprise/{key}", data, on)
        return f"enterprise/{key}"

    async def fan(self) -> list[str]:
        """Give the events made since the last time to the fan-out, in one transaction; returns the statements that it sent."""
        made, self._made = self._made, []
        for event in made:
            self._offsets[event.source] += 1
        self._version += 1
        topics = {source: f"parkunion.{source.rpartition('/')[2]}.v1" for source in self._offsets}
        batch = ShardBatch(
            1, 0, self._version, in_runs(map(received, made)), {topics[source]: count for source, count in self._offsets.items()}
        )
        sent: list[str] = []
        async with self.pool.acquire() as conn, conn.transaction():
            conn.add_query_logger(log := lambda record: sent.append(record.query))
            await self.fan_out.apply(conn, batch)
            conn.remove_query_logger(log)
        return sent

    async def release(self) -> None:
        """What the look of every second does for the shard."""
        after: int | None = 0
        stopped: set[str] = set()
        while after is not None:
            async with self.pool.acquire() as conn, conn.transaction():
                after = await self.fan_out.release(conn, 0, after, stopped)

    async def grant(
        self,
        areas: Sequence[str],
        types: Sequence[str],
        fields: Mapping[str, Sequence[str]] | None = None,
        client: str = "bureau",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> UUID:
        """A grant of these areas and events (`union-founded`)."""
        key, names = uuid7(), [TYPE.format(name) for name in types]
        shown = {name: list(defaults()[name]) for name in names} | {TYPE.format(name): list(own) for name, own in (fields or {}).items()}
        async with self.pool.acquire() as conn, conn.transaction():
            revision = await next_revision(conn)
            await conn.execute("INSERT INTO grants VALUES ($1, $2, '检查', '工会法', 'federation', parkunion_now())", key, client)
            await conn.execute(
                "INSERT INTO grant_versions (grant_id, revision, kind, areas, types, fields, not_before, not_after, changed_by, changed_at) "
                "VALUES ($1, $2, 'given', $3, $4, $5, $6, $7, 'federation', parkunion_now())",
                *(key, revision, list(areas), names, shown, not_before, not_after),
            )
        return key

    async def revoke(self, grant: UUID) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            revision = await next_revision(conn)
            await conn.execute(
                "INSERT INTO grant_versions SELECT grant_id, $2, 'revoked', areas, types, fields, not_before, not_after, 'over', 'federation', "
                "parkunion_now() FROM grant_versions WHERE grant_id = $1 ORDER BY revision DESC LIMIT 1",
                *(grant, revision),
            )

    async def subscribe(
        self, grant: UUID, types: Sequence[str] | None = None, kind: str = "pull", client: str = "bureau", **asked: Any
    ) -> UUID:
        """A subscription under a grant. `asked`: its filter."""
        key = uuid7()
        async with self.pool.acquire() as conn, conn.transaction():
            revision = await next_revision(conn)
            await conn.execute(
                "INSERT INTO subscriptions (id, grant_id, client, types, filter, kind, url, signature, status, status_at, opened_revision, created_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'active', parkunion_now(), $9, parkunion_now())",
                *(key, grant, client, None if types is None else [TYPE.format(name) for name in types], asked, kind),
                *(("https://bureau.example/hook", "v1a") if kind == "webhook" else (None, None)),
                revision,
            )
            await conn.execute("INSERT INTO queues (subscription) VALUES ($1)", key)
        return key

    async def got(self, subscription: UUID) -> list[Delivery]:
        """What a subscription was assigned, by number."""
        rows = await self.pool.fetch(
            "SELECT d.number, c.event_id, c.type, c.subject, c.data, d.corrects FROM deliveries AS d JOIN contents AS c ON c.id = d.content "
            "WHERE d.subscription = $1 ORDER BY d.number",
            subscription,
        )
        return [Delivery(row[0], row[1], row[2], row[3], json.loads(row[4]) if row[4] is not None else {}, row[5]) for row in rows]


@asynccontextmanager
async def house_of(database: Database) -> AsyncIterator[House]:
    """The fan-out on a database of subscriptions, with the role of a running service."""
    pool = await create_pool(database.app_dsn, application_name="subscriptions.tests", by_key=True)
    async with pool.acquire() as conn:
        await conn.execute("INSERT INTO shards (generation, shard) VALUES (1, 0)")
    yield House(pool)
    pool.terminate()
