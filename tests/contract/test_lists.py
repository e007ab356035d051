"""No list ends silently: every answer that holds a list says where it goes on (`next`) or how much it leaves out (`left_out`)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from shared.contracts.services import SERVICES
from tests.contract.test_openapi import document_of

DOCUMENTS = {name: partial(document_of, name) for name in SERVICES}
SAID = ("next", "left_out")
COMPLETE = {
    "registry /v1/enterprises/{enterprise_id}": "one resource with its whole history: its statements have no LIMIT",
    "membership /v1/unions/{union_id}": "one resource with every period of coverage: its statement has no LIMIT",
    "cases /v1/cases/{case_id}": "one case with every step: its statement has no LIMIT",
    "cases /v1/negotiations/{negotiation_id}": "one negotiation with every step: its statement has no LIMIT",
    "cases /v1/contracts/{contract_id}": "one contract with every fact of it: its statement has no LIMIT",
    "cases /v1/cases/{case_id}/persons": "whom one entry names, a person per role: its statement has no LIMIT",
    "cases /v1/hardships/{hardship_id}": "one file with every decision and payment: its statement has no LIMIT",
    "cases /v1/hardships/{hardship_id}/persons": "whom one entry names, with the figures of every decision: its statement has no LIMIT",
    "cases /v1/employment-help/{help_id}/persons": "whom one entry names, a person per role: its statement has no LIMIT",
    "subscriptions /v1/subscriptions/{id}/manifests/{day}": "every number of the day, as its signed chain says: its statement has no LIMIT",
    "subscriptions /v1/grants/{grant_id}": "one grant with every version: its statement has no LIMIT",
    "subscriptions /v1/subscriptions/{subscription_id}": "one subscription with its keys; of states and probes the last, as they say",
    "subscriptions /v1/types": "every type that can be granted, as the contracts list them",
    "subscriptions /.well-known/jwks.json": "a key set has all keys (RFC 7517)",
}
"""Answers whose lists are parts of one resource and are never cut."""


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without references."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def holds_objects(document: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether a property is a list of objects; null may stand for it."""
    kinds = [resolved(document, one) for one in schema.get("anyOf", [schema])]
    items = [resolved(document, one["items"]) for one in kinds if one.get("type") == "array" and "items" in one]
    return any("properties" in one for one in items)


def silent(document: dict[str, Any]) -> Iterator[str]:
    """The routes whose answers hold a list and say nothing of what is not in it."""
    for path, item in document["paths"].items():
        content = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        fields = resolved(document, content.get("schema", {})).get("properties", {})
        if any(holds_objects(document, field) for field in fields.values()) and not any(name in fields for name in SAID):
            yield path


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_answer_with_a_list_says_what_is_not_in_it(service: str) -> None:
    assert [path for path in silent(DOCUMENTS[service]()) if f"{service} {path}" not in COMPLETE] == []


def test_every_exception_is_still_a_route() -> None:
    routes = {f"{service} {path}" for service, document in DOCUMENTS.items() for path in document()["paths"]}
    assert COMPLETE.keys() - routes == set()


def test_a_list_that_says_nothing_is_found() -> None:
    document = copy.deepcopy(DOCUMENTS["metrics"]())
    del document["components"]["schemas"]["ExplainAnswer"]["properties"]["next"]
    assert list(silent(document)) == ["/v1/coverage/explain"]
