"""Examples of schemas, made of the examples of their fields, so that each is written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

PREFIX = "#/components/schemas/"
BY_FORMAT = {"uuid": "01938c5e-7f00-7000-8000-0000000000e1", "date": "2026-06-30", "date-time": "2026-06-30T01:30:00.123456Z"}
"""Examples of what has a form; a field may have its own."""


class NoExample(LookupError):
    """A field has no example, and none follows from its schema. The message is its path."""


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], path: str = "") -> Any:
    """An example of a schema that may refer to `schemas`. Raises NoExample."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(PREFIX)
        return example_of(schemas[name], schemas, path or name)
    for name in ("const", "enum"):
        if name in schema:
            return schema[name] if name == "const" else schema[name][0]
    if variants := [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]:
        return _first(variants, schemas, path)
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    if schema.get("type") == "boolean":
        return True
    if schema.get("type") == "array" and "items" in schema:
        return [example_of(schema["items"], schemas, f"{path}[]")]
    if "properties" in schema:
        return {name: example_of(field, schemas, f"{path}.{name}") for name, field in schema["properties"].items()}
    raise NoExample(path)


def _first(variants: Sequence[Mapping[str, Any]], schemas: Mapping[str, Any], path: str) -> Any:
    """Of the first variant that has one; null only where no other has."""
    for one in variants:
        if one.get("type") != "null":
            with suppress(NoExample):
                return example_of(one, schemas, path)
    if any(one.get("type") == "null" for one in variants):
        return None
    raise NoExample(path)


def add_examples(document: Mapping[str, Any]) -> None:
    """Give each schema of an object, and each body and answer, its example.

    What has none is left without: the document must not fail a request. `tests/contract/test_openapi.py` names it.
    """
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if "properties" in schema and "examples" not in schema:
            with suppress(NoExample):
                schema["examples"] = [example_of(schema, schemas, name)]
    for path, item in document["paths"].items():
        for operation in item.values():
            contents = [operation.get("requestBody", {}), *operation.get("responses", {}).values()]
            for media in (media for content in contents for media in content.get("content", {}).values()):
                if "example" not in media and "examples" not in media and "schema" in media:
                    with suppress(NoExample):
                        media["example"] = example_of(media["schema"], schemas, path)
