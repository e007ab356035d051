"""Whether a figure may still change, and why."""

from __future__ import annotations

import re
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from services.metrics.dashboard.words import LANGUAGES, Language, Words
from services.metrics.figures.finality import Finality, Provisional
from services.metrics.figures.freshness import StaleReason
from shared.problems.provisional import REASONS, sentences

EARLIER, DAY, NEXT, TODAY = date(2025, 12, 31), date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 2)


def test_what_is_known_at_a_closed_day_is_final_however_old_the_data_is() -> None:
    assert Finality(DAY, DAY, StaleReason.KAFKA_UNREACHABLE).provisional(EARLIER, DAY, TODAY) == []
    assert Finality(DAY).provisional(EARLIER, date(2020, 1, 1), TODAY) == []


def test_any_other_figure_says_why_it_may_change() -> None:
    assert Finality().provisional(EARLIER, DAY, TODAY) == ["NO_CLOSED_DAYS"]
    assert Finality(DAY).provisional(EARLIER, NEXT, TODAY) == ["DAY_NOT_CLOSED"]
    assert Finality(DAY, date(2026, 3, 5)).provisional(EARLIER, NEXT, TODAY) == ["DAY_NOT_CLOSED"]
    assert Finality(DAY, NEXT, StaleReason.CATCHING_UP).provisional(EARLIER, NEXT, TODAY) == [
        "DAY_NOT_CLOSED",
        "HELD_EVENTS",
        "CATCHING_UP",
    ]
    assert Finality(None, date.min).provisional(EARLIER, DAY, TODAY) == ["NO_CLOSED_DAYS", "HELD_EVENTS"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_words_in_both_languages(language: Language) -> None:
    words = Words(language, ZoneInfo("Asia/Shanghai"))
    assert {*Provisional, *StaleReason} == REASONS.keys()
    answer = {"as_of": "2026-04-01", "known_at": "2026-03-02", "closed_day": "2026-03-01", "provisional": list(REASONS)}
    told = sentences(answer, language)
    assert len(set(told)) == len(REASONS)
    assert not [text for text in told if re.search("[A-Z]_|[{}]|None", text)]
    assert all("10:00" in words.t(f"age.{reason}", since="10:00", events="5") for reason in StaleReason if reason != StaleReason.NEVER_READ)


def test_a_day_to_come_is_an_outlook_also_where_the_day_as_known_is_closed() -> None:
    assert Finality(DAY).provisional(date(2026, 3, 3), DAY, TODAY) == ["FUTURE"]
    assert Finality(DAY).provisional(date(2026, 3, 3), NEXT, TODAY) == ["FUTURE", "DAY_NOT_CLOSED"]
    assert Finality(DAY).provisional(TODAY, DAY, TODAY) == []


def test_what_is_known_now_is_not_known_on_now() -> None:
    words = Words("en", ZoneInfo("Asia/Shanghai"))
    assert f"{words.t('head.known')} {words.t('head.now')}" == "As known now"
