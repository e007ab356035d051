"""The application answers as its OpenAPI document says, whatever is sent (schemathesis)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.unit.shared.http.web_service import Issuer, app_of


@schemathesis.serializer("application/x-ndjson")
def as_it_is(_context: Any, value: Any) -> bytes:
    """A batch is described as one text."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


issuer = Issuer()
schema = schemathesis.openapi.from_asgi("/openapi.json", app_of(issuer))


@pytest.mark.filterwarnings("ignore")
@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_conform_to_the_document(case: Any) -> None:
    left_out: list[Any] = [positive_data_acceptance]  # A document's schema cannot say every rule.
    if case.operation.path == "/v1/batch":
        left_out.append(negative_data_rejection)  # Bad lines are refused one by one, inside a 200.
    case.call_and_validate(headers={"Authorization": f"Bearer {issuer.token()}"}, excluded_checks=left_out)
