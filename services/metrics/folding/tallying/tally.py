"""What is tallied, a fact of a matter, and the types of tallies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

import msgspec

from services.metrics.folding.coverage import FOREVER
from services.metrics.matters import (
    MatterContent,
)
from services.metrics.tables.rows import Cell


class Name(StrEnum):
    """What is tallied, with what `code` and `value` are; 0 and the empty text where nothing is said."""

    CASE_OPEN = "case_open"
    """Open cases: kind of case; the day reported on, as days since 1970-01-01."""
    CASE_OPEN_COLLECTIVE = "case_open_collective"
    CASE_OPEN_PROXY = "case_open_proxy"
    CASE_OVERDUE = "case_overdue"
    """Open cases of which a clock passed its due day: kind of case."""
    CASE_CLOSED = "case_closed"
    """Cases that are closed: kind of case; the days from the report to the closing."""
    CASE_OPENED = "case_opened"
    """Reports of cases (event): kind of case."""
    CASE_OPENED_COVERED = "case_opened_covered"
    """Of these, of enterprises that a union covers on that day."""
    CASE_OPENED_COLLECTIVE = "case_opened_collective"
    CASE_OPENED_PROXY = "case_opened_proxy"
    MEDIATION_SETTLED = "mediation_settled"
    """Mediations settled (event): kind of case."""
    MEDIATION_FAILED = "mediation_failed"
    LETTER_IN_TIME = "letter_in_time"
    """Supervision letters answered by their due day (event, on the day of the answer): document."""
    LETTER_LATE = "letter_late"
    """Supervision letters whose due day passed without an answer (event, on the day after it): document."""
    CONTRACT = "contract"
    """Units with a contract in effect: kind of contract; with none, those with any."""
    CONTRACT_WORKERS = "contract_workers"
    """Their workers."""
    WAGE_NEGOTIATION = "wage_negotiation"
    """Units with a wage contract in effect, or with a result of a wage negotiation in the last twelve months."""
    CONGRESS = "congress"
    """Units with a workers' congress in the last twelve months."""
    HARMONIOUS = "harmonious"
    """Units with a valid assessment."""
    HARDSHIP = "hardship"
    """Hardship files that are in force: class."""
    AID_PAYMENT = "aid_payment"
    """Payments (event): fund."""
    AID_FEN = "aid_fen"
    """What they paid (event), in fen: fund."""
    HELP = "help"
    """Employment help (event): kind."""


EVENTS = frozenset(
    (
        *(Name.CASE_OPENED, Name.CASE_OPENED_COVERED, Name.CASE_OPENED_COLLECTIVE, Name.CASE_OPENED_PROXY),
        *(Name.MEDIATION_SETTLED, Name.MEDIATION_FAILED, Name.LETTER_IN_TIME, Name.LETTER_LATE),
        *(Name.AID_PAYMENT, Name.AID_FEN, Name.HELP),
    )
)
"""What is counted in a window; all others are states on a day."""


class MatterFact(msgspec.Struct, array_like=True, frozen=True):
    """One fact of a matter. Its fields, and how it is stored, are those of `coverage.AttributeFact`."""

    kind: str
    occurred: int
    rank: int
    known: int
    until: int
    content: MatterContent


Entry: TypeAlias = tuple[Cell, int, str, str, int]
"""(cell, effective day, name, code, value)"""
Tallies: TypeAlias = Mapping[Entry, int]
"""{entry: step}"""
NONE: Tallies = {}

Span: TypeAlias = tuple[int, int]
"""From a day to before another."""


@lru_cache(maxsize=16_384)
def year_after(day: int) -> int:
    """The first day that is twelve months after another: of 29 February, 1 March."""
    on = date.fromordinal(day)
    if on.year == date.max.year:
        return FOREVER
    try:
        return on.replace(year=on.year + 1).toordinal()
    except ValueError:
        return date(on.year + 1, 3, 1).toordinal()


@lru_cache(maxsize=16_384)
def ordinal(day: str) -> int:
    """A day of a matter's content as an ordinal."""
    return date.fromisoformat(day).toordinal()


def day_after(day: str | None) -> int:
    """The day after a last day; FOREVER without one."""
    return FOREVER if day is None else min(ordinal(day) + 1, FOREVER)
