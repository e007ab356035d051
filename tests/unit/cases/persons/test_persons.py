"""How persons are named, and how the purpose of a reading is read."""

from __future__ import annotations

from datetime import date
from urllib.parse import quote

import pytest

from services.cases.persons.naming import merged, named, required
from services.cases.persons.purposes import purpose_of
from services.cases.persons.readings import without
from shared.persons.bodies import PersonBody
from shared.persons.sealing import Person
from shared.problems.errors import Unprocessable

NUMBER = "11010519491231002X"
ON = date(2026, 3, 2)
KNOWN = Person("resident_id", NUMBER, "欧阳样例", "0571-87654321")


@pytest.mark.parametrize(
    ("header", "purpose"),
    [
        ("call back", "call back"),
        (" call back ", "call back"),
        (quote("回访报告人"), "回访报告人"),
        ("回访报告人".encode().decode("latin-1"), "回访报告人"),
        ("100%", "100%"),
        ("caf\xe9", "café"),
        ("x" * 200, "x" * 200),
        (quote("访" * 200), "访" * 200),
    ],
)
def test_a_purpose_is_read_however_it_was_sent(header: str, purpose: str) -> None:
    assert purpose_of(header) == purpose


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("  ", "EMPTY"),
        ("%20", "EMPTY"),
        (quote("\u200b"), "EMPTY"),
        ("x" * 201, "TOO_LONG"),
        (quote("访" * 201), "TOO_LONG"),
        ("call%0Aback", "CONTROL_CHARACTERS"),
        (f"call {NUMBER}", "HOLDS_RESIDENT_NUMBER"),
        (quote(f"致电{NUMBER}"), "HOLDS_RESIDENT_NUMBER"),
    ],
)
def test_a_purpose_that_is_none_is_refused(header: str, code: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        purpose_of(header)
    (error,) = refused.value.errors
    assert (error.code, error.field) == (code, "Purpose")
    assert NUMBER not in str(refused.value.as_dict())


def test_what_names_the_person_is_taken_out_of_a_purpose() -> None:
    assert without(f"回访欧阳样例 0571-87654321 {NUMBER}", KNOWN) == "回访*** *** ***"
    assert without("回访样", Person(name="样")) == "回访样", "a single character is no name that could be told"
    assert without("call back", Person()) == "call back"


def test_who_is_named_by_nothing_is_nobody() -> None:
    assert named(None, "reporter", ON) is None
    assert named(PersonBody(), "reporter", ON) is None
    assert named(PersonBody(phone="12351"), "reporter", ON) == Person(phone="12351")
    for body in (PersonBody(), PersonBody(phone="12351")):
        with pytest.raises(Unprocessable) as refused:
            required(body, "person", ON)
        assert [(one.code, one.field) for one in refused.value.errors] == [("FIELD_REQUIRED", "person.name")]
    assert required(PersonBody(name="样例"), "person", ON) == Person(name="样例")


def test_what_is_said_again_of_a_person_counts() -> None:
    assert merged(KNOWN, Person("resident_id", NUMBER, phone="12351")) == Person("resident_id", NUMBER, "欧阳样例", "12351")
    assert merged(KNOWN, Person("residence_permit", NUMBER, "样例")) == Person("residence_permit", NUMBER, "样例", "0571-87654321")
