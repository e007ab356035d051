"""The loaded part of this service's state, and how facts change it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.cases.calendars.calendar import Calendar, YearTable
from services.cases.entries.entry import Entry
from services.cases.entries.noun import Noun
from services.cases.nouns import noun_of
from services.cases.persons.naming import Known
from services.cases.rulebook.book import EVERYWHERE, Book
from services.cases.rulebook.rulebook import Rulebook, RuleValue
from shared.contracts.cases.rules import CalendarSet, RuleSet
from shared.persons.sealing import Person
from shared.problems.errors import NotFound
from shared.service import enterprises
from shared.writing.facts import Standing


@dataclass(frozen=True, slots=True)
class Copy:
    """Where the copy of a fact stands, and the event that states it."""

    enterprise_id: UUID
    rank: int
    event_id: UUID


@dataclass
class World(enterprises.World):
    """`entries`: those that are loaded, `changed` are to be written. `rules` and `years`: every rule and year of the tables by the rank of
    its fact; `changed_rules`, `changed_years` are to be written. `book_version`: of the tables as they were loaded.

    `persons`: {(entry, role): who is named}, to be written. `known_persons`, `entries_of`: {number of a document: the person with a row; the
    entries that name the person}, of the documents that commands name.
    """

    entries: dict[UUID, Entry] = field(default_factory=dict)
    changed: set[UUID] = field(default_factory=set)
    rules: dict[tuple[str, int], RuleValue] = field(default_factory=dict)
    years: dict[tuple[int, int], YearTable] = field(default_factory=dict)
    changed_rules: set[tuple[str, int]] = field(default_factory=set)
    changed_years: set[tuple[int, int]] = field(default_factory=set)
    set_by: dict[tuple[str, int], Standing] = field(default_factory=dict)
    """{(stream, rank): the fact} of rules and years that change."""
    persons: dict[tuple[UUID, str], Person] = field(default_factory=dict, repr=False)
    known_persons: dict[str, Known] = field(default_factory=dict, repr=False)
    entries_of: dict[str, frozenset[UUID]] = field(default_factory=dict, repr=False)
    unnamed: set[UUID] = field(default_factory=set)
    """Entries whose opening was withdrawn: they name nobody"""
    copies: dict[tuple[UUID, int], Sequence[Copy]] = field(default_factory=dict)
    """{(entry, rank of a fact): its copies on the streams of the entry's other enterprises}, as far as Needs.copies asked for them"""
    new_copies: dict[tuple[UUID, UUID, int], tuple[int, UUID]] = field(default_factory=dict)
    """{(entry, enterprise, rank): (rank of the fact, event)} of copies that are to be written"""
    gone_copies: set[tuple[UUID, UUID, int]] = field(default_factory=set)
    """(entry, enterprise, rank) of copies that hold no longer"""
    book_version: int = 0
    loaded: tuple[Rulebook, Calendar] | None = None
    """Made of the tables as they were loaded."""

    def entry(self, entry_id: UUID, noun: Noun) -> Entry:
        """Raises UNKNOWN_<NOUN> (404) if there is none, or if its opening was withdrawn."""
        found = self.entries.get(entry_id)
        if found is None or found.noun != noun.name or found.first(noun.opening) is None:
            raise NotFound(noun.unknown, field=noun.key, params={"id": str(entry_id)})
        return found

    def area_of(self, entry: Entry) -> str | None:
        """Where the entry is now: the park of its first enterprise, or its own area; None: nowhere, or above every area."""
        if entry.enterprises:
            found = self.enterprises.get(entry.enterprises[0])
            return found.park if found else None
        return entry.area

    def book(self, area: str | None) -> Book:
        """The rules and the calendar for a place."""
        if self.loaded is None or self.changed_rules or self.changed_years:
            rules = Rulebook(self.rules[key] for key in sorted(self.rules))
            calendar = Calendar(self.years[key] for key in sorted(self.years))
        else:
            rules, calendar = self.loaded
        path: Sequence[str] = () if area is None else self.areas.get(area, (area,))
        return Book(rules, calendar, tuple(path), self.book_version)

    def book_of(self, entry: Entry) -> Book:
        """The rules and the calendar for an entry."""
        return self.book(self.area_of(entry))


def put(world: World, fact: Standing, private: Mapping[str, Any] | None) -> None:
    """The fact holds, new or in place of an earlier content."""
    noun = noun_of(fact.data)
    entry_id = noun.id_of(fact.data)
    entry = world.entries.get(entry_id) or Entry(entry_id, noun.name, fact.subject, area=getattr(fact.data, "area", None))
    opening = isinstance(fact.data, noun.opening)
    after = entry.with_fact(fact, private, opening=opening)
    world.entries[entry_id] = after
    world.changed.add(entry_id)
    if fact.subject != after.subject:
        _copied(world, after, fact)


def _copied(world: World, entry: Entry, fact: Standing) -> None:
    """A copy of the entry's last fact of that kind, which is recorded just before it."""
    original = max(one.rank for one in entry.facts if one.type == fact.type)
    enterprise_id: UUID = getattr(fact.data, "enterprise_id")  # noqa: B009
    assert fact.event_id is not None
    world.new_copies[entry.id, enterprise_id, fact.rank] = (original, fact.event_id)


def drop(world: World, fact: Standing) -> None:
    """The fact holds no longer."""
    noun = noun_of(fact.data)
    entry_id = noun.id_of(fact.data)
    if entry_id in world.entries:
        entry = world.entries[entry_id]
        world.entries[entry_id] = entry.without(fact, opening=isinstance(fact.data, noun.opening))
        world.changed.add(entry_id)
        if fact.subject != entry.subject:
            world.gone_copies.add((entry_id, getattr(fact.data, "enterprise_id"), fact.rank))  # noqa: B009


def put_rule(world: World, fact: Standing, _private: object) -> None:
    """A rule has a value from a day on."""
    assert isinstance(fact.data, RuleSet)
    key = (fact.data.name, fact.rank)
    world.rules[key] = RuleValue(fact.data.name, fact.data.area or EVERYWHERE, fact.data.valid_from, fact.data.value)
    world.set_by[fact.subject, fact.rank] = fact
    world.changed_rules.add(key)


def drop_rule(world: World, fact: Standing) -> None:
    """A value was never set."""
    assert isinstance(fact.data, RuleSet)
    world.rules.pop((fact.data.name, fact.rank), None)
    world.changed_rules.add((fact.data.name, fact.rank))


def put_calendar(world: World, fact: Standing, private: Mapping[str, Any] | None) -> None:
    """The arrangement of a year."""
    assert isinstance(fact.data, CalendarSet)
    key = (fact.data.year, fact.rank)
    source = private["source"] if private else world.years[key].source if key in world.years else ""
    world.years[key] = YearTable(fact.data.year, frozenset(fact.data.holidays), frozenset(fact.data.working_days), source)
    world.set_by[fact.subject, fact.rank] = fact
    world.changed_years.add(key)


def drop_calendar(world: World, fact: Standing) -> None:
    """An arrangement was never set."""
    assert isinstance(fact.data, CalendarSet)
    world.years.pop((fact.data.year, fact.rank), None)
    world.changed_years.add((fact.data.year, fact.rank))
