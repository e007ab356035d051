"""How earlier releases wrote persons' documents."""

from __future__ import annotations

import pytest

from services.membership.members.earlier_rows import hashed_as, written_as, written_before
from shared.contracts.codes import DOCUMENTS
from shared.persons.documents import Document, document_of

RESIDENT = "11010519491231002X"
LEGACY = "110105491231002"


@pytest.mark.parametrize("kind", list(DOCUMENTS.codes))
def test_a_resident_number_was_hashed_as_one_whatever_kind_is_typed(kind: str) -> None:
    assert hashed_as(document_of(kind, RESIDENT)) == "resident_id"


def test_another_number_was_hashed_with_its_kind() -> None:
    assert hashed_as(Document("passport", "E12345678")) == "passport"
    assert hashed_as(Document("foreign_resident_card", "GBR110154121412")) == "foreign_resident_card"


def test_the_fifteen_digits_stood_as_they_were_under_other_kinds() -> None:
    assert written_as(Document("resident_id", RESIDENT), "resident_id") == [RESIDENT]
    assert written_as(Document("resident_id", RESIDENT), "passport") == [RESIDENT, LEGACY]
    assert written_as(Document("passport", "E12345678"), "passport") == ["E12345678"]


@pytest.mark.parametrize(
    ("kind", "written", "number"),
    [("passport", LEGACY, RESIDENT), ("sample", "01-rc", "01-rc"), ("permit", "h1234567802", "H12345678"), ("badge", "a 1", "A1")],
)
def test_a_row_of_any_kind_has_a_normal_form(kind: str, written: str, number: str) -> None:
    assert written_before(kind, written) == number
