"""Facts written shortly, and the clocks that follow from them."""

from __future__ import annotations

from typing import Any

from services.cases.calendars.calendar import Calendar
from services.cases.clocks.clock import Clock
from services.cases.clocks.deciding import Noun, clocks_of
from services.cases.clocks.happened import Happened
from services.cases.rulebook.rulebook import Rulebook, RuleValue
from tests.unit.cases.arrangements import PACKAGED, day

PATH = ["P-1", "330106", "330100", "330000"]
DATES = ("_on", "_until", "_by")
NO_RULES = Rulebook()


def fact(name: str, on: str, rank: int, **said: Any) -> Happened:
    """A fact; texts of fields that hold dates are dates."""
    return Happened(name, day(on), rank, {key: day(text) if key.endswith(DATES) and text else text for key, text in said.items()})


def opened(kind: str = "labour_dispute", occurred_on: str = "2026-01-05", **said: Any) -> Happened:
    return fact("opened", "2026-01-08", 1, kind=kind, occurred_on=occurred_on, **said)


def case(*steps: tuple[Any, ...], first: Happened | None = None) -> list[Happened]:
    """The facts of a case: (name, day, fields) in the order of entry, behind its opening."""
    return [first or opened(), *(fact(name, on, rank, **(more[0] if more else {})) for rank, (name, on, *more) in enumerate(steps, 2))]


def clocks(
    happened: list[Happened], *, noun: Noun = "case", rules: Rulebook = NO_RULES, calendar: Calendar = PACKAGED
) -> dict[tuple[str, str | None], Clock]:
    """{(clock, party): clock}; of several supervision letters the last."""
    return {(clock.clock, clock.party): clock for clock in clocks_of(noun, happened, rules, PATH, calendar)}


def clock(happened: list[Happened], name: str, party: str | None = None, **more: Any) -> Clock:
    return clocks(happened, **more)[name, party]


def rule(name: str, value: dict[str, Any], area: str = "330000", valid_from: str = "2000-01-01") -> Rulebook:
    return Rulebook([RuleValue(name, area, day(valid_from), value)])


def said(found: Clock) -> tuple[str | None, str | None, str | None]:
    """(starts_on, due_on, reason) as texts."""
    return (
        found.starts_on.isoformat() if found.starts_on else None,
        found.due_on.isoformat() if found.due_on else None,
        found.reason,
    )
