"""The fast ways to the ledger give the rows of its definition, for any interleaving and any batch size (I3)."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.attributes import Headcount, Move
from services.metrics.counted import kind_of
from services.metrics.figures.scope import contribution_on
from services.metrics.folding.changes import FactChange
from services.metrics.folding.events.recorded import RecordedFact, RecordedFacts, changes_from, withdrawn
from services.metrics.folding.facts import FactSet
from services.metrics.folding.ledger import fold, rows_since
from services.metrics.measures import MEASURES, unpacked
from services.metrics.tables.rows import Rows
from shared.contracts import Envelope
from tests import oracle
from tests.histories import history, interleaved, refused, seeds
from tests.unit.metrics.folding.arriving import Arriving, Hearing
from tests.unit.metrics.rows import all_figures

Plain = dict[tuple[oracle.Cell, date, date], Counter[str]]


def plain(rows: Rows) -> Plain:
    """Rows as the oracle writes them: zeros left out, days as dates."""
    found = {
        (cell, date.fromordinal(effective), date.fromordinal(known)): Counter(
            {name: value for name, value in zip(MEASURES, unpacked(deltas), strict=True) if value}
        )
        for (cell, effective, known), deltas in all_figures(rows).items()
    }
    return {key: deltas for key, deltas in found.items() if deltas}


def plain_durations(rows: Rows) -> dict[tuple[oracle.Cell, date, date, str, int], int]:
    """Rows of durations as the oracle writes them."""
    return {
        (cell, date.fromordinal(effective), date.fromordinal(known), kind, value): count
        for (cell, effective, known, kind, value), count in rows.durations.items()
        if count
    }


def batches(events: list[Envelope], seed: int) -> Iterator[list[Envelope]]:
    random_ = random.Random(seed)
    start = 0
    while start < len(events):
        end = start + random_.choice((1, 1, 2, 5, 40))
        yield events[start:end]
        start = end


def folded(parts: Iterable[list[Envelope]], reload: bool) -> Rows:
    """Rows of a projector that sees these batches; `reload`: it restarts between them."""
    rows = Rows()
    sets: defaultdict[str, FactSet] = defaultdict(FactSet)
    arriving, hearing = Arriving(), Hearing()
    for part in parts:
        by_subject: defaultdict[str, list[FactChange]] = defaultdict(list)
        for event in arriving.take(part):
            by_subject[event.subject] += hearing.changes(event)
        for subject, changes in by_subject.items():
            if reload:
                sets[subject] = FactSet.load(sets[subject].dump())
            fold(sets[subject], changes, rows)
    return rows


@pytest.mark.invariant("I3")
@settings(max_examples=120, deadline=None)
@given(seed=seeds, order=seeds, reload=st.booleans(), mistakes=st.booleans())
def test_any_interleaving_and_batch_size_gives_the_ledger_of_the_definition(seed: int, order: int, reload: bool, mistakes: bool) -> None:
    events = interleaved(history(seed, mistakes=mistakes), order)
    rows = folded(batches(events, order), reload)
    counted = oracle.counted(events, refused)
    assert plain(rows) == oracle.ledger(counted)
    assert plain_durations(rows) == oracle.durations(counted)


@pytest.mark.invariant("I3")
@settings(max_examples=40, deadline=None)
@given(seed=seeds, order=seeds)
def test_rows_computed_at_once_are_those_folded(seed: int, order: int) -> None:
    events = oracle.counted(interleaved(history(seed, mistakes=True), order), refused)
    rows, hearing = Rows(), Hearing()
    sets: defaultdict[str, FactSet] = defaultdict(FactSet)
    for event in events:
        sets[event.subject].add(hearing.changes(event))
    for facts in sets.values():
        rows.add(rows_since(facts, 0))
    assert plain(rows) == oracle.ledger(events)
    assert plain_durations(rows) == oracle.durations(events)


def almost_in_order(events: list[Envelope], seed: int) -> list[Envelope]:
    """As they arrive where no stream is more than two months late."""
    random_ = random.Random(seed)
    late = {stream: timedelta(days=random_.randint(0, 60)) for stream in sorted({(event.source, event.subject) for event in events})}
    return sorted(events, key=lambda event: (event.time + late[event.source, event.subject], event.source, event.subject, event.sequence))


def folded_with_closings(events: list[Envelope], seed: int, reload: bool) -> tuple[Rows, dict[str, FactSet]]:
    """As `folded`, and between the batches every known day closes of which nothing is to come, now and then."""
    random_, hearing = random.Random(seed), Hearing()
    rows, sets, closed, start = Rows(), defaultdict[str, FactSet](FactSet), 0, 0
    while start < len(events):
        end = start + random_.choice((1, 1, 2, 5, 40))
        for event in events[start:end]:
            facts = sets[event.subject]
            fold(facts, hearing.changes(event), rows)
            if random_.random() < 0.5:
                facts.compact(closed)
        start = end
        if random_.random() < 0.6:
            closed = min((oracle.known_day(event).toordinal() for event in events[end:]), default=date.max.toordinal()) - 1
        if reload:
            sets = defaultdict(FactSet, {subject: FactSet.load(facts.dump()) for subject, facts in sets.items()})
    return rows, sets


@pytest.mark.invariant("I3")
@pytest.mark.invariant("I4")
@settings(max_examples=120, deadline=None)
@given(seed=seeds, order=seeds, reload=st.booleans())
def test_states_that_forget_closed_days_give_the_ledger_of_the_definition(seed: int, order: int, reload: bool) -> None:
    events = oracle.counted(almost_in_order(interleaved(history(seed, mistakes=True), order), order), refused)
    rows, sets = folded_with_closings(events, order, reload)
    assert plain(rows) == oracle.ledger(events)
    assert plain_durations(rows) == oracle.durations(events)
    random_ = random.Random(order)
    for subject, own in oracle.by_subject(events).items():
        facts = sets[subject]
        last = max(oracle.known_day(event) for event in own)
        for _ in range(8):
            known = date.fromordinal(max(facts.since, 1)) + timedelta(days=random_.randint(0, 60))
            as_of = date(2023, 1, 1) + timedelta(days=random_.randint(0, 900))
            expected = oracle.contribution(oracle.facts_known(own, min(known, last)), as_of)
            cell, value = contribution_on(facts, as_of, known)
            found = Counter({name: count for name, count in zip(MEASURES, unpacked(value), strict=True) if count})
            assert (cell, found) == (expected or (None, Counter()))


def headcount(day: int, known: int) -> tuple[str, int, int, int, dict[str, Any]]:
    """The first report, or a correction of what was known the day before."""
    on = date.fromordinal(day).isoformat()
    if known == day:
        return "headcount-reported", day, 1, known, {"workers": known}
    fact = {"fact": "headcount-reported", "occurred_on": on, "rank": 1}
    said = {"withdrawn": {**fact, "says": {"workers": known - 1}}, "replacement": {**fact, "says": {"workers": known}}}
    return "fact-corrected", day, 1 + known - day, known, said


def test_a_state_is_as_large_as_what_it_says_and_what_is_open() -> None:
    facts, day = FactSet(), date(2024, 6, 1).toordinal()
    for known in range(day, day + 900):
        facts.add(changes_from("member-joined", day - 10 + known % 3, 1 + known, known, None))
        facts.add(changes_from(*headcount(day, known)))
    before = len(facts.dump())
    facts.compact(day + 890)
    assert len(facts.dump()) < before / 20
    assert sum(facts.members_known(day + 890).values()) == 891
    assert (facts.since, facts.newest) == (day + 890, day + 899)


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_what_is_kept_of_an_event_tells_its_change_again(seed: int) -> None:
    hearing = Hearing()
    for event in oracle.counted(interleaved(history(seed, mistakes=True), seed), refused):
        known, kind = oracle.known_day(event).toordinal(), kind_of(event.type)
        changes, says = hearing.hear(event)
        if changes:
            assert changes_from(kind, event.occurredon.toordinal(), event.sequence, known, says) == changes


def test_a_withdrawal_takes_back_the_facts_that_it_names_and_leaves_corrections_and_withdrawals() -> None:
    memory, stream, on = RecordedFacts(), ("/services/registry", "enterprise/e"), date(2024, 6, 1)
    for sequence, kind in enumerate(("headcount-reported", "fact-corrected", "enterprise-moved", "event-withdrawn"), 1):
        memory.keep(stream, sequence, RecordedFact(kind, on, {"workers": sequence, "park": f"P{sequence}"}))
    memory.keep(stream, 7, RecordedFact("enterprise-closed", on, None))
    told = withdrawn(memory.named(stream, 1, 6), 5)
    assert told is not None
    assert [(one.removed, one.added) for one in told.changes] == [
        (("headcount-reported", on.toordinal(), 1, Headcount(1)), None),
        (("enterprise-moved", on.toordinal(), 3, Move("P3")), None),
    ]
    assert memory.named(stream, 5, 6) == []
    assert memory.named(("/services/membership", "enterprise/e"), 1, 9) == []
    assert withdrawn(memory.named(stream, 4, 6), 5) is None
