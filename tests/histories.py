"""Generated histories: valid streams of two sources about a few enterprises and unions, for the properties of I2 and I3.

Every stream's sequence is contiguous and its `time` never goes back, as the journal guarantees; everything else is free: business
dates in any order and before settling, the two sources' known days unrelated, corrections of corrections, facts without settlement.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from shared.contracts import Envelope, Event, membership, plain, registry, type_of
from shared.contracts.membership import (
    CoverageEnded,
    CoverageStarted,
    MemberJoined,
    MemberLeft,
    UnionDissolved,
    UnionFounded,
    UnionKind,
    VisitMade,
    VisitPurpose,
)
from shared.contracts.registry import EnterpriseClosed, EnterpriseMoved, EnterpriseReclassified, EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import EventWithdrawn, FactCorrected, Placed

FIRST_BUSINESS_DAY = date(2023, 1, 1)
FIRST_KNOWN = datetime(2024, 6, 1, 1, tzinfo=UTC)
PARKS = ("P1", "P2", "P3")
SIZES = (None, "small", "large")


def _uuid(random_: random.Random) -> UUID:
    return UUID(int=random_.getrandbits(128), version=4)


@dataclass
class Stream:
    """One (source, subject) as its journal would hold it."""

    source: str
    subject: str
    random: random.Random
    time: datetime
    events: list[Envelope] = field(default_factory=list)
    in_force: dict[int, tuple[str, Placed, UUID]] = field(default_factory=dict)
    mistakes: list[int] = field(default_factory=list)

    def append(self, data: Event, on: date) -> None:
        """Append one fact, now and then a day or more after the one before."""
        if self.random.random() < 0.35:
            self.time += timedelta(days=self.random.randint(1, 40))
        self.time += timedelta(seconds=1)
        sequence = len(self.events) + 1
        event = Envelope(
            id=_uuid(self.random),
            source=self.source,
            subject=self.subject,
            partitionkey=self.subject.split("/", 1)[1],
            sequence=sequence,
            type=type_of(data),
            time=self.time,
            occurredon=on,
            actor="generated",
            origin="api",
            data=data,
        )
        self.events.append(event)
        if isinstance(data, EventWithdrawn) or sequence in self.mistakes:
            return
        if isinstance(data, FactCorrected):
            if data.replacement is None:
                del self.in_force[data.rank]
            else:
                self.in_force[data.rank] = (data.fact, data.replacement, event.id)
        else:
            self.in_force[sequence] = (event.type, Placed(occurred_on=on, data=plain(data)), event.id)

    def mistake(self, day: date) -> None:
        """Something that the figures refuse; it is withdrawn later."""
        self.mistakes.append(len(self.events) + 1)
        self.append(HeadcountReported(workers=-self.random.randint(1, 9)), day)

    def withdraw(self, day: date) -> None:
        """Withdraw one mistake, or the run of them of which it is one."""
        last = first = self.mistakes.pop(self.random.randrange(len(self.mistakes)))
        while first - 1 in self.mistakes:
            first -= 1
            self.mistakes.remove(first)
        self.append(EventWithdrawn(first=first, last=last, reason="unreadable"), day)

    def take_back(self, day: date) -> None:
        """Withdraw a fact that nothing has corrected, whether or not it has counted, and perhaps what stands next to it."""
        standing = {rank for rank, (_, _, event_id) in self.in_force.items() if self.events[rank - 1].id == event_id}
        if not standing:
            return
        before_a_mistake = [rank for rank in standing if rank + 1 in self.mistakes]
        first = last = self.random.choice(sorted(before_a_mistake or standing))
        while last + 1 in standing.union(self.mistakes) and self.random.random() < 0.7:
            last += 1
        for rank in range(first, last + 1):
            self.in_force.pop(rank, None)
        self.mistakes = [rank for rank in self.mistakes if not first <= rank <= last]
        self.append(EventWithdrawn(first=first, last=last, reason="never_was"), day)

    def correct(self, day: date, change: Callable[[dict[str, Any]], None] = lambda _data: None) -> None:
        """Correct one fact in force: another date, other values (`change`), or nothing in its place."""
        rank = self.random.choice(sorted(self.in_force))
        fact, withdrawn, event_id = self.in_force[rank]
        replacement = None
        if self.random.random() < 0.75:
            data = dict(withdrawn.data)
            if "workers" in data:
                data["workers"] = self.random.choice((0, 3, 24, 25, 400))
            if "park" in data:
                data["park"] = self.random.choice(PARKS)
            change(data)
            replacement = Placed(occurred_on=day if self.random.random() < 0.6 else withdrawn.occurred_on, data=data)
        self.append(
            FactCorrected(corrects=event_id, fact=fact, rank=rank, reason="typo", withdrawn=withdrawn, replacement=replacement), day
        )


def _registry_fact(random_: random.Random, enterprise: UUID) -> Event:
    choice = random_.random()
    if choice < 0.45:
        return HeadcountReported(workers=random_.choice((0, 1, 24, 25, 26, 300)), size=random_.choice(SIZES))
    if choice < 0.65:
        return EnterpriseMoved(park=random_.choice(PARKS), district="D")
    if choice < 0.9:
        return EnterpriseReclassified(
            industry=random_.choice((None, "C", "A01")), ownership=random_.choice((None, "private")), size=random_.choice(SIZES)
        )
    return EnterpriseClosed(reason="moved_away")


def _membership_fact(random_: random.Random, enterprise: UUID, unions: dict[UUID, UnionKind]) -> Event:
    choice, union = random_.random(), random_.choice(list(unions))
    if choice < 0.25:
        return CoverageStarted(enterprise_id=enterprise, union_id=union, kind=unions[union])
    if choice < 0.35:
        return CoverageEnded(enterprise_id=enterprise, union_id=union, kind=unions[union], reason="left")
    if choice < 0.8:
        return MemberJoined(membership_id=_uuid(random_), enterprise_id=enterprise, union_id=union)
    return MemberLeft(membership_id=_uuid(random_), enterprise_id=enterprise, union_id=union, reason="resigned")


MOST_MISTAKES = 2


def history(
    seed: int, enterprises: int = 3, length: int = 14, *, mistakes: bool = False, visits: bool = False
) -> dict[str, list[list[Envelope]]]:
    """{source: streams}: a history that depends on nothing but its arguments; at most `length` facts a stream.

    With `mistakes`, an enterprise's streams have up to two runs of events that the figures refuse, all of them withdrawn by the end, and
    of all streams facts are withdrawn, of which some have counted and some wait behind a mistake. With `visits`, every second fact that
    membership states of an enterprise is one that is not counted; corrections and withdrawals name them, too.
    """
    random_ = random.Random(seed)
    unions = {_uuid(random_): kind for kind in random_.sample(list(UnionKind), 3)}
    streams: dict[str, list[list[Envelope]]] = {registry.SOURCE: [], membership.SOURCE: []}

    def day() -> date:
        return FIRST_BUSINESS_DAY + timedelta(days=random_.randint(0, 700))

    def stream(source: str, subject: str) -> Stream:
        made = Stream(source, subject, random_, FIRST_KNOWN + timedelta(days=random_.randint(0, 30)))
        streams[source].append(made.events)
        return made

    for union, kind in unions.items():
        own = stream(membership.SOURCE, f"union/{union}")
        own.append(UnionFounded(union_id=union, kind=kind, seat_area=random_.choice(PARKS)), day())
        if random_.random() < 0.4:
            own.append(UnionDissolved(union_id=union, reason="last_unit"), day())
        if mistakes and random_.random() < 0.3:
            own.take_back(day())
    for _ in range(enterprises):
        enterprise = _uuid(random_)
        place = stream(registry.SOURCE, f"enterprise/{enterprise}")
        people = stream(membership.SOURCE, f"enterprise/{enterprise}")
        settled = EnterpriseRegistered(
            enterprise_id=enterprise, name="示例企业", park=random_.choice(PARKS), district="D", industry=random_.choice((None, "B"))
        )
        place.append(settled, day())
        for _ in range(random_.randint(0, length)):
            if mistakes:
                err(place, day)
            if random_.random() < 0.2 and place.in_force:
                place.correct(day())
            else:
                place.append(_registry_fact(random_, enterprise), day())
        for _ in range(random_.randint(0, length)):
            if mistakes:
                err(people, day)
            if random_.random() < 0.2 and people.in_force:
                people.correct(day())
            elif visits and random_.random() < 0.5:
                people.append(
                    VisitMade(visit_id=_uuid(random_), enterprise_id=enterprise, purpose=random_.choice(list(VisitPurpose))), day()
                )
            else:
                people.append(_membership_fact(random_, enterprise, unions), day())
        for own in (place, people):
            while own.mistakes:
                own.withdraw(day())
    return streams


def err(stream: Stream, day: Callable[[], date]) -> None:
    """Perhaps a mistake, perhaps a withdrawal. Few mistakes: a reader stops that parks more than 20 streams within a minute."""
    if sum(map(refused, stream.events)) < MOST_MISTAKES and stream.random.random() < 0.2:
        stream.mistake(day())
    elif stream.mistakes and stream.random.random() < 0.2:
        stream.withdraw(day())
    elif stream.random.random() < (0.4 if stream.mistakes else 0.1):
        stream.take_back(day())


def refused(event: Envelope) -> bool:
    """Whether it is one of the mistakes, which the figures refuse."""
    return isinstance(event.data, HeadcountReported) and event.data.workers < 0


def interleaved(streams: dict[str, list[list[Envelope]]], seed: int) -> list[Envelope]:
    """All events in one random order of arrival that keeps each stream's own order: what any broker and any rebalance may deliver."""
    random_ = random.Random(seed)
    waiting = [list(reversed(events)) for own in streams.values() for events in own if events]
    order: list[Envelope] = []
    while waiting:
        chosen = random_.choice(waiting)
        order.append(chosen.pop())
        if not chosen:
            waiting.remove(chosen)
    return order


seeds = st.integers(min_value=0, max_value=2**32 - 1)
