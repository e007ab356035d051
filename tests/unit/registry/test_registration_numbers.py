"""Business registration numbers of 15 digits, beside python-stdnum's ISO 7064 MOD 11,10."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.iso7064 import mod_11_10

from services.registry.enterprises import fields, registration_number
from services.registry.enterprises.rules import wrong_checks
from shared.writing.fields import Wrong


@given(st.text("0123456789", min_size=15, max_size=15))
def test_the_check_digit_agrees_with_an_independent_library(number: str) -> None:
    assert registration_number.checks(number) == mod_11_10.is_valid(number)


@pytest.mark.parametrize(
    "written", ["110108000000016", " １１０１０８００００００１６ ".replace("００００００", "０００００００"), "110108 000000 016"]
)
def test_width_and_blanks_make_no_other_number(written: str) -> None:
    assert fields.registration_number(written) == "110108000000016"


@pytest.mark.parametrize("wrong", ["", "11010800000001", "1101080000000160", "11010800000001X", 110108000000016])
def test_what_is_no_number_is_refused(wrong: object) -> None:
    with pytest.raises(Wrong, match="INVALID_REGISTRATION_NUMBER"):
        fields.registration_number(wrong)


def test_a_wrong_check_digit_is_a_finding() -> None:
    assert wrong_checks(None, "110108000000016") == ([] if mod_11_10.is_valid("110108000000016") else ["WRONG_CHECK_DIGIT"])
    assert wrong_checks(None, "110108000000017") == ["WRONG_CHECK_DIGIT"]
    assert wrong_checks("91350100M000100Y42", None) == ["WRONG_CHECK_CHARACTER"]
