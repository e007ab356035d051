"""What a demo says of its deliveries."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from deploy.local.demo.bureau import SO_FAR, Report, report_table


def text_of(*days: dict[str, Any], assigned: int = 3) -> str:
    screen = io.StringIO()
    report = Report(
        "b", "s", "active", [], "http://r", assigned, 3, 0, 0, 0, [], 0.1, [{"count": 3, "findings": [], **day} for day in days]
    )
    Console(file=screen, width=200).print(report_table(report))
    return screen.getvalue()


def test_a_closed_day_that_agrees_is_complete() -> None:
    text = text_of({"day": "2026-11-29", "complete": True})
    assert text.count("✓") == 2
    assert SO_FAR not in text


def test_an_open_day_is_right_so_far_and_not_complete() -> None:
    text = text_of({"day": "2026-11-29", "complete": True}, {"day": "2026-11-30", "complete": False})
    closed, opened, whole = (
        next(line for line in text.splitlines() if part in line) for part in ("11-29", "11-30", "complete and unaltered")
    )
    assert "✓" in closed
    assert "✓" not in opened + whole
    assert SO_FAR in opened
    assert SO_FAR in whole


@pytest.mark.parametrize(("day", "assigned"), [({"findings": [{"code": "missing"}]}, 3), ({}, 4)], ids=["a difference", "a missing number"])
def test_what_is_missing_is_not_right(day: dict[str, Any], assigned: int) -> None:
    assert "✗" in text_of({"day": "2026-11-30", "complete": False, **day}, assigned=assigned).splitlines()[-2]
