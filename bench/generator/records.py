"""The records of a log, as the product writes them: bytes for Kafka, and rows of the journal that hold the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from bench.generator.facts import NO_INDUSTRY, Fact, Kind, Place, area_of, facts, park_code, places
from bench.generator.templates import ACTOR, MEMBERSHIP, ORIGIN, UNION, WHO, Template
from bench.generator.workload import INDUSTRIES, Workload
from shared.broker.protocol import partition_for
from shared.contracts.membership import CoverageStarted, MemberJoined, MemberLeft, UnionFounded, UnionKind
from shared.contracts.registry import AreaKind, AreaRegistered, EnterpriseRegistered, HeadcountReported
from shared.contracts.services import SERVICES

PARTITIONS = 12
SERVICE_NAMES = ("registry", "membership")
TOPICS = tuple(SERVICES[name].topic() for name in SERVICE_NAMES)
ZONE = ZoneInfo("Asia/Shanghai")
LATEST_COPY = 2000
"""A second publication comes at most so many events after the first."""
FORMS = (UnionKind.ENTERPRISE_UNION, UnionKind.JOINT_UNION, UnionKind.REGIONAL_FEDERATION)
REGISTRY, MEMBERSHIP_TOPIC = range(2)
OF_REGISTRY = frozenset({Kind.AREA, Kind.REGISTERED, Kind.HEADCOUNT, Kind.MOVED})
NAMES_UNION = frozenset({Kind.COVERED, Kind.LEFT})
ID_BYTES = 9
"""Random bytes of an id."""
RANDOM_BYTES = 2 * ID_BYTES
"""Random bytes of an event, for two ids."""
SECOND, SHORTEST_STEP = 1_000_000, 50
"""Microseconds."""


class Record(NamedTuple):
    """One record. `topic` is an index of TOPICS; `row` a line of COPY for the journal; `journal_id` counts from 1 in each topic.

    A second publication of an event has the same content.
    """

    topic: int
    partition: int
    key: bytes
    value: bytes
    journal_id: int
    row: str


def records(workload: Workload) -> Iterator[Record]:
    """The log in its order."""
    random, waiting = Random(f"copies {workload.seed}"), defaultdict[int, list[Record]](list)
    copies = set(random.sample(range(workload.facts), workload.events - workload.facts))
    writer, number = Writer(workload, places(workload)), 0
    for number, fact in enumerate(facts(workload)):
        record = writer.record(fact)
        yield record
        if number in copies:
            waiting[number + random.randint(1, LATEST_COPY)].append(record)
        if waiting:
            yield from waiting.pop(number, ())
    for late in sorted(waiting):
        yield from waiting[late]


class Log(Protocol):
    """What the records of a log depend on besides its facts; `known`: the first known day."""

    @property
    def seed(self) -> int: ...
    @property
    def backdated(self) -> float: ...
    @property
    def known(self) -> date: ...


class Writer:
    """Writes facts as records, in the log's order."""

    def __init__(self, log: Log, settled: Sequence[Place]) -> None:
        self._random = Random(f"ids {log.seed} {log.backdated}")
        self.instants = Instants(log.known)
        self._places = settled
        self._enterprises = [""] * len(self._places)
        self._unions = [""] * len(self._places)
        self._partitions = [0] * len(self._places)
        self._last_member: dict[int, str] = {}
        self._sequences: defaultdict[tuple[int, str], int] = defaultdict(int)
        self._journal_ids = [0, 0]
        self._member_template = _joined_template()
        assert self._member_template.slots == ("id", "who", "who", "sequence", "time", "day", "membership", "who", "union")
        assert self._member_template.data_slots == ("membership", "who", "union")
        self._templates: dict[Kind, Callable[[Fact, dict[str, str]], Template]] = {
            Kind.AREA: self._area,
            Kind.REGISTERED: self._registered,
            Kind.HEADCOUNT: self._headcount,
            Kind.FOUNDED: self._founded,
            Kind.COVERED: self._covered,
            Kind.LEFT: self._left,
        }

    def record(self, fact: Fact) -> Record:
        """The record of the next fact."""
        if fact.kind is Kind.JOINED:
            return self._member(fact.who, _iso(fact.day))
        text = self._random.randbytes(RANDOM_BYTES).hex()
        stamp, at = self.instants.next()
        values = {
            "id": f"{stamp}-7{text[:3]}-8{text[3:6]}-{text[6:18]}",
            "membership": f"{stamp}-7{text[18:21]}-8{text[21:24]}-{text[24:]}",
            "time": at,
            "day": _iso(fact.day),
        }
        if fact.kind is Kind.AREA:
            kind, who = "area", area_of(fact.who)[0]
        elif fact.kind is Kind.FOUNDED:
            kind, who = "union", self._union(fact.who, stamp)
        else:
            if fact.kind is Kind.REGISTERED:
                self._register(fact.who, stamp)
            if fact.kind in NAMES_UNION:
                values["union"] = self._union(fact.who, stamp)
            kind, who = "enterprise", self._enterprises[fact.who]
        values["who"] = who
        template = self._templates[fact.kind](fact, values)
        topic = REGISTRY if fact.kind in OF_REGISTRY else MEMBERSHIP_TOPIC
        sequence = self._sequences[topic, who] = self._sequences[topic, who] + 1
        values["sequence"] = f"{sequence:019}"
        journal_id = self._journal_ids[topic] = self._journal_ids[topic] + 1
        row = row_of(f"{kind}/{who}", sequence, values, template)
        partition = self._partitions[fact.who] if kind == "enterprise" else partition_for(f"{kind}/{who}", who, PARTITIONS)
        return Record(topic, partition, who.encode(), template.event(values).encode(), journal_id, row)

    def _member(self, number: int, day: str) -> Record:
        """As `record`, for most of the facts."""
        text = self._random.randbytes(RANDOM_BYTES).hex()
        stamp, at = self.instants.next()
        who, union, topic = self._enterprises[number], self._unions[number] or self._union(number, stamp), MEMBERSHIP_TOPIC
        event_id = f"{stamp}-7{text[:3]}-8{text[3:6]}-{text[6:18]}"
        member = self._last_member[number] = f"{stamp}-7{text[18:21]}-8{text[21:24]}-{text[24:]}"
        sequence = self._sequences[topic, who] = self._sequences[topic, who] + 1
        journal_id = self._journal_ids[topic] = self._journal_ids[topic] + 1
        template = self._member_template
        value = template.text % (event_id, who, who, f"{sequence:019}", at, day, member, who, union)
        row = (
            f"enterprise/{who}\t{sequence}\t{event_id}\t{template.type}\t{at}\t{day}\t{ACTOR}\t{ORIGIN}\t\\N\t\\N\t{who}"
            f"\t{template.data_text % (member, who, union)}\n"
        )
        return Record(topic, self._partitions[number], who.encode(), value.encode(), journal_id, row)

    def _register(self, number: int, stamp: str) -> None:
        """Give an enterprise its id."""
        who = self._enterprises[number] = self._id(stamp)
        self._partitions[number] = partition_for(f"enterprise/{who}", who, PARTITIONS)

    def _union(self, number: int, stamp: str) -> str:
        """The id of an enterprise's union, which is made when it is first named."""
        if not self._unions[number]:
            self._unions[number] = self._id(stamp)
        return self._unions[number]

    def _id(self, stamp: str) -> str:
        """An id that was made at this instant: like those of the product, later ones are greater."""
        text = self._random.randbytes(ID_BYTES).hex()
        return f"{stamp}-7{self.instants.fraction:03x}-8{text[3:6]}-{text[6:18]}"

    def _area(self, fact: Fact, values: dict[str, str]) -> Template:
        code, parent = area_of(fact.who)
        values |= {"code": code, "parent": parent or ""}
        return _area_template(parent is not None, AreaKind.PARK if "-" in code else AreaKind.DIVISION)

    def _registered(self, fact: Fact, values: dict[str, str]) -> Template:
        park, industry = self._places[fact.who]
        code = park_code(park)
        values |= {"name": f"{fact.who:07}", "park": code, "district": code[:4]}
        return _registered_template(None if industry == NO_INDUSTRY else INDUSTRIES[industry])

    def _headcount(self, fact: Fact, values: dict[str, str]) -> Template:
        values["workers"] = str(fact.value)
        return _headcount_template()

    def _founded(self, fact: Fact, values: dict[str, str]) -> Template:
        values["seat"] = park_code(self._places[fact.who].park)
        return _founded_template(FORMS[fact.value])

    def _covered(self, fact: Fact, values: dict[str, str]) -> Template:
        return _covered_template(FORMS[fact.value])

    def _left(self, fact: Fact, values: dict[str, str]) -> Template:
        values["membership"] = self._last_member.pop(fact.who)
        return _left_template()


