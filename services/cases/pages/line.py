"""Clocks on a line of days: where each bar, hatching and label stands, in the units of a drawing. Pure.

A row a clock: its name, a bar from its start to its last day, days that are left out, and what became of it. Today is a line through all.
To the left it reaches as far as the facts, to the right a few months behind today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

WIDE, NARROW = 900, 340
TOP, ROW, BAR = 26, 38, 10
"""Units: the axis, a row, a bar."""
BELOW_NAME = 18
MARGIN = 4
APART = 64
"""Units between two labels of the axis at least."""
STEPS = (1, 2, 3, 6, 12, 24, 60)
"""Months between two labels."""
MOST_MARKS = 200
LEAST_DAYS = 30
AHEAD = timedelta(days=120)
"""How far behind today the drawing reaches at most: a period of years would press all others together. What is due later runs to the edge."""
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar; `kind` is its class."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """The row of a clock; `clock` as answers show it. `due`: where its last day stands; None: it is not known, or beyond the drawing."""

    clock: dict[str, Any]
    y: int
    pieces: list[Piece]
    due: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """The drawing. `marks`: (x, day) of the axis; `happened`: where steps stand; `name`: tells drawings of one page apart."""

    name: str
    width: int
    height: int
    today: float
    marks: list[tuple[float, date]]
    happened: list[float]
    lanes: list[Lane] = field(default_factory=list)


def line_of(name: str, clocks: Sequence[dict[str, Any]], happened: Iterable[date], today: date, width: int = WIDE) -> Line | None:
    """The drawing of clocks that have begun; None if there is none. Dates of `clocks` are `date`s or None."""
    begun = [clock for clock in clocks if clock["starts_on"] is not None]
    if not begun:
        return None
    days = [today, *(day for day in happened), *(day for clock in begun for day in _days(clock))]
    first = min(days)
    last = max(min(max(days), today + AHEAD), first + timedelta(days=LEAST_DAYS))
    scale = (width - 2 * MARGIN) / (last - first).days

    def at(day: date) -> float:
        return round(MARGIN + (min(max(day, first), last) - first).days * scale, 1)

    lanes = [_lane(clock, TOP + ROW * number, at, today, last) for number, clock in enumerate(begun)]
    steps = sorted({at(day) for day in happened})
    return Line(name, width, TOP + ROW * len(begun) + 4, at(today), _marks(first, last, at), steps, lanes)


def _days(clock: dict[str, Any]) -> Iterable[date]:
    last = clock["due_on"] or clock["not_before"]
    return [day for day in (clock["starts_on"], last, clock["met_on"], clock["stopped_on"]) if day is not None]


def _lane(clock: dict[str, Any], y: int, at: Any, today: date, end: date) -> Lane:
    """Solid as far as the period has run or until it was done, pale from there to its last day, amber behind that; hatched where days are
    left out."""
    start, due = clock["starts_on"], clock["due_on"]
    ended = clock["met_on"] or clock["stopped_on"]
    until = ended if ended is not None and ended <= today else today
    last = due or clock["not_before"]
    run = max(start, min(until, last) if last is not None else until)
    pieces = [Piece(f"run {clock['state']}", at(start), at(run) - at(start))]
    if last is not None and last > run and ended is None:
        pieces.append(Piece("ahead" if due is not None else "ahead open", at(run), at(last) - at(run)))
    if due is not None and until > due and clock["state"] in ("overdue", "met_late"):
        pieces.append(Piece("late", at(due), at(until) - at(due)))
    for begin, resumed in clock["suspended"]:
        pieces.append(Piece("suspended", at(begin), at(resumed or until) - at(begin)))
    place = at(due) if due is not None and due <= end else None
    return Lane(clock, y, [piece for piece in pieces if piece.width > 0], place)


def _marks(first: date, last: date, at: Any) -> list[tuple[float, date]]:
    """The first days of months, so many months apart that their labels have room."""
    for step in STEPS:
        found: list[tuple[float, date]] = []
        month = first.year * MONTHS + first.month
        month += -month % step if step > 1 else 0
        while (day := date(month // MONTHS, month % MONTHS + 1, 1)) <= last and len(found) < MOST_MARKS:
            found.append((at(day), day))
            month += step
        if all(second[0] - one[0] >= APART for one, second in pairwise(found)):
            return found
    return []


DATES = ("starts_on", "due_on", "not_before", "met_on", "stopped_on")


def dated(clock: Mapping[str, Any]) -> dict[str, Any]:
    """A clock as answers show it, with dates in place of their texts."""
    days = {name: _day(clock[name]) for name in DATES}
    return {**clock, **days, "suspended": [(_day(begin), _day(end)) for begin, end in clock["suspended"]]}


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
