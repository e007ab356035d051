"""The table of what counts: every contract has a row and its words, states keep their format, and what is not counted changes no figure."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.counted import BY_KIND, FIELDS, ROWS, Attribute, Matter, Members, NotCounted, kept_of, kept_of_texts, kind_of
from services.metrics.dashboard.words import LANGUAGES, Language, catalogue
from services.metrics.folding.coverage import FOREVER
from services.metrics.folding.events.recorded import changes_from
from services.metrics.folding.facts import FactSet
from services.metrics.folding.ledger import fold
from services.metrics.tables.rows import Rows
from shared.contracts import TYPES, Envelope, membership
from shared.contracts.membership import VisitMade
from shared.contracts.streams import EventWithdrawn, FactCorrected
from tests import oracle
from tests.histories import history, interleaved, refused, seeds
from tests.unit.metrics.folding.arriving import Hearing
from tests.unit.metrics.folding.test_ledger import batches, folded, plain, plain_durations

VISIT = "parkunion.visit-made.v1"


def test_every_contract_has_a_row() -> None:
    assert set(ROWS) == set(TYPES.values())
    assert set(BY_KIND) == {kind_of(name) for name in TYPES}


CONTENTS = {name: row.content for name in TYPES if isinstance(row := BY_KIND[kind_of(name)], Attribute | Matter | NotCounted)}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_field_that_may_be_left_out_of_a_fact_may_be_left_out_of_what_is_kept(name: str) -> None:
    """So what is kept can be read from the JSON of the fact alone (`kept_of_texts`)."""
    told = {field.name: field for field in msgspec.structs.fields(TYPES[name])}
    for kept in msgspec.structs.fields(CONTENTS[name]):
        field = told[kept.name]
        if not field.required:
            assert not kept.required, kept.name
            assert kept.default == msgspec.to_builtins(field.default), kept.name


@given(seeds)
def test_what_is_kept_is_the_same_from_the_text_of_a_fact(seed: int) -> None:
    for event in interleaved(history(seed), seed):
        if event.type in CONTENTS:
            text = msgspec.json.encode(event.data)
            assert kept_of_texts(kind_of(event.type), [text]) == [kept_of(event.data)]
            explicit = msgspec.json.encode(msgspec.to_builtins(event.data) | {"unknown_field": 1})
            assert kept_of_texts(kind_of(event.type), [explicit]) == [kept_of(event.data)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fact_has_its_words(language: Language) -> None:
    words = catalogue(language)
    for kind, row in BY_KIND.items():
        match row:
            case Attribute() | Members() | Matter() | NotCounted():
                shown = [name for name in FIELDS[kind] if not name.endswith("_id") and name not in {"id", "seat_area"}]
                needed = [f"happened.{kind}", *(f"says.{name}" for name in shown)]
                if isinstance(row, Matter | NotCounted) or (isinstance(row, Attribute) and row.number is None):
                    needed.append(f"amount.{kind}")
                assert [key for key in needed if key not in words] == []
            case _:
                pass


def test_no_field_that_is_kept_identifies_a_person_or_a_visit() -> None:
    named = {name for fields in FIELDS.values() for name in fields if name.endswith("_id")}
    assert named == {"union_id", "case_id", "contract_id", "negotiation_id", "congress_id", "assessment_id", "pact_id", "award_id"}


STORED: list[object] = [
    [
        ["enterprise-registered", 738000, 1, 738900, FOREVER, {"park": "P1", "industry": "C"}],
        ["headcount-reported", 738010, 2, 738900, 738950, {"workers": 0, "size": "small"}],
        ["enterprise-moved", 738020, 3, 738900, FOREVER, {"park": "P2"}],
        ["enterprise-reclassified", 738030, 4, 738900, FOREVER, {}],
        ["enterprise-closed", 738040, 5, 738900, FOREVER, {}],
        ["coverage-started", 738050, 1, 738900, FOREVER, {"union_id": "0197f3a0-1c00-7a11-8b22-000000000001", "kind": "joint_union"}],
        ["coverage-ended", 738060, 2, 738900, FOREVER, {"union_id": "0197f3a0-1c00-7a11-8b22-000000000001", "kind": "joint_union"}],
        ["union-founded", 738070, 1, 738900, FOREVER, {"seat_area": "D1"}],
        ["union-dissolved", 738080, 2, 738900, FOREVER, {}],
    ],
    {738900: {738100: 3}},
    738800,
]
"""A state as release 0.2 wrote it."""


@pytest.mark.invariant("I8")
def test_the_states_of_release_0_2_are_read_and_written_to_the_same_bytes() -> None:
    stored = msgspec.msgpack.encode(STORED)
    facts = FactSet.load(stored)
    assert facts.dump() == stored


def of_a_visit(event: Envelope) -> bool:
    return event.type == VISIT or (isinstance(event.data, FactCorrected) and event.data.fact == VISIT)


@pytest.mark.invariant("I3")
@settings(max_examples=80, deadline=None)
@given(seed=seeds, order=seeds, reload=st.booleans(), mistakes=st.booleans())
def test_what_is_not_counted_changes_no_row_and_no_state(seed: int, order: int, reload: bool, mistakes: bool) -> None:
    """Not by itself, corrected, withdrawn alone or with counted facts, and not by its known day, which would choose the way of the fold."""
    events = interleaved(history(seed, mistakes=mistakes, visits=True), order)
    rows = folded(batches(events, order), reload)
    applied = oracle.counted(events, refused)
    without = [event for event in applied if not of_a_visit(event)]
    assert plain(rows) == oracle.ledger(without)
    assert plain_durations(rows) == oracle.durations(without)
    assert {subject: facts.dump() for subject, facts in sets_of(applied).items()} == {
        subject: facts.dump() for subject, facts in sets_of(without).items()
    }


def sets_of(events: list[Envelope]) -> dict[str, FactSet]:
    """The sets of facts of subjects with counted facts, folded event by event."""
    sets, hearing = defaultdict[str, FactSet](FactSet), Hearing()
    for event in events:
        if changes := hearing.changes(event):
            fold(sets[event.subject], changes, Rows())
    return dict(sets)


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_the_rows_of_facts_hold_what_is_not_counted_and_give_no_change_of_it(seed: int) -> None:
    hearing = Hearing()
    for event in oracle.counted(interleaved(history(seed, mistakes=True, visits=True), seed), refused):
        known, kind = oracle.known_day(event).toordinal(), kind_of(event.type)
        changes, says = hearing.hear(event)
        if isinstance(event.data, EventWithdrawn) and says is None:
            continue
        assert changes_from(kind, event.occurredon.toordinal(), event.sequence, known, says) == changes
        if isinstance(event.data, VisitMade):
            assert says == {"purpose": event.data.purpose.value}
        if of_a_visit(event):
            assert changes == ()


def test_histories_with_visits_hold_what_the_property_is_about() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        visits: set[tuple[str, int]] = set()
        for event in oracle.counted(interleaved(history(seed, mistakes=True, visits=True), seed), refused):
            if event.type == VISIT:
                visits.add((event.subject, event.sequence))
            elif of_a_visit(event):
                seen["corrected"] += 1
            elif isinstance(event.data, EventWithdrawn) and event.source == membership.SOURCE:
                named = {(event.subject, sequence) for sequence in range(event.data.first, event.data.last + 1)}
                seen["withdrawn alone" if named <= visits else "withdrawn with others" if named & visits else ""] += 1
        seen["stated"] += len(visits)
    assert {name: seen[name] for name in ("stated", "corrected", "withdrawn alone", "withdrawn with others") if seen[name] < 10} == {}
