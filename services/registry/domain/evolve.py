"""How a fact changes the state: a stream's history, and the world of which it is a part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from uuid import UUID

from services.registry.domain.naming import name_key
from services.registry.domain.state import Area, Enterprise, Fact, History, Standing, World, enterprise_of
from shared import contracts
from shared.contracts import Event, UnreadableEvent, fact, type_of
from shared.contracts.registry import AreaRegistered
from shared.contracts.streams import EventWithdrawn, FactCorrected


def evolve(history: History, data: Event, on: date, event_id: UUID | None = None) -> History:
    """The stream with one more event, which has the next sequence."""
    sequence = history.sequence + 1
    if isinstance(data, EventWithdrawn):
        return _without(history, range(data.first, data.last + 1))
    if isinstance(data, FactCorrected):
        before = history.facts[data.rank]
        said_by = (*before.said_by, event_id)
        if data.replacement is None:
            standing = replace(before, data=None, said_by=said_by)
        else:
            standing = replace(before, on=data.replacement.occurred_on, data=fact(data.fact, data.replacement.data), said_by=said_by)
    else:
        standing = Standing(sequence, type_of(data), on, data, (event_id,))
    return History(history.subject, sequence, {**history.facts, standing.rank: standing}, history.unreadable)


def _without(history: History, ranks: range) -> History:
    """The stream with one more event, by which the facts of these ranks never were."""
    facts = {rank: replace(fact, data=None) if rank in ranks else fact for rank, fact in history.facts.items()}
    return History(history.subject, history.sequence + 1, facts, frozenset(rank for rank in history.unreadable if rank not in ranks))


def folded(subject: str, rows: Iterable[tuple[str, dict[str, object], date, UUID]]) -> History:
    """The stream of all its events `(type, data, occurred_on, event_id)` in sequence."""
    history = History(subject)
    for type_name, data, on, event_id in rows:
        try:
            said = contracts.fact(type_name, data)
        except UnreadableEvent:
            rank = history.sequence + 1
            facts = {**history.facts, rank: Standing(rank, type_name, on, None, (event_id,))}
            history = History(subject, rank, facts, history.unreadable | {rank})
        else:
            history = evolve(history, said, on, event_id)
    return history


def take(world: World, said: Fact) -> None:
    """Take one fact into the world."""
    history = evolve(world.history(said.subject), said.data, said.on)
    world.histories[said.subject] = history
    kind, _, key = said.subject.partition("/")
    if kind == "area":
        _take_area(world, key, history)
    else:
        after = enterprise_of(history)
        _take_enterprise(world, after.id if after else UUID(key), after)


def _take_enterprise(world: World, enterprise_id: UUID, after: Enterprise | None) -> None:
    world.touched_enterprises.add(enterprise_id)
    before = world.enterprises.pop(enterprise_id, None)
    if before is not None:
        if before.credit_code and world.credit_codes.get(before.credit_code) == enterprise_id:
            del world.credit_codes[before.credit_code]
        world.namesakes.get((before.park, name_key(before.name)), set()).discard(enterprise_id)
    if after is not None:
        world.enterprises[enterprise_id] = after
        if after.credit_code:
            world.credit_codes[after.credit_code] = enterprise_id
        world.namesakes.setdefault((after.park, name_key(after.name)), set()).add(enterprise_id)
        world.in_use.add(after.park)


def area_of(world: World, history: History) -> Area | None:
    """The area that a stream tells of, its parent being known; None if it was withdrawn."""
    registered = history.holding(AreaRegistered)
    if not registered:
        return None
    first, said = registered[-1]
    above = world.areas[said.parent].path if said.parent is not None else ()
    return Area(said.code, said.name, said.kind, said.parent, said.level, first.on, (said.code, *above))


def _take_area(world: World, code: str, history: History) -> None:
    area = area_of(world, history)
    world.touched_areas.add(code)
    before = world.areas.pop(code, None)
    if area is None:
        return
    world.areas[code] = area
    if before is None or before.path == area.path:
        return
    for other in list(world.areas.values()):
        if other.code != code and code in other.path:
            inside = other.path[: other.path.index(code)]
            world.areas[other.code] = replace(other, path=(*inside, *area.path))
            world.touched_areas.add(other.code)
