"""Size classes by the statistical rule of 2017, as its table says it."""

from __future__ import annotations

import pytest

from services.registry.enterprises.size import size_class
from tests.unit.registry.worlds import Ledger, a_world

WAN = 1_000_000


@pytest.mark.parametrize(
    ("industry", "workers", "revenue", "size"),
    [
        ("C3912", 1000, 40_000, "large"),
        ("C", 999, 40_000, "medium"),
        ("B06", 1000, 39_999, "medium"),
        ("D44", 300, 2_000, "medium"),
        ("C39", 299, 2_000, "small"),
        ("C39", 20, 300, "small"),
        ("C39", 19, 90_000, "micro"),
        ("C39", 5_000, 299, "micro"),
        ("A01", None, 20_000, "large"),
        ("A04", 3, 500, "medium"),
        ("A05", 3, 500, None),
        ("A", 3, 500, None),
        ("F51", 200, 40_000, "large"),
        ("F52", 200, 40_000, "medium"),
        ("F", 200, 40_000, None),
        ("G5430", 1000, 30_000, "large"),
        ("G53", 1000, 30_000, None),
        ("G59", 100, 1_000, "medium"),
        ("G60", 300, 2_000, "medium"),
        ("H61", 300, 10_000, "large"),
        ("I63", 2_000, 100_000, "large"),
        ("I65", 300, 10_000, "large"),
        ("K702", 1_000, 5_000, "large"),
        ("K703", 300, None, "large"),
        ("L72", 500, 90_000, None),
        ("L72", 9, None, "micro"),
        ("E47", 500, 90_000, None),
        ("E47", 500, 299, "micro"),
        ("M73", 100, None, "medium"),
        ("Q84", 10, None, "small"),
        ("Q83", 10, 10, None),
        ("J66", 1_000, 90_000, None),
        (None, 1_000, 90_000, None),
        ("C39", None, None, None),
        ("C39", 1_000, None, None),
        ("C39", 19, None, "micro"),
    ],
)
def test_the_class_is_the_lowest_that_an_indicator_gives(
    industry: str | None, workers: int | None, revenue: int | None, size: str | None
) -> None:
    assert size_class(industry, workers, None if revenue is None else revenue * WAN) == size


def known(ledger: Ledger) -> tuple[str | None, str | None]:
    return ledger.now.size, ledger.now.size_rule


def test_a_class_is_decided_with_what_is_known_of_that_day() -> None:
    ledger = Ledger(a_world(), industry="C39")
    ledger.report("2020-06-01", 400)
    assert known(ledger) == (None, None)
    ledger.classify("2021-01-01", revenue_fen=50_000 * WAN)
    assert known(ledger) == ("medium", "NBS-2017")
    ledger.report("2020-12-01", 350)
    assert known(ledger) == ("medium", "NBS-2017")
    ledger.report("2020-12-15", 2_000)
    assert known(ledger) == ("large", "NBS-2017")
    ledger.classify("2021-03-01", industry="J66")
    assert known(ledger) == (None, None)
