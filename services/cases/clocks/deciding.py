"""All clocks of a case, a negotiation or a contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Literal, TypeAlias

from services.cases.calendars.calendar import Calendar
from services.cases.clocks.clock import Clock
from services.cases.clocks.counting import Counting, clock_of
from services.cases.clocks.families import dispute
from services.cases.clocks.families.agreements import contract_clocks, negotiation_clocks
from services.cases.clocks.families.court import court_clocks
from services.cases.clocks.families.inspection import inspection_clocks
from services.cases.clocks.families.letters import letter_clocks
from services.cases.clocks.families.limitation import limitation
from services.cases.clocks.happened import Happened, Timeline
from services.cases.rulebook.rulebook import Rulebook

Noun: TypeAlias = Literal["case", "negotiation", "contract"]


def clocks_of(noun: Noun, happened: Iterable[Happened], rules: Rulebook, path: Sequence[str], calendar: Calendar) -> list[Clock]:
    """Every clock that the facts have begun or made known. `path`: the subject's area and those around it, inside out.

    The outcome of a case stops what is open: a closed case asks nothing of its handler. Reopened, its clocks run as if they had never
    stopped, since a period of law does not wait for a file.
    """
    line = Timeline(happened)
    return OF[noun](line, Counting(rules, path, calendar, _closed_on(line)))


def _of_case(line: Timeline, counting: Counting) -> list[Clock]:
    mediation, *others = [clock_of(row, line, counting) for row in dispute.ROWS]
    found = [mediation, *limitation(line, counting), *others, *court_clocks(line, counting)]
    return [*(clock for clock in found if clock is not None), *inspection_clocks(line, counting), *letter_clocks(line, counting)]


def _closed_on(line: Timeline) -> date | None:
    """The day of the outcome, if it is the last word."""
    words = line.named("outcome", "reopened")
    return words[-1].on if words and words[-1].name == "outcome" else None


OF: Mapping[Noun, Callable[[Timeline, Counting], list[Clock]]] = {
    "case": _of_case,
    "negotiation": negotiation_clocks,
    "contract": contract_clocks,
}
"""{noun: its clocks}"""
