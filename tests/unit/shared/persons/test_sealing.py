"""Persons are sealed for their rows, and found by keyed hashes."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from shared.persons.bodies import PersonBody
from shared.persons.sealing import Person, PersonKeys, Sealed, Undecipherable, UnknownKey, open_person, seal_person
from shared.problems.errors import Problem

KEY1, KEY2 = bytes(range(32)), bytes(range(32, 64))
KEYS = PersonKeys({1: KEY1}, {1: KEY2})
RESIDENT = "11010519491231002X"
HASH_OF_A1 = "a3c8f237287604f1503226839f0cc8d3cc4398de61a8335a672c48b510c0701f"
SEALED_A1 = "20555ffe6cefabf500f48080a2ef66a54b7587eef59a5ecbae95dd2b0784"
"""As release 0.3 wrote them, the latter for the row with the id 7."""
SOMEBODY = Person("resident_id", RESIDENT, "张三", "0571-12345678")


def test_what_is_sealed_can_be_opened_and_only_for_its_person() -> None:
    keys, person = KEYS, uuid4()
    sealed = keys.seal(person, "11010519491231002X")
    assert b"1101" not in sealed.blob
    assert keys.open(person, sealed) == "11010519491231002X"
    assert keys.seal(person, "x").blob != keys.seal(person, "x").blob
    with pytest.raises(Undecipherable):
        keys.open(uuid4(), sealed)
    with pytest.raises(Undecipherable):
        keys.open(person, Sealed(sealed.blob[:-1] + bytes([sealed.blob[-1] ^ 1]), 1))


def test_keys_are_rotated_by_version() -> None:
    old, new = PersonKeys({1: KEY1}, {1: KEY1}), PersonKeys({1: KEY1, 2: KEY2}, {1: KEY1, 2: KEY2})
    person = uuid4()
    assert new.open(person, old.seal(person, "A1")) == "A1"
    assert new.seal(person, "A1").key_version == 2
    assert new.hashes("passport", "A1")[1] == old.hashes("passport", "A1")[0]
    assert new.hashes("passport", "A1")[0][0] == 2
    assert old.hashes("passport", "A1") != old.hashes("permit", "A1")
    with pytest.raises(UnknownKey):
        old.open(person, new.seal(person, "A1"))
    assert KEY1.hex() not in repr(new)


def test_hashes_and_sealed_numbers_are_those_of_earlier_releases() -> None:
    """What a database holds must be found and opened by every later release."""
    assert KEYS.number_hashes("A1")[0][1].hex() == HASH_OF_A1
    assert KEYS.open(UUID(int=7), Sealed(bytes.fromhex(SEALED_A1), 1)) == "A1"


@pytest.mark.parametrize("person", [SOMEBODY, Person(), Person(name="张三"), Person("passport", "E12345678")])
def test_a_person_is_sealed_whole_and_for_one_row(person: Person) -> None:
    row = uuid4()
    sealed = seal_person(KEYS, row, person)
    assert open_person(KEYS, row, sealed) == person
    for held in (person.document_number, person.name, person.phone):
        assert held is None or held.encode() not in sealed.blob
    with pytest.raises(Undecipherable):
        open_person(KEYS, uuid4(), sealed)
    with pytest.raises(Undecipherable):
        KEYS.open(row, sealed)
    with pytest.raises(Undecipherable):
        open_person(KEYS, row, KEYS.seal(row, json.dumps({"name": "x"})))


def test_nothing_of_a_person_is_shown() -> None:
    body = PersonBody.model_validate({"document": {"kind": "resident_id", "number": RESIDENT}, "name": "张三", "phone": "0571-12345678"})
    for shown in (repr(SOMEBODY), str(SOMEBODY), repr(body), str(body)):
        assert not any(held in shown for held in (RESIDENT, "张三", "0571-12345678"))


def test_a_body_becomes_a_person_in_normal_forms() -> None:
    body = PersonBody.model_validate(
        {"document": {"kind": "passport", "number": "110105491231002"}, "name": " 张三 ", "phone": "０５７１-12345678"}
    )
    assert body.person("reporter") == SOMEBODY
    assert PersonBody.model_validate({}).person("reporter") == Person()
    alone = PersonBody.model_validate({"document": RESIDENT})
    assert (alone.person("reporter"), RESIDENT in repr(alone)) == (Person("resident_id", RESIDENT), False)


def test_a_refusal_names_the_field_and_not_the_number() -> None:
    body = PersonBody.model_validate({"document": {"kind": "resident_id", "number": "110105194912310021"}})
    with pytest.raises(Problem) as refused:
        body.person("reporter")
    assert refused.value.errors[0].field == "reporter.document.number"
    assert "110105194912310021" not in str(refused.value.as_dict())


@pytest.mark.parametrize("wrong", [{"phone": "call me"}, {"phone": "1"}, {"name": RESIDENT}, {"name": " "}, {"address": "x"}])
def test_a_wrong_body_is_refused_without_being_repeated(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        PersonBody.model_validate(wrong)
    assert RESIDENT not in str(refused.value)
    assert "call me" not in str(refused.value)
