"""What an event holds for a level or a grade is a code, whatever is entered."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases.assessments import bodies as c
from services.cases.assessments import said
from shared.contracts.case_codes import LEVELS
from shared.contracts.cases.assessments import Assessed, AssessmentMade, AwardExpired
from shared.writing.fields import Wrong
from tests.unit.cases.worlds import A, correction, do, wake, world

TODAY = date(2026, 6, 1)


@given(text=st.text(min_size=1, max_size=64))
def test_no_free_text_is_a_code(text: str) -> None:
    assert said.level_of(text) in LEVELS.codes
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", said.grade_of(text))


@pytest.mark.parametrize(
    ("text", "code"),
    [("city", "city"), ("市级", "city"), ("全国", "nation"), ("provincial", "province"), ("Provincial ", "province"), ("x", "other")],
)
def test_a_level_is_found_by_its_names(text: str, code: str) -> None:
    assert said.level_of(text) == code


@pytest.mark.parametrize(("text", "code"), [("AAA", "AAA"), ("\uff21\uff21", "AA"), ("a b", "other"), ("优秀", "other")])
def test_a_grade_is_a_code_or_other(text: str, code: str) -> None:
    assert said.grade_of(text) == code


@pytest.mark.parametrize("text", ["优秀", "a b", "", None, 3])
def test_a_correction_says_a_grade_as_a_code(text: object) -> None:
    with pytest.raises(Wrong):
        said.read_grade(text)


def test_what_was_entered_is_kept_only_where_the_code_does_not_say_it() -> None:
    made = world()
    entry = do(made, c.Assess(Assessed.ENTERPRISE, TODAY, "市级", "优秀", enterprise_id=A), TODAY)
    assert made.entries[entry].private == {"grade": "优秀"}
    ((_, data),) = made.entries[entry].holding(AssessmentMade)
    assert (data.level, data.grade) == ("city", "other")


def test_an_award_expires_on_the_day_after_its_last_one() -> None:
    made = world()
    entry = do(made, c.Grant(A, "示范企业", "city", TODAY, date(2026, 6, 30)), TODAY)
    assert wake(made, made.entries[entry], date(2026, 6, 30)) == []
    (expired,) = wake(made, made.entries[entry], date(2026, 7, 1))
    assert (type(expired.data), expired.on) == (AwardExpired, date(2026, 7, 1))
    assert correction(made, made.entries[entry].facts[0], None, date(2026, 7, 2)) is None
    assert len(wake(made, made.entries[entry], date(2026, 7, 2))) == 1
    assert made.entries[entry].facts == ()
