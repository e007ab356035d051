"""What is kept although it is odd beside the other facts: warnings of a coverage or a membership that begins or ends.

The other facts may as well become known later, so none of this is refused (docs/adr/0021-closures-refuse-nothing.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from services.membership.unions import periods
from services.membership.unions.commands import Cover
from services.membership.world import LAST_UNIT_CLOSED, World
from shared.problems.errors import Notice
from shared.writing.facts import Fact


def beside_enterprise(world: World, enterprise_id: UUID, on: date) -> list[str | Notice]:
    """The warnings that what begins on a date begins before the enterprise settled, or after it closed."""
    enterprise = world.enterprises[enterprise_id]
    found: list[str | Notice] = ["BEFORE_SETTLED"] if on < enterprise.settled_on else []
    if enterprise.closed_on is not None and on >= enterprise.closed_on:
        found.append("AFTER_CLOSURE")
    return found


def of_coverage(world: World, command: Cover, facts: Iterable[Fact]) -> list[str | Notice]:
    """The warnings of a coverage that begins or ends: beside the enterprise's dates, and beside the union's end. `facts`: what it leads to."""
    union = world.unions[command.union_id]
    if not command.started:
        closed_on = world.enterprises[command.enterprise_id].closed_on
        return ["AFTER_CLOSURE"] if closed_on is not None and command.on > closed_on else []
    found = beside_enterprise(world, command.enterprise_id, command.on)
    if union.dissolved is not None and union.dissolved.reason == LAST_UNIT_CLOSED:
        if world.after(facts).unions[union.id].dissolved != union.dissolved:
            found.append(Notice("UNION_GOES_ON", {"on": union.dissolved.on.isoformat()}))
    elif union.dissolved is not None and command.ended_on is None:
        found.append(Notice("ENDS_WITH_UNION", {"on": union.dissolved.on.isoformat()}))
    return found


def of_joining(world: World, union_id: UUID, enterprise_id: UUID, on: date) -> list[str | Notice]:
    """The warnings of a membership that begins on a date: as `beside_enterprise`, and if the union's coverage of the enterprise was over by then."""
    found = beside_enterprise(world, enterprise_id, on)
    ends = [fact.on for fact in periods.facts_between(world, union_id, enterprise_id) if not fact.started and fact.on <= on]
    if "AFTER_CLOSURE" not in found and ends and not periods.covers(world, union_id, enterprise_id, on):
        found.append(Notice("NO_LONGER_COVERED", {"on": max(ends).isoformat()}))
    return found
