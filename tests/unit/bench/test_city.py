"""The generator of a large city: five years of known days, each closed, a third of the facts backdated as far as the domain allows."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from uuid import UUID

import pytest

from bench.generator.city import LARGEST, OWNERSHIPS, City, days
from bench.generator.city_records import records
from bench.generator.facts import Kind
from bench.generator.records import PARTITIONS, TOPICS, ZONE, Record
from services.metrics.figures.scope import contribution_on
from services.metrics.folding.changes import change_of
from services.metrics.folding.facts import FactSet
from services.metrics.measures import measure
from shared import contracts
from shared.broker.protocol import partition_for
from shared.contracts import Envelope
from shared.contracts.codes import OWNERSHIP
from shared.contracts.membership import CoverageStarted, MemberJoined, MemberLeft, UnionFounded
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import DayClosed

LAST = date(2026, 6, 30)
SMALL = City(7, LAST, enterprises=60, members=1500)


@cache
def log() -> list[tuple[Record, Envelope]]:
    return [(record, contracts.decode(record.value)) for record in records(SMALL)]


def known_day(event: Envelope) -> date:
    return event.time.astimezone(ZONE).date()


def facts_of_enterprises() -> dict[str, list[Envelope]]:
    found: defaultdict[str, list[Envelope]] = defaultdict(list)
    for _, event in log():
        if event.subject.startswith("enterprise/"):
            found[event.subject].append(event)
    return found


def test_equal_cities_give_equal_bytes_and_other_seeds_others() -> None:
    assert list(records(SMALL)) == [record for record, _ in log()]
    assert [event.id for _, event in log()] != [contracts.decode(record.value).id for record in records(replace(SMALL, seed=8))]


def test_the_bytes_are_those_that_the_contracts_write() -> None:
    for record, event in log():
        assert contracts.encode(event) == record.value
        assert record.key.decode() == event.partitionkey
        assert TOPICS[record.topic].split(".")[1] == event.source.rpartition("/")[2]
        if not isinstance(event.data, DayClosed):
            assert record.partition == partition_for(event.subject, event.partitionkey, PARTITIONS)
        columns = record.row.rstrip("\n").split("\t")
        assert columns[:3] == [event.subject, str(event.sequence), str(event.id)]
        assert columns[5] == event.occurredon.isoformat()


def test_streams_have_no_gaps_and_times_ascend() -> None:
    last: Counter[tuple[str, str]] = Counter()
    for _, event in log():
        last[event.source, event.subject] += 1
        assert event.sequence == last[event.source, event.subject]
    times = [event.time for _, event in log()]
    assert times == sorted(set(times))


def test_each_of_five_years_of_known_days_is_closed_everywhere_after_its_facts() -> None:
    closed: dict[tuple[int, int], date] = {}
    seen = set()
    for record, event in log():
        place = record.topic, record.partition
        if isinstance(event.data, DayClosed):
            assert event.subject == f"day/{record.partition}"
            assert event.data.day == event.occurredon == known_day(event) - timedelta(days=1)
            assert closed.get(place, event.data.day - timedelta(days=1)) == event.data.day - timedelta(days=1)
            closed[place] = event.data.day
        else:
            assert known_day(event) > closed.get(place, date.min)
            seen.add(known_day(event))
    assert set(closed.values()) == {LAST}
    assert len(closed) == len(TOPICS) * PARTITIONS
    assert min(seen) == SMALL.known == date(2021, 6, 28)
    assert len({day.year for day in seen}) == 6


def test_a_third_of_the_facts_is_backdated() -> None:
    city = replace(SMALL, enterprises=800, members=20_000)
    behind = [fact.day < known for known, facts in days(city) for fact in facts if fact.kind is not Kind.AREA]
    assert 0.30 <= sum(behind) / len(behind) <= 0.36


def test_no_fact_is_dated_before_what_it_rests_on_and_a_leave_ends_a_membership() -> None:
    for events in facts_of_enterprises().values():
        settled = [event.occurredon for event in events if isinstance(event.data, EnterpriseRegistered)]
        covered = [event.occurredon for event in events if isinstance(event.data, CoverageStarted)]
        assert len(settled) == 1
        assert isinstance(events[0].data, EnterpriseRegistered)
        joined: dict[UUID, date] = {}
        for event in events:
            assert event.occurredon <= known_day(event)
            match event.data:
                case HeadcountReported() | EnterpriseMoved() | CoverageStarted():
                    assert event.occurredon >= settled[0]
                case MemberJoined(membership_id=member):
                    assert event.occurredon >= covered[0]
                    joined[member] = event.occurredon
                case MemberLeft(membership_id=member):
                    assert event.occurredon >= joined.pop(member)
        assert len(joined) == sum(isinstance(e.data, MemberJoined) for e in events) - sum(isinstance(e.data, MemberLeft) for e in events)
    foundings = {event.data.union_id: event.occurredon for _, event in log() if isinstance(event.data, UnionFounded)}
    starts = [event for _, event in log() if isinstance(event.data, CoverageStarted)]
    assert starts
    assert all(isinstance(e.data, CoverageStarted) and foundings[e.data.union_id] == e.occurredon for e in starts)


def test_it_has_the_members_asked_for_and_an_enterprise_of_fifty_thousand_workers() -> None:
    kinds = Counter(type(event.data) for _, event in log())
    assert kinds[MemberJoined] - kinds[MemberLeft] == SMALL.members
    assert kinds[EnterpriseRegistered] == SMALL.enterprises
    assert kinds[EnterpriseMoved] > 0
    assert max(event.data.workers for _, event in log() if isinstance(event.data, HeadcountReported)) >= 0.9 * LARGEST
    assert set(OWNERSHIPS) <= set(OWNERSHIP.codes)


@pytest.mark.parametrize(("back", "known_back"), [(0, 0), (200, 0), (200, 150), (900, 400), (1500, 1500)])
def test_its_figures_are_those_of_the_fold(back: int, known_back: int) -> None:
    as_of, known = LAST - timedelta(days=back), LAST - timedelta(days=known_back)
    units = members = 0
    for events in facts_of_enterprises().values():
        facts = FactSet()
        facts.add([change_of(event, known_day(event).toordinal()) for event in events])
        cell, figures = contribution_on(facts, as_of, known)
        if cell is not None:
            units += measure(figures, "units")
            members += measure(figures, "members")
    told = [fact for day, facts in days(SMALL) if day <= known.toordinal() for fact in facts if fact.day <= as_of.toordinal()]
    registered = {fact.who for fact in told if fact.kind is Kind.REGISTERED}
    assert units == len(registered)
    assert members == sum((fact.kind is Kind.JOINED) - (fact.kind is Kind.LEFT) for fact in told if fact.who in registered)
