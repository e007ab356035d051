"""An earlier fact was wrong: what may be changed about it, and what must still hold afterwards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.membership.domain import coverage, members, unions
from services.membership.domain.commands import Correct
from services.membership.domain.dates import read_day
from services.membership.domain.evolve import evolve
from services.membership.domain.state import (
    ENTERPRISE_CLOSED,
    LAST_UNIT_CLOSED,
    RESERVED_REASONS,
    UNION_DISSOLVED,
    CoverageFact,
    Fact,
    World,
)
from shared import contracts
from shared.contracts import Event, plain
from shared.contracts.membership import CoverageEnded, CoverageStarted, MemberJoined, MemberLeft, UnionDissolved, UnionFounded, UnionKind
from shared.contracts.streams import FactCorrected, Placed
from shared.journal.reasons import Reason
from shared.problems.errors import Conflict, NotFound, Unprocessable

FORMS = {
    "name": re.compile(r"(?=.*\S)[^\x00-\x1f\x7f]{1,200}"),
    "seat_area": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "reason": re.compile(r"[A-Za-z0-9_.-]{1,64}"),
}
DATE_FIELDS = {
    UnionFounded: ("approved_on", "occurred_on"),
    UnionDissolved: ("on", "occurred_on"),
    CoverageStarted: ("on", "occurred_on"),
    CoverageEnded: ("on", "occurred_on"),
    MemberJoined: ("joined_on", "occurred_on"),
    MemberLeft: ("on", "occurred_on"),
}
OTHER_FIELDS: dict[type[Event], tuple[str, ...]] = {
    UnionFounded: ("name", "seat_area"),
    UnionDissolved: ("reason",),
    CoverageEnded: ("reason",),
    MemberLeft: ("reason",),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A fact that a correction names: its stream, rank and type, the event that said it last, and its content; None: withdrawn."""

    subject: str
    rank: int
    fact: str
    latest: UUID | None
    placed: Placed | None


def correct(world: World, command: Correct, target: Target, today: date) -> list[Fact]:
    """The correction as a fact, evolved into `world` already, and what follows from it.

    Raises ALREADY_CORRECTED, FACT_WITHDRAWN (409), NOT_CORRECTABLE, a field's own error (422), and what would no
    longer hold afterwards (409).
    """
    if target.latest != command.corrects:
        raise already_corrected(target.latest)
    if target.placed is None:
        raise Conflict("FACT_WITHDRAWN", field="corrects", params={"event": str(command.corrects)})
    before = contracts.fact(target.fact, target.placed.data)
    if type(before) not in DATE_FIELDS:
        raise Unprocessable("NOT_CORRECTABLE", field="corrects", params={"field": target.fact})
    if isinstance(before, UnionDissolved) and before.reason == LAST_UNIT_CLOSED:
        # It follows from the closures, and is corrected with them.
        raise Unprocessable("RESERVED_REASON", field="corrects", params={"reason": before.reason})
    replacement = None if command.data is None else _changed(target.placed, before, command.data, today)
    if isinstance(before, UnionFounded) and replacement is not None:
        world.require_area(replacement.data["seat_area"], "data.seat_area")
    data = FactCorrected(
        corrects=command.corrects,
        fact=target.fact,
        rank=target.rank,
        reason=command.reason.code,
        withdrawn=target.placed,
        replacement=replacement,
        note_id=command.reason.note_id,
    )
    said = Fact(target.subject, data, replacement.occurred_on if replacement else target.placed.occurred_on)
    require_possible(world, before)
    evolve(world, said)
    followed: list[Fact] = []
    if isinstance(before, UnionDissolved):
        followed = follow(world, before, command.reason)
    elif isinstance(before, CoverageStarted) and replacement is None:
        followed = follow_start(world, before, command.reason)
    require_whole(world, before)
    return [said, *followed]


def unknown_event(corrects: UUID) -> Unprocessable:
    """No event of this service has that id."""
    return Unprocessable("UNKNOWN_EVENT", field="corrects", params={"event": str(corrects)})


def already_corrected(latest: UUID | None) -> Conflict:
    """The event named was corrected; `latest` is the one to name instead, None if it has no id yet (an earlier line of the batch)."""
    return Conflict("ALREADY_CORRECTED", field="corrects", params={"latest": str(latest or "")})


def _changed(placed: Placed, before: Event, data: dict[str, Any], today: date) -> Placed:
    """The fact's content with the fields of `data` in it; those left out stay."""
    on, values = placed.occurred_on, dict(placed.data)
    for name, value in data.items():
        field = f"data.{name}"
        if name in DATE_FIELDS[type(before)]:
            on = read_day(value, today, field)
            continue
        if name not in OTHER_FIELDS.get(type(before), ()):
            raise Unprocessable("NOT_CORRECTABLE", field=field, params={"field": name})
        if name == "reason" and (value in RESERVED_REASONS or values["reason"] in RESERVED_REASONS):
            raise Unprocessable("RESERVED_REASON", field=field, params={"reason": str(value)})
        if name == "reason":
            values.pop("note_id", None)
        if name == "name" and value is None:
            values.pop(name, None)
        elif isinstance(value, str) and FORMS[name].fullmatch(value):
            values[name] = value
        else:
            raise Unprocessable("INVALID_VALUE", field=field)
    if (on, values) == (placed.occurred_on, placed.data):
        raise Unprocessable("NOTHING_TO_CHANGE", field="data")
    return Placed(on, values)


