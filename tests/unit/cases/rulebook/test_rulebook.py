"""Which value of a rule holds at a place on a day."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from services.cases.rulebook.checking import check_value
from services.cases.rulebook.defaults import DEFAULTS
from services.cases.rulebook.laws import LAWS
from services.cases.rulebook.rulebook import Rulebook, RuleValue
from tests.unit.cases.arrangements import day

PATH = ["P-1", "330106", "330100", "330000"]
TEN = {"days": 10, "day_kind": "working"}
TWELVE = {"days": 12, "day_kind": "calendar"}


def value(area: str, valid_from: str, said: dict[str, Any], name: str = "negotiation_reply") -> RuleValue:
    return RuleValue(name, area, day(valid_from), said)


def held(book: Rulebook, on: str, name: str = "negotiation_reply") -> Any:
    ruling = book.at(name, PATH, day(on))
    return None if ruling is None else (ruling.area, ruling.value)


def test_without_a_value_of_a_place_the_national_one_holds_on_every_day() -> None:
    for on in ("1990-01-01", "2026-01-01"):
        assert held(Rulebook(), on) == ("default", {"days": 20, "day_kind": "calendar"})
    assert held(Rulebook(), "2026-01-01", "supervision_reply") is None


def test_the_nearest_area_with_a_value_of_the_day_wins() -> None:
    book = Rulebook([value("330000", "2020-01-01", TEN), value("330106", "2026-01-01", TWELVE), value("440000", "2000-01-01", TWELVE)])
    assert held(book, "2019-12-31") == ("default", {"days": 20, "day_kind": "calendar"})
    assert held(book, "2020-01-01") == held(book, "2025-12-31") == ("330000", TEN)
    assert held(book, "2026-01-01") == ("330106", TWELVE)


def test_a_value_holds_until_the_next_of_its_area_and_the_last_said_of_a_day_counts() -> None:
    book = Rulebook([value("330000", "2024-01-01", TWELVE), value("330000", "2020-01-01", TWELVE), value("330000", "2024-01-01", TEN)])
    assert held(book, "2023-12-31") == ("330000", TWELVE)
    assert held(book, "2024-01-01") == ("330000", TEN)
    assert [(name, ruling.valid_from) for name, ruling in book.rulings()] == [
        ("negotiation_reply", day("2020-01-01")),
        ("negotiation_reply", day("2024-01-01")),
    ]


def test_a_version_names_rule_place_day_and_value() -> None:
    book = Rulebook([value("330000", "2020-01-01", TEN)])
    ruling = book.at("negotiation_reply", PATH, day("2026-01-01"))
    assert ruling is not None
    assert re.fullmatch(r"negotiation_reply/330000/2020-01-01/[0-9a-f]{8}", ruling.version)
    same = Rulebook([value("330000", "2020-01-01", dict(reversed(TEN.items())))]).at("negotiation_reply", PATH, day("2026-01-01"))
    other = Rulebook([value("330000", "2020-01-01", TWELVE)]).at("negotiation_reply", PATH, day("2026-01-01"))
    assert same is not None
    assert other is not None
    assert same.version == ruling.version != other.version
    national = book.at("mediation", PATH, day("2026-01-01"))
    assert national is not None
    assert national.version.startswith("mediation/default/2008-05-01/")


def test_an_unknown_rule_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        Rulebook().at("no_rule", PATH, day("2026-01-01"))


@pytest.mark.parametrize("rule", DEFAULTS.values(), ids=DEFAULTS)
def test_a_row_of_the_defaults_is_whole(rule: Any) -> None:
    assert rule.named.zh
    assert rule.named.en
    assert rule.law in LAWS
    assert rule.mark in {"R", "R2", "M", "V"}
    assert rule.value is None or check_value(rule.name, rule.value) == {**rule.value}
    assert rule.value is not None or rule.note is not None
    for shown in re.findall(r"\{.*\}", f"{rule.note.zh}\n{rule.note.en}") if rule.note else ():
        assert check_value(rule.name, json.loads(shown))