def row_of(subject: str, sequence: int, values: dict[str, str], template: Template, actor: str = ACTOR, origin: str = ORIGIN) -> str:
    """The journal's row of an event."""
    who = subject.partition("/")[2]
    return (
        f"{subject}\t{sequence}\t{values['id']}\t{template.type}\t{values['time']}\t{values['day']}\t{actor}\t{origin}\t\\N\t\\N\t{who}"
        f"\t{template.data_json(values)}\n"
    )


class Instants:
    """Instants of a known day from a time on, `step` microseconds apart; never a whole second, which is written without a fraction."""

    def __init__(self, known: date, begin: time = time(0, 10), step: int = SHORTEST_STEP) -> None:
        self._second = datetime.combine(known, begin, ZONE)
        self._step = step
        self._micro, self._stamped, self._stamp = 0, 0, ""
        self._set()

    def _set(self) -> None:
        self._milliseconds = int(self._second.timestamp()) * 1000
        self._text = self._second.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")

    @property
    def fraction(self) -> int:
        """The microseconds of the last instant after its millisecond."""
        return self._micro % 1000

    def next(self) -> tuple[str, str]:
        """(the time part of an id made then, the instant as text)."""
        self._micro += self._step
        if self._micro >= SECOND:
            seconds, self._micro = divmod(self._micro, SECOND)
            self._micro = self._micro or SHORTEST_STEP
            self._second += timedelta(seconds=seconds)
            self._set()
        made = self._milliseconds + self._micro // 1000
        if made != self._stamped:
            self._stamped, text = made, f"{made:012x}"
            self._stamp = f"{text[:8]}-{text[8:]}"
        return self._stamp, f"{self._text}.{self._micro:06}Z"


