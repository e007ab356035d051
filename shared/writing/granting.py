"""The grants of corrections, the same for every fact of every service: for what is withdrawn, and for what then holds. Pure.

A command needs the grant for where its resource is, and where it was on the fact's date (`require_on`).

Needed are the areas
- where the resource of the fact's stream is, before and after the correction;
- where it was on the fact's business date: the fact's old date before, its new one after;
- of every day on which it is elsewhere after the correction than before: there and here;
- that the fact names (`AREA_FIELDS`), if they change, and those of its row (`FactKind.also`).
A correction of nothing but fields that have no place (`Field.placeless`: names, registration codes) needs only the area where the resource is.
What follows from a correction on other streams (coverage that ends with its union) needs no more than it does when it follows from a
command. A withdrawal of events needs every area (shared/writing/carry_out.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, TypeVar

from shared.contracts import Event, fact
from shared.contracts.streams import FactCorrected
from shared.writing.facts import Correct, Fact, Standing, World
from shared.writing.table import Access, Grants, Places, Table

W = TypeVar("W", bound=World)

AREA_FIELDS = ("park", "parent", "seat_area", "area")
"""Fields of facts that name an area. `district` follows from `park`, and `code` is the stream's own."""


def now(table: Table[W, Any], world: W, subject: str) -> str | None:
    """The area in which the resource of a stream is; None: there is no such resource."""
    places = table.places(world, subject)
    return places[-1][1] if places else None


def at(places: Places, day: date) -> str | None:
    """The area on a day; None: there is no such resource."""
    found = places[0][1] if places else None
    for start, area in places:
        if start > day:
            break
        found = area
    return found


def require_on(access: Access, world: Grants, places: Places, day: date, field: str) -> None:
    """A command says something of a resource on a day: where it is now, and where it was that day. Raises AREA_NOT_GRANTED (403)."""
    access.area(world, places[-1][1] if places else None, field)
    if len(places) > 1:
        access.area(world, at(places, day), field)


def moved(before: Places, after: Places) -> set[str]:
    """The areas of all days on which a resource is in another one after than before."""
    days = sorted({day for day, _ in (*before, *after)})
    pairs = {(at(before, day), at(after, day)) for day in (date.min, *days)}
    return {area for old, new in pairs if old != new for area in (old, new) if area is not None}


def named(data: Event | None) -> dict[str, str | None]:
    """{field: area} of what a fact names."""
    return {name: getattr(data, name) for name in AREA_FIELDS if hasattr(data, name)}


def of_the_present(table: Table[Any, Any], target: Standing, command: Correct) -> bool:
    """Whether a correction changes only fields that have no place, so that nothing of any day becomes another."""
    kind = table.kind_named(target.type)
    fields = [kind.fields.get(name) if kind is not None else None for name in command.data or {}]
    return bool(fields) and all(field is not None and field.placeless for field in fields)


def require_before(table: Table[W, Any], world: W, target: Standing, command: Correct, access: Access) -> None:
    """For what is withdrawn, and for the areas that the correction names. Raises AREA_NOT_GRANTED (403)."""
    if access.areas.everything:
        access.everywhere("corrects")
        return
    if of_the_present(table, target, command):
        access.area(_grants(world), now(table, world, target.subject), "corrects")
        return
    _require(access, world, _of_fact(table, world, target), "corrects")
    kind = table.kind_named(target.type)
    for name, value in (command.data or {}).items():
        field = kind.fields.get(name) if kind is not None else None
        if field is not None and field.name in AREA_FIELDS and isinstance(value, str | None):
            access.area(_grants(world), value, f"data.{name}")


def require_after(table: Table[W, Any], world: W, target: Standing, command: Correct, facts: Sequence[Fact], access: Access) -> None:
    """For what holds after the correction, whose facts `facts` are; the first is the correction. Raises AREA_NOT_GRANTED (403)."""
    if access.areas.everything or of_the_present(table, target, command):
        return
    correction = facts[0].data
    assert isinstance(correction, FactCorrected)
    placed = correction.replacement
    after = world.after(facts)
    standing = None
    if placed is not None:
        standing = Standing(target.subject, target.rank, target.type, placed.occurred_on, fact(target.type, placed.data), None)
        _require(access, after, _of_fact(table, after, standing), "data")
    old, new = named(target.data), named(standing.data if standing else None)
    for name in old.keys() | new.keys():
        if old.get(name) != new.get(name) or standing is None:
            _require(access, world, [old.get(name)] if name in old else [], "corrects")
            _require(access, after, [new.get(name)] if name in new else [], "data")
    before_places, after_places = table.places(world, target.subject), table.places(after, target.subject)
    for area in sorted(moved(before_places, after_places)):
        _require(access, world, [area], "data")
    if after_places:
        _require(access, after, [after_places[-1][1]], "data")


def _of_fact(table: Table[W, Any], world: W, standing: Standing) -> list[str | None]:
    """The areas of a fact as the world has it; None: there is no such resource, so every area is needed."""
    places = table.places(world, standing.subject)
    if not places:
        return [None]
    kind = table.kind_named(standing.type)
    also = kind.also(world, standing) if kind is not None and standing.data is not None else ()
    return [places[-1][1], at(places, standing.on), *also]


def _require(access: Access, world: World, areas: Iterable[str | None], field: str) -> None:
    for area in areas:
        access.area(_grants(world), area, field)


def _grants(world: Any) -> Grants:
    grants: Grants = world
    return grants
