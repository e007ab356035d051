"""The tree of divisions and parks."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.registry.areas import rules as areas
from services.registry.enterprises.rules import RegisterEnterprise, register
from services.registry.facts import TABLE
from services.registry.world import World
from shared.contracts.ids import uuid7
from shared.contracts.registry import AreaKind, AreaRegistered
from shared.journal.reasons import Reason
from shared.problems.errors import Conflict, Unprocessable
from shared.writing import corrections
from shared.writing.facts import Correct
from tests.unit.registry.worlds import TODAY, a_world, area, day, name_event, take


def with_event(world: World, code: str) -> UUID:
    """Give the area's registration the id that the journal would."""
    event = uuid7()
    (standing,) = world.history(f"area/{code}").facts.values()
    name_event(world, f"area/{code}", standing.rank, event)
    return event


def correct(world: World, code: str, **data: object) -> None:
    take(world, corrections.correct(TABLE, world, Correct(with_event(world, code), Reason("typo"), data), TODAY))


def withdraw(world: World, code: str) -> None:
    take(world, corrections.correct(TABLE, world, Correct(with_event(world, code), Reason("typo"), None), TODAY))


@pytest.mark.parametrize(
    ("code", "parent", "kind", "problem"),
    [
        ("P1", "D1", AreaKind.PARK, "DUPLICATE_AREA"),
        ("P9", "X", AreaKind.PARK, "UNKNOWN_AREA"),
        ("P9", "P1", AreaKind.PARK, "NOT_A_DIVISION"),
        ("D9", "P1", AreaKind.DIVISION, "NOT_A_DIVISION"),
        ("P9", None, AreaKind.PARK, "PARENT_REQUIRED"),
    ],
)
def test_areas_lie_in_divisions(code: str, parent: str | None, kind: AreaKind, problem: str) -> None:
    with pytest.raises((Conflict, Unprocessable), match=problem):
        area(a_world(), code, parent, kind)


def test_a_path_goes_from_an_area_to_its_root() -> None:
    assert a_world().areas["P1"].path == ("P1", "D1", "R")


@pytest.mark.parametrize("name", ["市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"])
def test_levels_are_no_places(name: str) -> None:
    fact = area(a_world(), "D3", "R", name=name)
    assert isinstance(fact.data, AreaRegistered)
    assert fact.data.level
    assert not areas.is_level(AreaKind.PARK, name)


def test_all_that_lies_in_an_area_moves_with_it() -> None:
    world = a_world()
    correct(world, "D1", parent="D2", name="新区")
    assert world.areas["P1"].path == ("P1", "D1", "D2", "R")
    assert world.areas["D1"].name == "新区"
    assert world.touched_areas >= {"D1", "P1"}


def test_an_area_cannot_lie_in_itself() -> None:
    world = a_world()
    with pytest.raises(Unprocessable, match="AREA_CYCLE"):
        correct(world, "R", parent="D1")
    with pytest.raises(Unprocessable, match="AREA_CYCLE"):
        correct(world, "D1", parent="D1")


def test_only_an_area_that_nothing_names_can_be_withdrawn() -> None:
    world = a_world()
    with pytest.raises(Conflict, match="AREA_IN_USE"):
        withdraw(world, "D1")
    take(world, register(world, RegisterEnterprise(uuid7(), "某", None, "P2", None, None, day("2020-01-01")), TODAY))
    with pytest.raises(Conflict, match="AREA_IN_USE"):
        withdraw(world, "P2")
    withdraw(world, "P1")
    assert "P1" not in world.areas
