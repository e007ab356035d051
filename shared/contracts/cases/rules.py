"""Tables of rules and calendars, set by API, and the days that clocks passed."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from shared.contracts.envelope import Event


class RuleSet(Event, frozen=True, kw_only=True):
    """The rule `name` has `value` in `area` (None: everywhere without one of its own) from `valid_from` on. Subject `rule/<name>`.

    `occurredon` is the day on which it was set.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    name: str
    value: dict[str, Any]
    valid_from: date
    area: str | None = None


class CalendarSet(Event, frozen=True, kw_only=True):
    """The official arrangement of a year: its holidays, and the days of weekends that are worked. Subject `calendar/<year>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    year: int
    holidays: list[date]
    working_days: list[date]


class ClockOverdue(Event, frozen=True, kw_only=True):
    """The day `due_on` of a clock passed without what it waits for; `occurredon` is the day after. Said once for each clock and due day.

    `noun` and `id` name whose clock it is: a case, a negotiation or a contract. `begun_by`: the sequence of the fact from which it ran, which
    tells several clocks of one name from each other.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("noun", "id", "enterprise_id", "clock", "party", "due_on")

    noun: str
    id: UUID
    enterprise_id: UUID
    clock: str
    due_on: date
    party: str | None = None
    begun_by: int | None = None
    rule_version: str | None = None


TYPES: dict[str, type[Event]] = {
    "parkunion.rule-set.v1": RuleSet,
    "parkunion.calendar-set.v1": CalendarSet,
    "parkunion.clock-overdue.v1": ClockOverdue,
}
