"""Whether a figure may still change, and why."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from services.metrics.dashboard.words import LANGUAGES, Language, Words
from services.metrics.figures.finality import Finality, Provisional
from services.metrics.figures.freshness import StaleReason

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)


def test_what_is_known_at_a_closed_day_is_final_however_old_the_data_is() -> None:
    assert Finality(DAY, DAY, StaleReason.KAFKA_UNREACHABLE).provisional(DAY) == []
    assert Finality(DAY).provisional(date(2020, 1, 1)) == []


def test_any_other_figure_says_why_it_may_change() -> None:
    assert Finality().provisional(DAY) == ["NO_CLOSED_DAYS"]
    assert Finality(DAY).provisional(NEXT) == ["DAY_NOT_CLOSED"]
    assert Finality(DAY, date(2026, 3, 5)).provisional(NEXT) == ["DAY_NOT_CLOSED"]
    assert Finality(DAY, NEXT, StaleReason.CATCHING_UP).provisional(NEXT) == ["DAY_NOT_CLOSED", "HELD_EVENTS", "CATCHING_UP"]
    assert Finality(None, date.min).provisional(DAY) == ["NO_CLOSED_DAYS", "HELD_EVENTS"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_words_in_both_languages(language: Language) -> None:
    words = Words(language, ZoneInfo("Asia/Shanghai"))
    assert all(words.t(f"provisional.{reason}") for reason in (*Provisional, *StaleReason))
    assert all("10:00" in words.t(f"age.{reason}", since="10:00", events="5") for reason in StaleReason if reason != StaleReason.NEVER_READ)


def test_what_is_known_now_is_not_known_on_now() -> None:
    words = Words("en", ZoneInfo("Asia/Shanghai"))
    assert f"{words.t('head.known')} {words.t('head.now')}" == "As known now"
