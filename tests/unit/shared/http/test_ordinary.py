"""The ordinary form of a body takes nothing that the model refuses, and gives the same values."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from deploy.local.loading.kinds import Kind, kinds, tables
from shared.http.ordinary import OrdinaryForm
from shared.problems.errors import Problem
from shared.problems.strict_json import _decode, values_of
from shared.writing.lines.bodies import command_of, models

ID = "01938c5e-7f00-7000-8000-0000000000e1"
TEXTS = [
    *(ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f" {ID}", f"urn:uuid:{ID}", ID[:-1], f"{ID[:8]}-{ID[8:-1]}"),
    *(
        "2024-01-02",
        "2024-1-2",
        "20240102",
        "1899-12-31",
        "1900-01-01",
        "2024-02-30",
        "2024-01-02T00:00:00",
        "２０２４-01-02",
        " 2024-01-02",
    ),
    *("", "x", "x" * 32, "x" * 33, "x" * 128, "x" * 129, "x" * 201, "张三", "a\nb", "a\n", "a b", "\ud800", "𠮷" * 32, "key-1", "\x7f"),
]
VALUES = st.one_of(
    st.sampled_from(TEXTS), st.text(max_size=5), st.integers(-3, 3), st.booleans(), st.none(), st.just([]), st.just({}), st.just(1.0)
)
MODELS: dict[str, tuple[str, type[BaseModel]]] = {
    f"{service} {op}": (service, model) for service, table in tables().items() for op, model in models(table).items()
}
ORDINARY = [name for name, (_, model) in MODELS.items() if OrdinaryForm(model).exists]


def bodies(model: type[BaseModel], strange: st.SearchStrategy[Any] = VALUES) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies that are nearly right: ids, days and texts where they belong, and here and there something else, missing or too much."""

    def fitting(name: str) -> st.SearchStrategy[Any]:
        field = model.model_fields[name]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            return bodies(field.annotation, strange)
        right = "2024-01-02" if name == "on" or name.endswith("_on") else "passport" if name == "kind" else ID
        return st.just(right)

    fields = {name: st.one_of(fitting(name), fitting(name), fitting(name), strange) for name in model.model_fields}
    required = {name: fields[name] for name, field in model.model_fields.items() if field.is_required()}
    optional = {name: fields[name] for name in fields if name not in required}
    made = st.fixed_dictionaries(required, optional=optional)
    return st.one_of(made, made, st.tuples(made, strange).map(lambda pair: {**pair[0], "more": pair[1]}))


def test_members_and_transfers_have_an_ordinary_form() -> None:
    assert {"membership member", "membership transfer"} <= set(ORDINARY)


@pytest.mark.parametrize("name", ORDINARY)
@given(data=st.data())
def test_a_body_in_its_ordinary_form_is_the_command_that_the_model_reads(name: str, data: st.DataObject) -> None:
    service, model = MODELS[name]
    body = data.draw(bodies(model))
    ordinary = OrdinaryForm(model).read(body)
    if ordinary is None:
        return
    read = model.model_validate(body)
    assert read.model_dump() == {field: _plain(getattr(ordinary, field)) for field in model.model_fields}
    commands = [_command(service, name.partition(" ")[2], one) for one in (ordinary, read)]
    assert commands[0] == commands[1]


def _plain(value: Any) -> Any:
    return msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value


def _command(service: str, op: str, body: Any) -> Any:
    """The command of a body, or what it is refused with."""
    try:
        return command_of(tables()[service], op, body)
    except Problem as problem:
        return problem.as_dict()


@pytest.mark.parametrize("kind", [kind for kind in kinds().values() if kind.ordinary.exists], ids=lambda kind: kind.name)
@given(data=st.data())
def test_a_row_in_its_ordinary_form_has_the_form_of_its_kind(kind: Kind, data: st.DataObject) -> None:
    row = data.draw(bodies(kind.form))
    if kind.ordinary.read(row) is None:
        return
    try:
        kind.form.model_validate(row)
    except ValidationError as error:
        pytest.fail(f"{row}: {error}")


def test_a_body_says_nothing_of_the_person_when_it_is_shown() -> None:
    form = OrdinaryForm(MODELS["membership member"][1])
    values = {"union_id": ID, "enterprise_id": ID, "document": {"kind": "passport", "number": "SECRET"}, "joined_on": "2024-01-02"}
    body = form.read(values)
    assert body is not None
    assert body.document.number == "SECRET"
    assert "SECRET" not in repr(body) + str(body) + repr(body.document)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@given(JSON, st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]), st.booleans())
def test_values_are_the_same_however_they_are_written(values: Any, separators: tuple[str, str], ascii_only: bool) -> None:
    written = json.dumps(values, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        wanted = _decode(written.decode("utf-8-sig"))
    except ValueError:
        with pytest.raises(ValueError, match=""):
            values_of(written)
        return
    found = values_of(written)
    assert found == wanted
    assert repr(found) == repr(wanted)


NAMES = st.sampled_from(["a", "b", '"', "\\", "é", ": ", ", "])


@given(st.lists(st.tuples(NAMES, st.sampled_from(['"x"', "1", "[]", '{"a":1}', '{"a": 1, "a": 2}', "null", '"a, b"', '": "'])), max_size=4))
def test_a_name_that_stands_twice_is_found_however_it_is_written(pairs: list[tuple[str, str]]) -> None:
    for separator, colon in ((",", ":"), (", ", ": "), (" ,", " :\t")):
        written = "{" + separator.join(f"{json.dumps(name)}{colon}{value}" for name, value in pairs) + "}"
        twice = len({name for name, _ in pairs}) < len(pairs) or any(value == '{"a": 1, "a": 2}' for _, value in pairs)
        if twice:
            with pytest.raises(Problem, match="DUPLICATE_FIELD"):
                values_of(written.encode())
        else:
            assert values_of(written.encode()) == json.loads(written)
