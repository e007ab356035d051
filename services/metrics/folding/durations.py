"""D(F, t): how long one enterprise waited, or has waited, for a union on business day t, as a step function of its facts.

It *starts* on the first day on which the enterprise operates and should organise on basis ALL: the day of settling, or the day on which it
is eligible, if later. Until the first day on which it is covered it is *waiting*, from then on *founded*, whatever becomes of the coverage.
Covered before it starts counts 0 days; covered before settling and no longer then counts nothing (`BEFORE_SETTLED`). Once closed it is
none of the units of the day. Read off the shape of C(F, t), so it has the same facts and constants, and members do not change it
(docs/design/DOMAIN.md, time_to_found; docs/adr/0010-time-to-found.md).
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from datetime import date
from typing import NamedTuple

from services.metrics.folding.coverage import Segment
from services.metrics.measures import vector
from services.metrics.tables.rows import FOUNDED, WAITING, Cell, DurationKey, Kind

EPOCH = date(1970, 1, 1).toordinal()
"""Start days are stored as days since it, so that SQL reads them as DATE '1970-01-01' + value."""

_SHOULD_ORGANISE = vector(should_organise_all=1)
_COVERED = vector(covered_units=1)


class Duration(NamedTuple):
    """One enterprise in `cell`: founded after `value` days, or waiting since the start day `value` (days since 1970-01-01).

    The days waited as of t are t less the start day, so a day that passes needs no row.
    """

    cell: Cell
    kind: Kind
    value: int


class Span(NamedTuple):
    """What holds from `start` to the next span; None: nothing."""

    start: int
    duration: Duration | None


def days_of(kind: Kind, value: int, as_of: date) -> int:
    """The days that an enterprise waited, or has been waiting by `as_of`."""
    return value if kind == FOUNDED else as_of.toordinal() - EPOCH - value


def spans(shape: Sequence[Segment]) -> list[Span]:
    """D as a step function, in order. It is empty before the first span; the last span has no end."""
    found = list[Span]()
    started: int | None = None
    covered: int | None = None
    before: Duration | None = None
    for segment in shape:
        duration = None
        if segment.cell is not None:
            if started is None and segment.base & _SHOULD_ORGANISE:
                started = segment.start
            if covered is None and segment.base & _COVERED:
                covered = segment.start
            if started is not None:
                waited = (WAITING, started - EPOCH) if covered is None else (FOUNDED, max(0, covered - started))
                duration = Duration(segment.cell, *waited)
        if duration != before:
            found.append(Span(segment.start, duration))
            before = duration
    return found


def add_durations(before: Sequence[Segment], after: Sequence[Segment], known: int, rows: MutableMapping[DurationKey, int]) -> None:
    """Add the steps of D with shape `after` less those with shape `before`, at a known day."""
    old, new = spans(before), spans(after)
    if old == new:
        return
    for steps, sign in ((old, -1), (new, 1)):
        last: Duration | None = None
        for start, duration in steps:
            if last is not None:
                key = (last.cell, start, known, last.kind, last.value)
                rows[key] = rows.get(key, 0) - sign
            if duration is not None:
                key = (duration.cell, start, known, duration.kind, duration.value)
                rows[key] = rows.get(key, 0) + sign
            last = duration
