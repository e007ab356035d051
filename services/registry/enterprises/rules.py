"""Decisions on enterprises, and the effects of their facts. Warnings are codes: the fact is recorded all the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from uuid import UUID

from services.registry.enterprises import credit_code as credit_codes
from services.registry.enterprises import registration_number as registration_numbers
from services.registry.enterprises.enterprise import Enterprise, enterprise_of, enterprise_subject
from services.registry.enterprises.sizing import SIZED, after_entry, sized
from services.registry.naming import name_key
from services.registry.world import World
from shared.contracts import Event
from shared.contracts.registry import EnterpriseClosed, EnterpriseMoved, EnterpriseReclassified, EnterpriseRegistered, HeadcountReported
from shared.journal.reasons import Reason
from shared.problems.days import require_day
from shared.problems.errors import Conflict, Unprocessable
from shared.writing.facts import Decision, Fact, History, Standing


@dataclass(frozen=True, slots=True)
class RegisterEnterprise:
    """An enterprise settled in a park."""

    enterprise_id: UUID
    name: str
    credit_code: str | None
    park: str
    industry: str | None
    ownership: str | None
    settled_on: date
    registration_number: str | None = None
    accept_wrong_check: bool = False


@dataclass(frozen=True, slots=True)
class ReportHeadcount:
    """So many workers on that day."""

    enterprise_id: UUID
    on: date
    workers: int


@dataclass(frozen=True, slots=True)
class Move:
    """The enterprise goes to another park."""

    enterprise_id: UUID
    on: date
    park: str


@dataclass(frozen=True, slots=True)
class Reclassify:
    """Industry, ownership or yearly revenue from that day on; None stays as it was."""

    enterprise_id: UUID
    on: date
    industry: str | None
    ownership: str | None
    revenue_fen: int | None


@dataclass(frozen=True, slots=True)
class Close:
    """The enterprise no longer operates from that day on."""

    enterprise_id: UUID
    on: date
    reason: Reason


Change: TypeAlias = ReportHeadcount | Move | Reclassify | Close
"""A command about an enterprise that exists."""


def register(world: World, command: RegisterEnterprise, today: date) -> Decision:
    """An enterprise settles in a park.

    Raises DATE_OUT_OF_RANGE, UNKNOWN_PARK, NOT_A_PARK, WRONG_CHECK_CHARACTER (422), DUPLICATE_CREDIT_CODE, DUPLICATE_REGISTRATION_NUMBER
    (409). Warns PROBABLE_DUPLICATE, WRONG_CHECK_DIGIT and, if that was asked for, WRONG_CHECK_CHARACTER.
    """
    findings = wrong_checks(command.credit_code, command.registration_number)
    if "WRONG_CHECK_CHARACTER" in findings and not command.accept_wrong_check:
        raise Unprocessable("WRONG_CHECK_CHARACTER", field="credit_code")
    require_day(command.settled_on, today, "settled_on")
    park = world.park(command.park)
    require_free_codes(world, command.credit_code, command.registration_number, command.enterprise_id)
    data = EnterpriseRegistered(
        enterprise_id=command.enterprise_id,
        name=command.name,
        park=park.code,
        district=park.parent or "",
        credit_code=command.credit_code,
        industry=command.industry,
        ownership=command.ownership,
        registration_number=command.registration_number,
    )
    fact = Fact(enterprise_subject(command.enterprise_id), data, command.settled_on)
    warnings = [*warnings_of_name(world, command.name, command.park, command.enterprise_id), *findings]
    return Decision([fact], id=str(command.enterprise_id), warnings=warnings)


def report(world: World, command: ReportHeadcount, today: date) -> Decision:
    """A headcount, with the size class of its day. Raises DATE_OUT_OF_RANGE (422)."""
    require_day(command.on, today, "on")
    world.enterprise(command.enterprise_id)
    history = world.history(enterprise_subject(command.enterprise_id))
    data = sized(history, HeadcountReported(workers=command.workers), (command.on, history.sequence + 1))
    return _changed(world, command, data)


def move(world: World, command: Move, today: date) -> Decision:
    """The enterprise goes to another park.

    Raises DATE_OUT_OF_RANGE, UNKNOWN_PARK, NOT_A_PARK, MOVED_BEFORE_SETTLING (422).
    """
    require_day(command.on, today, "on")
    enterprise = world.enterprise(command.enterprise_id)
    park = world.park(command.park)
    require_settled(enterprise, command.on, "on")
    return _changed(world, command, EnterpriseMoved(park=park.code, district=park.parent or ""))


def reclassify(world: World, command: Reclassify, today: date) -> Decision:
    """Industry, ownership or revenue change; the size class is decided anew.

    Raises NOTHING_TO_CHANGE, DATE_OUT_OF_RANGE (422).
    """
    require_day(command.on, today, "on")
    world.enterprise(command.enterprise_id)
    if command.industry is None and command.ownership is None and command.revenue_fen is None:
        raise Unprocessable("NOTHING_TO_CHANGE", field="industry")
    history = world.history(enterprise_subject(command.enterprise_id))
    data = EnterpriseReclassified(industry=command.industry, ownership=command.ownership, revenue_fen=command.revenue_fen)
    return _changed(world, command, sized(history, data, (command.on, history.sequence + 1)))


def close(world: World, command: Close, today: date) -> Decision:
    """The enterprise ceases to operate, once. Raises ALREADY_CLOSED (409), DATE_OUT_OF_RANGE, CLOSED_BEFORE_SETTLING (422)."""
    require_day(command.on, today, "on")
    enterprise = world.enterprise(command.enterprise_id)
    if enterprise.closed_on is not None:
        raise Conflict("ALREADY_CLOSED", field="enterprise_id", params={"closed_on": enterprise.closed_on.isoformat()})
    require_not_closed_before_settling(enterprise.settled_on, command.on, "on")
    return _changed(world, command, EnterpriseClosed(reason=command.reason.code, note_id=command.reason.note_id))


def _changed(
    world: World, command: Change, data: EnterpriseMoved | EnterpriseClosed | HeadcountReported | EnterpriseReclassified
) -> Decision:
    """The fact, with the corrections of later facts that follow from it."""
    enterprise = world.enterprise(command.enterprise_id)
    fact = Fact(enterprise_subject(enterprise.id), data, command.on)
    history = world.history(fact.subject)
    followed = after_entry(history, fact) if isinstance(data, SIZED) else []
    return Decision([fact, *followed], id=str(enterprise.id), warnings=warnings_of(enterprise, history, fact))


def require_free_codes(world: World, credit_code: str | None, number: str | None, enterprise_id: UUID, path: str = "") -> None:
    """Raises DUPLICATE_CREDIT_CODE, DUPLICATE_REGISTRATION_NUMBER (409) if another enterprise has one of them; `path` precedes the field."""
    if credit_code is not None and world.codes.get(credit_code, enterprise_id) != enterprise_id:
        raise Conflict("DUPLICATE_CREDIT_CODE", field=f"{path}credit_code", params={"credit_code": credit_code})
    if number is not None and world.codes.get(number, enterprise_id) != enterprise_id:
        raise Conflict("DUPLICATE_REGISTRATION_NUMBER", field=f"{path}registration_number", params={"registration_number": number})


def wrong_checks(credit_code: str | None, number: str | None) -> list[str]:
    """WRONG_CHECK_CHARACTER of a credit code, WRONG_CHECK_DIGIT of a registration number: codes that fail are in use (DOMAIN.md, Identifiers)."""
    found = ["WRONG_CHECK_CHARACTER"] if credit_code is not None and not credit_codes.checks(credit_code) else []
    return [*found, "WRONG_CHECK_DIGIT"] if number is not None and not registration_numbers.checks(number) else found


def require_settled(enterprise: Enterprise, on: date, field: str) -> None:
    """No move before the settling. Raises MOVED_BEFORE_SETTLING (422)."""
    if on < enterprise.settled_on:
        raise Unprocessable("MOVED_BEFORE_SETTLING", field=field, params={"settled_on": enterprise.settled_on.isoformat()})


def require_not_closed_before_settling(settled_on: date, closed_on: date, field: str) -> None:
    """Raises CLOSED_BEFORE_SETTLING (422)."""
    if closed_on < settled_on:
        raise Unprocessable("CLOSED_BEFORE_SETTLING", field=field, params={"settled_on": settled_on.isoformat()})


def warnings_of_name(world: World, name: str, park: str, enterprise_id: UUID) -> list[str]:
    """PROBABLE_DUPLICATE if the park has another enterprise whose name is written almost the same."""
    others = world.namesakes.get((park, name_key(name)), frozenset()) - {enterprise_id}
    return ["PROBABLE_DUPLICATE"] if others else []


def warnings_of(enterprise: Enterprise, history: History, fact: Fact) -> list[str]:
    """Of a new fact that is recorded although it is unusual; `history` is the stream before it. As `unusual`."""
    return unusual(enterprise, history, fact.data, (fact.on, history.sequence + 1))


def unusual(enterprise: Enterprise, others: History, data: Event, place: tuple[date, int]) -> list[str]:
    """Why a fact at the place (date, rank) is odd beside the other facts; the facts may have been entered in another order, so it is kept.

    BEFORE_SETTLED: it is dated before the enterprise settled, and counts from then on. AFTER_CLOSURE: it is dated after the closure, and
    does not count. FACTS_AFTER_CLOSURE: there are facts of days after this closure, which no longer count. SAME_PARK: the enterprise is in
    that park by then already, so the move changes nothing unless an earlier move away becomes known.
    """
    on = place[0]
    if isinstance(data, EnterpriseClosed):
        later = any(standing.data is not None and standing.on > on for standing in others.facts.values())
        return ["FACTS_AFTER_CLOSURE"] if later else []
    found = ["BEFORE_SETTLED"] if on < enterprise.settled_on else []
    if enterprise.closed_on is not None and on > enterprise.closed_on:
        found.append("AFTER_CLOSURE")
    if isinstance(data, EnterpriseMoved) and (before := enterprise_of(others, before=place)) and before.park == data.park:
        found.append("SAME_PARK")
    return found


def put(world: World, standing: Standing, _: object = None) -> None:
    """The enterprise as its stream has it now."""
    after = enterprise_of(world.history(standing.subject))
    enterprise_id = after.id if after else UUID(standing.subject.partition("/")[2])
    world.touched_enterprises.add(enterprise_id)
    before = world.enterprises.pop(enterprise_id, None)
    if after is not None:
        world.enterprises[enterprise_id] = after
        if before is not None and before.unique() == after.unique():
            # Most facts are headcounts.
            return
    if before is not None:
        for code in before.codes():
            if world.codes.get(code) == enterprise_id:
                del world.codes[code]
        name = (before.park, name_key(before.name))
        world.namesakes[name] = world.namesakes.get(name, frozenset()) - {enterprise_id}
    if after is not None:
        world.codes |= dict.fromkeys(after.codes(), enterprise_id)
        name = (after.park, name_key(after.name))
        world.namesakes[name] = world.namesakes.get(name, frozenset()) | {enterprise_id}
        world.in_use.add(after.park)


def drop(world: World, standing: Standing) -> None:
    """As `put`: the stream no longer has the fact."""
    put(world, standing)
