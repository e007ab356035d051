"""Every answer that a test receives is compared with the OpenAPI document of the service: its status, the code of a problem, and its fields.

An answer that the document does not tell of fails the test that received it, so a route cannot be changed without its document.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator

METHODS = ("get", "post", "put", "patch", "delete")
PROBLEM = "application/problem+json"
NDJSON = "application/x-ndjson"
JSON = re.compile(r"application/(.+\+)?json")


class Undocumented(AssertionError):
    """An answer that the document does not tell of. The message is what and where."""


class Document:
    """The OpenAPI document of a service, asked about answers. It is not changed afterwards."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._validators: dict[int, Draft202012Validator] = {}
        self._operations = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), method, operation)
            for path, item in sorted(document["paths"].items(), key=lambda entry: "{" in entry[0])
            for method, operation in item.items()
            if method in METHODS
        ]

    @cached_property
    def _closed(self) -> dict[str, Any]:
        """Its components, with objects that have no field but those described."""
        components = copy.deepcopy(self.document["components"])
        _close(components)
        return dict(components)

    def operation_of(self, method: str, path: str) -> Mapping[str, Any] | None:
        """The operation of a request; None if the document has none: pages, or an address where nothing is."""
        for form, other, operation in self._operations:
            if other == method.lower() and form.fullmatch(path):
                found: Mapping[str, Any] = operation
                return found
        return None

    def codes_of(self, operation: Mapping[str, Any]) -> set[tuple[int, str]]:
        """(status, code) of the problems that an operation tells of."""
        return {
            (int(status), code)
            for status, response in operation["responses"].items()
            for code in response.get("content", {}).get(PROBLEM, {}).get("examples", ())
        }

    def require(self, method: str, path: str, status: int, media_type: str, content: Sequence[Any]) -> None:
        """Raises Undocumented. `content`: the JSON of an answer, of NDJSON each line; empty: it is another text."""
        operation = self.operation_of(method, path)
        if operation is None:
            return
        where = f"{method} {path}"
        response = operation["responses"].get(str(status))
        if response is None:
            raise Undocumented(f"{where} answers {status}, of which its document says nothing: {content}")
        if media_type == PROBLEM and (status, content[0]["code"]) not in self.codes_of(operation):
            raise Undocumented(f"{where} answers {status} {content[0]['code']}, of which its document says nothing")
        if not response.get("content"):
            return
        media = response["content"].get(media_type)
        if media is None:
            raise Undocumented(f"{where} answers {status} as {media_type}, the document says {', '.join(response['content'])}")
        schema = media["schema"].get("x-line", media["schema"])
        for value in content:
            self._require_fields(schema, value, f"{where} answers {status}")

    def require_event(self, path: str, name: str, data: Any) -> None:
        """An event of a stream is one that `x-events` describes. Raises Undocumented."""
        operation = self.operation_of("get", path)
        assert operation is not None
        events = operation["responses"]["200"]["content"]["text/event-stream"]["schema"]["x-events"]
        if name not in events:
            raise Undocumented(f"{path} sends an event {name}, of which its document says nothing")
        self._require_fields(events[name], data, f"{path} sends {name}", closed=True)

    def _require_fields(self, schema: Mapping[str, Any], value: Any, where: str, *, closed: bool = False) -> None:
        # By identity: the document keeps its schemas.
        if (validator := self._validators.get(id(schema))) is None:
            told: dict[str, Any] = copy.deepcopy({**schema})
            if closed:
                _close(told)
            validator = Draft202012Validator({**told, "components": self._closed}, validate_formats=True)
            self._validators[id(schema)] = validator
        if fault := next(validator.iter_errors(value), None):
            raise Undocumented(f"{where}: {'/'.join(map(str, fault.instance_path))}: {fault.message[:300]}")


_documents: dict[int, Document] = {}
"""By the identity of what they were made of, which they keep: applications of the same routes share it (tests/kept.py)."""


def document_of(described: Mapping[str, Any]) -> Document:
    """The document of an application, whose `openapi()` described it."""
    if (found := _documents.get(id(described))) is None:
        found = _documents[id(described)] = Document(described)
    return found


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for one in schema:
            _close(one)
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
        for name, value in schema.items():
            if name not in ("examples", "example", "default"):
                _close(value)


def hook(document: Callable[[], Document]) -> Callable[[httpx.Response], Any]:
    """For `event_hooks={"response": [...]}` of an AsyncClient. Streams are not read."""

    async def check(response: httpx.Response) -> None:
        await response.aread() if not _is_stream(response) else None
        check_response(document(), response)

    return check


def check_response(document: Document, response: httpx.Response) -> None:
    """Raises Undocumented."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip()
    lines = response.content.splitlines() if media_type == NDJSON else [response.content] if JSON.fullmatch(media_type) else []
    content = [json.loads(line) for line in lines]
    document.require(response.request.method, response.request.url.path, response.status_code, media_type, content)


def _is_stream(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("text/event-stream")
