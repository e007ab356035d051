"""An invented city for the dashboard's tests: districts, parks, and enterprises that found unions over two years."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageStarted, MemberJoined, UnionFounded, UnionKind
from shared.contracts.registry import AreaKind, AreaRegistered, EnterpriseRegistered, HeadcountReported
from tests.integration.metrics.service import Metrics, enterprise

DISTRICTS = {"青山县": "A", "城北区": "B", "临港区": "C", "滨江区": "D"}
PARKS = (
    ("青山食品园", "A", 116, 48, 41),
    ("城北经济开发区", "B", 164, 72, 34),
    ("临港化工园", "C", 326, 150, 36),
    ("北站商贸园", "B", 150, 75, 39),
    ("青山电商园", "A", 318, 213, 60),
    ("江南装备园", "D", 153, 106, 57),
    ("沙洲物流园", "D", 151, 108, 73),
    ("石桥建材园", "A", 580, 484, 81),
    ("自贸产业园", "C", 557, 487, 82),
    ("龙潭纺织园", "B", 185, 166, 91),
    ("滨江高新技术园", "D", 421, 379, 90),
)
NAMES = ("恒力", "永新", "海诚", "云仓", "华茂", "金桥", "東方", "德润", "宏远", "瑞丰")
TRADES = ("精密机械", "电子", "新材料", "供应链", "纺织", "食品", "物流", "建材", "装备", "软件")


@dataclass
class City:
    """What was told: {park code: its enterprises}, and which of them have a union."""

    enterprises: dict[str, list[UUID]] = field(default_factory=dict)
    unions: dict[UUID, UUID] = field(default_factory=dict)


async def build_city(metrics: Metrics, scale: int = 10) -> City:
    """Tell the city, each park with one in `scale` of its enterprises, as if typed in within the last hours."""
    random_, city = random.Random(7), City()
    now = datetime.now(UTC)
    metrics.known = now - timedelta(seconds=60_000 // scale + 600)
    _area(metrics, "C01", "示例市", AreaKind.DIVISION, None)
    for name, code in DISTRICTS.items():
        _area(metrics, f"C01{code}", name, AreaKind.DIVISION, "C01")
    for number, (name, district, should, covered, joined) in enumerate(PARKS, 1):
        park = f"C01{district}-P{number:03d}"
        _area(metrics, park, name, AreaKind.PARK, f"C01{district}")
        founding = covered * max(2, round(should / scale)) // should
        city.enterprises[park] = [
            _enterprise(metrics, city, park, index < founding, joined, random_, now) for index in range(max(2, round(should / scale)))
        ]
    await metrics.fold(size=2000)
    return city


def _area(metrics: Metrics, code: str, name: str, kind: AreaKind, parent: str | None) -> None:
    metrics.append(f"area/{code}", AreaRegistered(code=code, name=name, kind=kind, parent=parent), "1900-01-01")


def _enterprise(metrics: Metrics, city: City, park: str, founds: bool, joined: int, random_: random.Random, now: datetime) -> UUID:
    key, subject = enterprise()
    name = random_.choice(NAMES) + random_.choice(TRADES)
    settled = (now - timedelta(days=random_.choice((1100, 1000, 900, 800, random_.randint(20, 700))))).date().isoformat()
    metrics.append(subject, EnterpriseRegistered(enterprise_id=key, name=name, park=park, district=park.partition("-")[0]), settled)
    if random_.random() < 0.98:
        workers = random_.randint(5, 14)
        for counted, days in ((workers - 1, 1200), (workers, random_.randint(20, 350))):
            metrics.append(subject, HeadcountReported(workers=counted, size="small"), (now - timedelta(days=days)).date().isoformat())
        _members(metrics, city, key, subject, park, founds, workers * joined // 100, random_, now)
    return key


def _members(
    metrics: Metrics, city: City, key: UUID, subject: str, park: str, founds: bool, members: int, random_: random.Random, now: datetime
) -> None:
    if not founds:
        return
    founded = (now - timedelta(days=int(random_.triangular(1, 1100, 500)))).date().isoformat()
    union = city.unions[key] = uuid7()
    metrics.append(f"union/{union}", UnionFounded(union_id=union, kind=UnionKind.ENTERPRISE_UNION, seat_area=park), founded)
    metrics.append(subject, CoverageStarted(enterprise_id=key, union_id=union, kind=UnionKind.ENTERPRISE_UNION), founded)
    join(metrics, city, key, members, founded)


def join(metrics: Metrics, city: City, key: UUID, members: int, on: str) -> None:
    """So many persons join at an enterprise."""
    for _ in range(members):
        metrics.append(f"enterprise/{key}", MemberJoined(membership_id=uuid7(), enterprise_id=key, union_id=city.unions[key]), on)


def parks_of(city: City) -> Sequence[str]:
    """The codes of the parks."""
    return list(city.enterprises)
