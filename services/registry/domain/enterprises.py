"""Enterprises: they settle, report headcounts, move, are classified, and close. Warnings are codes, beside what is decided."""

from __future__ import annotations

from datetime import date
from typing import TypeVar
from uuid import UUID

from msgspec import structs

from services.registry.domain.commands import Close, Move, Reclassify, RegisterEnterprise, ReportHeadcount
from services.registry.domain.naming import name_key
from services.registry.domain.size import SIZE_RULE, size_class
from services.registry.domain.state import Enterprise, Fact, History, Place, World, enterprise_of, enterprise_subject
from shared.contracts.registry import EnterpriseClosed, EnterpriseMoved, EnterpriseReclassified, EnterpriseRegistered, HeadcountReported
from shared.problems.days import require_day
from shared.problems.errors import Conflict, Unprocessable


def register(world: World, command: RegisterEnterprise, enterprise_id: UUID, today: date) -> Fact:
    """An enterprise settles in a park. Raises DATE_OUT_OF_RANGE, UNKNOWN_PARK, NOT_A_PARK (422), DUPLICATE_CREDIT_CODE (409)."""
    require_day(command.settled_on, today, "settled_on")
    park = world.park(command.park)
    require_free_code(world, command.credit_code, enterprise_id, "credit_code")
    data = EnterpriseRegistered(
        enterprise_id=enterprise_id,
        name=command.name,
        park=park.code,
        district=park.parent or "",
        credit_code=command.credit_code,
        industry=command.industry,
        ownership=command.ownership,
    )
    return Fact(enterprise_subject(enterprise_id), data, command.settled_on)


def report(world: World, command: ReportHeadcount, today: date) -> Fact:
    """A headcount; the size class is decided with what was known of that day. Raises DATE_OUT_OF_RANGE, AFTER_CLOSURE (422)."""
    require_day(command.on, today, "on")
    require_open(world.enterprise(command.enterprise_id), command.on, "on")
    history = world.history(enterprise_subject(command.enterprise_id))
    data = HeadcountReported(workers=command.workers)
    return Fact(history.subject, sized(history, data, (command.on, history.sequence + 1)), command.on)


def move(world: World, command: Move, today: date) -> Fact:
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
    return Fact(history.subject, EnterpriseMoved(park=park.code, district=park.parent or ""), command.on)


def reclassify(world: World, command: Reclassify, today: date) -> Fact:
    """Industry, ownership or revenue change; the size class is decided anew. Raises NOTHING_TO_CHANGE, DATE_OUT_OF_RANGE, AFTER_CLOSURE (422)."""
    require_day(command.on, today, "on")
    require_open(world.enterprise(command.enterprise_id), command.on, "on")
    if command.industry is None and command.ownership is None and command.revenue_fen is None:
        raise Unprocessable("NOTHING_TO_CHANGE", field="industry")
    history = world.history(enterprise_subject(command.enterprise_id))
    data = EnterpriseReclassified(industry=command.industry, ownership=command.ownership, revenue_fen=command.revenue_fen)
    return Fact(history.subject, sized(history, data, (command.on, history.sequence + 1)), command.on)


def close(world: World, command: Close, today: date) -> Fact:
    """The enterprise ceases to operate, once. Raises ALREADY_CLOSED (409), DATE_OUT_OF_RANGE, CLOSED_BEFORE_SETTLING (422)."""
    require_day(command.on, today, "on")
    enterprise = world.enterprise(command.enterprise_id)
    if enterprise.closed_on is not None:
        raise Conflict("ALREADY_CLOSED", field="enterprise_id", params={"closed_on": enterprise.closed_on.isoformat()})
    if command.on < enterprise.settled_on:
        raise Unprocessable("CLOSED_BEFORE_SETTLING", field="on", params={"settled_on": enterprise.settled_on.isoformat()})
    data = EnterpriseClosed(reason=command.reason.code, note_id=command.reason.note_id)
    return Fact(enterprise_subject(command.enterprise_id), data, command.on)


Sized = TypeVar("Sized", HeadcountReported, EnterpriseReclassified)


def sized(history: History, data: Sized, place: Place) -> Sized:
    """The fact with the size class of its day: headcount, industry and revenue as they stood at `place`, with what it says itself."""
    known = enterprise_of(history, before=place)
    assert known is not None, "only an enterprise that is registered is classified"
    industry, workers, revenue_fen = known.industry, known.workers, known.revenue_fen
    if isinstance(data, HeadcountReported):
        workers = data.workers
    else:
        industry, revenue_fen = data.industry or industry, revenue_fen if data.revenue_fen is None else data.revenue_fen
    size = size_class(industry, workers, revenue_fen)
    return structs.replace(data, size=size, size_rule=SIZE_RULE if size else None)


def require_free_code(world: World, code: str | None, enterprise_id: UUID, field: str) -> None:
    """Raises DUPLICATE_CREDIT_CODE (409) if another enterprise has it."""
    if code is not None and world.credit_codes.get(code, enterprise_id) != enterprise_id:
        raise Conflict("DUPLICATE_CREDIT_CODE", field=field, params={"credit_code": code})


def require_open(enterprise: Enterprise, on: date, field: str) -> None:
    """Nothing is said of the days after the closure. Raises AFTER_CLOSURE (422)."""
    if enterprise.closed_on is not None and on > enterprise.closed_on:
        raise Unprocessable("AFTER_CLOSURE", field=field, params={"closed_on": enterprise.closed_on.isoformat()})


def require_settled(enterprise: Enterprise, on: date, field: str) -> None:
    """Who has not settled cannot move. Raises MOVED_BEFORE_SETTLING (422)."""
    if on < enterprise.settled_on:
        raise Unprocessable("MOVED_BEFORE_SETTLING", field=field, params={"settled_on": enterprise.settled_on.isoformat()})


def require_elsewhere(history: History, park: str, place: Place, field: str) -> None:
    """A move goes to another park than the one before it. Raises SAME_PARK (422)."""
    before = enterprise_of(history, before=place)
    if before is not None and before.park == park:
        raise Unprocessable("SAME_PARK", field=field, params={"park": park})


def warnings_of_name(world: World, name: str, park: str, enterprise_id: UUID) -> list[str]:
    """PROBABLE_DUPLICATE if the park has another enterprise whose name is written almost the same."""
    others = world.namesakes.get((park, name_key(name)), set()) - {enterprise_id}
    return ["PROBABLE_DUPLICATE"] if others else []


def warnings_of(enterprise: Enterprise, history: History, fact: Fact) -> list[str]:
    """Of a fact that changes an enterprise and is kept although it looks odd.

    BEFORE_SETTLED: it is dated before the enterprise settled, and counts from then on. FACTS_AFTER_CLOSURE: there are facts of days after
    this closure, which count no longer.
    """
    if isinstance(fact.data, EnterpriseClosed):
        later = any(standing.data is not None and standing.on > fact.on for standing in history.facts.values())
        return ["FACTS_AFTER_CLOSURE"] if later else []
    return ["BEFORE_SETTLED"] if fact.on < enterprise.settled_on else []
