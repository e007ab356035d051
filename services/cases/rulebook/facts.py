"""The facts and commands of rules and calendars: rows of the service's table."""

from __future__ import annotations

from datetime import date
from typing import Any

from services.cases.calendars.checking import year_table
from services.cases.entries import world as worlds
from services.cases.entries.needs import Needs
from services.cases.entries.world import World
from services.cases.rulebook.bodies import RuleName, SetCalendar, SetRule, Year
from services.cases.rulebook.checking import check_value
from shared.contracts.cases.rules import CalendarSet, RuleSet
from shared.writing.facts import Decision, Fact
from shared.writing.table import Access, CommandKind, FactKind


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
    table = year_table(int(command.year), command.holidays, command.working_days, command.source)
    data = CalendarSet(year=table.year, holidays=sorted(table.holidays), working_days=sorted(table.working_days))
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
