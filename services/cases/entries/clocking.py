"""The clocks of an entry, how they are kept and shown, and what the service itself records when a day passes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Any, cast

import msgspec
from msgspec import structs

from services.cases.clocks import deciding
from services.cases.clocks.clock import Clock, state
from services.cases.clocks.names import State
from services.cases.entries.entry import Entry
from services.cases.entries.noun import Noun
from services.cases.nouns import NOUNS
from services.cases.rulebook.book import EVERYWHERE, Book
from services.cases.rulebook.laws import LAWS
from shared.contracts import type_of
from shared.contracts.cases.rules import ClockOverdue
from shared.contracts.streams import FactCorrected
from shared.service.enterprises import subject_of
from shared.writing.facts import Fact, Standing

DAY = timedelta(days=1)
RECOMPUTED = "recomputed"
"""The reason with which the service takes back that a day passed: facts, rules or calendars of later entry make it another day."""


def clocks_of(entry: Entry, book: Book) -> list[Clock]:
    """All clocks of the entry by its facts, and the rules and calendar of its place."""
    happened = NOUNS[entry.noun].happened(entry)
    if not happened:
        return []
    return deciding.clocks_of(cast(deciding.Noun, entry.noun), happened, book.rules, (*book.path, EVERYWHERE), book.calendar)


def is_open(clock: Clock) -> bool:
    """Whether it still waits for something, whatever the day."""
    return clock.met_on is None and clock.stopped_on is None


def plain(clock: Clock) -> dict[str, Any]:
    """A clock as the table keeps it."""
    kept: dict[str, Any] = msgspec.to_builtins(clock)
    return kept


def of_plain(kept: dict[str, Any]) -> Clock:
    """A clock that the table keeps."""
    return msgspec.convert(kept, Clock)


def shown(subject: dict[str, Any], clock: Clock, as_of: date) -> dict[str, Any]:
    """A clock as answers show it on a day. `subject`: whose it is."""
    fields, law = msgspec.to_builtins(clock), LAWS[clock.law]
    return {"subject": subject, **fields, "law": law.zh, "law_en": law.en, "state": state(clock, as_of).value}


def passed(clock: Clock) -> date | None:
    """The day after a due day on which what the clock waits for was not done; None: it was done in time, or no day is known."""
    if clock.due_on is None or clock.clock in NO_DEADLINES:
        return None
    after = clock.due_on + DAY
    return after if state(clock, after) is State.OVERDUE else None


NO_DEADLINES = frozenset({"contract_effect", "inspection_lookback", "defence_copy", "agreement_review", "contract_renewal"})
"""Clocks behind whose day the service records nothing: a contract takes effect, an inspection no longer looks back, and what the others wait
for (the copy of the defence, a request for review, a new contract) is not entered as a step of the same entry."""


def to_record(entry: Entry, noun: Noun, book: Book, computed: Iterable[Clock]) -> list[Fact]:
    """What the service itself records of the entry, each fact with the day from which it may: what has passed, what is no longer so.

    Facts that stand already are not among them, so that each is recorded once.
    """
    own = [fact for fact in entry.facts if isinstance(fact.data, (ClockOverdue, *noun.says))]
    wanted: list[Fact] = []
    if entry.first(noun.opening) is not None:
        wanted = [fact for clock in computed if (fact := _overdue(entry, noun, clock)) is not None]
        wanted += noun.due(entry, book)
    true, standing = {_key(fact) for fact in wanted}, {_key(fact) for fact in own}
    untrue = [correction(fact) for fact in own if _key(fact) not in true]
    return [*untrue, *(fact for fact in wanted if _key(fact) not in standing)]


def wakes_on(entry: Entry, noun: Noun, book: Book, computed: Collection[Clock]) -> date | None:
    """The first day on which the service has something to record of the entry; None: nothing is known to come."""
    days = [date.min if isinstance(fact.data, FactCorrected) else fact.on for fact in to_record(entry, noun, book, computed)]
    # A date that PostgreSQL and JSON can hold.
    return max(min(days), date(1900, 1, 1)) if days else None


def _overdue(entry: Entry, noun: Noun, clock: Clock) -> Fact | None:
    after = passed(clock)
    if after is None or clock.due_on is None:
        return None
    data = ClockOverdue(
        noun=noun.name,
        id=entry.id,
        enterprise_id=entry.enterprises[0],
        clock=clock.clock,
        due_on=clock.due_on,
        party=clock.party,
        begun_by=clock.begun_by,
        rule_version=clock.rule_version,
    )
    return Fact(subject_of(entry.enterprises[0]), data, after)


def _key(fact: Fact | Standing) -> Any:
    """What tells facts of the service itself of one entry from each other: the same is said once, by whatever rule."""
    said = {**structs.asdict(fact.data), "rule_version": None} if fact.data is not None else {}
    return fact.on, type(fact.data), frozenset(said.items())


def correction(fact: Standing, reason: str = RECOMPUTED) -> Fact:
    """The correction of a fact to nothing; by default of what the service itself recorded and is no longer so."""
    assert fact.data is not None
    assert fact.event_id is not None
    name = type_of(fact.data)
    data = FactCorrected(corrects=fact.event_id, fact=name, rank=fact.rank, reason=reason, withdrawn=fact.placed(), replacement=None)
    return Fact(fact.subject, data, fact.on)
