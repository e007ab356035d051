"""Unified social credit codes by GB 32100-2015, beside python-stdnum where that is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc

from services.registry.enterprises import credit_code, fields
from shared.writing.fields import Wrong

bodies = st.text(alphabet=credit_code.ALPHABET, min_size=17, max_size=17)


def code_of(value: str) -> str | None:
    return fields.credit_code(value)


@given(bodies)
def test_the_check_character_makes_the_weighted_sum_divisible_by_31(body: str) -> None:
    code = body + credit_code.check_character(body)
    total = sum(credit_code.ALPHABET.index(c) * 3**place for place, c in enumerate(code[:17]))
    assert (total + credit_code.ALPHABET.index(code[17])) % 31 == 0
    assert code_of(code) == code


@given(st.text("0123456789", min_size=8, max_size=8), st.text(credit_code.ALPHABET, min_size=9, max_size=9))
def test_codes_that_begin_with_digits_agree_with_an_independent_library(digits: str, rest: str) -> None:
    body = digits + rest
    assert uscc.calc_check_digit(body) == credit_code.check_character(body)


def test_a_code_that_begins_with_a_letter_is_valid() -> None:
    body = "A1350100M000100Y4"
    assert code_of(body + credit_code.check_character(body)) is not None


def test_a_check_character_of_zero_is_valid() -> None:
    body = next(b for n in range(100) if credit_code.check_character(b := f"91350100M0001{n:04}") == "0")
    assert code_of(body + "0") == body + "0"


def test_small_letters_are_the_same_code() -> None:
    assert code_of("91350100m000100y43") == "91350100M000100Y43"


@pytest.mark.parametrize("letter", "IOZSV")
def test_letters_that_look_like_digits_are_none(letter: str) -> None:
    with pytest.raises(Wrong, match="INVALID_CREDIT_CODE"):
        code_of(f"9135010{letter}M000100Y43")


@pytest.mark.parametrize(
    "written", ["９１３５０１００Ｍ０００１００Ｙ４３", " 91350100m000100Y43\u3000", "9135 0100 M000 100Y 43", "\ufeff91350100M000100Y43"]
)
def test_width_blanks_and_marks_make_no_other_code(written: str) -> None:
    assert code_of(written) == "91350100M000100Y43"


@pytest.mark.parametrize("wrong", ["", "9135", "91350100M000100Y433", 91, "91350100M000100Y4 "])
def test_what_is_no_code_is_refused(wrong: object) -> None:
    with pytest.raises(Wrong, match="INVALID_CREDIT_CODE"):
        fields.credit_code(wrong)


@given(bodies, st.integers(0, 16), st.sampled_from(credit_code.ALPHABET))
def test_one_wrong_character_is_found(body: str, place: int, other: str) -> None:
    code = body + credit_code.check_character(body)
    changed = code[:place] + other + code[place + 1 :]
    if changed != code:
        with pytest.raises(Wrong, match="WRONG_CHECK_CHARACTER"):
            code_of(changed)
