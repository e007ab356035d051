"""Decisions on enterprises, and the effects of their facts. Warnings are codes: the fact is recorded all the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias, TypeVar
from uuid import UUID

from msgspec import structs

from services.registry.enterprises import credit_code as credit_codes
from services.registry.enterprises import registration_number as registration_numbers
from services.registry.enterprises.enterprise import Enterprise, enterprise_of, enterprise_subject
from services.registry.enterprises.size import SIZE_RULE, size_class
from services.registry.naming import name_key
from services.registry.world import World
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
    """A headcount, with the size class of its day. Raises DATE_OUT_OF_RANGE, AFTER_CLOSURE (422)."""
    require_day(command.on, today, "on")
    require_open(world.enterprise(command.enterprise_id), command.on, "on")
    history = world.history(enterprise_subject(command.enterprise_id))
    data = sized(history, HeadcountReported(workers=command.workers), (command.on, history.sequence + 1))
    return _changed(world, command, data)


def move(world: World, command: Move, today: date) -> Decision:
    """The enterprise goes to another park.

    Raises DATE_OUT_OF_RANGE, UNKNOWN_PARK, NOT_A_PARK, SAME_PARK, MOVED_BEFORE_SETTLING, AFTER_CLOSURE (422).
    """
    require_day(command.on, today, "on")
    enterprise = world.enterprise(command.enterprise_id)
    park = world.park(command.park)
    require_open(enterprise, command.on, "on")
    require_settled(enterprise, command.on, "on")
    history = world.history(enterprise_subject(command.enterprise_id))
    require_elsewhere(history, park.code, (command.on, history.sequence + 1), "park")
    return _changed(world, command, EnterpriseMoved(park=park.code, district=park.parent or ""))


def reclassify(world: World, command: Reclassify, today: date) -> Decision:
    """Industry, ownership or revenue change; the size class is decided anew.

    Raises NOTHING_TO_CHANGE, DATE_OUT_OF_RANGE, AFTER_CLOSURE (422).
    """
    require_day(command.on, today, "on")
    require_open(world.enterprise(command.enterprise_id), command.on, "on")
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
    enterprise = world.enterprise(command.enterprise_id)
    fact = Fact(enterprise_subject(enterprise.id), data, command.on)
    warnings = warnings_of(enterprise, world.history(fact.subject), fact)
    return Decision([fact], id=str(enterprise.id), warnings=warnings)


Sized = TypeVar("Sized", HeadcountReported, EnterpriseReclassified)


def sized(history: History, data: Sized, place: tuple[date, int]) -> Sized:
    """The fact with its size class, decided with the headcount, industry and revenue that held at the place (date, rank)."""
    known = enterprise_of(history, before=place)
    assert known is not None, "only an enterprise that is registered is classified"
    industry, workers, revenue_fen = known.industry, known.workers, known.revenue_fen
    if isinstance(data, HeadcountReported):
        workers = data.workers
    else:
        industry, revenue_fen = data.industry or industry, revenue_fen if data.revenue_fen is None else data.revenue_fen
    size = size_class(industry, workers, revenue_fen)
    return structs.replace(data, size=size, size_rule=SIZE_RULE if size else None)


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


def require_open(enterprise: Enterprise, on: date, field: str) -> None:
    """No fact is dated after the closure. Raises AFTER_CLOSURE (422)."""
    if enterprise.closed_on is not None and on > enterprise.closed_on:
        raise Unprocessable("AFTER_CLOSURE", field=field, params={"closed_on": enterprise.closed_on.isoformat()})


def require_settled(enterprise: Enterprise, on: date, field: str) -> None:
    """No move before the settling. Raises MOVED_BEFORE_SETTLING (422)."""
    if on < enterprise.settled_on:
        raise Unprocessable("MOVED_BEFORE_SETTLING", field=field, params={"settled_on": enterprise.settled_on.isoformat()})


def require_not_closed_before_settling(settled_on: date, closed_on: date, field: str) -> None:
    """Raises CLOSED_BEFORE_SETTLING (422)."""
    if closed_on < settled_on:
        raise Unprocessable("CLOSED_BEFORE_SETTLING", field=field, params={"settled_on": settled_on.isoformat()})


def require_elsewhere(history: History, park: str, place: tuple[date, int], field: str) -> None:
    """A move goes to another park than the one before it. Raises SAME_PARK (422)."""
    before = enterprise_of(history, before=place)
    if before is not None and before.park == park:
        raise Unprocessable("SAME_PARK", field=field, params={"park": park})


def warnings_of_name(world: World, name: str, park: str, enterprise_id: UUID) -> list[str]:
    """PROBABLE_DUPLICATE if the park has another enterprise whose name is written almost the same."""
    others = world.namesakes.get((park, name_key(name)), frozenset()) - {enterprise_id}
    return ["PROBABLE_DUPLICATE"] if others else []


def warnings_of(enterprise: Enterprise, history: History, fact: Fact) -> list[str]:
    """Of a fact that is recorded although it is unusual.

    BEFORE_SETTLED: it is dated before the enterprise settled, and counts from then on. FACTS_AFTER_CLOSURE: there are facts of days after
    this closure, which no longer count.
    """
    if isinstance(fact.data, EnterpriseClosed):
        later = any(standing.data is not None and standing.on > fact.on for standing in history.facts.values())
        return ["FACTS_AFTER_CLOSURE"] if later else []
    return ["BEFORE_SETTLED"] if fact.on < enterprise.settled_on else []


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
