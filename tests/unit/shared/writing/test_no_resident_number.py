"""I5: no string of any command takes a resident number, but the number of a document.

Every field is found in the tables of the services, so a new field is in it by itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, get_args
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from services.registry.enterprises import credit_code
from shared.contracts.codes import CORRECTING, DOCUMENTS, LISTS, WITHDRAWING, CodeList
from shared.contracts.services import SERVICES
from shared.http.forms import Withdrawal, lists_of
from shared.problems.personal import check_character, holds_resident_number, of_legacy, resident_number
from shared.writing.fields import Wrong, code
from shared.writing.lines.bodies import CORRECTION_OP, models
from shared.writing.table import FactKind, Table

pytestmark = pytest.mark.invariant("I5")

WITH_X = "11010519491231002X"
WITH_DIGIT = next(number for n in range(1000) if (number := f"11010519491231{n:03}" + check_character(f"11010519491231{n:03}"))[-1] != "X")
ALSO_A_CREDIT_CODE = next(
    number
    for n in range(1000)
    for number in [f"13010519800115{n:03}" + check_character(f"13010519800115{n:03}")]
    if credit_code.has_form(number) and number[-1] == credit_code.check_character(number)
)
LEGACY = "110105491231002"
NUMBERS = (
    *(WITH_X, WITH_DIGIT, ALSO_A_CREDIT_CODE, LEGACY, WITH_X.lower()),
    *("110105 19491231 002X", "110105-19491231-002x", "１１０１０５１９４９１２３１００２Ｘ", "1101.0519.4912.3100.2X"),
    *(
        f"张三{WITH_X}的厂",
        f"Zhang-San_{WITH_DIGIT}_works",
        f"x{WITH_X}",
        "一一〇一〇五一九四九一二三一〇〇二X",
        "110105\u200b19491231002X",
    ),
)
PERSONAL = {
    ("membership", "member", ("document", "number")),
    ("cases", "case", ("reporter", "document", "number")),
    ("cases", "hardship", ("person", "document", "number")),
    ("cases", "help", ("person", "document", "number")),
}
"""The only fields that take one."""
TABLES: dict[str, Table[Any, Any]] = {
    name: importlib.import_module(f"services.{name}.facts").TABLE for name, service in SERVICES.items() if service.contracts is not None
}


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool, CodeList | None]]:
    """(path, whether it is a list, its closed list of codes) of every field that holds a value."""
    lists = lists_of(model)
    for name, field in model.model_fields.items():
        parts = list(parts_of(field.annotation))
        inner = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        for one in inner:
            yield from leaves(one, (*path, field.alias or name))
        if not inner and dict not in parts:
            yield (*path, field.alias or name), list in parts, lists.get(name)


def parts_of(annotation: Any) -> Iterator[Any]:
    yield getattr(annotation, "__origin__", annotation)
    for part in get_args(annotation):
        yield from parts_of(part)


def bodies() -> Iterator[tuple[str, str, type[BaseModel]]]:
    for service, table in TABLES.items():
        yield from ((service, op, model) for op, model in models(table).items())
        yield service, "withdrawal", Withdrawal


FIELDS = [
    (service, op, model, *leaf) for service, op, model in bodies() for leaf in leaves(model) if (service, op, leaf[0]) not in PERSONAL
]
CORRECTED = [(service, kind, name) for service, table in TABLES.items() for kind in table.facts for name in kind.fields]


def test_every_service_that_writes_has_its_fields_here() -> None:
    assert {service for service, *_ in FIELDS} == set(TABLES) == {"registry", "membership", "cases"}
    assert {op for _, op, *_ in FIELDS} >= {CORRECTION_OP, "withdrawal", *(op for table in TABLES.values() for op in table.ops)}
    assert {(service, op, path) for service, op, model in bodies() for path, *_ in leaves(model)} >= PERSONAL


@pytest.mark.parametrize(
    ("service", "op", "model", "path", "many", "codes"), FIELDS, ids=lambda value: str(value) if isinstance(value, str) else None
)
def test_no_field_of_a_command_takes_a_resident_number(
    service: str, op: str, model: type[BaseModel], path: tuple[str, ...], many: bool, codes: CodeList | None
) -> None:
    for number in NUMBERS:
        body: Any = [number] if many else number
        for name in reversed(path):
            body = {name: body}
        with pytest.raises(ValidationError) as refused:
            model.model_validate(body)
        if any(error["loc"][: len(path)] == path and error["type"] != "missing" for error in refused.value.errors()):
            continue
        # What is only a code is checked behind the idempotency key (shared/writing/carry_out.py, members/needs).
        codes = codes or (DOCUMENTS if path[-2:] == ("document", "kind") else {"reason": CORRECTING}.get(path[-1]))
        assert codes is not None, f"{service} {op} {'.'.join(path)} takes {number}"
        with pytest.raises(Wrong):
            code(codes)(number)


@pytest.mark.parametrize(("service", "kind", "name"), CORRECTED, ids=[f"{s}-{k.contract.__name__}-{n}" for s, k, n in CORRECTED])
def test_no_field_of_a_correction_takes_a_resident_number(service: str, kind: FactKind[Any], name: str) -> None:
    for number in NUMBERS:
        with pytest.raises(Wrong):
            kind.fields[name].read(number)


def test_no_list_has_a_number_among_its_codes() -> None:
    for one in (*LISTS, WITHDRAWING):
        assert not [found for found in (*one.codes, *one.own) if holds_resident_number(found)]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_found_however_it_is_written(number: str) -> None:
    assert holds_resident_number(number)


@pytest.mark.parametrize(
    "text",
    [
        *("110105194912310021", "11010519491331002X", "91330203MA2AE11W2B", "330203-P001", "330203001001001", "宁波示例电子有限公司", ""),
        *("0574-87654321 至 0574-87654329", "2024-01-01 2025-01-01", str(UUID(int=2**127 + 12345)), "110105191231002"),
    ],
)
def test_other_numbers_are_let_be(text: str) -> None:
    assert not holds_resident_number(text)


def test_a_legacy_number_is_that_of_18_characters() -> None:
    assert of_legacy(LEGACY) == WITH_X
    assert resident_number(WITH_X)
