"""The rules and the calendar for one place: what decisions and clocks are computed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.cases.calendars.calendar import Calendar
from services.cases.rulebook.rulebook import Rulebook, Ruling

EVERYWHERE = "*"
"""Stands for the area of a value that was set for every area without one of its own."""


@dataclass(frozen=True, slots=True)
class Book:
    """`path`: the areas of the place, inside out. `version`: of the tables, raised with every change of them."""

    rules: Rulebook
    calendar: Calendar
    path: Sequence[str]
    version: int = 0

    def at(self, name: str, on: date) -> Ruling | None:
        """The value of a rule at the place on a day; None: nobody gave one (the reason NO_RULE)."""
        return self.rules.at(name, (*self.path, EVERYWHERE), on)
