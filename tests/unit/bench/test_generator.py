"""The generator of logs: equal seeds give equal bytes, the bytes are the contracts', and its truth is that of the fold."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice
from uuid import UUID

import pytest

from bench.generator.facts import Kind, facts
from bench.generator.records import PARTITIONS, TOPICS, ZONE, Record, records
from bench.generator.truth import UNKNOWN, Truth
from bench.generator.workload import DUPLICATES, END, Workload, workloads
from bench.speed.plans import Cell, Log
from bench.speed.rightness import MEASURES
from services.metrics.figures.scope import contribution_on
from services.metrics.folding.changes import change_of
from services.metrics.folding.facts import FactSet
from services.metrics.measures import measure
from shared import contracts
from shared.broker.protocol import partition_for
from shared.contracts import Envelope
from shared.contracts.ids import uuid7_time

KNOWN = date(2026, 7, 1)
EVENTS = 2500
SMALL = {name: replace(made, enterprises=120) for name, made in workloads(7, EVENTS, KNOWN).items()}


def log(workload: Workload) -> list[Record]:
    return list(records(workload))


def once(workload: Workload) -> list[Envelope]:
    """The events of a log, second publications left out."""
    found: dict[tuple[str, str, int], Envelope] = {}
    for record in records(workload):
        event = contracts.decode(record.value)
        found.setdefault((event.source, event.subject, event.sequence), event)
    return list(found.values())


def test_ids_rise_like_those_of_the_product() -> None:
    """An index on them grows at its end; ids in no order would touch all of it with every batch."""
    made = list(records(SMALL["many-enterprises"]))
    for kind, begins in (("enterprise-registered", "registry"), ("union-founded", "membership")):
        ids = [record.key.decode() for record in made if begins in TOPICS[record.topic] and kind.encode() in record.value]
        new = list(dict.fromkeys(ids))
        times = [made_at for one in new if (made_at := uuid7_time(UUID(one))) is not None]
        assert len(times) == len(new) > 10
        assert new == sorted(new)
        assert len({*times}) > len(new) // 25, "as of the milliseconds in which they are made"


def test_equal_workloads_give_equal_bytes_and_other_seeds_others() -> None:
    assert log(SMALL["backdated"]) == log(SMALL["backdated"])
    assert log(SMALL["backdated"]) != log(replace(SMALL["backdated"], seed=8))


@pytest.mark.parametrize(("years", "begin"), [(1, date(2025, 7, 1)), (5, date(2021, 7, 1)), (10, date(2016, 7, 1))])
def test_the_business_days_last_as_long_as_is_asked(years: int, begin: date) -> None:
    days = [fact.day for fact in facts(replace(SMALL["in-order"], years=years)) if fact.kind is not Kind.AREA]
    assert min(days) == begin.toordinal()
    assert END.toordinal() - 3 <= max(days) <= END.toordinal()


def test_a_log_may_have_other_enterprises_than_its_workload() -> None:
    made = Log(EVENTS, "in-order", [Cell()], enterprises=300, years=2).generated(7, KNOWN)
    assert (made.enterprises, made.years, made.seed) == (300, 2, 7)
    assert Log(EVENTS, "in-order", [Cell()]).generated(7, KNOWN) == workloads(7, EVENTS, KNOWN)["in-order"]


@pytest.mark.parametrize("name", SMALL)
def test_the_bytes_are_those_that_the_contracts_write(name: str) -> None:
    for record in records(SMALL[name]):
        event = contracts.decode(record.value)
        assert contracts.encode(event) == record.value
        assert record.key.decode() == event.partitionkey
        assert record.partition == partition_for(event.subject, event.partitionkey, PARTITIONS)
        assert TOPICS[record.topic].split(".")[1] == event.source.rpartition("/")[2]


@pytest.mark.parametrize("name", SMALL)
def test_streams_have_no_gaps_and_all_is_known_on_one_day(name: str) -> None:
    last: Counter[tuple[str, str]] = Counter()
    seen = set()
    times = []
    for record in records(SMALL[name]):
        event = contracts.decode(record.value)
        if event.id not in seen:
            seen.add(event.id)
            last[event.source, event.subject] += 1
            times.append(event.time)
        assert event.sequence <= last[event.source, event.subject]
        assert event.time.astimezone(ZONE).date() == KNOWN
    assert times == sorted(set(times))


def test_it_has_as_many_records_as_asked_for_and_one_percent_twice() -> None:
    counts = Counter(record.value for record in records(SMALL["in-order"]))
    assert counts.total() == EVENTS
    assert set(counts.values()) == {1, 2}
    assert sum(count == 2 for count in counts.values()) == round(EVENTS * DUPLICATES / (1 + DUPLICATES))


def test_a_log_is_in_the_order_of_its_business_days_or_three_tenths_are_before_it() -> None:
    def behind(workload: Workload) -> float:
        newest, count = 0, 0
        for fact in facts(workload):
            count += fact.day < newest
            newest = max(newest, fact.day)
        return count / workload.facts

    assert behind(SMALL["in-order"]) == 0
    assert behind(SMALL["backdated"]) >= 0.3


def test_most_events_of_a_large_log_are_members_and_they_have_the_size_of_real_ones() -> None:
    workload = replace(workloads(1, 60_000, KNOWN)["in-order"], enterprises=3000)
    kinds = Counter(fact.kind for fact in facts(workload))
    assert kinds[Kind.JOINED] > 0.8 * workload.facts
    sizes = [len(record.value) for record in islice(records(workload), 10_000, 12_000)]
    assert 530 <= sum(sizes) / len(sizes) <= 560


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("back", [0, 200, 900, 4000])
def test_the_truth_is_what_the_fold_finds(name: str, back: int) -> None:
    sets: defaultdict[str, FactSet] = defaultdict(FactSet)
    for event in once(SMALL[name]):
        if not event.subject.startswith("area/"):
            sets[event.subject].add([change_of(event, KNOWN.toordinal())])
    for as_of, known in ((END - timedelta(days=back), KNOWN), (END, KNOWN - timedelta(days=1))):
        folded: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for subject, one in sets.items():
            cell, figures = contribution_on(one, as_of, known)
            if cell is not None and cell[0] is not None and subject.startswith("enterprise/"):
                folded[cell[0], cell[1] or UNKNOWN].update({name: measure(figures, name) for name in MEASURES})
        found = Truth(SMALL[name]).coverage(as_of, known)
        assert {cell: {name: one.get(name, 0) for name in MEASURES} for cell, one in found.items()} == folded
        assert bool(folded) == (known == KNOWN and back < 4000)
