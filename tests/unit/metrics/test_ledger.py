"""The fast ways to the ledger give the rows of its definition, for any interleaving and any batch size (I3)."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.facts import FactSet, change, kind_of, summary, told_again
from services.metrics.ledger import Rows, fold, rows_since
from services.metrics.measures import MEASURES, unpacked
from shared.contracts import Envelope
from tests import oracle
from tests.histories import history, interleaved, seeds

Plain = dict[tuple[oracle.Cell, date, date], Counter[str]]


def plain(rows: Rows) -> Plain:
    """Rows as the oracle writes them: zeros left out, days as dates."""
    found = {
        (cell, date.fromordinal(effective), date.fromordinal(known)): Counter(
            {name: value for name, value in zip(MEASURES, unpacked(deltas), strict=True) if value}
        )
        for (cell, effective, known), deltas in rows.figures.items()
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
    for part in parts:
        by_subject = defaultdict(list)
        for event in part:
            by_subject[event.subject].append(change(event, oracle.known_day(event).toordinal()))
        for subject, changes in by_subject.items():
            if reload:
                sets[subject] = FactSet.load(sets[subject].dump())
            fold(sets[subject], changes, rows)
    return rows


@pytest.mark.invariant("I3")
@settings(max_examples=120, deadline=None)
@given(seed=seeds, order=seeds, reload=st.booleans())
def test_any_interleaving_and_batch_size_gives_the_ledger_of_the_definition(seed: int, order: int, reload: bool) -> None:
    events = interleaved(history(seed), order)
    rows = folded(batches(events, order), reload)
    assert plain(rows) == oracle.ledger(events)
    assert plain_durations(rows) == oracle.durations(events)


@pytest.mark.invariant("I3")
@settings(max_examples=40, deadline=None)
@given(seed=seeds, order=seeds)
def test_rows_computed_at_once_are_those_folded(seed: int, order: int) -> None:
    events = interleaved(history(seed), order)
    rows = Rows()
    sets: defaultdict[str, FactSet] = defaultdict(FactSet)
    for event in events:
        sets[event.subject].add([change(event, oracle.known_day(event).toordinal())])
    for facts in sets.values():
        rows.add(rows_since(facts, 0))
    assert plain(rows) == oracle.ledger(events)
    assert plain_durations(rows) == oracle.durations(events)


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_what_is_kept_of_an_event_tells_its_change_again(seed: int) -> None:
    for event in interleaved(history(seed), seed):
        known, kind = oracle.known_day(event).toordinal(), kind_of(event.type)
        told = change(event, known)
        assert told_again(kind, event.occurredon.toordinal(), event.sequence, known, summary(told, kind)) == told
