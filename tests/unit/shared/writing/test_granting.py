"""Which areas a correction needs: where a resource is on which day, compared day by day; and every field that names an area is known."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.membership.facts import TABLE as MEMBERSHIP
from services.registry.facts import TABLE as REGISTRY
from shared.contracts import TYPES
from shared.writing.granting import AREA_FIELDS, at, moved
from shared.writing.table import Places, Table

START = date(2020, 1, 1)
GOLDEN = Path(__file__).parents[3] / "contract" / "golden"
AREA = re.compile(r"\d{6}(-P\d+)?|[A-Z]{2}-[A-Z]+")
"""As the samples write the codes of areas."""
DERIVED = {"district", "code"}
"""`district` follows from the park; `code` is an area's own."""

steps = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ABC")), max_size=5, unique_by=lambda step: step[0]).map(
    lambda days: [(START + timedelta(day), area) for day, area in sorted(days)]
)


@pytest.mark.invariant("I6")
@given(steps, steps)
def test_the_areas_of_a_move_are_those_of_every_day_on_which_it_is_elsewhere(before: Places, after: Places) -> None:
    wanted: set[str] = set()
    for day in range(-1, 25):
        here, there = at(before, START + timedelta(day)), at(after, START + timedelta(day))
        if here != there:
            wanted |= {area for area in (here, there) if area is not None}
    assert moved(before, after) == wanted


@pytest.mark.invariant("I6")
@pytest.mark.parametrize("table", [REGISTRY, MEMBERSHIP], ids=lambda table: table.service)
def test_every_field_of_a_fact_that_names_an_area_is_one_that_grants_know(table: Table[Any, Any]) -> None:
    """By the golden samples, of which there is one for each fact."""
    seen: set[str] = set()
    for sample in (GOLDEN / table.service).glob("*.json"):
        event = json.loads(sample.read_text("utf-8"))
        if table.kind_named(event["type"]) is None:
            continue
        seen.add(event["type"])
        naming = {field for field, value in event["data"].items() if isinstance(value, str) and AREA.fullmatch(value)}
        assert naming <= {*AREA_FIELDS, *DERIVED}, (sample.name, naming)
    assert seen == {name for name in TYPES if table.kind_named(name) is not None}