@lru_cache
def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat()


@lru_cache
def _area_template(inside: bool, kind: AreaKind) -> Template:
    data = AreaRegistered(code="[code]", name="园区[code]", kind=kind, parent="[parent]" if inside else None)
    return Template(data, "area/[code]", {"code": "[code]", "parent": "[parent]"})


@lru_cache
def _registered_template(industry: str | None) -> Template:
    data = EnterpriseRegistered(enterprise_id=WHO, name="示例企业[name]", park="[park]", district="[district]", industry=industry)
    return Template(data, f"enterprise/{WHO}", {"name": "[name]", "park": "[park]", "district": "[district]"})


@lru_cache
def _headcount_template() -> Template:
    return Template(HeadcountReported(workers=987654321), f"enterprise/{WHO}", {"workers": "987654321"})


@lru_cache
def _founded_template(form: UnionKind) -> Template:
    return Template(UnionFounded(union_id=WHO, kind=form, seat_area="[seat]"), f"union/{WHO}", {"seat": "[seat]"})


@lru_cache
def _covered_template(form: UnionKind) -> Template:
    return Template(CoverageStarted(enterprise_id=WHO, union_id=UNION, kind=form), f"enterprise/{WHO}")


@lru_cache
def _joined_template() -> Template:
    return Template(MemberJoined(membership_id=MEMBERSHIP, enterprise_id=WHO, union_id=UNION), f"enterprise/{WHO}")


@lru_cache
def _left_template() -> Template:
    return Template(MemberLeft(membership_id=MEMBERSHIP, enterprise_id=WHO, union_id=UNION, reason="left"), f"enterprise/{WHO}")
