"""The same facts of one enterprise in whatever order they are entered: the same state on each day, and the same figures. Pure.

Days differ, since of several statements for one day the last one entered counts (docs/design/DOMAIN.md, "Two dates on every fact").
"""

from __future__ import annotations

from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.folding.changes import change_of
from services.metrics.folding.facts import FactSet
from services.registry.areas import rules as areas
from services.registry.areas.area import RegisterArea
from services.registry.enterprises import rules
from services.registry.enterprises.enterprise import enterprise_of, enterprise_subject
from services.registry.enterprises.routes import one
from services.registry.enterprises.rules import Close, Move, Reclassify, RegisterEnterprise, ReportHeadcount
from services.registry.facts import TABLE
from shared.contracts import Envelope, type_of
from shared.contracts.registry import SOURCE, AreaKind
from shared.contracts.streams import FactCorrected
from shared.directory.visibility import EveryArea, Sight
from shared.journal.reasons import Reason
from shared.problems.errors import Conflict
from shared.writing import corrections
from shared.writing.evolving import evolve
from shared.writing.facts import Correct, Decision, Withdraw
from tests import oracle
from tests.unit.registry.worlds import TODAY, a_world

START = date(2020, 1, 1)
DAYS = 40
"""Facts lie up to this many days after START; the enterprise settles on day 10."""
KNOWN = datetime(2025, 7, 1, tzinfo=UTC)
ID = UUID(int=7)
INDUSTRIES = ("C39", "F51", "M73", "K701", "P82")
"""Sectors of which the same workers and revenue give different classes, or none."""
Entry: TypeAlias = tuple[str, int, Any]
"""(kind, day, content)"""


class Book:
    """One enterprise, and its events as they would be published."""

    def __init__(self, industry: str | None) -> None:
        self.world = a_world()
        park = areas.register(self.world, RegisterArea("P3", "园", AreaKind.PARK, "D1", None), TODAY)
        evolve(TABLE, self.world, park.facts[0])
        self.events: list[Envelope] = []
        command = RegisterEnterprise(ID, "某某有限公司", None, "P1", industry, None, day(10))
        self.take(rules.register(self.world, command, TODAY))

    @property
    def subject(self) -> str:
        return enterprise_subject(ID)

    def take(self, decision: Decision) -> UUID:
        """Record a decision; the id of its first event."""
        for fact in decision.facts:
            sequence = evolve(TABLE, self.world, fact)
            rank = fact.data.rank if isinstance(fact.data, FactCorrected) else sequence
            self.world.events[fact.event_id] = (fact.subject, rank)
            self.events.append(
                Envelope(
                    id=fact.event_id,
                    source=SOURCE,
                    subject=fact.subject,
                    partitionkey=str(ID),
                    sequence=sequence,
                    type=type_of(fact.data),
                    time=KNOWN,
                    occurredon=fact.on,
                    actor="a",
                    origin="api",
                    data=fact.data,
                )
            )
        return decision.facts[0].event_id

    def enter(self, entry: Entry) -> UUID:
        kind, number, content = entry
        on, world = day(number), self.world
        match kind:
            case "headcount":
                return self.take(rules.report(world, ReportHeadcount(ID, on, content), TODAY))
            case "move":
                return self.take(rules.move(world, Move(ID, on, content), TODAY))
            case "classification":
                return self.take(rules.reclassify(world, Reclassify(ID, on, *content), TODAY))
            case _:
                return self.take(rules.close(world, Close(ID, on, Reason("dissolved")), TODAY))

    def correct(self, event: UUID, **data: Any) -> UUID:
        return self.take(corrections.correct(TABLE, self.world, Correct(event, Reason("typo"), data or None), TODAY))

    def withdraw(self, first: int, last: int) -> None:
        self.take(corrections.withdraw(TABLE, self.world, Withdraw(self.subject, first, last, Reason("never_was")), TODAY))

    def outcome(self) -> Any:
        """What a read answers, the enterprise at the end of each day, the steps of the figures, and the figures by the oracle."""
        history = self.world.history(self.subject)
        answer = one(history, Sight((), EveryArea()))
        assert answer is not None
        del answer["sequence"]
        days = [day(n) for n in range(DAYS + 2)]
        each = [astuple(found) for on in days if (found := enterprise_of(history, before=(on, 10**9)))]
        known = KNOWN.date()
        changes = [change_of(event, known.toordinal()) for event in self.events if event.type != "parkunion.event-withdrawn.v1"]
        facts = oracle.facts_known(self.events, known)
        figures = [oracle.contribution(facts, on) for on in days[::2]]
        withdrawn = len(changes) < len(self.events)
        return answer, each, None if withdrawn else FactSet.rebuilt(changes, {}, known.toordinal()).shape, figures


def day(number: int) -> date:
    return START + timedelta(days=number)


def after(industry: str | None, entries: list[Entry]) -> Any:
    book = Book(industry)
    for entry in entries:
        book.enter(entry)
    return book.outcome()


