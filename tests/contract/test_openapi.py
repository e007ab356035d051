"""The OpenAPI document of each service is complete: everything is typed, described and has an example, whatever is added.

What services answer is compared with it by every test that calls them (tests/conformance.py).
"""

from __future__ import annotations

import ast
import copy
import importlib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.contracts.services import SERVICES
from shared.http.openapi.problems import statuses_of
from shared.problems.catalogue import CODES
from shared.problems.errors import STATUSES
from shared.problems.preconditions import PreconditionFailed
from tests.conformance import METHODS
from tests.integration.client import settings_of

ROOT = Path(__file__).parents[2]
PREFIX = "#/components/schemas/"


@cache
def document_of(service: str) -> dict[str, Any]:
    """The document, without a running service."""
    settings = importlib.import_module(f"services.{service}.settings").Settings
    # A copy: applications of the same routes share theirs (tests/kept.py), and a test may take something out of it.
    document: dict[str, Any] = copy.deepcopy(importlib.import_module(f"services.{service}.app").api(settings_of(settings)).openapi())
    return document


@pytest.fixture(params=list(SERVICES))
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    """That of each service."""
    return document_of(request.param)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`get /v1/areas`, operation) of all."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method} {path}", item[method]


def objects(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, schema) of every object: components, lines of batches, events of streams."""
    yield from document["components"]["schemas"].items()
    for name, operation in operations(document):
        for content in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media in content.get("content", {}).values():
                line = media["schema"].get("x-line", {})
                yield from ((f"{name} line {number}", one) for number, one in enumerate(line.get("oneOf", [line] if line else [])))
                yield from media["schema"].get("x-events", {}).items()


def parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema, and what it may be."""
    yield schema
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from parts(one)


def described(schema: Mapping[str, Any]) -> bool:
    """Whether the field says what it means: beside a reference, not behind it."""
    return any(part.get("description") for part in parts(schema))


def is_typed(schema: Mapping[str, Any]) -> bool:
    """Whether it says what it is. What may be any JSON has a description that says so."""
    return any(part.keys() & {"type", "$ref", "const", "enum"} for part in parts(schema))


def test_every_document_says_what_the_service_is(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert len(document["info"]["description"]) > 500
    assert all(scheme.get("description") for scheme in document["components"]["securitySchemes"].values())
    assert not [name for name, operation in operations(document) if not (operation.get("summary") and operation.get("description"))]
    identifiers = Counter(operation["operationId"] for _, operation in operations(document))
    assert identifiers.most_common(1)[0][1] == 1, "generated clients name their functions after them"
    assert "_v1_" not in " ".join(identifiers)


def test_every_answer_and_body_is_typed_and_has_an_example(document: dict[str, Any]) -> None:
    missing = []
    for name, operation in operations(document):
        answers = {status: answer for status, answer in operation["responses"].items() if status != "304"}
        bodies = {"body": operation["requestBody"]} if "requestBody" in operation else {}
        for status, content in {**bodies, **answers}.items():
            assert content.get("content"), f"{name} {status} has no content"
            for kind, media in content["content"].items():
                if not is_typed(media.get("schema", {})) or not media.keys() & {"example", "examples"}:
                    missing.append(f"{name} {status} {kind}")
    assert not missing


def test_every_field_is_described_and_has_an_example(document: dict[str, Any]) -> None:
    missing = [
        name for name, schema in objects(document) if not schema.get("description") and "enum" not in schema and " line " not in name
    ]
    for name, schema in objects(document):
        if "properties" not in schema:
            continue
        missing += [] if "examples" in schema or name in ("coverage", "facts", "age", "end") else [f"{name} has no example"]
        missing += [f"{name}.{field} is not described" for field, one in schema["properties"].items() if not described(one)]
    assert not missing


def test_no_field_has_a_name_that_generated_clients_use_themselves(document: dict[str, Any]) -> None:
    """openapi-python-client reads an answer from a variable `d`: a field of that name breaks the class. `n` is the numerator of statistics."""
    short = [
        f"{name}.{field}"
        for name, schema in objects(document)
        for field in schema.get("properties", ())
        if len(field) == 1 and field != "n"
    ]
    assert set(short) <= {"PublicKey.x"}, "the name of a coordinate is given by RFC 8037"


def test_every_parameter_and_header_is_described_and_has_an_example(document: dict[str, Any]) -> None:
    missing = []
    for name, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if not (parameter.get("description") or described(parameter["schema"])):
                missing.append(f"{name} {parameter['name']} is not described")
            if "examples" not in parameter and not any(part.keys() & {"examples", "enum"} for part in parts(parameter["schema"])):
                missing.append(f"{name} {parameter['name']} has no example")
        for status, answer in operation["responses"].items():
            for header in answer.get("headers", {}):
                assert document["components"]["headers"][header]["description"], (name, status, header)
    assert not missing


def test_examples_are_what_their_schemas_say(document: dict[str, Any]) -> None:
    components = {"components": document["components"]}
    for name, schema in objects(document):
        for example in schema.get("examples", ()):
            fault = next(Draft202012Validator({**schema, **components}).iter_errors(example), None)
            assert fault is None, f"{name}: {fault.json_path}: {fault.message}"
    problem = Draft202012Validator({"$ref": f"{PREFIX}Problem", **components})
    for code, example in document["components"]["examples"].items():
        assert problem.is_valid(example["value"]), code


@pytest.mark.parametrize("service", [name for name, declared in SERVICES.items() if declared.contracts is not None])
def test_the_examples_of_bodies_are_accepted(service: str) -> None:
    """By the models of the routes, which say more than a schema can."""
    table = importlib.import_module(f"services.{service}.facts").TABLE
    schemas = document_of(service)["components"]["schemas"]
    for command in table.commands:
        command.body.model_validate(schemas[command.body.__name__]["examples"][0])


def test_every_status_has_the_header_that_belongs_to_it(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if "operations" in operation["tags"]:
            continue
        wanted = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After", "200": "RateLimit"}
        for status, header in wanted.items():
            assert header in operation["responses"].get(status, {"headers": [header]})["headers"], f"{name} {status}"
        assert {"Accept-Language"} <= {parameter["name"] for parameter in operation["parameters"]}
        assert ("304" in operation["responses"]) == ("If-None-Match" in {parameter["name"] for parameter in operation["parameters"]})


def test_every_problem_is_raised_with_a_status_that_the_catalogue_knows() -> None:
    """The documents tell the statuses of a code by its entry; one that is raised with another must say so there (`also`)."""
    classes = {kind.__name__: status for status, kind in STATUSES.items()} | {PreconditionFailed.__name__: PreconditionFailed.status}
    wrong = []
    for path in [*ROOT.glob("shared/**/*.py"), *ROOT.glob("services/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (name := getattr(node.func, "id", None)) in classes and node.args:
                code = getattr(node.args[0], "value", None)
                if isinstance(code, str) and code in CODES and classes[name] not in statuses_of(CODES[code]):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {code} {classes[name]}")
    assert not wrong
