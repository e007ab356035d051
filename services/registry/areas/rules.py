"""Decisions on areas. A root is a division without parent; a park always lies in a division."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from msgspec import structs

from services.registry.areas.area import Area, RegisterArea, area_subject
from services.registry.world import World
from shared.contracts.registry import AreaKind, AreaRegistered
from shared.problems.days import EARLIEST, require_day
from shared.problems.errors import Conflict, Unprocessable
from shared.writing.facts import Correct, Decision, Fact, Revision, Standing

LEVEL_NAMES = frozenset({"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"})
"""Names of GB/T 2260 that are levels of the code and name no place."""


def register(world: World, command: RegisterArea, today: date) -> Decision:
    """An area begins to exist.

    Raises DUPLICATE_AREA (409), DATE_OUT_OF_RANGE, UNKNOWN_AREA, NOT_A_DIVISION, PARENT_REQUIRED (422).
    """
    if command.code in world.areas:
        raise Conflict("DUPLICATE_AREA", field="code", params={"area": command.code})
    on = command.valid_from or EARLIEST
    require_day(on, today, "valid_from")
    require_parent(world, command.kind, command.parent, "parent")
    data = AreaRegistered(
        code=command.code, name=command.name, kind=command.kind, parent=command.parent, level=is_level(command.kind, command.name)
    )
    return Decision([Fact(area_subject(command.code), data, on)], id=command.code)


def require_parent(world: World, kind: AreaKind, parent: str | None, field: str) -> None:
    """Raises PARENT_REQUIRED, UNKNOWN_AREA, NOT_A_DIVISION (422)."""
    if parent is None:
        if kind is AreaKind.PARK:
            raise Unprocessable("PARENT_REQUIRED", field=field)
        return
    found = world.areas.get(parent)
    if found is None:
        raise Unprocessable("UNKNOWN_AREA", field=field, params={"area": parent})
    if found.kind is not AreaKind.DIVISION:
        raise Unprocessable("NOT_A_DIVISION", field=field, params={"area": parent})


def is_level(kind: AreaKind, name: str) -> bool:
    """Whether the division is only a level of the code: pages show its parent's name."""
    return kind is AreaKind.DIVISION and name.strip() in LEVEL_NAMES


def require_unused(world: World, standing: Standing, revision: Revision) -> None:
    """Only an area to which nothing refers can be withdrawn. Raises AREA_IN_USE (409)."""
    if isinstance(revision, Correct) and revision.data is not None:
        return
    code = standing.subject.partition("/")[2]
    if code in world.in_use or any(area.parent == code for area in world.areas.values()):
        raise Conflict("AREA_IN_USE", field="corrects" if isinstance(revision, Correct) else "subject", params={"area": code})


def complete(world: World, standing: Standing, changes: Mapping[str, Any]) -> AreaRegistered:
    """The corrected area, with its level. Raises what `require_parent` does, and AREA_CYCLE (422) if the new parent lies in the area."""
    data = standing.data
    assert isinstance(data, AreaRegistered)
    if "parent" in changes:
        require_parent(world, world.areas[data.code].kind, data.parent, "data.parent")
        if data.parent is not None and data.code in world.areas[data.parent].path:
            raise Unprocessable("AREA_CYCLE", field="data.parent", params={"area": data.code, "parent": data.parent})
    return structs.replace(data, level=is_level(data.kind, data.name))


def put(world: World, standing: Standing, _: Any = None) -> None:
    """The area as registered; the paths of all that lies in it follow."""
    _refresh(world, standing.subject)


def drop(world: World, standing: Standing) -> None:
    """The registration is withdrawn."""
    _refresh(world, standing.subject)


def _refresh(world: World, subject: str) -> None:
    code = subject.partition("/")[2]
    area = _area_of(world, subject)
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


def _area_of(world: World, subject: str) -> Area | None:
    registered = world.history(subject).holding(AreaRegistered)
    if not registered:
        return None
    first, data = registered[-1]
    above = world.areas[data.parent].path if data.parent is not None else ()
    return Area(data.code, data.name, data.kind, data.parent, data.level, first.on, (data.code, *above))
