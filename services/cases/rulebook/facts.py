"""The facts and commands of rules and calendars: rows of the service's table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import Field as Described
from pydantic import StringConstraints

from services.cases.calendars.checking import EARLIEST_YEAR, LATEST_YEAR, year_table
from services.cases.entries import world as worlds
from services.cases.entries.needs import Needs
from services.cases.entries.world import World
from services.cases.rulebook.checking import check_value
from shared.contracts.cases.rules import CalendarSet, RuleSet
from shared.http.forms import AreaCode, Data, Day, Name
from shared.writing.facts import Decision, Fact
from shared.writing.table import Access, CommandKind, FactKind

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Year = Annotated[int, Described(ge=EARLIEST_YEAR, le=LATEST_YEAR)]
Days = Annotated[list[Day], Described(max_length=366)]


@dataclass(frozen=True, slots=True)
class SetRule:
    """The rule has this value in an area, and in all areas within it without a value of their own, from `valid_from` on.

    `area` null: everywhere without one of its own. `GET /v1/rules` lists the rules with their national defaults and the form of each value.
    """

    name: RuleName
    valid_from: Day
    value: Data
    area: AreaCode | None = None


@dataclass(frozen=True, slots=True)
class SetCalendar:
    """The official arrangement of a year: weekdays work but for `holidays`, weekends rest but for `working_days`. `source`: the notice.

    It replaces what was known of the year, and the clocks that waited for it get their days.
    """

    year: Year
    holidays: Days
    working_days: Days
    source: Name


def _needs_rule(needs: Needs, command: SetRule) -> None:
    needs.streams.add(f"rule/{command.name}")
    if command.area is not None:
        needs.areas.add(command.area)


def _needs_calendar(needs: Needs, command: SetCalendar) -> None:
    needs.streams.add(f"calendar/{command.year}")


def _permit_rule(world: World, command: SetRule, access: Access) -> None:
    """The area must be granted; what holds everywhere needs every area."""
    if command.area is None:
        access.everywhere("area")
    else:
        access.area(world, command.area, "area")
        world.require_area(command.area, "area")


def _permit_calendar(_world: World, _command: SetCalendar, access: Access) -> None:
    """A calendar holds everywhere."""
    access.everywhere("year")


def set_rule(_world: World, command: SetRule, today: date) -> Decision:
    """The rule as a fact. Raises UNKNOWN_RULE, and what is wrong with the value (422)."""
    value = check_value(command.name, command.value)
    data = RuleSet(name=command.name, value=value, valid_from=command.valid_from, area=command.area)
    return Decision([Fact(f"rule/{command.name}", data, today)])


def set_calendar(_world: World, command: SetCalendar, today: date) -> Decision:
    """The arrangement as a fact. Raises what is wrong with a day (422)."""
    table = year_table(command.year, command.holidays, command.working_days, command.source)
    data = CalendarSet(year=command.year, holidays=sorted(table.holidays), working_days=sorted(table.working_days))
    return Decision([Fact(f"calendar/{command.year}", data, today, private={"source": command.source})])


FACTS: tuple[FactKind[World], ...] = (
    FactKind(contract=RuleSet, put=worlds.put_rule, drop=worlds.drop_rule),
    FactKind(contract=CalendarSet, put=worlds.put_calendar, drop=worlds.drop_calendar),
)
COMMANDS: tuple[CommandKind[Any, World], ...] = (
    CommandKind(
        op="rule",
        name="set_rule",
        path="/rules/{name}",
        path_form=RuleName,
        tags=["rules"],
        kind=SetRule,
        needs=_needs_rule,
        permit=_permit_rule,
        decide=set_rule,
    ),
    CommandKind(
        op="calendar",
        name="set_calendar",
        path="/calendars/{year}",
        path_form=Year,
        method="PUT",
        tags=["calendars"],
        kind=SetCalendar,
        needs=_needs_calendar,
        permit=_permit_calendar,
        decide=set_calendar,
    ),
)
