"""Delivered is entitled (invariant I6): whatever is granted, moved, corrected and withdrawn, the fan-out gives what a second statement of the rule says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from services.subscriptions.matching.catalogue import defaults, fields_of
from services.subscriptions.matching.current import next_revision
from shared.contracts import Event, fact, plain, type_of
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageStarted, MemberJoined, UnionDissolved, UnionFounded, UnionKind, VisitMade, VisitPurpose
from shared.contracts.registry import (
    AreaKind,
    AreaRegistered,
    EnterpriseMoved,
    EnterpriseReclassified,
    EnterpriseRegistered,
    HeadcountReported,
)
from shared.contracts.streams import EventWithdrawn, FactCorrected, Placed
from shared.process import db
from tests.conftest import Database, NewDatabase
from tests.integration.subscriptions.house import House, house_of
from tests.integration.subscriptions.proof.audited import audited
from tests.settings import PropertySettings

TREE: dict[str, str | None] = {"C": None, "D1": "C", "D2": "C", "P1": "D1", "P2": "D1", "P3": "D2"}
PARKS = ("P1", "P2", "P3", "P9")
"""P9 is registered late or never."""
AREAS = (["D1"], ["P1"], ["P3"], ["C"], ["*"], ["P1", "D2"], ["P9"], ["P2", "P9"])
NAMES = (
    *("area-registered", "enterprise-registered", "headcount-reported", "enterprise-moved", "enterprise-reclassified"),
    *("union-founded", "union-dissolved", "coverage-started", "member-joined", "visit-made"),
)
FIRST_DAY = date(2024, 1, 1)
FAR = (None, None, None, datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC))
TABLES = (
    *("contents", "deliveries", "batches", "waiting", "queues", "lanes", "subscriptions", "grants", "grant_versions", "area_versions"),
    *("union_seats", "enterprise_attributes", "areas", "enterprises", "enterprise_facts"),
)

Step = tuple[str, tuple[int, ...]]
LARGE_ONLY_BEFORE: list[Step] = [
    *(("headcount", (0, 11, 0, 0, 0)), ("headcount", (0, 1, 10, 0, 0)), ("join", (0, 5, 0, 0, 0)), ("fan", (0, 0, 0, 0, 0))),
    *(("subscribe", (0, 0, 2, 0, 0)), ("correct", (0, 11, 0, 0, 0))),
]
"""Somebody asks for large enterprises; a fact from before is corrected to a day on which its enterprise was small."""
numbers = st.integers(0, 11)
KINDS = (
    *(
        "grant",
        "subscribe",
        "subscribe",
        "revoke",
        "narrow",
        "end",
        "enterprise",
        "enterprise",
        "unknown",
        "late",
        "move",
        "move",
        "headcount",
    ),
    *(
        "reclassify",
        "join",
        "join",
        "visit",
        "cover",
        "union",
        "dissolve",
        "tree",
        "park",
        "correct",
        "correct",
        "correct",
        "drop",
        "withdraw",
    ),
    *("fan", "fan", "release"),
)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(KINDS), st.tuples(numbers, numbers, numbers, numbers, numbers)), min_size=5, max_size=45
)


@dataclass
class Standing:
    """The fact of a rank as it stands: the last event that states it, and its content."""

    event: UUID
    type: str
    on: date
    data: dict[str, Any] | None


@dataclass
class Story:
    """Makes events out of numbers, as the services could."""

    house: House
    grants: list[UUID] = field(default_factory=list)
    subscriptions: list[UUID] = field(default_factory=list)
    enterprises: list[UUID] = field(default_factory=list)
    unregistered: list[UUID] = field(default_factory=list)
    unions: list[UUID] = field(default_factory=list)
    standing: dict[tuple[str, str, int], Standing] = field(default_factory=dict)

    async def run(self, told: Sequence[Step]) -> None:
        for code, parent in TREE.items():
            self.area(code, parent)
        self.enterprise(0, 0, 0)
        await self.grant(3, 0, 0, 0)
        await self.subscribe(0, 0, 0, 0)
        await self.grant(0, 0, 0, 0)
        await self.subscribe(1, 0, 0, 0)
        for kind, given_numbers in told:
            done = getattr(self, kind)(*given_numbers[: getattr(self, kind).__code__.co_argcount - 1])
            if done is not None:
                await done
        await self.house.fan()
        await self.house.release()

    def state(self, subject: str, data: Event, on: date) -> None:
        event = self.house.append(subject, data, on.isoformat())
        self.standing[event.source, subject, event.sequence] = Standing(event.id, event.type, on, plain(data))

    def area(self, code: str, parent: str | None) -> None:
        kind = AreaKind.PARK if code.startswith("P") else AreaKind.DIVISION
        self.state(f"area/{code}", AreaRegistered(code=code, name=code, kind=kind, parent=parent), date(2020, 1, 1))

    def park(self) -> None:
        if not any(subject == "area/P9" for _, subject, _ in self.standing):
            self.area("P9", "D2")

    def tree(self, which: int, where: int) -> None:
        """An area lies elsewhere after all."""
        code = ("P1", "P3", "D1", "P9")[which % 4]
        key = ("/services/registry", f"area/{code}", 1)
        if (fact := self.standing.get(key)) is not None and fact.data is not None:
            self._correct(
                key, fact, fact.on, {**fact.data, "parent": ("D1", "D2", "C")[where % 3] if code != "D1" else ("C", "D2")[where % 2]}
            )

    async def grant(self, areas: int, types: int, shown: int, when: int) -> None:
        names = NAMES if types % 3 == 0 else [name for place, name in enumerate(NAMES) if (place + types) % 3]
        own = {"headcount-reported": ["workers", "size"], "enterprise-moved": ["district"], "member-joined": []}
        fields = {} if shown % 3 else {name: value for name, value in own.items() if name in names}
        begins, ends = (FAR[when % 5], None) if when % 2 else (None, FAR[when % 5])
        self.grants.append(await self.house.grant(AREAS[areas % len(AREAS)], names, fields, not_before=begins, not_after=ends))

    async def subscribe(self, grant: int, types: int, asked: int, kind: int) -> None:
        names = None if types % 2 == 0 else [name for place, name in enumerate(NAMES) if (place + types) % 4]
        filters: dict[str, Any] = {}
        if asked % 4 == 1:
            filters = {"areas": AREAS[(asked + kind) % len(AREAS)]}
        elif asked % 4 == 2:
            filters = {"min_workers": 10}
        elif asked % 4 == 3:
            filters = {"industries": ["C"], "min_workers": 5} if kind % 2 else {"industries": ["C39", "H"]}
        channel = "pull" if kind % 3 else "webhook"
        self.subscriptions.append(await self.house.subscribe(self.grants[grant % len(self.grants)], names, channel, **filters))

    async def revoke(self, grant: int) -> None:
        await self.house.revoke(self.grants[grant % len(self.grants)])

    async def narrow(self, grant: int, areas: int, types: int) -> None:
        key = self.grants[grant % len(self.grants)]
        async with self.house.pool.acquire() as conn, conn.transaction():
            revision = await next_revision(conn)
            row = await conn.fetchrow("SELECT * FROM grant_versions WHERE grant_id = $1 ORDER BY revision DESC LIMIT 1", key)
            assert row is not None
            left = [name for place, name in enumerate(row["types"]) if (place + types) % 3]
            fields = {name: names[: len(names) - 1] if (len(name) + types) % 2 else names for name, names in row["fields"].items()}
            await conn.execute(
                "INSERT INTO grant_versions (grant_id, revision, kind, areas, types, fields, not_before, not_after, changed_by, changed_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'federation', parkunion_now())",
                *(key, revision, "revoked" if row["kind"] == "revoked" else "narrowed"),
                *(AREAS[areas % len(AREAS)] if areas % 2 else row["areas"], left, fields, row["not_before"], row["not_after"]),
            )

    async def end(self, subscription: int) -> None:
        key = self.subscriptions[subscription % len(self.subscriptions)]
        async with self.house.pool.acquire() as conn, conn.transaction():
            revision = await next_revision(conn)
            await conn.execute(
                "UPDATE subscriptions SET status = 'ended', ended_revision = $2 WHERE id = $1 AND ended_revision IS NULL", key, revision
            )

    def enterprise(self, park: int, day: int, industry: int) -> None:
        self._register(uuid7(), park, day, industry)

    def unknown(self, day: int) -> None:
        """A member of an enterprise that the registry has not told of yet."""
        key = uuid7()
        self.unregistered.append(key)
        self.state(f"enterprise/{key}", MemberJoined(membership_id=uuid7(), enterprise_id=key, union_id=uuid7()), _day(day))

    def late(self, park: int, day: int, industry: int) -> None:
        if self.unregistered:
            self._register(self.unregistered.pop(), park, day, industry)

    def _register(self, key: UUID, park: int, day: int, industry: int) -> None:
        code = PARKS[park % 4]
        data = EnterpriseRegistered(
            enterprise_id=key,
            name="某某公司",
            park=code,
            district="D1" if code in ("P1", "P2") else "D2",
            industry=(None, "C3911", "H61")[industry % 3],
        )
        self.enterprises.append(key)
        self.state(f"enterprise/{key}", data, _day(day))

    def _subject(self, number: int) -> tuple[str, UUID]:
        known = [*self.enterprises, *self.unregistered]
        key = known[number % len(known)]
        return f"enterprise/{key}", key

    def move(self, which: int, park: int, day: int) -> None:
        code = PARKS[park % 4]
        data = EnterpriseMoved(park=code, district="D1" if code in ("P1", "P2") else "D2")
        self.state(f"enterprise/{self.enterprises[which % len(self.enterprises)]}", data, _day(day))

    def headcount(self, which: int, workers: int, day: int) -> None:
        subject = f"enterprise/{self.enterprises[which % len(self.enterprises)]}"
        self.state(subject, HeadcountReported(workers=workers * 3, size=(None, "small")[workers % 2]), _day(day))

    def reclassify(self, which: int, industry: int, day: int) -> None:
        data = EnterpriseReclassified(industry=(None, "C3911", "H61")[industry % 3], ownership="private")
        self.state(f"enterprise/{self.enterprises[which % len(self.enterprises)]}", data, _day(day))

    def join(self, which: int, day: int) -> None:
        subject, key = self._subject(which)
        self.state(subject, MemberJoined(membership_id=uuid7(), enterprise_id=key, union_id=uuid7()), _day(day))

    def visit(self, which: int, day: int) -> None:
        subject, key = self._subject(which)
        self.state(subject, VisitMade(visit_id=uuid7(), enterprise_id=key, purpose=VisitPurpose.RIGHTS), _day(day))

    def cover(self, which: int, day: int) -> None:
        subject, key = self._subject(which)
        self.state(subject, CoverageStarted(enterprise_id=key, union_id=uuid7(), kind=UnionKind.JOINT_UNION), _day(day))

    def union(self, seat: int, day: int) -> None:
        key = uuid7()
        self.unions.append(key)
        data = UnionFounded(union_id=key, kind=UnionKind.PARK_UNION, seat_area=(*PARKS, "D1")[seat % 5], name="某园区工会")
        self.state(f"union/{key}", data, _day(day))

    def dissolve(self, which: int, day: int) -> None:
        if self.unions:
            key = self.unions[which % len(self.unions)]
            self.state(f"union/{key}", UnionDissolved(union_id=key, reason="closed"), _day(day))

    def correct(self, which: int, day: int, what: int) -> None:
        """Another day, park, seat or number of workers; of the last facts, and of corrections as well."""
        if (found := self._recent(which)) is None:
            return
        key, standing = found
        data = dict(standing.data or {})
        if "workers" in data:
            data["workers"] = what * 4
        for name in ("park", "seat_area"):
            if name in data:
                data[name] = PARKS[what % 4]
        self._correct(key, standing, _day(day), data)

    def drop(self, which: int) -> None:
        """A correction to nothing."""
        if (found := self._recent(which)) is not None:
            self._correct(found[0], found[1], None, None)

    def _recent(self, which: int) -> tuple[tuple[str, str, int], Standing] | None:
        known = [(key, one) for key, one in self.standing.items() if one.data is not None and not key[1].startswith("area/")]
        return known[-1 - which % len(known)] if known else None

    def _correct(self, key: tuple[str, str, int], standing: Standing, on: date | None, data: dict[str, Any] | None) -> None:
        source, subject, rank = key
        assert standing.data is not None
        correction = FactCorrected(
            corrects=standing.event,
            fact=standing.type,
            rank=rank,
            reason="typo",
            withdrawn=Placed(standing.on, standing.data),
            replacement=None if on is None or data is None else Placed(on, data),
        )
        event = self.house.append(subject, correction, (on or standing.on).isoformat(), source)
        if data is not None:
            fact(standing.type, data)
        self.standing[key] = Standing(event.id, standing.type, on or standing.on, data)

    def withdraw(self, which: int, more: int) -> None:
        """Events of one stream were never facts."""
        if (found := self._recent(which)) is None:
            return
        source, subject, first = found[0]
        last = min(first + more % 3, self.house._sequences[source, subject])
        self.house.append(subject, EventWithdrawn(first=first, last=last, reason="mistake"), FIRST_DAY.isoformat(), source)
        for key in [key for key in self.standing if key[:2] == (source, subject) and first <= key[2] <= last]:
            del self.standing[key]

    async def fan(self) -> None:
        await self.house.fan()

    async def release(self) -> None:
        await self.house.release()


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


@pytest.fixture
async def made(database: NewDatabase) -> Database:
    return await database("subscriptions")


def test_all_types_are_told() -> None:
    assert {f"parkunion.{name}.v1" for name in NAMES} <= set(defaults())
    assert all(fields_of(f"parkunion.{name}.v1") for name in NAMES)
    assert type_of(HeadcountReported(workers=1)) in defaults()


@pytest.mark.invariant("I6")
@settings(
    max_examples=max(1, PropertySettings().histories // 4),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(told=steps)
@example(told=[("unknown", (3, 0, 0, 0, 0)), ("fan", (0,) * 5), ("late", (3, 1, 0, 0, 0)), ("fan", (0,) * 5), ("park", (0,) * 5)])
@example(
    told=[
        ("move", (0, 2, 5, 0, 0)),
        ("join", (0, 4, 0, 0, 0)),
        ("fan", (0,) * 5),
        ("correct", (1, 3, 1, 0, 0)),
        ("withdraw", (0, 2, 0, 0, 0)),
    ]
)
@example(told=LARGE_ONLY_BEFORE)
def test_delivered_is_entitled(made: Database, told: list[Step]) -> None:
    asyncio.run(_check(made, told))


async def _check(made: Database, told: list[Step]) -> None:
    owner = await db.connect(made.owner_dsn, application_name="subscriptions.tests")
    await owner.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE; DELETE FROM shards; UPDATE revision SET number = 0")
    await owner.close()
    async with house_of(made) as house:
        await Story(house).run(told)
        report = await audited(house)
        assert report.different == []
        assert report.deliveries == report.expected
