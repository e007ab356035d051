"""Identity documents: checked, brought into one form, masked."""

from __future__ import annotations

from datetime import date

import pytest

from shared.contracts.codes import DOCUMENTS
from shared.persons.documents import LIKE_RESIDENT_IDS, RULES, document_of, masked, normalised
from shared.problems.errors import Problem
from shared.problems.personal import check_character


def test_a_resident_id_is_checked_by_mod_11_2() -> None:
    assert normalised("resident_id", "11010519491231002x") == "11010519491231002X"
    assert normalised("resident_id", " 110105 19491231 002X ") == "11010519491231002X"
    assert normalised("resident_id", "１１０１０５１９４９１２３１００２Ｘ") == "11010519491231002X"
    assert check_character("11010519491231002") == "X"


def test_the_legacy_form_is_the_same_person() -> None:
    assert normalised("resident_id", "110105491231002") == "11010519491231002X"


@pytest.mark.parametrize(
    "number",
    [
        "110105194912310021",
        "1101051949123100",
        "",
        "X1010519491231002X",
        "11010519490231002" + check_character("11010519490231002"),
        "1" * 65,
    ],
)
def test_a_wrong_resident_id_is_refused_without_being_repeated(number: str) -> None:
    with pytest.raises(Problem) as refused:
        normalised("resident_id", number)
    assert refused.value.code == "INVALID_DOCUMENT"
    assert not number or number not in repr(refused.value) + str(refused.value) + str(refused.value.args)


@pytest.mark.parametrize(("kind", "number"), [("passport", ""), ("passport", "A" * 65), ("passport", "A\x00B"), ("Pass port", "A1")])
def test_other_documents_have_1_to_64_characters(kind: str, number: str) -> None:
    with pytest.raises(Problem):
        normalised(kind, number)
    assert normalised("sample", "01-RC-1/7") == "01-RC-1/7"
    assert normalised("passport", "e 12345678") == "E12345678"


def test_positions_7_to_14_are_masked() -> None:
    assert masked("11010519491231002X") == "110105********002X"
    assert masked("E12345678") == "E12345***"
    assert masked("E12345") == "******"


RESIDENT = "11010519491231002X"


@pytest.mark.parametrize("kind", list(DOCUMENTS.codes))
@pytest.mark.parametrize("typed", [RESIDENT, "110105 19491231-002x", "１１０１０５１９４９１２３１００２ｘ", "110105491231002"])
def test_a_resident_number_is_the_same_person_whatever_kind_was_typed(kind: str, typed: str) -> None:
    found = document_of(kind, typed)
    assert found.number == RESIDENT
    assert found.kind in LIKE_RESIDENT_IDS


@pytest.mark.parametrize(
    ("kind", "typed", "number"),
    [
        ("hong_kong_macao_permit", "h 12345678", "H12345678"),
        ("hong_kong_macao_permit", "H12345678 02", "H12345678"),
        ("taiwan_permit", "12345678", "12345678"),
        ("taiwan_permit", "1234567802(b)", "12345678"),
        ("foreign_resident_card", "gbr110154121412", "GBR110154121412"),
        ("military_id", "军字第12345678号", "军12345678"),
        ("military_id", "军 12345678", "军12345678"),
        ("passport", "e-1234 5678", "E12345678"),
        ("passport", "Ｅ１２３４５６７８", "E12345678"),
        ("sample", "01-rc-1/7", "01-RC-1/7"),
    ],
)
def test_every_kind_has_one_normal_form(kind: str, typed: str, number: str) -> None:
    assert normalised(kind, typed) == number
    assert normalised(kind, number) == number


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("resident_id", "E12345678"),
        ("residence_permit", "H12345678"),
        ("hong_kong_macao_permit", "X12345678"),
        ("taiwan_permit", "123456789"),
        ("foreign_resident_card", "GB110154121412"),
        ("military_id", "军字第号"),
        ("passport", "ABC"),
        ("resident_id", "11010518991231" + "002" + check_character("11010518991231002")),
    ],
)
def test_a_number_of_another_form_is_refused_and_the_refusal_names_the_kind(kind: str, number: str) -> None:
    with pytest.raises(Problem) as refused:
        normalised(kind, number)
    (error,) = refused.value.as_dict()["errors"]
    assert (error["code"], error["field"]) == ("INVALID_DOCUMENT", "document.number")
    named = DOCUMENTS.label(kind)
    assert named.zh in error["message_zh"]
    assert named.en in error["message_en"]
    assert number not in str(error)


def test_a_kind_that_no_list_has_is_refused_with_the_list() -> None:
    with pytest.raises(Problem) as refused:
        normalised("idcard", RESIDENT)
    (error,) = refused.value.as_dict()["errors"]
    assert (error["code"], error["field"]) == ("NOT_ONE_OF", "document.kind")
    assert "resident_id(居民身份证)" in error["message_zh"]
    assert "resident_id (resident identity card)" in error["message_en"]
    assert set(RULES) == set(DOCUMENTS.codes)


def test_nobody_joins_before_being_born() -> None:
    number = "11010520200101002" + check_character("11010520200101002")
    assert document_of("resident_id", number, date(2020, 1, 1)).number == number
    with pytest.raises(Problem) as refused:
        document_of("resident_id", number, date(2019, 12, 31))
    assert refused.value.errors[0].field == "document.number"


@pytest.mark.parametrize("kind", ["resident_id", "passport", "military_id", "sample"])
@pytest.mark.parametrize(
    "typed", ["11010519491231002X", "一一〇一〇五一九四九一二三一〇〇二X", "１１０１０５ 19491231 ００２x", "110105491231002"]
)
def test_a_resident_number_is_one_person_under_every_kind_and_in_all_digits(kind: str, typed: str) -> None:
    assert document_of(kind, typed).number == "11010519491231002X"