def require_possible(world: World, before: Event) -> None:
    """What the state must hold for the fact to be taken out of it."""
    match before:
        case MemberJoined() | MemberLeft():
            if before.membership_id not in world.memberships:
                raise NotFound("UNKNOWN_MEMBER", field="corrects", params={"member": str(before.membership_id)})
        case UnionFounded() | UnionDissolved() | CoverageStarted() | CoverageEnded():
            if before.union_id not in world.unions:
                raise NotFound("UNKNOWN_UNION", field="corrects", params={"union": str(before.union_id)})


def follow(world: World, before: UnionDissolved, reason: Reason) -> list[Fact]:
    """The ends of coverage that came with a dissolution go where it goes."""
    union = world.unions[before.union_id]
    on = union.dissolved.on if union.dissolved else None
    return [_moved(world, end, on, reason) for end in world.coverage_of(union.id) if not end.started and end.reason == UNION_DISSOLVED]


def follow_start(world: World, before: CoverageStarted, reason: Reason) -> list[Fact]:
    """With a start that is withdrawn goes the end that the service itself gave it: nobody else could take that back."""
    said: list[Fact] = []
    active = False
    for fact in coverage.facts_between(world, before.union_id, before.enterprise_id):
        if not fact.started and not active and fact.reason in (ENTERPRISE_CLOSED, UNION_DISSOLVED):
            said.append(_moved(world, fact, None, reason))
        active = fact.started
    return said


def _moved(world: World, end: CoverageFact, on: date | None, reason: Reason) -> Fact:
    """The correction of an end of coverage, evolved into `world`: another date, or (`on` None) no end at all."""
    if end.event_id is None:
        raise already_corrected(None)
    placed = Placed(end.on, _plain_end(end))
    data = FactCorrected(
        corrects=end.event_id,
        fact="parkunion.coverage-ended.v1",
        rank=end.rank,
        reason=reason.code,
        withdrawn=placed,
        replacement=replace_date(placed, on),
        note_id=reason.note_id,
    )
    said = Fact(f"enterprise/{end.enterprise_id}", data, on or end.on)
    evolve(world, said)
    return said


def replace_date(placed: Placed, on: date | None) -> Placed | None:
    """The same content from another date on; None for nothing."""
    return None if on is None else Placed(on, placed.data)


def _plain_end(end: CoverageFact) -> dict[str, Any]:
    return plain(
        CoverageEnded(enterprise_id=end.enterprise_id, union_id=end.union_id, kind=end.kind, reason=end.reason or "", note_id=end.note_id)
    )


def require_whole(world: World, before: Event) -> None:
    """What must hold after the correction, as it must after any command."""
    match before:
        case UnionFounded() | UnionDissolved():
            _require_whole_union(world, before.union_id)
        case CoverageStarted() | CoverageEnded():
            _require_whole_coverage(world, before.union_id, before.enterprise_id)
        case MemberJoined() | MemberLeft():
            _require_whole_membership(world, before)


def _require_whole_union(world: World, union_id: UUID) -> None:
    facts = world.coverage_of(union_id)
    union = world.unions.get(union_id)
    if union is None:
        if facts:
            raise Conflict("STILL_COVERS", field="corrects", params={"union": str(union_id)})
        return
    first = min((fact.on for fact in facts), default=union.founded_on)
    if first < union.founded_on:
        raise Conflict("BEFORE_FOUNDING", field="data", params={"founded_on": union.founded_on.isoformat()})
    if union.dissolved is not None:
        unions.require_end_after_all(world, union, union.dissolved.on)
    for enterprise_id in {fact.enterprise_id for fact in facts}:
        _require_whole_coverage(world, union_id, enterprise_id)


def _require_whole_coverage(world: World, union_id: UUID, enterprise_id: UUID) -> None:
    union = world.unions[union_id]
    own = coverage.facts_between(world, union_id, enterprise_id)
    for period in coverage.periods(own):
        if period.started_on < union.founded_on:
            raise Conflict("BEFORE_FOUNDING", field="data", params={"founded_on": union.founded_on.isoformat()})
        if union.dissolved is not None and (period.ended_on is None or period.ended_on > union.dissolved.on):
            raise Conflict("ALREADY_DISSOLVED", field="data", params={"union": str(union_id), "on": union.dissolved.on.isoformat()})
        _require_end_with_closure(world, period)
        if union.kind == UnionKind.ENTERPRISE_UNION:
            coverage.require_free_for_own_union(world, enterprise_id, union_id, period.started_on, period.ended_on)


def _require_end_with_closure(world: World, period: coverage.Period) -> None:
    """What has closed is covered no longer. Raises ENTERPRISE_CLOSED (422)."""
    enterprise = world.enterprises.get(period.enterprise_id)
    if enterprise is None or enterprise.closed_on is None:
        return
    if period.ended_on is None or period.ended_on > max(enterprise.closed_on, period.started_on):
        params = {"enterprise": str(enterprise.id), "closed_on": enterprise.closed_on.isoformat()}
        raise Unprocessable("ENTERPRISE_CLOSED", field="corrects", params=params)


def _require_whole_membership(world: World, before: MemberJoined | MemberLeft) -> None:
    member = world.memberships[before.membership_id]
    if member.joined_on is None:
        if member.left_on is not None:
            raise Conflict("ALREADY_LEFT", field="corrects", params={"on": member.left_on.isoformat()})
        return
    if member.left_on is not None and member.left_on < member.joined_on:
        raise Conflict("BEFORE_JOINING", field="data", params={"joined_on": member.joined_on.isoformat()})
    if isinstance(before, MemberJoined):
        members.require_covered(world, member.union_id, member.enterprise_id, member.joined_on, "data.joined_on")
    members.require_member_nowhere(world, member.person, member.joined_on, member.left_on, "data", but_for=member.id)
