"""Lists of the API as tables: what they say of their figure, also without a row."""

import io
from typing import Any

import pytest
from rich.console import Console

from deploy.local.list_tables import list_table

FINAL: dict[str, Any] = {"provisional": [], "closed_day": "2026-06-30"}
NAMES = {"units": "units of production", "members": "union members"}


def shown(answer: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(list_table(FINAL | answer, rows, NAMES))
    return console.export_text()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"measure": "units", "figure": 3}, "units of production: 3"),
        ({"measure": None, "delta": {"members": 4, "units": -1}}, "变化 change: union members 4, units of production -1"),
        ({"measure": "rate", "figure": {"numerator": 1, "denominator": 4, "rate": 0.25, "reason": None}}, "数值 figure: 25.0 % 1/4"),
        ({"measure": "rate", "figure": {"numerator": 0, "denominator": 0, "rate": None, "reason": "NO_BASE"}}, "数值 figure: — 0/0"),
    ],
)
def test_the_caption_says_the_figure_in_words(answer: dict[str, Any], told: str) -> None:
    found = shown(answer, [{"name": "示例企业", "amounts": {"units": 1}}])
    assert told in found
    assert "{" not in found
    assert "no entries" not in found


@pytest.mark.parametrize(("value", "told"), [(True, "是 yes"), (False, "否 no")])
def test_yes_and_no_are_words(value: bool, told: str) -> None:
    assert shown({"measure": "holds", "figure": value}, []).splitlines()[0].endswith(told)


def test_a_list_without_rows_says_that_there_are_none() -> None:
    found = shown({"measure": "units", "figure": 0}, [])
    assert "units of production: 0" in found
    assert "没有记录 / no entries" in found