def one_entry(number: int) -> st.SearchStrategy[Entry]:
    workers = st.sampled_from([0, 3, 8, 15, 30, 120, 350, 1200, 3000])
    revenue = st.sampled_from([None, 0, 60_000_000, 900_000_000, 30_000_000_000, 5_000_000_000_000])
    classified = st.tuples(st.sampled_from([None, *INDUSTRIES]), st.sampled_from([None, "159", "110"]), revenue)
    kinds: list[st.SearchStrategy[Entry]] = [
        st.tuples(st.just("headcount"), st.just(number), workers),
        st.tuples(st.just("classification"), st.just(number), classified.filter(any)),
    ]
    if number > 10:
        kinds.append(st.tuples(st.just("move"), st.just(number), st.sampled_from(["P1", "P2", "P3"])))
    return st.one_of(kinds)


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """Facts of different days: also before it settled, and after it closed."""
    numbers = draw(st.lists(st.integers(0, DAYS).filter(lambda number: number != 10), unique=True, min_size=2, max_size=9))
    entries = [draw(one_entry(number)) for number in sorted(numbers)]
    late = [number for number in numbers if number > 10]
    closing: bool = draw(st.booleans())
    if late and closing:
        closed = draw(st.sampled_from(late))
        entries = [entry if entry[1] != closed else ("closure", closed, None) for entry in entries]
    return entries


MANY = settings(deadline=None, max_examples=60)


@pytest.mark.invariant("I3")
@given(st.sampled_from([None, *INDUSTRIES]), histories(), st.randoms(use_true_random=False))
@MANY
def test_in_whatever_order_facts_are_entered_state_and_figures_are_the_same(
    industry: str | None, entries: list[Entry], random: Random
) -> None:
    expected = after(industry, entries)
    assert after(industry, entries[::-1]) == expected
    assert after(industry, random.sample(entries, len(entries))) == expected


@given(st.sampled_from([None, *INDUSTRIES]), histories(), histories(), st.randoms(use_true_random=False))
@MANY
def test_what_is_withdrawn_leaves_nothing(industry: str | None, entries: list[Entry], wrong: list[Entry], random: Random) -> None:
    taken = {number for _, number, _ in entries}
    false = [entry for entry in wrong if entry[1] not in taken and entry[0] != "closure"][:3]
    book = Book(industry)
    events = [(entry, book.enter(entry)) for entry in random.sample([*entries, *false], len(entries) + len(false))]
    gone = [event for entry, event in events if entry in false]
    for event in random.sample(gone, len(gone)):
        # The client names the event that it was told of, also where the platform decided a size class again since.
        book.correct(event)
    assert book.outcome() == after(industry, entries)


@given(st.sampled_from([None, *INDUSTRIES]), histories(), st.randoms(use_true_random=False))
@MANY
def test_what_is_corrected_comes_to_what_is_entered_right_at_once(industry: str | None, entries: list[Entry], random: Random) -> None:
    expected = after(industry, entries)
    entered = random.sample(entries, len(entries))
    at = random.randrange(len(entered))
    kind, number, content = entered[at]
    wrong = next(n for n in range(11, DAYS + 9) if n not in {entry[1] for entry in entries})
    book = Book(industry)
    events = [book.enter((kind, wrong, content) if n == at else entry) for n, entry in enumerate(entered)]
    book.correct(events[at], on=day(number).isoformat())
    assert book.outcome() == expected


@given(st.sampled_from(INDUSTRIES), st.sampled_from(INDUSTRIES), histories(), st.randoms(use_true_random=False))
@MANY
def test_a_registration_that_is_corrected_comes_to_the_right_one(right: str, wrong: str, entries: list[Entry], random: Random) -> None:
    book = Book(wrong)
    registered = book.events[0].id
    for entry in random.sample(entries, len(entries)):
        book.enter(entry)
    if right != wrong:
        book.correct(registered, industry=right)
    assert book.outcome() == after(right, entries)


def test_a_range_of_events_that_is_withdrawn_takes_the_size_classes_with_it() -> None:
    entries: list[Entry] = [("headcount", 30, 120), ("headcount", 50, 350)]
    book = Book("C39")
    book.enter(("classification", 20, ("M73", None, None)))
    book.enter(("classification", 40, ("F51", None, None)))
    for entry in entries:
        book.enter(entry)
    book.withdraw(2, 3)
    answer, each, _, figures = book.outcome()
    expected = after("C39", entries)
    assert (answer, each, figures) == (expected[0], expected[1], expected[3])


def test_a_fact_of_the_newest_day_records_nothing_else() -> None:
    book = Book("C39")
    for number in range(11, 40, 4):
        book.enter(("headcount", number, 10 * number))
        book.enter(("classification", number + 1, ("M73" if number % 8 else "C39", None, None)))
    assert not any(isinstance(event.data, FactCorrected) for event in book.events)


def test_a_size_class_decided_again_says_why_and_names_its_cause() -> None:
    book = Book("C39")
    counted = book.enter(("headcount", 30, 120))
    reclassified, correction = rules.reclassify(book.world, Reclassify(ID, day(20), "M73", None, None), TODAY).facts
    data = correction.data
    assert isinstance(data, FactCorrected)
    assert (correction.cause_id, data.corrects, data.reason, data.rank) == (reclassified.event_id, counted, "size_follows", 2)
    assert data.withdrawn.data.get("size") is None
    assert data.replacement is not None
    assert (data.replacement.occurred_on, data.replacement.data["size"]) == (day(30), "medium")


def test_who_corrects_names_the_event_as_entered_but_not_one_that_somebody_corrected() -> None:
    book = Book("C39")
    counted = book.enter(("headcount", 30, 120))
    book.enter(("classification", 20, ("M73", None, None)))
    followed = book.events[-1].id
    corrected = book.correct(counted, workers=5)
    for event in (counted, followed):
        with pytest.raises(Conflict, match="ALREADY_CORRECTED"):
            book.correct(event, workers=6)
    book.correct(corrected, workers=7)
    assert book.outcome()[0]["workers"] == 7
