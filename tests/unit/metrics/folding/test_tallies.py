"""The tallies are those of a plain oracle on every day, however a history arrives, is stored, closed or folded anew (I2, I3, I4)."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.folding.coverage import FOREVER, Segment
from services.metrics.folding.facts import FactSet
from services.metrics.folding.ledger import fold, rows_since
from services.metrics.folding.tallies import tallies
from services.metrics.folding.tallying.tally import MatterFact, year_after
from services.metrics.matters import CaseStep, ContractInEffect, ContractOver, MatterContent, Overdue
from services.metrics.measures import vector
from services.metrics.refolding.ledger import Ledger
from services.metrics.refolding.matter_ledger import add_matters
from services.metrics.refolding.member_ledger import Numbers
from services.metrics.refolding.shapes import Shapes
from services.metrics.tables.rows import Rows, TallyKey
from shared.contracts import Envelope
from tests import oracle, oracle_cases
from tests.histories import history, interleaved, refused, seeds
from tests.histories_of_cases import with_cases
from tests.unit.metrics.folding.arriving import Hearing
from tests.unit.metrics.folding.test_ledger import almost_in_order, batches, folded, folded_with_closings, plain, plain_durations

Plain = dict[Any, int]


def told(seed: int, *, mistakes: bool) -> dict[str, list[list[Envelope]]]:
    return with_cases(history(seed, enterprises=2, length=8, mistakes=mistakes), seed, mistakes=mistakes)


def written(rows: Rows) -> Plain:
    return {key: count for key, count in rows.tallies.items() if count}


def tallied(rows: Rows, t: date, k: date) -> Counter[oracle_cases.Tally]:
    """The sums of rows as of a day, as known at a day."""
    found = Counter[oracle_cases.Tally]()
    for (cell, effective, known, name, code, value), count in rows.tallies.items():
        if effective <= t.toordinal() and known <= k.toordinal():
            found[cell, str(name), code, value] += count
    return Counter({key: count for key, count in found.items() if count})


def at_once(events: list[Envelope]) -> Rows:
    """By definition, of what took effect."""
    numbers, found, hearing = Numbers(), dict[TallyKey, int](), Hearing()
    sets: defaultdict[str, FactSet] = defaultdict(FactSet)
    for event in events:
        if not event.subject.startswith("area/"):
            sets[event.subject].gather(hearing.changes(event))
    for facts in sets.values():
        add_matters(facts, found)
    shapes = Shapes.of(sets, numbers)
    return Ledger(shapes.steps(), shapes.durations(), np.empty((5, 0), np.int64), found, numbers, shapes.classes).to_write()


def no_areas(events: list[Envelope]) -> list[Envelope]:
    return [event for event in events if not event.subject.startswith("area/")]


@pytest.mark.invariant("I3")
@settings(max_examples=100, deadline=None)
@given(seed=seeds, order=seeds, reload=st.booleans(), mistakes=st.booleans())
def test_the_rows_are_those_of_the_oracle_on_every_day(seed: int, order: int, reload: bool, mistakes: bool) -> None:
    events = no_areas(interleaved(told(seed, mistakes=mistakes), order))
    rows = folded(batches(events, order), reload)
    counted = oracle.counted(events, refused)
    assert written(rows) == written(at_once(counted))
    assert plain(rows) == oracle.ledger(counted)
    assert plain_durations(rows) == oracle.durations(counted)
    random_, known = random.Random(order), sorted({oracle.known_day(event) for event in counted})
    turns = sorted({key[1] for key in rows.tallies}) or [date(2024, 1, 1).toordinal()]
    for _ in range(6):
        t = date.fromordinal(random_.choice(turns) - random_.randint(0, 1))
        for k in (random_.choice(known), known[-1]):
            assert tallied(rows, t, k) == oracle_cases.tallies(counted, t, k), (t, k)


@pytest.mark.invariant("I3")
@pytest.mark.invariant("I4")
@settings(max_examples=60, deadline=None)
@given(seed=seeds, order=seeds, reload=st.booleans())
def test_states_that_forget_closed_days_give_the_rows_of_the_definition(seed: int, order: int, reload: bool) -> None:
    events = oracle.counted(almost_in_order(no_areas(interleaved(told(seed, mistakes=True), order)), order), refused)
    rows, sets = folded_with_closings(events, order, reload)
    assert written(rows) == written(at_once(events))
    for facts in sets.values():
        assert FactSet.load(facts.dump()).tallies() == facts.tallies()
        assert facts.is_stored_as(facts.dump())


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_rows_since_a_day_are_the_later_ones_of_all(seed: int) -> None:
    sets: defaultdict[str, FactSet] = defaultdict(FactSet)
    hearing = Hearing()
    events = oracle.counted(no_areas(interleaved(told(seed, mistakes=False), seed)), refused)
    for event in events:
        fold(sets[event.subject], hearing.changes(event), Rows())
    since = random.Random(seed).choice(sorted({oracle.known_day(event) for event in events})).toordinal()
    for facts in sets.values():
        later = {key: count for key, count in written(rows_since(facts, 0)).items() if key[2] >= since}
        assert written(rows_since(facts, since)) == later


def test_the_histories_hold_what_the_property_is_about() -> None:
    seen: Counter[str] = Counter()
    for seed in range(100):
        counted = oracle.counted(no_areas(interleaved(told(seed, mistakes=True), seed)), refused)
        last = max(oracle.known_day(event) for event in counted)
        for t in (date(2024, 3, 1), date(2025, 3, 1)):
            seen.update({name for _, name, _, _ in oracle_cases.tallies(counted, t, last)})
    assert {name for name, count in seen.items() if count >= 5} >= {
        *("case_open", "case_open_collective", "case_open_proxy", "case_overdue", "case_closed", "case_opened", "case_opened_covered"),
        *("mediation_settled", "mediation_failed", "letter_in_time", "letter_late", "contract", "contract_workers", "wage_negotiation"),
        *("congress", "harmonious", "hardship", "aid_payment", "aid_fen", "help"),
    }, seen


@pytest.mark.parametrize(("day", "after"), [("2023-03-15", "2024-03-15"), ("2024-02-29", "2025-03-01"), ("2023-02-28", "2024-02-28")])
def test_twelve_months(day: str, after: str) -> None:
    end = date.fromisoformat(after)
    assert year_after(date.fromisoformat(day).toordinal()) == end.toordinal()
    assert oracle_cases.twelve_months_before(end - timedelta(days=1)) < date.fromisoformat(day) <= oracle_cases.twelve_months_before(end)


P1 = ("P1", None, None, None)
SETTLED = [Segment(date(2024, 1, 1).toordinal(), P1, vector(units=1, workers=40), 0)]


def fact(rank: int, on: str, content: MatterContent) -> MatterFact:
    return MatterFact("", date.fromisoformat(on).toordinal(), rank, 0, FOREVER, content)


def letter(rank: int, on: str, document: str = "opinion") -> MatterFact:
    return fact(rank, on, CaseStep(case_id="c", step="supervision_letter_sent", document=document))


def replied(rank: int, on: str, to: int | None = None) -> MatterFact:
    return fact(rank, on, CaseStep(case_id="c", step="replied", letter=to))


def late(rank: int, due_on: str, begun_by: int | None = None) -> MatterFact:
    passed = (date.fromisoformat(due_on) + timedelta(days=1)).isoformat()
    return fact(rank, passed, Overdue(noun="case", id="c", clock="supervision_reply", due_on=due_on, begun_by=begun_by))


def steps(*facts: MatterFact) -> dict[tuple[str, str, str], int]:
    """{(name, code, day): step} of the letters."""
    return {(name, code, date.fromordinal(day).isoformat()): step for (_, day, name, code, _), step in tallies(facts, SETTLED).items()}


def test_a_letter_is_answered_in_time_unless_its_clock_passed_before() -> None:
    sent = letter(1, "2024-03-01")
    assert steps(sent) == {}
    assert steps(sent, replied(2, "2024-03-10")) == {("letter_in_time", "opinion", "2024-03-10"): 1}
    assert steps(sent, late(2, "2024-03-20")) == {("letter_late", "opinion", "2024-03-21"): 1}
    assert steps(sent, late(2, "2024-03-20"), replied(3, "2024-03-25")) == {("letter_late", "opinion", "2024-03-21"): 1}
    assert steps(sent, late(2, "2024-03-20"), replied(3, "2024-03-20")) == {("letter_in_time", "opinion", "2024-03-20"): 1}


def test_an_answer_is_that_to_the_letter_that_it_names_or_to_the_oldest_without_one() -> None:
    two = (letter(1, "2024-03-01"), letter(2, "2024-03-02", "reminder"))
    assert steps(*two, replied(3, "2024-03-10", to=2), late(4, "2024-03-20", begun_by=2)) == {
        ("letter_in_time", "reminder", "2024-03-10"): 1
    }
    assert steps(*two, replied(3, "2024-03-10"), replied(4, "2024-03-11"), replied(5, "2024-03-12")) == {
        ("letter_in_time", "opinion", "2024-03-10"): 1,
        ("letter_in_time", "reminder", "2024-03-11"): 1,
    }
    assert steps(*two, replied(3, "2024-03-10", to=2), replied(4, "2024-03-12", to=2)) == {("letter_in_time", "reminder", "2024-03-10"): 1}


def test_a_unit_with_several_contracts_counts_once_with_its_workers() -> None:
    contracts = [
        fact(1, "2024-02-01", ContractInEffect(contract_id="a", kind="wage", until="2024-02-29")),
        fact(2, "2024-02-10", ContractInEffect(contract_id="b", kind="collective", until="2024-03-31")),
        fact(3, "2024-03-10", ContractOver(contract_id="b", kind="collective")),
    ]
    found = steps(*contracts)
    assert {key: step for key, step in found.items() if key[:2] == ("contract", "")} == {
        ("contract", "", "2024-02-01"): 1,
        ("contract", "", "2024-03-10"): -1,
    }
    assert found["contract_workers", "wage", "2024-03-01"] == -40
    assert found["wage_negotiation", "", "2024-03-01"] == -1
