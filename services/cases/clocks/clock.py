"""A clock of a case, negotiation or contract, and what it is on a day."""

from __future__ import annotations

from datetime import date

import msgspec

from services.cases.clocks.names import Reason, State
from services.cases.clocks.periods import DayKind


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """One clock by all that is known. It depends on facts, rules and calendar, and on no day of asking; `state` does.

    `clock`: its name. `party`: whom it binds, if there are several or the fact says so. `document`: the letter it waits for.
    `begun_by`: the rank of the fact from which it runs; with name and party it tells one clock of a subject from another.
    `starts_on`: the day of that fact, None if the clock has not begun (`reason` says why). `due_on`: the last day; None with a `reason`.
    `not_before`: a true lower bound of the last day; `due_on` itself if it is known, None if nothing can be said.
    `days`: the length of the period in units of `day_kind`, without `extended_days`; None if no period was counted (a letter's own date).
    `law`, `article`: where the period comes from. `rule_version`: the value that was used.
    `missing_year`: the year whose working days are needed, with CALENDAR_ENDS.
    `met_on`: the day on which what is asked for was done; `stopped_on`: the day on which it no longer mattered. At most one is set.
    `suspended`: the days left out, each interval from its first day to the first that counts again, or open.
    """

    clock: str
    party: str | None = None
    document: str | None = None
    begun_by: int | None = None
    starts_on: date | None = None
    due_on: date | None = None
    not_before: date | None = None
    days: int | None = None
    day_kind: DayKind | None = None
    extended_days: int = 0
    law: str
    article: str | None = None
    rule_version: str | None = None
    reason: Reason | None = None
    missing_year: int | None = None
    met_on: date | None = None
    stopped_on: date | None = None
    suspended: tuple[tuple[date, date | None], ...] = ()


def state(clock: Clock, as_of: date) -> State:
    """What the clock is on a day: on its due day it runs, on the day after it is overdue.

    One that has not begun, or whose due day is not known, runs. What was done when the due day was not known was done in time.
    """
    if clock.stopped_on is not None and as_of >= clock.stopped_on:
        return State.STOPPED
    if clock.met_on is not None and as_of >= clock.met_on:
        return State.MET if clock.due_on is None or clock.met_on <= clock.due_on else State.MET_LATE
    if any(begin <= as_of and (end is None or as_of < end) for begin, end in clock.suspended):
        return State.SUSPENDED
    return State.OVERDUE if clock.due_on is not None and as_of > clock.due_on else State.RUNNING
