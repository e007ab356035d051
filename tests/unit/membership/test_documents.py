"""Identity documents: checked, hashed, encrypted, masked."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.membership.members.documents import Documents, Sealed, Undecipherable, UnknownKey, check_character, masked, normalised
from shared.problems.errors import Problem

KEY1, KEY2 = bytes(range(32)), bytes(range(32, 64))


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


def test_what_is_sealed_can_be_opened_and_only_for_its_person() -> None:
    documents, person = Documents({1: KEY1}, {1: KEY2}), uuid4()
    sealed = documents.seal(person, "11010519491231002X")
    assert b"1101" not in sealed.blob
    assert documents.open(person, sealed) == "11010519491231002X"
    assert documents.seal(person, "x").blob != documents.seal(person, "x").blob
    with pytest.raises(Undecipherable):
        documents.open(uuid4(), sealed)
    with pytest.raises(Undecipherable):
        documents.open(person, Sealed(sealed.blob[:-1] + bytes([sealed.blob[-1] ^ 1]), 1))


def test_keys_are_rotated_by_version() -> None:
    old, new = Documents({1: KEY1}, {1: KEY1}), Documents({1: KEY1, 2: KEY2}, {1: KEY1, 2: KEY2})
    person = uuid4()
    assert new.open(person, old.seal(person, "A1")) == "A1"
    assert new.seal(person, "A1").key_version == 2
    assert new.hashes("passport", "A1")[1] == old.hashes("passport", "A1")[0]
    assert new.hashes("passport", "A1")[0][0] == 2
    assert old.hashes("passport", "A1") != old.hashes("permit", "A1")
    with pytest.raises(UnknownKey):
        old.open(person, new.seal(person, "A1"))
    assert KEY1.hex() not in repr(new)
