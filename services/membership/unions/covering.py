"""The command by which a union takes an enterprise in, or lets it go; coverage can be entered in any order."""

from __future__ import annotations

from services.membership.unions.commands import Cover
from services.membership.unions.coverage import EARLIER_END, FOLLOWED, corrected_end, end, end_with_union, start
from services.membership.unions.periods import Period, facts_between, own_end, periods, stated
from services.membership.world import (
    COVERAGE_ENDED,
    ENTERPRISE_CLOSED,
    CoverageFact,
    Union,
    World,
    enterprise_subject,
)
from shared.contracts import plain, type_of
from shared.contracts.membership import CoverageStarted, UnionKind
from shared.contracts.streams import FactCorrected, Placed
from shared.directory.known import EnterpriseId
from shared.journal.reasons import Reason
from shared.problems.errors import Conflict, Unprocessable
from shared.writing.facts import Fact

EARLIER_COVERAGE = "earlier_coverage"
"""The reason of corrections that the service records itself."""


def change(world: World, command: Cover) -> list[Fact]:
    """A union takes an enterprise in, or lets it go.

    Coverage can be entered in any order: a past one with both its dates, one without an end also after the union's dissolution, an end also
    after that which the service recorded for a closure or dissolution. Raises ALREADY_DISSOLVED, ALREADY_COVERED, COVERAGE_ORDER (409),
    BEFORE_FOUNDING, NOT_COVERED, ONE_UNIT_ONLY (422).
    """
    union = world.union(command.union_id)
    world.enterprise(command.enterprise_id)
    if not command.started:
        return [_end_by(world, union, command)]
    _require_within(union, command)
    _require_apart(world, union, command)
    if union.kind == UnionKind.ENTERPRISE_UNION and any(f.enterprise_id != command.enterprise_id for f in world.coverage_of(union.id)):
        raise Unprocessable("ONE_UNIT_ONLY", field="enterprise_id", params={"union": str(union.id)})
    dissolved_on = own_end(union)
    facts = [start(world, union, command.enterprise_id, command.on, until=command.ended_on or dissolved_on)]
    if command.ended_on is None and dissolved_on is not None:
        facts.append(end_with_union(world, union, command.enterprise_id, command.on, dissolved_on))
        return facts
    if command.ended_on is not None:
        facts.append(end(union, command.enterprise_id, command.ended_on, COVERAGE_ENDED))
        facts = _before_the_next(world, union, command, facts)
    _require_right(world, union, command, facts)
    return facts


def _before_the_next(world: World, union: Union, command: Cover, facts: list[Fact]) -> list[Fact]:
    """A coverage that ends on the day on which a recorded one begins: that beginning is recorded anew, behind the end.

    Facts of one day hold in the order in which they were recorded.
    """
    own = facts_between(world, union.id, command.enterprise_id)
    following = next((fact for fact in own if fact.started and fact.on == command.ended_on), None)
    if following is None:
        return facts
    data = CoverageStarted(enterprise_id=command.enterprise_id, union_id=union.id, kind=union.kind)
    again = Fact(enterprise_subject(command.enterprise_id), data, following.on)
    # What began after a closure ended on the same day; closures.py ends it again.
    ended = [fact for fact in own if fact.reason == ENTERPRISE_CLOSED and fact.on == following.on and fact.rank > following.rank]
    return [*(corrected_end(fact, None, Reason(EARLIER_COVERAGE)) for fact in ended), _never_began(following), *facts, again]


def _never_began(start: CoverageFact) -> Fact:
    """The correction of a beginning to nothing."""
    assert start.event_id is not None
    before = CoverageStarted(enterprise_id=start.enterprise_id, union_id=start.union_id, kind=start.kind)
    withdrawn = Placed(start.on, plain(before))
    data = FactCorrected(corrects=start.event_id, fact=type_of(before), rank=start.rank, reason=EARLIER_COVERAGE, withdrawn=withdrawn)
    return Fact(enterprise_subject(start.enterprise_id), data, start.on)


def _require_right(world: World, union: Union, command: Cover, facts: list[Fact]) -> None:
    """The periods are those there were and the new one. Raises COVERAGE_ORDER (409)."""
    before = periods(facts_between(world, union.id, command.enterprise_id))
    after = periods(facts_between(world.after(facts), union.id, command.enterprise_id))
    new = Period(EnterpriseId(command.enterprise_id), union.id, command.on, command.ended_on)
    if sorted(after, key=repr) != sorted([*before, new], key=repr):
        raise Conflict("COVERAGE_ORDER", field="on", params={"on": command.on.isoformat()})


def _end_by(world: World, union: Union, command: Cover) -> Fact:
    """The end, or the correction of one that followed from the union's dissolution or the enterprise's closure, whatever its day."""
    own = facts_between(world, union.id, command.enterprise_id)
    last = own[-1] if own else None
    dissolved_on = own_end(union)
    if dissolved_on is not None and command.on > dissolved_on:
        raise _dissolved(union)
    if last is not None and last.started and command.on >= last.on:
        return end(union, command.enterprise_id, command.on, COVERAGE_ENDED)
    if last is not None and last.reason in FOLLOWED and own[-2].on <= command.on:
        return corrected_end(last, command.on, Reason(EARLIER_END), ends_by=COVERAGE_ENDED)
    raise Unprocessable("NOT_COVERED", field="on", params={"enterprise": str(command.enterprise_id), "on": command.on.isoformat()})


def _require_within(union: Union, command: Cover) -> None:
    """Coverage lies within the life of the union. Raises BEFORE_FOUNDING, ENDED_BEFORE_IT_BEGAN (422), ALREADY_DISSOLVED (409)."""
    if command.on < union.founded_on:
        raise Unprocessable("BEFORE_FOUNDING", field="on", params={"founded_on": union.founded_on.isoformat()})
    if command.ended_on is not None and command.ended_on <= command.on:
        raise Unprocessable("ENDED_BEFORE_IT_BEGAN", field="ended_on", params={"on": command.on.isoformat()})
    # A union that ended with its last unit did not, if it covers another one.
    dissolved_on = own_end(union)
    if dissolved_on is not None and (command.ended_on or command.on) > dissolved_on:
        raise _dissolved(union)


def _require_apart(world: World, union: Union, command: Cover) -> None:
    """Coverages of one enterprise by one union do not overlap.

    Raises ALREADY_COVERED, COVERAGE_ORDER (409).
    """
    for period in stated(world, union.id, command.enterprise_id):
        if period.ended_on is None and command.ended_on is None:
            params = {"enterprise": str(command.enterprise_id), "union": str(union.id)}
            raise Conflict("ALREADY_COVERED", field="enterprise_id", params=params)
        if (command.ended_on is None or period.started_on < command.ended_on) and (period.ended_on is None or command.on < period.ended_on):
            raise Conflict("COVERAGE_ORDER", field="on", params={"on": (period.ended_on or period.started_on).isoformat()})


def _dissolved(union: Union) -> Conflict:
    on = union.dissolved.on.isoformat() if union.dissolved else ""
    return Conflict("ALREADY_DISSOLVED", field="union_id", params={"union": str(union.id), "on": on})
