"""What a subscription may ask for: nothing that its grant does not hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.subscriptions.grants.rules import Extent
from services.subscriptions.grants.store import Granted
from services.subscriptions.matching.tree import Tree
from services.subscriptions.subscribing.rules import Asked, asked_of
from shared.contracts.ids import uuid7
from shared.problems.errors import Problem

A, B, C = "parkunion.a.v1", "parkunion.b.v1", "parkunion.c.v1"
THERE = {A: ("x",), B: ("x",), C: ("x",)}
TREE = Tree({"C": None, "D1": "C", "D2": "C", "P1": "D1", "P2": "D2"})
NOW = datetime(2026, 7, 1, tzinfo=UTC)


def granted(areas: tuple[str, ...] = ("D1",), kind: str = "given", not_after: datetime | None = None) -> Granted:
    extent = Extent(areas, (A, B), {A: ("x",), B: ("x",)}, None, not_after)
    return Granted(uuid7(), "bureau", "purpose", "law", "federation", NOW, kind, extent, None, "federation", NOW)


def test_what_is_left_out_is_what_the_grant_has() -> None:
    assert asked_of(granted(), None, {}, TREE, THERE, NOW) == Asked(None, {})


@pytest.mark.parametrize("areas", [("D1",), ("C",), ("*",)])
def test_what_lies_within_the_grant_is_asked_for_once(areas: tuple[str, ...]) -> None:
    wanted = {"areas": ["P1", "P1"], "min_workers": 0}
    assert asked_of(granted(areas), [B, B], wanted, TREE, THERE, NOW) == Asked([B], {"areas": ["P1"], "min_workers": 0})


@pytest.mark.parametrize(
    ("grant", "types", "wanted", "code", "field"),
    [
        (granted(), [A, C], {}, "WIDER_THAN_GRANT", "types.1"),
        (granted(), ["z"], {}, "UNKNOWN_TYPE", "types.0"),
        (granted(), None, {"areas": ["P2"]}, "WIDER_THAN_GRANT", "filter.areas.0"),
        (granted(), None, {"areas": ["C"]}, "WIDER_THAN_GRANT", "filter.areas.0"),
        (granted(("*",)), None, {"areas": ["nowhere"]}, "UNKNOWN_AREA", "filter.areas.0"),
        (granted(kind="revoked"), None, {}, "GRANT_REVOKED", "grant_id"),
        (granted(not_after=NOW), None, {}, "GRANT_EXPIRED", "grant_id"),
    ],
)
def test_what_is_wider_or_does_not_exist_is_refused(
    grant: Granted, types: list[str] | None, wanted: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(Problem) as raised:
        asked_of(grant, types, wanted, TREE, THERE, NOW)
    assert (raised.value.code, raised.value.errors[0].field) == (code, field)
