"""An earlier fact was wrong: what may be changed about it, and what must still hold afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from msgspec import structs

from services.registry.domain import areas, enterprises, fields
from services.registry.domain.commands import Correct
from services.registry.domain.evolve import evolve
from services.registry.domain.fields import Wrong
from services.registry.domain.state import Fact, History, Standing, World, enterprise_of
from shared.contracts import Event, plain
from shared.contracts.registry import (
    AreaRegistered,
    EnterpriseClosed,
    EnterpriseMoved,
    EnterpriseReclassified,
    EnterpriseRegistered,
    HeadcountReported,
)
from shared.contracts.streams import FactCorrected, Placed
from shared.problems.days import require_day
from shared.problems.errors import Conflict, Unprocessable

Reader = Callable[[Any], Any]

DATE_FIELDS: dict[type[Event], str] = {
    AreaRegistered: "valid_from",
    EnterpriseRegistered: "settled_on",
    HeadcountReported: "on",
    EnterpriseMoved: "on",
    EnterpriseReclassified: "on",
    EnterpriseClosed: "on",
}
"""How the command of a fact calls its date; `occurred_on` is understood as well."""


def _or_none(reader: Reader) -> Reader:
    return lambda value: None if value is None else reader(value)


OTHER_FIELDS: dict[type[Event], dict[str, tuple[str, Reader]]] = {
    AreaRegistered: {"name": ("name", fields.name), "parent": ("parent", _or_none(fields.area_code))},
    EnterpriseRegistered: {
        "name": ("name", fields.name),
        "credit_code": ("credit_code", fields.credit_code),
        "park": ("park", fields.area_code),
        "industry": ("industry", fields.industry),
        "ownership": ("ownership", fields.ownership),
    },
    HeadcountReported: {"workers": ("workers", fields.workers)},
    EnterpriseMoved: {"park": ("park", fields.area_code)},
    EnterpriseReclassified: {
        "industry": ("industry", fields.industry),
        "ownership": ("ownership", fields.ownership),
        "revenue": ("revenue_fen", fields.revenue_fen),
    },
    EnterpriseClosed: {"reason": ("reason", fields.reason_code)},
}
"""{fact: {field of its command: (field of the fact, what reads it)}}"""


def target_of(history: History, corrects: UUID) -> Standing:
    """The fact that an event of this stream said last.

    Raises ALREADY_CORRECTED (409) with the event to name instead, FACT_WITHDRAWN (409), UNKNOWN_EVENT (422).
    """
    for standing in history.facts.values():
        if corrects not in standing.said_by:
            continue
        if standing.said_by[-1] != corrects:
            latest = standing.said_by[-1]
            raise Conflict("ALREADY_CORRECTED", field="corrects", params={"latest": str(latest or "")})
        if standing.data is None:
            raise Conflict("FACT_WITHDRAWN", field="corrects", params={"event": str(corrects)})
        return standing
    raise unknown_event(corrects)


def unknown_event(corrects: UUID) -> Unprocessable:
    """No event of this service has that id."""
    return Unprocessable("UNKNOWN_EVENT", field="corrects", params={"event": str(corrects)})


def correct(world: World, command: Correct, history: History, today: date) -> Fact:
    """The correction as a fact of the same stream; the fact's place in it (rank) stays.

    Raises what `target_of` does, NOT_CORRECTABLE, NOTHING_TO_CHANGE (422), and what the command of the fact would raise.
    """
    target = target_of(history, command.corrects)
    if not isinstance(target.data, AreaRegistered):
        world.enterprise(UUID(history.subject.partition("/")[2]), "corrects")
    changed = None if command.data is None else _changed(world, history, target, command.data, today)
    said = FactCorrected(
        corrects=command.corrects,
        fact=target.type,
        rank=target.rank,
        reason=command.reason.code,
        withdrawn=_placed(target),
        replacement=_placed(changed) if changed else None,
        note_id=command.reason.note_id,
    )
    on = changed.on if changed else target.on
    if isinstance(target.data, AreaRegistered):
        if changed is None:
            areas.require_unused(world, target.data.code)
    else:
        _require_whole(evolve(history, said, on), target)
    return Fact(history.subject, said, on)


def changes_of(kind: type[Event], data: Mapping[str, Any]) -> dict[str, Any]:
    """The fact's fields that a correction's `data` changes, by the fact's names; its date is `occurred_on`.

    Raises NOT_CORRECTABLE, or what a field's reader finds wrong (422).
    """
    readers = {**OTHER_FIELDS[kind], DATE_FIELDS[kind]: ("occurred_on", fields.day), "occurred_on": ("occurred_on", fields.day)}
    changes: dict[str, Any] = {}
    for name, value in data.items():
        if name not in readers:
            raise Unprocessable("NOT_CORRECTABLE", field=f"data.{name}", params={"field": name})
        own, read = readers[name]
        try:
            changes[own] = read(value)
        except Wrong as wrong:
            raise Unprocessable(wrong.code, field=f"data.{name}", params=wrong.params) from None
    return changes


def _changed(world: World, history: History, target: Standing, data: Mapping[str, Any], today: date) -> Standing:
    """The fact with the fields of `data` in it, those left out as they were, and with what is decided from them."""
    assert target.data is not None
    kind = type(target.data)
    changes = changes_of(kind, data)
    on = changes.pop("occurred_on", target.on)
    require_day(on, today, f"data.{'occurred_on' if 'occurred_on' in data else DATE_FIELDS[kind]}")
    if "reason" in changes:
        changes["note_id"] = None
    after = structs.replace(target.data, **changes)
    if on == target.on and after == target.data:
        raise Unprocessable("NOTHING_TO_CHANGE", field="data")
    others = History(history.subject, history.sequence, {rank: fact for rank, fact in history.facts.items() if rank != target.rank})
    place = (on, target.rank)
    match after:
        case AreaRegistered():
            after = _area(world, after, changes)
        case EnterpriseRegistered():
            enterprises.require_free_code(world, after.credit_code, after.enterprise_id, "data.credit_code")
            after = _in_park(world, after) if "park" in changes else after
        case EnterpriseMoved():
            after = _in_park(world, after) if "park" in changes else after
            enterprises.require_elsewhere(others, after.park, place, "data.park")
        case HeadcountReported():
            after = enterprises.sized(others, after, place)
        case EnterpriseReclassified():
            if after.industry is None and after.ownership is None and after.revenue_fen is None:
                raise Unprocessable("NOTHING_TO_CHANGE", field="data")
            after = enterprises.sized(others, after, place)
    return replace(target, on=on, data=after)


Placing = TypeVar("Placing", EnterpriseRegistered, EnterpriseMoved)


def _in_park(world: World, data: Placing) -> Placing:
    park = world.park(data.park, "data.park")
    return structs.replace(data, district=park.parent or "")


def _area(world: World, data: AreaRegistered, changes: Mapping[str, Any]) -> AreaRegistered:
    if "parent" in changes:
        areas.require_changed_place(world, data.code, data.parent, "data.parent")
    return structs.replace(data, level=areas.is_level(data.kind, data.name))


def _require_whole(after: History, target: Standing) -> None:
    """What every command sees to must hold after a correction, too. A registration that is withdrawn takes everything with it."""
    enterprise = enterprise_of(after)
    if enterprise is None:
        return
    fact = after.facts[target.rank]
    field = "data" if fact.data is None else f"data.{DATE_FIELDS[type(fact.data)]}"
    if enterprise.closed_on is not None and enterprise.closed_on < enterprise.settled_on:
        raise Unprocessable("CLOSED_BEFORE_SETTLING", field=field, params={"settled_on": enterprise.settled_on.isoformat()})
    for moved, _ in after.holding(EnterpriseMoved):
        enterprises.require_settled(enterprise, moved.on, field)
    if isinstance(fact.data, HeadcountReported | EnterpriseMoved | EnterpriseReclassified):
        enterprises.require_open(enterprise, fact.on, field)


def _placed(standing: Standing) -> Placed:
    assert standing.data is not None
    return Placed(standing.on, plain(standing.data))
