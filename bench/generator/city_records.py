"""The records of a city: its facts on their known days, and the closing of each day by both sources in every partition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, time
from functools import cache, lru_cache

from bench.generator.city import NO_OWNERSHIP, OWNERSHIPS, City, days, firms, size_of
from bench.generator.facts import NO_INDUSTRY, Fact, Kind, Place, park_code
from bench.generator.records import MEMBERSHIP_TOPIC, PARTITIONS, RANDOM_BYTES, REGISTRY, Instants, Record, Writer, row_of
from bench.generator.templates import DAY, WHO, Template
from bench.generator.workload import INDUSTRIES
from shared.contracts import membership, registry
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import DayClosed, day_subject
from shared.journal.day_closing import ACTOR as CLOSER

OFFICE_OPENS, OFFICE_HOURS = time(8, 30), 9
CLOSES = time(0, 5)
SIZE_RULE = "213-2017"


def records(city: City) -> Iterator[Record]:
    """The log in its order, each event once."""
    writer = _CityWriter(city)
    for known, facts in days(city):
        step = OFFICE_HOURS * 3600 * 1_000_000 // max(1, len(facts))
        writer.instants = Instants(date.fromordinal(known), OFFICE_OPENS, step)
        yield from map(writer.record, facts)
        writer.instants = Instants(date.fromordinal(known + 1), CLOSES)
        yield from writer.closed(known)


class _CityWriter(Writer):
    """Writes what a city has besides, too: ownership, size classes, moves, leaves of a certain member, closed days."""

    def __init__(self, city: City) -> None:
        self._firms = firms(city)
        super().__init__(city, [Place(firm.park, firm.industry) for firm in self._firms])
        self._leaving: dict[int, str] = {}
        self._closings: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._templates[Kind.MOVED] = self._moved

    def record(self, fact: Fact) -> Record:
        made = super().record(fact)
        if fact.kind is Kind.JOINED and fact.value:
            self._leaving[fact.value] = self._last_member[fact.who]
        return made

    def closed(self, known: int) -> Iterator[Record]:
        """`day-closed` of both sources in every partition, as `shared.journal.day_closing` appends it."""
        for topic in (REGISTRY, MEMBERSHIP_TOPIC):
            for partition in range(PARTITIONS):
                text = self._random.randbytes(RANDOM_BYTES).hex()
                stamp, at = self.instants.next()
                sequence = self._closings[topic, partition] = self._closings[topic, partition] + 1
                values = {
                    "id": f"{stamp}-7{text[:3]}-8{text[3:6]}-{text[6:18]}",
                    "time": at,
                    "day": date.fromordinal(known).isoformat(),
                    "sequence": f"{sequence:019}",
                }
                template, subject = _closing_template(topic, partition), day_subject(partition)
                journal_id = self._journal_ids[topic] = self._journal_ids[topic] + 1
                row = row_of(subject, sequence, values, template, CLOSER.id, CLOSER.origin)
                yield Record(topic, partition, str(partition).encode(), template.event(values).encode(), journal_id, row)

    def _registered(self, fact: Fact, values: dict[str, str]) -> Template:
        park, industry, ownership = self._firms[fact.who]
        code = park_code(park)
        values |= {"name": f"{fact.who:07}", "park": code, "district": code[:4]}
        return _registered_template(
            None if industry == NO_INDUSTRY else INDUSTRIES[industry], None if ownership == NO_OWNERSHIP else OWNERSHIPS[ownership]
        )

    def _headcount(self, fact: Fact, values: dict[str, str]) -> Template:
        values["workers"] = str(fact.value)
        return _headcount_template(size_of(fact.value))

    def _moved(self, fact: Fact, values: dict[str, str]) -> Template:
        code = park_code(fact.value)
        values |= {"park": code, "district": code[:4]}
        return _moved_template()

    def _left(self, fact: Fact, values: dict[str, str]) -> Template:
        self._last_member[fact.who] = self._leaving.pop(fact.value)
        return super()._left(fact, values)


@cache
def _registered_template(industry: str | None, ownership: str | None) -> Template:
    data = EnterpriseRegistered(
        enterprise_id=WHO, name="示例企业[name]", park="[park]", district="[district]", industry=industry, ownership=ownership
    )
    return Template(data, f"enterprise/{WHO}", {"name": "[name]", "park": "[park]", "district": "[district]"})


@lru_cache
def _headcount_template(size: str) -> Template:
    data = HeadcountReported(workers=987654321, size=size, size_rule=SIZE_RULE)
    return Template(data, f"enterprise/{WHO}", {"workers": "987654321"})


@lru_cache
def _moved_template() -> Template:
    data = EnterpriseMoved(park="[park]", district="[district]")
    return Template(data, f"enterprise/{WHO}", {"park": "[park]", "district": "[district]"})


@lru_cache
def _closing_template(topic: int, partition: int) -> Template:
    source = (registry.SOURCE, membership.SOURCE)[topic]
    return Template(DayClosed(day=DAY), day_subject(partition), source=source, actor=CLOSER.id, origin=CLOSER.origin)
