"""What differs by register: a row per noun (`services/cases/nouns.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.cases.clocks.happened import Happened
from services.cases.entries.entry import Entry
from services.cases.rulebook.book import Book
from shared.contracts import Event
from shared.contracts.cases.rules import ClockOverdue
from shared.writing.facts import Fact

FINISHED = frozenset(("closed", "ended", "held"))
"""States in which an entry's last fact is its end; others hold to their `until`."""


def no_clocks(_: Entry) -> list[Happened]:
    """An entry without clocks."""
    return []


def nothing_due(_entry: Entry, _book: Book) -> list[Fact]:
    """An entry of which the service itself says nothing."""
    return []


def without_end(_: Entry) -> date | None:
    """An entry that does not expire."""
    return None


def without_kind(_: Entry) -> str | None:
    """An entry without kinds."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A register.

    - `name`, `plural`: in answers and clocks, and in paths. `key`: the field of its facts that holds the id of the entry. `unknown`: the
      problem of an id that no entry has.
    - `opening`: the fact that begins an entry; `contracts`: all its facts.
    - `state`: by its facts; `kind`: the code that lists filter by. `assigned_to`: who handles it. `starts`: the day from which it is there.
    - `clocked`: whether it has clocks, which routes show. `until`: the last day on which it holds, if it ends by itself.
    - `happened`: what its clocks are computed from.
    - `due`: facts that the service itself says, each with the day from which it may be said; the clocks' own are not among them. Of an entry
      with several enterprises, those of the first one alone. `says`: their kinds; one that is no longer due is taken back.
    """

    name: str
    unknown: str
    plural: str
    key: str
    opening: type[Event]
    contracts: Sequence[type[Event]]
    state: Callable[[Entry], str]
    starts: Callable[[Entry], date | None]
    kind: Callable[[Entry], str | None] = without_kind
    clocked: bool = False
    until: Callable[[Entry], date | None] = without_end
    assigned_to: Callable[[Entry], str | None] = without_kind
    happened: Callable[[Entry], list[Happened]] = no_clocks
    due: Callable[[Entry, Book], list[Fact]] = nothing_due
    says: Sequence[type[Event]] = ()

    def last_day(self, entry: Entry) -> date | None:
        """The last day of an entry, by which those see it in whose areas its enterprise was then; None: it goes on."""
        if self.state(entry) not in FINISHED:
            return self.until(entry)
        return max((fact.on for fact in entry.facts if not isinstance(fact.data, (ClockOverdue, *self.says))), default=None)

    def id_of(self, data: Any) -> UUID:
        """The entry that a fact is about."""
        found: UUID = data.id if isinstance(data, ClockOverdue) else getattr(data, self.key)
        return found
