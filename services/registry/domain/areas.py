"""Divisions and parks: a tree in which parks are the leaves."""

from __future__ import annotations

from datetime import date

from services.registry.domain.commands import RegisterArea
from services.registry.domain.state import Fact, World, area_subject
from shared.contracts.registry import AreaKind, AreaRegistered
from shared.problems.days import EARLIEST, require_day
from shared.problems.errors import Conflict, Unprocessable

LEVEL_NAMES = frozenset({"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"})
"""Names of GB/T 2260 that are levels of the code and name no place."""


def register(world: World, command: RegisterArea, today: date) -> Fact:
    """An area begins to exist. A root is a division without parent.

    Raises DUPLICATE_AREA (409), UNKNOWN_AREA, NOT_A_DIVISION, PARENT_REQUIRED, DATE_OUT_OF_RANGE (422).
    """
    if command.code in world.areas:
        raise Conflict("DUPLICATE_AREA", field="code", params={"area": command.code})
    on = command.valid_from or EARLIEST
    require_day(on, today, "valid_from")
    require_parent(world, command.kind, command.parent, "parent")
    data = AreaRegistered(
        code=command.code, name=command.name, kind=command.kind, parent=command.parent, level=is_level(command.kind, command.name)
    )
    return Fact(area_subject(command.code), data, on)


def require_parent(world: World, kind: AreaKind, parent: str | None, field: str) -> None:
    """Areas lie in divisions, and a park always in one. Raises PARENT_REQUIRED, UNKNOWN_AREA, NOT_A_DIVISION (422)."""
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
    """Whether it is only a level of the code: pages show its parent's name."""
    return kind is AreaKind.DIVISION and name.strip() in LEVEL_NAMES


def require_changed_place(world: World, code: str, parent: str | None, field: str) -> None:
    """An area lies in another one from now on. Raises what `require_parent` does, and AREA_CYCLE (422) if that one lies in it itself."""
    require_parent(world, world.areas[code].kind, parent, field)
    if parent is not None and code in world.areas[parent].path:
        raise Unprocessable("AREA_CYCLE", field=field, params={"area": code, "parent": parent})


def require_unused(world: World, code: str, field: str = "corrects") -> None:
    """Only an area that nothing refers to can be withdrawn. Raises AREA_IN_USE (409)."""
    if code in world.in_use or any(area.parent == code for area in world.areas.values()):
        raise Conflict("AREA_IN_USE", field=field, params={"area": code})
